//! The multiplexer between two clients and a browser, all of which may say anything.
//!
//! An input is a list of messages with [`NEXT`] between them, each behind a letter: `1` and `2` are said by a client, anything
//! else by the browser. The clients' roots are [`ROOTS`], and the first forwarded command gets the id 1. Whatever is said, a
//! message that is passed on is the same JSON but for the ids, it comes to whom it is for and to nobody else, and nothing
//! that is forbidden reaches the browser.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;

use super::poll_once;
use super::reference::{self, Member, members, values};
use crate::client::{ClientReceiver, ClientSender};
use crate::mux::bench::Bench;

/// ASCII's record separator, which no JSON holds.
const NEXT: u8 = 0x1e;
/// The CDP sessions that the clients start with.
const ROOTS: [&str; 2] = ["R1", "R2"];

/// Runs one input.
pub fn id_rewriter(input: &[u8]) {
    let mut ground = Ground::new();
    for said in input.split(|byte| *byte == NEXT) {
        match said.split_first() {
            Some((b'1', text)) => ground.client_says(0, text),
            Some((b'2', text)) => ground.client_says(1, text),
            Some((_, text)) => ground.browser_says(text),
            None => {}
        }
    }
}

struct Ground {
    bench: Bench,
    clients: [(ClientSender, ClientReceiver); 2],
    /// By the id that the browser was told: which client asked, and by which id.
    asked: HashMap<i32, (usize, i32)>,
    forwarded: usize,
    delivered: usize,
}

impl Ground {
    fn new() -> Self {
        let bench = Bench::new();
        let clients = ROOTS.map(|root| bench.attach(root));
        Self { bench, clients, asked: HashMap::new(), forwarded: 0, delivered: 0 }
    }

    fn client_says(&mut self, client: usize, text: &[u8]) {
        let sent = poll_once(self.clients[client].0.send(Bytes::copy_from_slice(text)));
        let forwarded = self.bench.taken();
        assert_eq!(self.bench.taken(), None, "one message is one message");
        let answers = self.heard();
        match (sent.expect("there is room for it"), forwarded) {
            (Err(_), forwarded) => assert_eq!((forwarded, answers), (None, Vec::new()), "it has ended"),
            (Ok(()), Some(message)) => {
                assert_eq!(answers, [], "a message is forwarded or answered");
                self.check_forwarded(client, text, &message);
            }
            (Ok(()), None) => check_answer(client, text, &answers),
        }
    }

    fn check_forwarded(&mut self, client: usize, text: &[u8], message: &[u8]) {
        assert!(!reference::is_forbidden(text), "a forbidden command was forwarded");
        assert!(!message.contains(&0), "one message was forwarded as two");
        let (Some(said), Some(told)) = (members(text), members(message)) else {
            panic!("something was forwarded that is no message");
        };
        let theirs = only(&said, "id").and_then(reference::id).expect("a command has an id");
        let ours = only(&told, "id").and_then(reference::id).expect("a command has an id");
        let root = ROOTS[client];
        let mut expected = said.clone();
        replace(&mut expected, "id", ours.to_string());
        if let Some(session) = only(&said, "sessionId") {
            let session = session_id(session).expect("a session's id is a string");
            if session.is_empty() {
                replace(&mut expected, "sessionId", format!("\"{root}\""));
            } else {
                assert_eq!(self.bench.root_of(&session).as_deref(), Some(root), "a session of its own");
            }
        } else {
            let place = expected.iter().position(|(key, _)| key == b"id").expect("a command has an id");
            expected.insert(place + 1, (b"sessionId".to_vec(), format!("\"{root}\"")));
        }
        assert_eq!(told, expected, "only the ids change");
        assert_eq!(self.asked.insert(ours, (client, theirs)), None, "an id is used once");
        self.forwarded += 1;
    }

