//! Rate limits: creates per key, and wrong keys and tokens per address.

use roadstead_testing::server::{API_KEY, TestServer, TestServerOptions};
use serde_json::json;

use crate::cdp::Socket;

async fn server(config: &'static str) -> TestServer {
    TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await
}

#[tokio::test]
async fn a_key_that_creates_too_much_is_told_when_to_come_back() {
    let server = server("[limits]\ncreates_per_minute = 2").await;
    let client = server.client();
    for left in [1, 0] {
        let created = client.post("/v1/sessions", json!({})).await;
        created.data();
        let told = created.header("ratelimit").unwrap();
        assert!(told.starts_with(&format!("\"creates\"; r={left}; t=")), "{told}");
        assert_eq!(created.header("ratelimit-policy"), Some("\"creates\"; q=2; w=60"));
    }
    let refused = client.post("/v1/sessions", json!({})).await;
    let (status, message) = refused.failure();
    assert_eq!(status, 429);
    assert!(
        message.starts_with("Session creation rate limit exceeded: this key creates too many"),
        "{message}"
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), Some(format!("\"creates\"; r=0; t={wait}").as_str()));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"creates\"; q=2; w=60"));

    // A connection that brings its own session creates one too.
    let url = client.ws(&format!("/?apiKey={API_KEY}"));
    assert_eq!(Socket::try_open(&url, None).await.err().unwrap().0, 429);
    // Nothing else is limited, and nobody else.
    client.get("/v1/sessions").await.data();
    server.other_project().await.session(json!({})).await;
}

#[tokio::test]
async fn without_a_limit_nothing_is_told() {
    let server = server("[limits]\ncreates_per_minute = 0").await;
    let created = server.client().post("/v1/sessions", json!({})).await;
    created.data();
    assert_eq!((created.header("ratelimit"), created.header("ratelimit-policy")), (None, None));
}

#[tokio::test]
async fn wrong_keys_and_tokens_lock_an_address_out_and_a_right_key_passes() {
    let server = server("[limits]\nfailed_auth_per_minute = 3").await;
    let session = server.client().session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    let wrong_key =
        roadstead_testing::answer::Client::new(server.address(), Some("sk-wrong-key-of-somebody"));
    let wrong_token = server.client().ws(&format!("/?sessionId={id}&token=wrong"));
    assert_eq!(wrong_key.get("/v1/sessions").await.failure().0, 401);
    assert_eq!(wrong_key.get("/json/version").await.failure().0, 401);
    assert_eq!(Socket::try_open(&wrong_token, None).await.err().unwrap().0, 401);

    let refused = wrong_key.get("/v1/sessions").await;
    assert_eq!(refused.failure().0, 429);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("ratelimit-policy"), Some("\"failed-authentication\"; q=3; w=60"));
    assert_eq!(Socket::try_open(&wrong_token, None).await.err().unwrap().0, 429);
    let wrong_query = server.client().ws("/?apiKey=sk-wrong-key-of-somebody");
    assert_eq!(Socket::try_open(&wrong_query, None).await.err().unwrap().0, 429);

    // Others share the address.
    server.get("/v1/sessions").await.data();
    assert!(Socket::try_open(session["cdp_url"].as_str().unwrap(), None).await.is_ok());
    // Without any key nothing is guessed.
    assert_eq!(server.stranger().get("/v1/sessions").await.failure().0, 401);
}
