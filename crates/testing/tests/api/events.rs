//! `/v1/events`.

use roadstead_testing::server::TestServer;
use serde_json::json;

#[tokio::test]
async fn a_signal_that_comes_first_is_kept_for_one_who_waits() {
    let server = TestServer::start().await;
    let client = server.client();
    for code in ["1", "2"] {
        let signaled = client.post("/v1/events/login%20done", json!({"data": {"code": code}})).await;
        assert_eq!(signaled.data(), json!({"status": "success"}));
    }
    // In their order, each once, and to their own project alone.
    let other = server.other_project().await;
    let wait = "/v1/events/login%20done/wait";
    assert_eq!(other.post(wait, json!({"timeoutMs": 1})).await.failure().0, 408);
    assert_eq!(client.post("/v1/events/login/wait", json!({"timeoutMs": 1})).await.failure().0, 408);
    for code in ["1", "2"] {
        let waited = client.send(client.request(reqwest::Method::POST, wait)).await;
        assert_eq!(waited.data(), json!({"code": code}));
    }
    let (status, message) = client.post(wait, json!({"timeoutMs": 20})).await.failure();
    assert_eq!(
        (status, message.as_str()),
        (
            408,
            "The event \"login done\" was not signaled within 20 ms; wait again, or longer with timeoutMs."
        )
    );
    let (_, message) = client.post(wait, json!({"timeoutMs": -1})).await.failure();
    assert_eq!(message, "timeoutMs: must be a number of milliseconds from 0 to 3600000");
    assert_eq!(
        client.post("/v1/events/x", json!({})).await.failure(),
        (400, "missing field `data`".to_owned())
    );
    assert_eq!(client.post("/v1/events/x", json!({"data": "y"})).await.failure().0, 400);
}

#[tokio::test]
async fn a_wait_goes_on_when_the_signal_comes() {
    let server = TestServer::start().await;
    let client = server.client();
    let waiting = client.post("/v1/events/go/wait", json!({"timeoutMs": 60_000}));
    let (waited, signaled) =
        tokio::join!(waiting, client.post("/v1/events/go", json!({"data": {"go": true}})));
    signaled.data();
    assert_eq!(waited.data(), json!({"go": true}));
}

#[tokio::test]
async fn what_a_signal_carries_is_readable_nowhere() {
    let server = TestServer::start().await;
    server.client().post("/v1/events/otp", json!({"data": {"code": "moonraker-skysail"}})).await.data();
    for file in std::fs::read_dir(server.data_dir()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(9).any(|window| window == b"moonraker"), "a signal can be read on the disk");
    }
    assert!(!server.log().contains("moonraker"));
}
