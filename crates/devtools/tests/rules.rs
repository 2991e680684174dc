//! The multiplexer's rules, over a scripted browser: who sees what, who waits, who is dropped.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::time::Duration;

use bytes::Bytes;
use roadstead_devtools::pipe::{MessageReader, write_message};
use roadstead_devtools::{
    CLIENT_QUEUE_BYTES, Client, ClientReceiver, ClientSender, EndReason, Mux, Root, Stats,
};
use serde_json::{Value, json};
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const PIPE_BYTES: usize = 64 << 10;

/// The browser's end of the pipe.
struct Browser {
    reader: MessageReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    roots: u32,
}

impl Browser {
    fn start() -> (Mux, Self) {
        let (ours, theirs) = duplex(PIPE_BYTES);
        let (from_browser, to_browser) = split(ours);
        let (reader, writer) = split(theirs);
        let mux = Mux::start(from_browser, to_browser);
        (mux, Self { reader: MessageReader::new(reader), writer, roots: 0 })
    }

    async fn next(&mut self) -> Value {
        let message = timeout(PATIENCE, self.reader.next()).await.expect("a message in time");
        serde_json::from_slice(&message.unwrap().expect("the pipe is open")).unwrap()
    }

    async fn say(&mut self, message: Value) {
        write_message(&mut self.writer, message.to_string().into_bytes()).await.unwrap();
    }

    /// Answers the attach of a client with a new root, as Chromium does: the event, then the reply.
    async fn attach(&mut self) -> String {
        let request = self.next().await;
        assert_eq!(request["method"], "Target.attachToBrowserTarget");
        self.roots += 1;
        let root = format!("ROOT{}", self.roots);
        self.say(json!({"method": "Target.attachedToTarget", "params": {"sessionId": root}})).await;
        self.say(json!({"id": request["id"], "result": {"sessionId": root}})).await;
        root
    }
}

async fn attach(mux: &Mux, browser: &mut Browser) -> (ClientSender, ClientReceiver, String) {
    let (client, root) = tokio::join!(mux.attach(Root::Browser), browser.attach());
    let (sender, receiver) = Client::split(client.unwrap());
    (sender, receiver, root)
}

async fn send(sender: &ClientSender, message: Value) {
    sender.send(Bytes::from(message.to_string())).await.unwrap();
}

async fn receive(receiver: &mut ClientReceiver) -> Value {
    let message = timeout(PATIENCE, receiver.recv()).await.expect("a message in time");
    serde_json::from_slice(&message.expect("the client is attached")).unwrap()
}

#[tokio::test]
async fn each_client_has_its_own_ids_and_sessions() {
    let (mux, mut browser) = Browser::start();
    let (one, mut to_one, root_one) = attach(&mux, &mut browser).await;
    let (two, mut to_two, root_two) = attach(&mux, &mut browser).await;
    send(&one, json!({"id": 1, "method": "A"})).await;
    let first = browser.next().await;
    send(&two, json!({"id": 1, "method": "B"})).await;
    let second = browser.next().await;
    assert_eq!((&first["sessionId"], &second["sessionId"]), (&json!(root_one), &json!(root_two)));
    assert_ne!(first["id"], second["id"]);
    browser.say(json!({"id": second["id"], "result": {"for": 2}, "sessionId": root_two})).await;
    browser.say(json!({"id": first["id"], "result": {"for": 1}, "sessionId": root_one})).await;
    assert_eq!(receive(&mut to_one).await, json!({"id": 1, "result": {"for": 1}}));
    assert_eq!(receive(&mut to_two).await, json!({"id": 1, "result": {"for": 2}}));

    let attached =
        json!({"method": "Target.attachedToTarget", "params": {"sessionId": "PAGE"}, "sessionId": root_one});
    browser.say(attached).await;
    assert_eq!(receive(&mut to_one).await["params"]["sessionId"], "PAGE");
    browser.say(json!({"method": "E", "params": {}, "sessionId": "PAGE"})).await;
    assert_eq!(receive(&mut to_one).await, json!({"method": "E", "params": {}, "sessionId": "PAGE"}));
    send(&two, json!({"id": 7, "method": "C", "sessionId": "PAGE"})).await;
    let refused = receive(&mut to_two).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32001)));
    send(&two, json!({"id": 8, "method": "C", "sessionId": root_one})).await;
    assert_eq!(receive(&mut to_two).await["error"]["code"], -32001);
}

#[tokio::test]
async fn a_client_that_leaves_is_detached_and_forgotten() {
    let (mux, mut browser) = Browser::start();
    let (sender, receiver, root) = attach(&mux, &mut browser).await;
    let (_stays, _to_stays, _) = attach(&mux, &mut browser).await;
    send(&sender, json!({"id": 1, "method": "Never.answered"})).await;
    browser.next().await;
    assert_eq!(*mux.clients().borrow(), 2);
    drop((sender, receiver));
    let detach = browser.next().await;
    assert_eq!(
        (&detach["method"], &detach["params"]["sessionId"]),
        (&json!("Target.detachFromTarget"), &json!(root))
    );
    browser.say(json!({"id": detach["id"], "result": {}})).await;
    // An answer to somebody else comes after that one, so when it is there the tables are settled.
    let (called, ()) = tokio::join!(mux.call("X", json!({}), PATIENCE), async {
        let call = browser.next().await;
        browser.say(json!({"id": call["id"], "result": {"x": 1}})).await;
    });
    assert_eq!(called.unwrap(), json!({"x": 1}));
    assert_eq!(mux.stats(), Stats { clients: 1, sessions: 1, requests: 0 });
}

