//! What goes through a connection, and how connections end.

use roadstead_testing::server::TestServer;
use serde_json::{Value, json};

use super::Socket;

/// Starts a session and returns its id and URL.
async fn session(server: &TestServer, body: Value) -> (String, String) {
    let session = server.client().session(body).await;
    (session["id"].as_str().unwrap().to_owned(), session["cdp_url"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn clients_see_their_own_replies_and_cdp_sessions_alone() {
    let server = TestServer::start().await;
    let (id, url) = session(&server, json!({})).await;
    let pages = server.get(&format!("/v1/sessions/{id}/pages")).await.data();
    let (mut one, mut two) = (Socket::open(&url).await, Socket::open(&url).await);
    one.say(json!({"id": 1, "method": "Fake.echo", "params": {"who": "one"}})).await;
    two.say(json!({"id": 1, "method": "Fake.echo", "params": {"who": "two"}})).await;
    assert_eq!(one.hear().await.unwrap(), json!({"id": 1, "result": {"who": "one"}}));
    assert_eq!(two.hear().await.unwrap(), json!({"id": 1, "result": {"who": "two"}}));

    let attach = json!({"id": 2, "method": "Target.attachToTarget", "params": {"targetId": pages["items"][0]["id"], "flatten": true}});
    let attached = one.call(attach).await;
    let page = attached["result"]["sessionId"].as_str().unwrap();
    let echo = json!({"id": 3, "method": "Fake.echo", "params": {}, "sessionId": page});
    assert_eq!(one.call(echo.clone()).await, json!({"id": 3, "result": {}, "sessionId": page}));
    assert_eq!(two.call(echo).await["error"]["code"], -32001, "another client's CDP session is unknown");
}

#[tokio::test]
async fn large_messages_pass_both_ways() {
    let server = TestServer::start().await;
    let (_, url) = session(&server, json!({})).await;
    let mut socket = Socket::open(&url).await;
    let text = "ж".repeat(8 << 20);
    let reply = socket.call(json!({"id": 1, "method": "Fake.echo", "params": {"text": text}})).await;
    assert!(reply["result"]["text"] == text, "it is not the same");
}

#[tokio::test]
async fn broken_messages_are_answered_and_harm_nobody() {
    let server = TestServer::start().await;
    let (_, url) = session(&server, json!({})).await;
    let mut socket = Socket::open(&url).await;
    socket.say(json!("not an object")).await;
    assert!(socket.hear().await.unwrap()["error"]["code"].is_i64());
    assert_eq!(socket.call(json!({"id": 1, "method": "Fake.echo", "params": {}})).await["result"], json!({}));
}

#[tokio::test]
async fn an_ended_session_says_so_to_its_clients() {
    let mut server = TestServer::start().await;
    let (id, url) = session(&server, json!({})).await;
    let (mut one, mut two) = (Socket::open(&url).await, Socket::open(&url).await);
    let ended = server.client().clone();
    let end = tokio::spawn(async move { ended.delete(&format!("/v1/sessions/{id}")).await.data() });
    assert_eq!(one.farewell().await, (1001, "session ended: requested".to_owned()));
    assert_eq!(two.farewell().await, (1001, "session ended: requested".to_owned()));
    end.await.unwrap();
    drop((one, two));
    server.stop();
    let log = server.log();
    let closed =
        log.lines().find(|line| line.contains("connection closed")).expect("a connection's end is logged");
    assert!(closed.contains("request.id=") && closed.contains("session.id="), "{closed}");
}

#[tokio::test]
async fn browser_close_is_answered_and_ends_the_session_with_its_saves() {
    let server = TestServer::start().await;
    let (id, url) = session(&server, json!({"browser": {"profile": {"name": "p", "persist": true}}})).await;
    let mut socket = Socket::open(&url).await;
    assert_eq!(
        socket.call(json!({"id": 1, "method": "Browser.close"})).await,
        json!({"id": 1, "result": {}})
    );
    assert_eq!(socket.farewell().await, (1001, "session ended: requested".to_owned()));
    let ended = server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(
        (&ended["session_status"], &ended["receipts"][0]["status"]),
        (&json!("completed"), &json!("saved"))
    );
}

#[tokio::test]
async fn a_crashed_browser_fails_its_session_and_says_so() {
    let server = TestServer::start().await;
    let (id, url) = session(&server, json!({})).await;
    let mut socket = Socket::open(&url).await;
    socket.say(json!({"id": 1, "method": "Browser.crash"})).await;
    assert_eq!(socket.farewell().await, (1001, "session ended: browser_exited".to_owned()));
    let ended = server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!((&ended["session_status"], &ended["reason"]), (&json!("failed"), &json!("browser_exited")));
}

#[tokio::test]
async fn a_deadline_ends_a_session_whoever_is_connected() {
    let server = TestServer::start().await;
    let (_, url) = session(&server, json!({"session": {"timeout": {"max_duration": 0.01}}})).await;
    let mut socket = Socket::open(&url).await;
    assert_eq!(socket.farewell().await, (1001, "session ended: deadline".to_owned()));
}

#[tokio::test]
async fn the_idle_timer_starts_when_the_last_connection_closes() {
    let server = TestServer::start().await;
    let (id, url) = session(&server, json!({"session": {"timeout": {"idle_timeout": 0.005}}})).await;
    let mut staying = Socket::open(&url).await;
    drop(Socket::open(&url).await);
    // Longer than the idle timeout: as long as one is connected it does not run.
    for _ in 0..10 {
        staying.call(json!({"id": 1, "method": "Fake.echo", "params": {}})).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    drop(staying);
    let deadline = tokio::time::Instant::now() + super::PATIENCE;
    while server.get(&format!("/v1/sessions/{id}")).await.data()["reason"] != "idle" {
        assert!(tokio::time::Instant::now() < deadline, "it never became idle");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_page_that_is_closed_ends_its_connection() {
    let server = TestServer::start().await;
    let (id, url) = session(&server, json!({})).await;
    let pages = server.get(&format!("/v1/sessions/{id}/pages")).await.data();
    let mut page = Socket::open(pages["items"][0]["cdp_url"].as_str().unwrap()).await;
    let mut browser = Socket::open(&url).await;
    browser
        .say(
            json!({"id": 1, "method": "Target.closeTarget", "params": {"targetId": pages["items"][0]["id"]}}),
        )
        .await;
    assert_eq!(page.farewell().await, (1000, "the page is gone".to_owned()));
}

#[tokio::test]
async fn a_slow_reader_is_dropped_with_a_reason_and_the_others_are_unharmed() {
    let server = TestServer::start().await;
    let (_, url) = session(&server, json!({})).await;
    let (mut slow, mut brisk) = (Socket::open(&url).await, Socket::open(&url).await);
    // 128 MiB of events, of which it reads the first alone.
    slow.say(json!({"id": 1, "method": "Fake.flood", "params": {"count": 128, "bytes": 1 << 20}})).await;
    assert_eq!(slow.hear().await.unwrap()["method"], "Fake.drop");
    // The browser does one thing after the other: once it answers the other, all of the flood is out.
    let echo = json!({"id": 2, "method": "Fake.echo", "params": {"a": 1}});
    assert_eq!(brisk.call(echo).await, json!({"id": 2, "result": {"a": 1}}));
    let (code, reason) = slow.farewell().await;
    assert_eq!(code, 1008);
    assert!(reason.starts_with("reader too slow"), "{reason}");
}
