//! Behind a reverse proxy: what it says is believed when it is known, and nobody else's word is.

use reqwest::Method;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::json;

/// Starts a session as a proxy would, and returns the start of its `cdp_url` and the log.
async fn through_proxy(config: &'static str) -> (String, String, String) {
    let server = TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await;
    let client = server.client();
    let request = client
        .request(Method::POST, "/v1/sessions")
        .json(&json!({}))
        .header("x-forwarded-for", "198.51.100.99, 203.0.113.7")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "browsers.example");
    let url = client.send(request).await.data()["cdp_url"].as_str().unwrap().to_owned();
    let start = url.split("/?").next().unwrap().to_owned();
    (start, server.address().to_string(), server.log())
}

#[tokio::test]
async fn a_known_proxy_is_believed() {
    let (url, _, log) = through_proxy("[server]\ntrusted_proxies = ['127.0.0.0/8']").await;
    assert_eq!(url, "wss://browsers.example");
    assert!(log.contains("client.address=203.0.113.7"), "{log}");
    assert!(!log.contains("198.51.100.99"), "a client's own word counts for nothing");
}

#[tokio::test]
async fn nobody_else_is() {
    let (url, address, log) = through_proxy("[server]\ntrusted_proxies = ['10.0.0.0/8']").await;
    assert_eq!(url, format!("ws://{address}"));
    assert!(log.contains("client.address=127.0.0.1") && !log.contains("203.0.113.7"), "{log}");
}

#[tokio::test]
async fn the_public_url_wins() {
    let config = "[server]\ntrusted_proxies = ['127.0.0.1']\npublic_url = 'http://public.example:81'";
    let (url, ..) = through_proxy(config).await;
    assert_eq!(url, "ws://public.example:81");
}
