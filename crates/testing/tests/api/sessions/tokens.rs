//! Scoped tokens: what they open, what they shut, and how they end.

use roadstead_testing::server::{API_KEY, TestServer};
use serde_json::{Value, json};

use crate::cdp::{PATIENCE, Socket};

async fn mint(server: &TestServer, id: &str, body: Value) -> Value {
    server.client().post(&format!("/v1/sessions/{id}/tokens"), body).await.data()
}

/// Connects and says how that went: 101, or the refusal's status.
async fn status(url: &str, key: Option<&str>) -> u16 {
    Socket::try_open(url, key).await.map_or_else(|(status, _)| status, |_| 101)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

#[tokio::test]
async fn the_first_token_makes_a_session_token_only() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let (id, own_url) = (text(&session["id"]), text(&session["cdp_url"]));
    let mut early = Socket::open(own_url).await;

    let minted = server.client().post(&format!("/v1/sessions/{id}/tokens"), json!({})).await;
    insta::assert_snapshot!(minted.shown(), @r#"
    200
    {
      "data": {
        "cdp_url": "ws://[address]/?sessionId=[uuid]&token=[digest]",
        "tokens": [
          {
            "id": "[uuid]",
            "scope": "cdp",
            "token": "[digest]"
          }
        ]
      }
    }
    "#);
    let minted = minted.data();
    let (url, token) = (text(&minted["cdp_url"]), text(&minted["tokens"][0]["token"]));

    assert_eq!(status(url, None).await, 101);
    assert_eq!(status(own_url, None).await, 401, "the session's own token is shut out");
    let echo = json!({"id": 1, "method": "Fake.echo", "params": {"a": 1}});
    assert_eq!(early.call(echo).await["result"]["a"], 1, "who is connected stays");
    // The project's key is as good as before: it could mint a token, and the SDKs connect with nothing else.
    let by_key = server.client().ws(&format!("/?apiKey={API_KEY}&sessionId={id}"));
    assert_eq!(status(&by_key, None).await, 101);
    assert_eq!(status(&server.client().ws(&format!("/?sessionId={id}")), Some(API_KEY)).await, 101);

    let shown = server.get(&format!("/v1/sessions/{id}")).await;
    assert_eq!((&shown.data()["cdp_url"], shown.text.contains(token)), (&Value::Null, false));
    assert_eq!(shown.data()["access_tokens"], json!([{"id": minted["tokens"][0]["id"], "scope": "cdp"}]));
    assert_eq!(server.get("/v1/sessions").await.data()["sessions"][0]["cdp_url"], Value::Null);
}

#[tokio::test]
async fn addresses_carry_what_their_reader_has_shown() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({"session": {"scoped_access": {"active": true}}})).await;
    let (id, url) = (text(&session["id"]), text(&session["cdp_url"]));
    let token = url.rsplit("token=").next().unwrap();
    assert_eq!(token.len(), 64, "256 bits");
    assert_eq!(status(url, None).await, 101);

    let stranger = server.stranger();
    for (query, carried) in [
        (format!("sessionId={id}&token={token}"), format!("token={token}")),
        (format!("sessionId={id}&apiKey={API_KEY}"), format!("apiKey={API_KEY}")),
    ] {
        let version = stranger.get(&format!("/json/version?{query}")).await.json();
        let list = stranger.get(&format!("/json/list?{query}")).await.json();
        for url in [&version["webSocketDebuggerUrl"], &list[0]["webSocketDebuggerUrl"]] {
            assert!(text(url).ends_with(&carried), "{url}");
            assert_eq!(status(text(url), None).await, 101, "{url}");
        }
    }
    // A key in a header is sent in a header again.
    let version = server.get(&format!("/json/version?sessionId={id}")).await.json();
    let pages = server.get(&format!("/v1/sessions/{id}/pages")).await.data();
    for url in [text(&version["webSocketDebuggerUrl"]), text(&pages["items"][0]["cdp_url"])] {
        assert!(!url.contains("token"), "{url}");
        assert_eq!((status(url, Some(API_KEY)).await, status(url, None).await), (101, 401), "{url}");
    }
    let shown = server.get(&format!("/v1/sessions/{id}")).await;
    assert_eq!(shown.data()["configuration"], json!({"session": {"scoped_access": {"active": true}}}));
    assert!(!shown.text.contains(token));
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_cuts_nobody() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let id = text(&session["id"]);
    let (one, two) =
        (mint(&server, id, json!({})).await, mint(&server, id, json!({"scopes": ["cdp"]})).await);
    let mut connected = Socket::open(text(&one["cdp_url"])).await;
    let token = |minted: &Value| text(&minted["tokens"][0]["token"]).to_owned();
    let path = |token: &str| format!("/v1/sessions/{id}/tokens/{token}");

    let other = server.other_project().await;
    assert_eq!(other.delete(&path(&token(&one))).await.failure(), (404, "Session not found.".to_owned()));
    assert_eq!(other.post(&format!("/v1/sessions/{id}/tokens"), json!({})).await.failure().0, 404);
    assert_eq!(status(text(&one["cdp_url"]), None).await, 101, "another project revokes nothing");

    assert_eq!(server.client().delete(&path(&token(&one))).await.data(), json!({"status": "success"}));
    assert_eq!(status(text(&one["cdp_url"]), None).await, 401);
    assert_eq!(status(text(&two["cdp_url"]), None).await, 101);
    let echo = json!({"id": 1, "method": "Fake.echo", "params": {"a": 1}});
    assert_eq!(connected.call(echo).await["result"]["a"], 1);
    for unknown in [token(&one).as_str(), "unknown"] {
        let answer = server.client().delete(&path(unknown)).await;
        assert_eq!(answer.failure(), (404, "Token not found.".to_owned()));
    }
    // The second one by its id, which is all that is ever shown of it again.
    server.client().delete(&path(text(&two["tokens"][0]["id"]))).await.data();
    assert_eq!(status(text(&two["cdp_url"]), None).await, 401);
    assert_eq!(status(text(&session["cdp_url"]), None).await, 401, "it stays token-only");
}

