//! The multiplexer over a real headless shell and a real pipe: what a scripted browser cannot prove.
//!
//! The binary is `ROADSTEAD_TEST_HEADLESS_SHELL`, or where Debian puts it. As root it runs as nobody, its sandbox on.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::io::pipe;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use command_fds::{CommandFdExt as _, FdMapping};
use roadstead_devtools::{
    AttachError, CLIENT_QUEUE_BYTES, Client, ClientReceiver, ClientSender, EndReason, Mux, Root,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const HEADLESS_SHELL: &str = "/usr/lib/chromium/chromium-headless-shell";
const NOBODY: u32 = 65534;

/// A running headless shell with one blank page.
struct Browser {
    mux: Mux,
    child: Child,
    _dir: TempDir,
}

impl Browser {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let binary = std::env::var("ROADSTEAD_TEST_HEADLESS_SHELL").unwrap_or(HEADLESS_SHELL.to_owned());
        let (commands, to_browser) = pipe().unwrap();
        let (from_browser, replies) = pipe().unwrap();
        let mut command = Command::new(&binary);
        command
            .args([
                "--remote-debugging-pipe",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-gpu",
            ])
            .arg(format!("--user-data-dir={}", dir.path().display()))
            .arg("about:blank")
            .env_clear()
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .fd_mappings(vec![
                FdMapping { parent_fd: OwnedFd::from(commands), child_fd: 3 },
                FdMapping { parent_fd: OwnedFd::from(replies), child_fd: 4 },
            ])
            .unwrap();
        // A directory that we just made belongs to who we are.
        if std::fs::metadata(dir.path()).unwrap().uid() == 0 {
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{binary} does not start: {error}"));
        drop(command);
        let mux = Mux::start(
            Receiver::from_owned_fd(from_browser.into()).unwrap(),
            Sender::from_owned_fd(to_browser.into()).unwrap(),
        );
        mux.call("Browser.getVersion", json!({}), PATIENCE).await.unwrap();
        Self { mux, child, _dir: dir }
    }

    async fn attach(&self) -> Peer {
        let (sender, receiver) = Client::split(self.mux.attach(Root::Browser).await.unwrap());
        Peer { sender, receiver, last_id: 0, events: Vec::new() }
    }

    async fn page(&self) -> String {
        let found = self.mux.call("Target.getTargets", json!({"filter": [{"type": "page"}]}), PATIENCE).await;
        found.unwrap()["targetInfos"][0]["targetId"].as_str().unwrap().to_owned()
    }

    /// Ends the browser by our own call, and waits for its process.
    async fn end(mut self) {
        self.mux.call("Browser.close", json!({}), PATIENCE).await.unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the browser ends in time").unwrap();
        assert!(status.success(), "{status}");
        timeout(PATIENCE, self.mux.closed()).await.expect("the pipe's end is seen");
    }
}

/// A client as Playwright or Puppeteer would be one: own ids from 1, events kept until they are asked for.
struct Peer {
    sender: ClientSender,
    receiver: ClientReceiver,
    last_id: i32,
    events: Vec<Value>,
}

impl Peer {
    async fn send(&self, message: &Value) {
        self.sender.send(Bytes::from(message.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let message = timeout(PATIENCE, self.receiver.recv()).await.expect("a message in time");
        serde_json::from_slice(&message.expect("the client is attached")).unwrap()
    }

    /// Calls a method, and returns the whole reply.
    async fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.send(&message).await;
        loop {
            let message = self.next().await;
            if message["id"] == id {
                return message;
            }
            assert!(message["method"].is_string(), "another's reply came: {message}");
            self.events.push(message);
        }
    }

    async fn result(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        let mut reply = self.call(session, method, params).await;
        assert_eq!(reply["error"], Value::Null, "{method}");
        assert_eq!(
            reply.get("sessionId").and_then(Value::as_str),
            session,
            "a reply comes from where it was asked"
        );
        reply["result"].take()
    }

    async fn event(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.events.iter().position(&wanted) {
            return self.events.remove(place);
        }
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
            self.events.push(message);
        }
    }

    /// Attaches to a page, and returns the CDP session.
    async fn attach_to(&mut self, target: &str) -> String {
        let params = json!({"targetId": target, "flatten": true});
        self.result(None, "Target.attachToTarget", params).await["sessionId"].as_str().unwrap().to_owned()
    }

    async fn evaluate(&mut self, session: &str, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        self.result(Some(session), "Runtime.evaluate", params).await["result"]["value"].take()
    }

    /// Attaches to every page, new ones before they run.
    async fn auto_attach(&mut self) {
        let params = json!({"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true});
        self.result(None, "Target.setAutoAttach", params).await;
    }

    /// Waits until a page was attached, and returns the CDP session and whether the page waits for this client.
    async fn attached(&mut self, target: &str) -> (String, bool) {
        let event = self
            .event(|event| {
                event["method"] == "Target.attachedToTarget"
                    && event["params"]["targetInfo"]["targetId"] == target
            })
            .await;
        assert_eq!(event.get("sessionId"), None, "an event of the client's root names no session");
        let session = event["params"]["sessionId"].as_str().unwrap().to_owned();
        (session, event["params"]["waitingForDebugger"].as_bool().unwrap())
    }
}

#[tokio::test]
async fn two_clients_hold_new_pages_and_one_vanishes() {
    let browser = Browser::start().await;
    let mut stays = browser.attach().await;
    let mut leaves = browser.attach().await;
    stays.auto_attach().await;
    leaves.auto_attach().await;
    let url = "data:text/html,<script>document.title = 'ran'</script>";
    let created = stays.result(None, "Target.createTarget", json!({"url": url})).await;
    let page = created["targetId"].as_str().unwrap().to_owned();
    let (ours, waits) = stays.attached(&page).await;
    let (theirs, also_waits) = leaves.attached(&page).await;
    assert!(waits && also_waits, "the page waits for both");
    assert_ne!(ours, theirs);

    // A page that waits answers nothing. The other client never lets it go: it is gone, and that must do.
    for (id, method) in [(101, "Page.enable"), (102, "Runtime.runIfWaitingForDebugger")] {
        stays.send(&json!({"id": id, "method": method, "sessionId": ours})).await;
    }
    drop(leaves);
    stays.event(|event| event["method"] == "Page.loadEventFired" && event["sessionId"] == *ours).await;
    assert_eq!(stays.evaluate(&ours, "document.title").await, "ran");
    let foreign = stays.call(Some(&theirs), "Runtime.evaluate", json!({"expression": "1"})).await;
    assert_eq!(foreign["error"]["code"], -32001);
    drop(stays);
    browser.end().await;
}

#[tokio::test]
async fn a_client_reaches_no_session_of_another() {
    let browser = Browser::start().await;
    let page = browser.page().await;
    let mut one = browser.attach().await;
    let mut other = browser.attach().await;
    let in_page = one.attach_to(&page).await;
    // A client may attach to the browser once more: that session is its own, and what comes out of it too.
    let nested = one.result(None, "Target.attachToBrowserTarget", json!({})).await;
    let nested = nested["sessionId"].as_str().unwrap().to_owned();
    let below =
        one.result(Some(&nested), "Target.attachToTarget", json!({"targetId": page, "flatten": true})).await;
    let below = below["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(one.evaluate(&below, "'below'").await, "below");

    for session in [&in_page, &nested, &below] {
        let refused = other.call(Some(session), "Browser.getVersion", json!({})).await;
        assert_eq!(refused["error"]["code"], -32001, "{refused}");
        let detached = other.call(None, "Target.detachFromTarget", json!({"sessionId": session})).await;
        assert_eq!(detached["error"]["message"], "No session with given id");
    }
    // Events go to who enabled them, and to nobody else.
    one.result(Some(&in_page), "Runtime.enable", json!({})).await;
    one.evaluate(&in_page, "console.log('secret')").await;
    one.event(|event| event["method"] == "Runtime.consoleAPICalled").await;
    other.result(None, "Browser.getVersion", json!({})).await;
    assert!(other.events.is_empty(), "{:?}", other.events);

    // With its parent a session ends, and its id is worth nothing any more.
    let with_nested = browser.mux.stats().sessions;
    one.result(None, "Target.detachFromTarget", json!({"sessionId": nested})).await;
    for session in [&nested, &below] {
        assert_eq!(one.call(Some(session), "Browser.getVersion", json!({})).await["error"]["code"], -32001);
    }
    assert_eq!(browser.mux.stats().sessions, with_nested - 2);
    assert_eq!(one.evaluate(&in_page, "'still here'").await, "still here");
    drop((one, other));
    browser.end().await;
}

#[tokio::test]
async fn a_client_of_one_page_sees_that_page_and_ends_with_it() {
    let browser = Browser::start().await;
    let page = browser.page().await;
    let (sender, receiver) = Client::split(browser.mux.attach(Root::Target(page.clone())).await.unwrap());
    let mut client = Peer { sender, receiver, last_id: 0, events: Vec::new() };
    let params = json!({"expression": "location.href", "returnByValue": true});
    assert_eq!(client.result(None, "Runtime.evaluate", params).await["result"]["value"], "about:blank");
    browser.mux.call("Target.createTarget", json!({"url": "about:blank"}), PATIENCE).await.unwrap();
    browser.mux.call("Target.closeTarget", json!({"targetId": page}), PATIENCE).await.unwrap();
    while timeout(PATIENCE, client.receiver.recv()).await.expect("the client ends in time").is_some() {}
    assert_eq!(client.receiver.end_reason(), EndReason::Detached);
    let gone = browser.mux.attach(Root::Target(page.clone())).await.err();
    assert_eq!(gone, Some(AttachError::NoSuchTarget(page)));
    drop(client);
    browser.end().await;
}

#[tokio::test]
async fn many_clients_come_and_go_and_leave_nothing() {
    let browser = Browser::start().await;
    let page = browser.page().await;
    let before = browser.mux.stats();
    for _ in 0..25 {
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut client = browser.attach().await;
            let session = client.attach_to(&page).await;
            assert_eq!(client.evaluate(&session, "1").await, 1);
            // Left unanswered, so that its reply comes to nobody, or never.
            let late = json!({"expression": "new Promise(() => {})", "awaitPromise": true});
            client
                .send(&json!({"id": 99, "method": "Runtime.evaluate", "params": late, "sessionId": session}))
                .await;
            clients.push(client);
        }
        assert_eq!(browser.mux.stats().clients, before.clients + 4);
    }
    let mut clients = browser.mux.clients();
    timeout(PATIENCE, clients.wait_for(|count| *count == before.clients)).await.unwrap().unwrap();
    // Commands are taken in order: when this is answered the detaching is over.
    let targets = browser.mux.call("Target.getTargets", json!({}), PATIENCE).await.unwrap();
    assert_eq!(browser.mux.stats(), before);
    let attached = targets["targetInfos"].as_array().unwrap().iter().any(|target| target["attached"] == true);
    assert!(!attached, "{targets}");
    browser.end().await;
}

#[tokio::test]
async fn a_reply_of_five_megabytes_comes_whole() {
    let browser = Browser::start().await;
    let page = browser.page().await;
    let mut client = browser.attach().await;
    let session = client.attach_to(&page).await;
    let text = client.evaluate(&session, r#"'{"id":7,"sessionId":"x"}'.repeat(5 * 1024 * 1024 / 24)"#).await;
    let expected = r#"{"id":7,"sessionId":"x"}"#;
    let text = text.as_str().unwrap();
    assert_eq!(text.len() / expected.len(), 5 * 1024 * 1024 / 24);
    assert!(text.as_bytes().chunks(expected.len()).all(|piece| piece == expected.as_bytes()));
    drop(client);
    browser.end().await;
}

#[tokio::test]
async fn a_slow_reader_is_dropped_alone() {
    let browser = Browser::start().await;
    let page = browser.page().await;
    let mut slow = browser.attach().await;
    let mut quick = browser.attach().await;
    let slow_session = slow.attach_to(&page).await;
    let quick_session = quick.attach_to(&page).await;
    // One more reply than the queue has room for, and nobody reads them.
    let replies = CLIENT_QUEUE_BYTES / (8 << 20) + 1;
    for id in 0..replies {
        let params = json!({"expression": "'x'.repeat(8 * 1024 * 1024)", "returnByValue": true});
        let message = json!({"id": 100 + id, "method": "Runtime.evaluate", "params": params, "sessionId": slow_session});
        slow.send(&message).await;
    }
    // The page works through its commands in order, so by now the slow one's replies have come.
    assert_eq!(quick.evaluate(&quick_session, "'quick'").await, "quick");
    let mut read = 0;
    while timeout(PATIENCE, slow.receiver.recv()).await.expect("the client is dropped in time").is_some() {
        read += 1;
    }
    assert!(read < replies, "it was dropped before it had read everything");
    assert_eq!(slow.receiver.end_reason(), EndReason::TooSlow);
    assert_eq!(quick.evaluate(&quick_session, "'unharmed'").await, "unharmed");
    drop((slow, quick));
    browser.end().await;
}

#[tokio::test]
async fn closing_is_left_to_the_owner() {
    let mut browser = Browser::start().await;
    let page = browser.page().await;
    let mut client = browser.attach().await;
    let session = client.attach_to(&page).await;
    // Chromium would close for a page's session just as well.
    let close = format!(r#" {{ "sessionId":"{session}", "method" : "Browser\u002eclose", "id":7 }} "#);
    client.sender.send(Bytes::from(close)).await.unwrap();
    assert_eq!(client.next().await, json!({"id": 7, "result": {}, "sessionId": session}));
    timeout(PATIENCE, browser.mux.close_requested()).await.unwrap();
    assert_eq!(client.evaluate(&session, "'open'").await, "open");
    assert!(browser.child.try_wait().unwrap().is_none());
    drop(client);
    browser.end().await;
}

#[tokio::test]
async fn ids_are_what_chromium_takes_for_ids() {
    let browser = Browser::start().await;
    let mut client = browser.attach().await;
    for id in [json!(0), json!(-5), json!(i32::MAX), json!(i32::MIN)] {
        client.send(&json!({"id": id, "method": "Browser.getVersion"})).await;
        let reply = client.next().await;
        assert_eq!((&reply["id"], reply["result"].is_object()), (&id, true));
    }
    for id in [json!("a"), json!(1.5), json!(i64::from(i32::MAX) + 1), Value::Null] {
        client.send(&json!({"id": id, "method": "Browser.getVersion"})).await;
        let reply = client.next().await;
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&Value::Null, &json!(-32600)), "{id}");
    }
    // One id twice at once: both are answered, as without us.
    for _ in 0..2 {
        client.send(&json!({"id": 1, "method": "Browser.getVersion"})).await;
    }
    for _ in 0..2 {
        assert_eq!(client.next().await["id"], 1);
    }
    drop(client);
    browser.end().await;
}

#[tokio::test]
async fn when_the_last_handle_is_gone_the_browser_ends_by_itself() {
    let Browser { mux, mut child, _dir } = Browser::start().await;
    drop(mux);
    let status = timeout(PATIENCE, child.wait()).await.expect("the browser ends in time").unwrap();
    assert!(status.success(), "{status}");
}
