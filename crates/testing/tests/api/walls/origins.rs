//! Pages in browsers: those of other sites get nothing, also when a name of theirs leads here.

use reqwest::Method;
use roadstead_testing::server::{API_KEY, TestServer, TestServerOptions};
use serde_json::json;

use crate::cdp::Socket;

const CONFIG: &str = "[server]\nallowed_origins = ['https://app.example']\nallowed_hosts = ['box.lan']";

#[tokio::test]
async fn a_page_of_another_site_opens_no_websocket() {
    let options = TestServerOptions { config: CONFIG, ..TestServerOptions::default() };
    let server = TestServer::start_with(options).await;
    let session = server.client().session(json!({})).await;
    let (id, url) = (session["id"].as_str().unwrap(), session["cdp_url"].as_str().unwrap());
    let here = server.address().to_string();
    let own = format!("http://{here}");
    for (origin, host, expected) in [
        (None, &here as &str, 101),
        (Some(own.as_str()), &here, 101),
        (Some("https://app.example"), &here, 101),
        (Some("http://box.lan:8700"), "box.lan:8700", 101),
        (None, "evil.example:8700", 101),
        (Some("https://evil.example"), &here, 403),
        (Some("null"), &here, 403),
        (Some("http://127.0.0.1:1"), &here, 403),
        // DNS rebinding.
        (Some("http://evil.example:8700"), "evil.example:8700", 403),
    ] {
        for url in [url.to_owned(), server.client().ws(&format!("/devtools/browser/{id}?apiKey={API_KEY}"))] {
            let mut headers = vec![("host", host)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let status = match Socket::try_open_with(&url, &headers).await {
                Ok(_) => 101,
                Err((status, body)) => {
                    assert_eq!(body["error"]["code"], status, "{body}");
                    status
                }
            };
            assert_eq!(status, expected, "{origin:?} at {host}");
        }
    }
    assert_eq!(server.get("/v1/sessions").await.data()["total"], 1);
    let bring = server.client().ws(&format!("/?apiKey={API_KEY}"));
    let refused = Socket::try_open_with(&bring, &[("origin", "https://evil.example")]).await;
    assert_eq!(refused.err().unwrap().0, 403);
    assert_eq!(server.get("/v1/sessions").await.data()["total"], 1, "a page starts no session");
}

#[tokio::test]
async fn a_page_of_another_site_reads_nothing() {
    let options = TestServerOptions { config: CONFIG, ..TestServerOptions::default() };
    let server = TestServer::start_with(options).await;
    let session = server.client().session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    let client = server.client();
    for path in [
        "/",
        "/json/version",
        "/json/version/",
        "/json/list",
        "/json",
        "/json/",
        "/json/protocol",
        "/json/protocol/",
    ] {
        let path = format!("{path}?sessionId={id}");
        let answer = |headers: Vec<(&'static str, String)>| {
            let request =
                headers.into_iter().fold(client.request(Method::GET, &path), |request, (name, value)| {
                    request.header(name, value)
                });
            client.send(request)
        };
        assert_eq!(answer(vec![]).await.status, 200, "{path}");
        assert_eq!(answer(vec![("origin", "https://app.example".to_owned())]).await.status, 200, "{path}");
        let foreign = answer(vec![("origin", "https://evil.example".to_owned())]).await;
        assert_eq!(foreign.failure().0, 403, "{path}");
        let evil = "evil.example:8700";
        let rebound = answer(vec![("origin", format!("http://{evil}")), ("host", evil.to_owned())]).await;
        assert_eq!(rebound.failure().0, 403, "{path}");
    }
}

/// A page that wants to send the key's header must ask first, by an OPTIONS without it, and is never told that it may.
#[tokio::test]
async fn the_api_tells_no_page_that_it_may_ask() {
    let server = TestServer::start().await;
    let stranger = server.stranger();
    for path in ["/v1/sessions", "/v1/profiles", "/api/v1/sessions", "/json/version", "/"] {
        let asked = stranger
            .request(Method::OPTIONS, path)
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "anchor-api-key");
        let answer = stranger.send(asked).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        let allowed = answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
        assert_eq!(allowed, None, "{path}");
    }
}