#[tokio::test]
async fn a_client_that_gives_up_attaching_leaves_nothing() {
    let (mux, mut browser) = Browser::start();
    {
        let attaching = mux.attach(Root::Browser);
        tokio::pin!(attaching);
        tokio::select! {
            biased;
            _ = &mut attaching => panic!("nobody has answered"),
            () = tokio::task::yield_now() => {}
        }
    }
    let root = browser.attach().await;
    assert_eq!(browser.next().await["params"]["sessionId"], root);
    assert_eq!(mux.stats().clients, 0);
}

#[tokio::test]
async fn a_slow_reader_is_dropped_alone() {
    let (mux, mut browser) = Browser::start();
    let (_slow, mut to_slow, slow_root) = attach(&mux, &mut browser).await;
    let (_quick, mut to_quick, quick_root) = attach(&mux, &mut browser).await;
    let text = "x".repeat(1 << 20);
    for number in 0..=(CLIENT_QUEUE_BYTES >> 20) {
        browser.say(json!({"method": "Big", "params": {"text": text}, "sessionId": slow_root})).await;
        browser.say(json!({"method": "Small", "params": {"number": number}, "sessionId": quick_root})).await;
        assert_eq!(receive(&mut to_quick).await["params"]["number"], number);
    }
    assert!(to_slow.recv().await.is_none());
    assert_eq!(to_slow.end_reason(), EndReason::TooSlow);
}

#[tokio::test]
async fn one_message_may_be_longer_than_the_queue() {
    let (mux, mut browser) = Browser::start();
    let (sender, mut receiver, root) = attach(&mux, &mut browser).await;
    let text = "y".repeat(CLIENT_QUEUE_BYTES + (20 << 20));
    send(&sender, json!({"id": 1, "method": "Huge", "params": {"text": text}})).await;
    let request = browser.next().await;
    assert_eq!(request["params"]["text"].as_str().map(str::len), Some(text.len()));
    browser.say(json!({"id": request["id"], "result": {"text": text}, "sessionId": root})).await;
    assert_eq!(receive(&mut receiver).await["result"]["text"].as_str().map(str::len), Some(text.len()));
}

#[tokio::test]
async fn closing_the_browser_is_answered_and_left_to_its_owner() {
    for close in [
        r#"{"id":3,"method":"Browser.close"}"#,
        r#" { "method" : "Browser\u002eclose" , "params":{}, "id" : 3 } "#,
        "{\"sessionId\":\"ROOT1\",\"\\u006dethod\":\"Browser.close\",\"id\":3}",
    ] {
        let (mux, mut browser) = Browser::start();
        let (sender, mut receiver, _) = attach(&mux, &mut browser).await;
        sender.send(Bytes::from(close)).await.unwrap();
        assert_eq!(receive(&mut receiver).await["result"], json!({}), "{close}");
        timeout(PATIENCE, mux.close_requested()).await.unwrap();
        send(&sender, json!({"id": 4, "method": "Next"})).await;
        assert_eq!(browser.next().await["method"], "Next");
    }
}

#[tokio::test]
async fn what_is_no_message_is_answered_like_chromium_does() {
    let (mux, mut browser) = Browser::start();
    let (sender, mut receiver, _) = attach(&mux, &mut browser).await;
    for (text, code) in [
        ("", -32700),
        ("[]", -32600),
        ("{\"id\":1", -32700),
        (r#"{"id":1,"id":2,"method":"A"}"#, -32700),
        (r#"{"method":"A"}"#, -32600),
        (r#"{"id":"1","method":"A"}"#, -32600),
        (r#"{"id":1.5,"method":"A"}"#, -32600),
        (r#"{"id":1,"method":"A","sessionId":7}"#, -32600),
        (r#"{"id":1,"method":"A","extra":1}"#, -32600),
        (r#"{"extra":1,"id":1,"method":"A"}"#, -32600),
    ] {
        sender.send(Bytes::from(text)).await.unwrap();
        assert_eq!(receive(&mut receiver).await["error"]["code"], code, "{text}");
    }
}

#[tokio::test]
async fn when_the_pipe_ends_everybody_is_told() {
    let (mux, mut browser) = Browser::start();
    let (sender, mut receiver, _) = attach(&mux, &mut browser).await;
    let call = mux.call("Never.answered", json!({}), PATIENCE);
    let (answer, ()) = tokio::join!(call, async {
        browser.next().await;
        drop(browser);
    });
    assert!(answer.is_err());
    timeout(PATIENCE, mux.closed()).await.unwrap();
    assert!(receiver.recv().await.is_none());
    assert_eq!(receiver.end_reason(), EndReason::BrowserGone);
    assert!(sender.send(Bytes::from(r#"{"id":1,"method":"A"}"#)).await.is_err());
}

#[tokio::test]
async fn a_detached_root_ends_its_client() {
    let (mux, mut browser) = Browser::start();
    let (_sender, mut receiver, root) = attach(&mux, &mut browser).await;
    browser.say(json!({"method": "Target.detachedFromTarget", "params": {"sessionId": root}})).await;
    assert!(timeout(PATIENCE, receiver.recv()).await.unwrap().is_none());
    assert_eq!(receiver.end_reason(), EndReason::Detached);
}