#[tokio::test]
async fn tokens_end_with_their_time_and_with_their_session() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let id = text(&session["id"]);
    let short = mint(&server, id, json!({"expires_in_seconds": 1})).await;
    let long = mint(&server, id, json!({"expires_in_seconds": 3600})).await;
    assert!(short["tokens"][0]["expires_at"].is_string());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while status(text(&short["cdp_url"]), None).await != 401 {
        assert!(tokio::time::Instant::now() < deadline, "it never expired");
    }
    assert_eq!(status(text(&long["cdp_url"]), None).await, 101);
    let shown = server.get(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(shown["access_tokens"].as_array().unwrap().len(), 1);

    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(status(text(&long["cdp_url"]), None).await, 401);
    let path = format!("/v1/sessions/{id}/tokens/{}", text(&long["tokens"][0]["token"]));
    assert_eq!(server.client().delete(&path).await.failure().0, 404);
    assert_eq!(server.client().post(&format!("/v1/sessions/{id}/tokens"), json!({})).await.failure().0, 404);
}

#[tokio::test]
async fn what_cannot_be_minted_is_refused_and_shuts_nobody_out() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let path = format!("/v1/sessions/{}/tokens", text(&session["id"]));
    for (body, expected, start) in [
        (json!({"scopes": ["live_view"]}), 501, "Feature not implemented. scopes: "),
        (json!({"scopes": ["cdp", "live_view_read_only"]}), 501, "Feature not implemented. scopes: "),
        (json!({"scopes": ["everything"]}), 400, "scopes[0]: "),
        (json!({"scopes": "cdp"}), 400, "scopes: "),
        (json!({"expires_in_seconds": 0}), 400, "expires_in_seconds: "),
        (json!({"expires_in_seconds": -1}), 400, "expires_in_seconds: "),
        (json!({"expires_in_seconds": u64::MAX}), 400, "expires_in_seconds: "),
    ] {
        let (status, message) = server.client().post(&path, body.clone()).await.failure();
        assert_eq!(status, expected, "{body}: {message}");
        assert!(message.starts_with(start), "{body}: {message}");
    }
    assert_eq!(status(text(&session["cdp_url"]), None).await, 101);
}
