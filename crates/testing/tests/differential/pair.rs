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

    /// Says everything at once, and returns the answers, each client's in the order of their ids.
    async fn flood(&mut self, steps: &[Step]) -> Result<Vec<Value>> {
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
            answers.extend(heard.iter().map(|answer| normal(answer, &self.names)));
        }
        Ok(answers)
    }

    /// Returns the events of these methods that a client has heard since it was last asked.
    fn events(&mut self, client: usize, methods: &[&str]) -> Vec<Value> {
        let heard = self.clients[client].take_events();
        let among = |event: &&Value| event["method"].as_str().is_some_and(|method| methods.contains(&method));
        heard.iter().filter(among).map(|event| normal(event, &self.names)).collect()
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
            let answers = tokio::try_join!(self.ours.take(&step), self.bare.take(&step));
            let (ours, bare) = answers.with_context(|| format!("{}; {}", step.name, self.findings))?;
            let (ours, bare) = (normal(&ours, &self.ours.names), normal(&bare, &self.bare.names));
            self.findings.compare(&step.name, &ours, &bare);
        }
        Ok(())
    }

    /// Has the clients of both say everything at once, and compares each answer. A client's ids ascend. `view` is what of the
    /// answers is compared.
    pub async fn flood(&mut self, mut steps: Vec<Step>, view: fn(&Value) -> Value) -> Result<()> {
        let answers = tokio::try_join!(self.ours.flood(&steps), self.bare.flood(&steps));
        let (ours, bare) = answers.with_context(|| self.findings.to_string())?;
        // As the answers come: a stable sort, so each client's stay in their order.
        steps.sort_by_key(|step| step.client);
        for (step, (ours, bare)) in steps.iter().zip(ours.iter().zip(&bare)) {
            self.findings.compare(&step.name, &view(ours), &view(bare));
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

    /// Compares the events of these methods that each client has heard, in any order, and returns how many the bare
    /// browser's clients have.
    pub fn compare_events(&mut self, methods: &[&str]) -> usize {
        let mut count = 0;
        for client in 0..CLIENTS {
            let case = format!("an event for client {client}");
            let (ours, mut bare) = (self.ours.events(client, methods), self.bare.events(client, methods));
            count += bare.len();
            for event in ours {
                let same = bare.iter().position(|other| *other == event).map(|place| bare.swap_remove(place));
                self.findings.compare(&case, &event, &same.unwrap_or_default());
            }
            for event in bare {
                self.findings.compare(&case, &Value::Null, &event);
            }
        }
        count
    }

    /// Ends both, and says what differs.
    pub async fn judge(self) -> Result<()> {
        drop((self.ours, self.bare));
        let build = self.browser.build();
        self.browser.end().await?;
        self.program.stop().await?;
        self.findings.judge(build)
    }
}
