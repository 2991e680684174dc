//! `?apiKey=` alone: a session that lives as long as the connection.

use roadstead_testing::answer::Client;
use roadstead_testing::fake_browser::Behaviour;
use roadstead_testing::server::{API_KEY, TestServer, TestServerOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{PATIENCE, Socket};

/// Waits until the one session of the server has a status.
async fn wait_for(client: &Client, status: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let list = client.get("/v1/sessions").await.data();
        if list["sessions"][0]["status"] == status {
            return list["sessions"][0].clone();
        }
        assert!(Instant::now() < deadline, "never {status}: {list}");
        sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_connection_brings_a_session_and_takes_it_along() {
    let server = TestServer::start().await;
    let mut socket = Socket::open(&server.client().ws(&format!("/?apiKey={API_KEY}"))).await;
    let reply = socket.call(json!({"id": 7, "method": "Browser.getVersion"})).await;
    assert_eq!(reply["id"], 7);
    wait_for(server.client(), "running").await;
    // Vanishes without a word.
    drop(socket);
    let ended = wait_for(server.client(), "completed").await;
    assert_eq!(ended["reason"], "requested");
}

#[tokio::test]
async fn a_browser_that_does_not_start_is_503_before_the_upgrade() {
    let options = TestServerOptions { browser: Behaviour::ExitAtOnce, ..TestServerOptions::default() };
    let mut server = TestServer::start_with(options).await;
    server.expect_error("the browser did not start");
    let refused = Socket::try_open(&server.client().ws("/"), Some(API_KEY)).await;
    assert_eq!(refused.err().expect("it is refused").0, 503);
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_browser_is_there_leaves_nothing() {
    let config = "[sessions]\nstart_seconds = 1";
    let mut server = TestServer::start_with(TestServerOptions { browser: Behaviour::Silent, config }).await;
    server.expect_error("the browser did not start");
    let url = server.client().ws(&format!("/?apiKey={API_KEY}"));
    let connecting =
        tokio::time::timeout(std::time::Duration::from_millis(300), Socket::try_open(&url, None));
    assert!(connecting.await.is_err());
    wait_for(server.client(), "failed").await;
}
