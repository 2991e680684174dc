//! Two browsers that hear the same, and what each of them answers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::ground::{Ground, text};
use roadstead_testing::program::Program;
use serde_json::{Value, json};

use crate::bare::Bare;
use crate::normal::normal;
use crate::script::{Script, Step};
use crate::wanted::WANTED;
use crate::wire::Wire;

/// How many clients each browser has.
pub const CLIENTS: usize = 3;
/// How much of an answer is shown when it differs, in characters.
const SHOWN: usize = 600;

/// The server's browser and the bare one.
pub struct Pair {
    ours: Side,
    bare: Side,
    browser: Bare,
    program: Program,
    _ground: Ground,
    compared: usize,
    needed: BTreeSet<&'static str>,
    differences: Vec<String>,
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

/// Tells whether an entry is about a case; one that ends with a star is about all whose names begin so.
fn matches(wanted: &str, name: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == name, |start| name.starts_with(start))
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
        let (needed, differences) = (BTreeSet::new(), Vec::new());
        Ok(Self { ours, bare, browser, program, _ground: ground, compared: 0, needed, differences })
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
        let (ours, bare) = tokio::try_join!(self.ours.take(step), self.bare.take(step))?;
        let (ours, bare) = (normal(&ours, &self.ours.names), normal(&bare, &self.bare.names));
        self.compare(&step.name, &view(&ours), &view(&bare));
        Ok(())
    }

    /// Has the clients of both say everything at once, and compares each answer.
    pub async fn flood(&mut self, name: &str, script: Script) -> Result<()> {
        let steps = script.into_steps();
        let (ours, bare) = tokio::try_join!(self.ours.flood(&steps), self.bare.flood(&steps))?;
        for (ours, bare) in ours.iter().flatten().zip(bare.iter().flatten()) {
            self.compare(name, ours, bare);
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

    /// Compares the events of these methods that each client has heard, and returns how many there were.
    pub fn compare_events(&mut self, methods: &[&str]) -> usize {
        let before = self.compared;
        for client in 0..CLIENTS {
            let (ours, bare) = (self.ours.events(client, methods), self.bare.events(client, methods));
            for place in 0..ours.len().max(bare.len()) {
                let at = |events: &[Value]| events.get(place).cloned().unwrap_or_default();
                self.compare(&format!("an event for client {client}"), &at(&ours), &at(&bare));
            }
        }
        self.compared - before
    }

    /// Compares two answers.
    fn compare(&mut self, name: &str, ours: &Value, bare: &Value) {
        self.compared += 1;
        if ours == bare {
            return;
        }
        // A result is the same, or wrong.
        let refused = ours.get("error").is_some();
        let mut wanted = WANTED.iter().filter(|_| refused);
        if let Some((wanted, _)) = wanted.find(|(wanted, _)| matches(wanted, name)) {
            self.needed.insert(wanted);
            return;
        }
        let short = |answer: &Value| answer.to_string().chars().take(SHOWN).collect::<String>();
        self.differences.push(format!("{name}:\n  ours {}\n  bare {}", short(ours), short(bare)));
    }

    /// Returns how many answers were compared.
    pub fn compared(&self) -> usize {
        self.compared
    }

    /// Ends both, and says what differs.
    pub async fn judge(self) -> Result<()> {
        drop((self.ours, self.bare));
        self.browser.end().await?;
        self.program.stop().await?;
        let found = &self.differences;
        ensure!(
            found.is_empty(),
            "{} of {} answers differ:\n{}",
            found.len(),
            self.compared,
            found.join("\n")
        );
        let idle: Vec<_> = WANTED.iter().filter(|(name, _)| !self.needed.contains(name)).collect();
        ensure!(idle.is_empty(), "nothing differs here any more: {idle:?}");
        Ok(())
    }
}
