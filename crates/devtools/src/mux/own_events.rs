//! What the server itself tells clients, and what it hears of what they say.

use memchr::memmem::Finder;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Mux;

impl Mux {
    /// Tells clients of an event of the server's own that concerns some pages (`None`: any page): in each of their CDP sessions with
    /// the browser, and with those pages. `params` makes the parameters from the label that a client was attached with.
    ///
    /// It waits for a client as everything else does, so one that does not read is dropped.
    pub fn tell_clients(&self, method: &str, pages: Option<&[String]>, params: impl Fn(&str) -> Value) {
        // No client is told while the tables are locked: one that is dropped for it changes them.
        let ears = self.routes().ears(pages);
        for ear in ears {
            let mut message = json!({"method": method, "params": params(&ear.label)});
            if let Some(session) = ear.session {
                message["sessionId"] = session.into();
            }
            self.0.hand_over(ear.client, &ear.queue, message.to_string().into());
        }
    }

    /// Notes from now on when a client says a word to a page, anywhere in a message. It is settled once.
    pub fn listen_for(&self, word: &'static str) {
        // A second one would only be the same again.
        let _settled = self.0.word.set(Finder::new(word));
    }

    /// Returns when a client that is still attached to a page last said the word of [`Self::listen_for`] to it.
    pub fn last_said(&self, page: &str) -> Option<Instant> {
        self.routes().last_said(page)
    }
}
