//! Two browsers that hear the same, and what each of them answers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use reqwest::Method;
use roadstead_testing::ground::{Ground, text};
use roadstead_testing::program::Program;
use serde_json::{Value, json};

use crate::bare::Bare;
use crate::findings::Findings;
use crate::normal::normal;
use crate::script::{Script, Step};
use crate::wire::Wire;

/// How many clients each browser has.
pub const CLIENTS: usize = 3;

/// The server's browser and the bare one.
pub struct Pair {
    ours: Side,
    bare: Side,
    browser: Bare,
    program: Program,
    _ground: Ground,
    findings: Findings,
}

/// One browser's clients.
struct Side {
    whose: &'static str,
    clients: Vec<Wire>,
    /// What of its answers has got a name.
    names: BTreeMap<String, String>,
}

impl Side {
    async fn connect(whose: &'static str, url: &str) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Wire::open(url).await?);
        }
        Ok(Self { whose, clients, names: BTreeMap::new() })
    }

    /// Says one thing and returns the answer.
    async fn take(&mut self, step: &Step) -> Result<Value> {
        let client = &mut self.clients[step.client];
        let text = fill(&step.text, &self.names);
        let id = serde_json::from_str::<Value>(&text).ok().and_then(|said| said["id"].as_i64());
        client.say(text).await?;
        let answer = client.answer(id).await.context(self.whose)?;
        for (name, pointer) in &step.keeps {
            let found = answer.pointer(pointer).and_then(Value::as_str);
            let found = found.with_context(|| format!("{}: nothing at {pointer} in {answer}", step.name))?;
            self.names.insert((*name).to_owned(), found.to_owned());
        }
        Ok(answer)
    }

    /// Says everything at once, and returns each client's answers by their ids.
    async fn flood(&mut self, steps: &[Step]) -> Result<Vec<Vec<Value>>> {
        for step in steps {
            self.clients[step.client].say(fill(&step.text, &self.names)).await?;
        }
        let mut answers = Vec::new();
        for (place, client) in self.clients.iter_mut().enumerate() {
            let mut heard = Vec::new();
            for _ in steps.iter().filter(|step| step.client == place) {
                heard.push(client.answer(None).await.context(self.whose)?);
            }
            heard.sort_by_key(|answer| answer["id"].as_i64());
            answers.push(heard.iter().map(|answer| normal(answer, &self.names)).collect());
        }
        Ok(answers)
    }

    /// Returns, in an order of their own, the events of these methods that a client has heard.
    fn events(&mut self, client: usize, methods: &[&str]) -> Vec<Value> {
        let heard = self.clients[client].take_events();
        let among = |event: &&Value| event["method"].as_str().is_some_and(|method| methods.contains(&method));
        let mut events: Vec<Value> =
            heard.iter().filter(among).map(|event| normal(event, &self.names)).collect();
        events.sort_by_key(Value::to_string);
        events
    }
}

fn fill(text: &str, names: &BTreeMap<String, String>) -> String {
    if !text.contains("{{") {
        return text.to_owned();
    }
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

impl Pair {
    /// Starts a server with a session, and a browser that is like the session's.
    pub async fn start() -> Result<Self> {
        let ground = Ground::new().await?;
        let program = ground.program().await?;
        let body = json!({"browser": {"headless": {"active": true}}});
        let session = program.data(Method::POST, "/v1/sessions", Some(body)).await?;
        let browser = Bare::like(ground.browser_of(text(&session["id"]))?).await?;
        let ours = Side::connect("ours", text(&session["cdp_url"])).await?;
        let bare = Side::connect("bare", &browser.websocket()).await?;
        Ok(Self { ours, bare, browser, program, _ground: ground, findings: Findings::default() })
    }

    /// Returns what the bare browser says of its protocol.
    pub async fn protocol(&self) -> Result<Value> {
        self.browser.protocol().await
    }

    /// Has both browsers take the same steps, and compares each answer.
    pub async fn play(&mut self, script: Script) -> Result<()> {
        for step in script.into_steps() {
            self.play_step(&step, Value::clone).await?;
        }
        Ok(())
    }

    /// Takes one step. `view` is what of the answers is compared.
    pub async fn play_step(&mut self, step: &Step, view: fn(&Value) -> Value) -> Result<()> {
        let answers = tokio::try_join!(self.ours.take(step), self.bare.take(step));
        let (ours, bare) = answers.with_context(|| format!("{}; {}", step.name, self.findings))?;
        let (ours, bare) = (normal(&ours, &self.ours.names), normal(&bare, &self.bare.names));
        self.findings.compare(&step.name, &view(&ours), &view(&bare));
        Ok(())
    }

    /// Has the clients of both say everything at once, and compares each answer.
    pub async fn flood(&mut self, name: &str, script: Script) -> Result<()> {
        let steps = script.into_steps();
        let answers = tokio::try_join!(self.ours.flood(&steps), self.bare.flood(&steps));
        let (ours, bare) = answers.with_context(|| format!("{name}; {}", self.findings))?;
        for (ours, bare) in ours.iter().flatten().zip(bare.iter().flatten()) {
            self.findings.compare(name, ours, bare);
        }
        Ok(())
    }

    /// Forgets the events that were heard until now.
    pub fn forget_events(&mut self) {
        for client in 0..CLIENTS {
            self.ours.events(client, &[]);
            self.bare.events(client, &[]);
        }
    }

    /// Compares the events of these methods that each client has heard, and returns how many the bare browser's have.
    pub fn compare_events(&mut self, methods: &[&str]) -> usize {
        let mut count = 0;
        for client in 0..CLIENTS {
            let (ours, bare) = (self.ours.events(client, methods), self.bare.events(client, methods));
            count += bare.len();
            for place in 0..ours.len().max(bare.len()) {
                let at = |events: &[Value]| events.get(place).cloned().unwrap_or_default();
                self.findings.compare(&format!("an event for client {client}"), &at(&ours), &at(&bare));
            }
        }
        count
    }

    /// Ends both, and says what differs.
    pub async fn judge(self) -> Result<()> {
        drop((self.ours, self.bare));
        self.browser.end().await?;
        self.program.stop().await?;
        self.findings.judge()
    }
}