    fn browser_says(&mut self, text: &[u8]) {
        let said = members(text);
        let session = said.as_ref().and_then(|said| only(said, "sessionId")).and_then(session_id);
        let root = session.as_ref().and_then(|session| self.bench.root_of(session));
        self.bench.deliver(text);
        while self.bench.taken().is_some() {}
        let mut heard = self.heard();
        let Some((client, message)) = heard.pop() else { return };
        assert_eq!(heard, [], "a message is for one");
        // What is no JSON is no message of Chromium's, and comes out as broken as it came in.
        let Some(mut expected) = said else { return };
        match only(&expected, "id").and_then(|id| id.parse().ok()) {
            Some(id) => {
                let (asker, theirs) = self.asked.remove(&id).expect("a reply is to something that was asked");
                assert_eq!(client, asker, "a reply is for who asked");
                replace(&mut expected, "id", theirs.to_string());
            }
            None => assert_eq!(root.as_deref(), Some(ROOTS[client]), "an event is for whose session it is"),
        }
        if session.as_deref() == Some(ROOTS[client]) {
            expected.retain(|(key, _)| key != b"sessionId");
        }
        assert_eq!(members(&message), Some(expected), "only the ids change");
        self.delivered += 1;
    }

    /// Takes what has come for the clients.
    fn heard(&mut self) -> Vec<(usize, Bytes)> {
        let mut heard = Vec::new();
        for (client, (_, receiver)) in self.clients.iter_mut().enumerate() {
            while let Some(Some(message)) = poll_once(receiver.recv()) {
                heard.push((client, message));
            }
        }
        heard
    }
}

/// Checks what a client hears that was not forwarded.
fn check_answer(client: usize, text: &[u8], answers: &[(usize, Bytes)]) {
    let [(answered, answer)] = answers else { panic!("one message has one answer, not {answers:?}") };
    let answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    assert_eq!(*answered, client, "an answer is for who asked");
    assert_ne!(answer.get("error").is_some(), answer.get("result").is_some(), "{answer}");
    let Some(id) = answer.get("id") else { return };
    let asked = members(text).and_then(|said| only(&said, "id").and_then(reference::id));
    assert_eq!(id.as_i64(), asked.map(i64::from), "an answer has the id of what was asked");
}

/// Returns the value of a key that comes once.
fn only<'a>(members: &'a [Member], key: &str) -> Option<&'a str> {
    let mut found = values(members, key);
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

fn replace(members: &mut [Member], key: &str, with: String) {
    if let Some((_, value)) = members.iter_mut().find(|(found, _)| found == key.as_bytes()) {
        *value = with;
    }
}

fn session_id(value: &str) -> Option<String> {
    String::from_utf8(reference::string(value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that reaches nothing finds nothing.
    #[test]
    fn the_target_reaches_both_sides() {
        let mut ground = Ground::new();
        ground.client_says(0, br#"{"id":7,"method":"A"}"#);
        ground.client_says(1, br#" {"params":{"id":1}, "id":2.0, "method":"B","sessionId":"R2"}"#);
        ground.client_says(1, br#"{"id":8,"method":"A","sessionId":"R1"}"#);
        ground.client_says(0, br#"{"id":9,"method":"Browser.close"}"#);
        assert_eq!((ground.forwarded, ground.delivered), (2, 0));
        ground.browser_says(br#"{"id":2,"result":{"id":1},"sessionId":"R2"}"#);
        ground.browser_says(br#"{"id":1,"result":{},"sessionId":"R1"}"#);
        let attached = r#"{"method":"Target.attachedToTarget","params":{"sessionId":"P"},"sessionId":"R1"}"#;
        ground.browser_says(attached.as_bytes());
        ground.browser_says(br#"{"method":"E","params":{},"sessionId":"P"}"#);
        ground.client_says(0, br#"{"id":10,"method":"C","sessionId":"P"}"#);
        assert_eq!((ground.forwarded, ground.delivered), (3, 4));
    }

    #[test]
    fn the_corpus_and_what_is_near_it() {
        let words = [
            "\u{1e}1",
            "\u{1e}2",
            "\u{1e}b",
            r#""id":1"#,
            r#""sessionId":"R1""#,
            r#""sessionId":"R2""#,
            "\\u0061",
            "\\\"",
            "\"method\":",
            "\"params\":{",
            "Browser.close",
            "Target.attachedToTarget",
            "2.0",
            "-1",
            "1e9",
            "\\",
        ];
        roadstead_replay::replay("id_rewriter", 20_000, &words, id_rewriter);
    }
}
