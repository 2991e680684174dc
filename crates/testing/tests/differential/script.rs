//! What is said, by whom, and what of the answer is used later.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// Ids are used once in the whole test, so that a late answer is not taken for another's.
static LAST_ID: AtomicU32 = AtomicU32::new(100);

/// Returns an id that no other step has.
fn next_id() -> u32 {
    LAST_ID.fetch_add(1, Ordering::Relaxed)
}

/// One thing that a client says.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the case is called in [`wanted`](crate::wanted): its method, or a few words.
    pub name: String,
    /// Which client.
    pub client: usize,
    /// The text; `{{name}}` stands for what an earlier answer gave.
    pub text: String,
    /// What of the answer gets a name: the name, and a JSON pointer.
    pub keeps: Vec<(&'static str, &'static str)>,
}

/// Steps, one after the other.
#[derive(Debug, Default)]
pub struct Script {
    steps: Vec<Step>,
    session: Option<&'static str>,
    client: usize,
}

impl Script {
    /// What follows is said by this client, in the session of that name or in its root.
    pub fn at(&mut self, client: usize, session: Option<&'static str>) -> &mut Self {
        self.client = client;
        self.session = session;
        self
    }

    /// Calls a method.
    pub fn call(&mut self, method: &str, params: &Value) -> &mut Self {
        self.named(method, method, params)
    }

    /// Calls a method, under a name of its own.
    pub fn named(&mut self, name: &str, method: &str, params: &Value) -> &mut Self {
        let mut message = json!({"id": next_id(), "method": method, "params": params});
        if let Some(session) = self.session {
            message["sessionId"] = format!("{{{{{session}}}}}").into();
        }
        self.say(name, message.to_string())
    }

    /// Calls a method without parameters.
    pub fn bare(&mut self, method: &str) -> &mut Self {
        self.call(method, &json!({}))
    }

    /// Says any text.
    pub fn say(&mut self, name: &str, text: impl Into<String>) -> &mut Self {
        let step = Step { name: name.to_owned(), client: self.client, text: text.into(), keeps: Vec::new() };
        self.steps.push(step);
        self
    }

    /// Gives a name to a string in the answer to the last step.
    pub fn keep(&mut self, name: &'static str, pointer: &'static str) -> &mut Self {
        self.steps.last_mut().expect("a step was made").keeps.push((name, pointer));
        self
    }

    /// Evaluates JavaScript.
    pub fn evaluate(&mut self, expression: &str) -> &mut Self {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        self.call("Runtime.evaluate", &params)
    }

    /// Returns the steps.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}
