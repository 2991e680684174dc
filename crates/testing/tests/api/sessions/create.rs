//! `POST /v1/sessions`.

use std::time::Duration;

use reqwest::Method;
use roadstead_testing::fake_browser::Behaviour;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::json;

#[tokio::test]
async fn a_session_needs_no_body() {
    let server = TestServer::start().await;
    let client = server.client();
    let bare = client.send(client.request(Method::POST, "/v1/sessions")).await;
    insta::assert_snapshot!(bare.shown(), @r#"
    200
    {
      "data": {
        "cdp_url": "ws://[address]/?sessionId=[uuid]&token=[token]",
        "id": "[uuid]",
        "session_id": "[uuid]"
      }
    }
    "#);
    client.post("/v1/sessions", json!({})).await.data();
}

#[tokio::test]
async fn the_sdks_full_body_is_accepted() {
    let server = TestServer::start().await;
    let body = json!({
        "browser": {
            "adblock": {"active": true}, "captcha_solver": {"active": false}, "disable_web_security": {"active": true},
            "extensions": [], "extra_stealth": {"active": false}, "force_popups_as_tabs": {"active": true},
            "fullscreen": {"active": true}, "headless": {"active": true}, "p2p_download": {"active": false},
            "pdf_viewer": {"active": true}, "popup_blocker": {"active": true}, "viewport": {"height": 0, "width": 0},
            "web_bot_auth": {"active": false}, "disable_dialogs": {"active": true},
        },
        "identities": [], "integrations": [],
        "session": {
            "initial_url": "https://example.com", "live_view": {"read_only": true}, "recording": {"active": true},
            "proxy": {"active": false, "city": "city", "country_code": "af", "region": "region", "type": "anchor_proxy"},
            "tags": ["string"], "timeout": {"idle_timeout": 0, "max_duration": 0},
        },
    });
    let session = server.client().session(body.clone()).await;
    let shown = server.get(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    assert_eq!(
        (&shown["configuration"], &shown["tags"], &shown["headless"]),
        (&body, &json!(["string"]), &json!(true))
    );
    let pages = server.get(&format!("/v1/sessions/{}/pages", session["id"].as_str().unwrap())).await.data();
    assert_eq!(pages["items"][0]["url"], "https://example.com");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let server = TestServer::start().await;
    let mut shown = Vec::new();
    for body in [
        json!({"browser": {"captcha_solver": {"active": true}}}),
        json!({"browser": {"captcha_solver": {"active": true}}, "session": {"proxy": {"active": true}}}),
        json!({"browser": {"popup_blocker": {"active": true}, "adblock": {"active": false}}}),
        json!({"browser": {"viewport": {"width": 100_000}}}),
        json!({"browser": {"profile": {"name": "never heard of"}}}),
        json!({"session": {"initial_url": "file:///etc/passwd"}}),
        json!({"session": {"timeout": {"idle_timeout": -5}}}),
        json!({"identities": [{"id": "x"}]}),
    ] {
        let (status, message) = server.client().post("/v1/sessions", body).await.failure();
        shown.push(format!("{status} {message}"));
    }
    insta::assert_snapshot!(shown.join("\n"), @r"
    400 CAPTCHA solver requires proxy to be active.
    501 Feature not implemented. browser.captcha_solver: it needs a solving service; leave it out.
    400 Popup blocker requires adblock to be active.
    400 browser.viewport.width: must be between 1 and 16384, or 0 for the default
    404 Profile not found.
    400 session.initial_url: must be an http, https, about or data URL
    400 session.timeout.idle_timeout: must be a positive number of minutes, -1 for no limit, or 0 for the default
    501 Feature not implemented. identities: nothing logs in with them; log in once and use browser.profile.
    ");
    assert_eq!(server.get("/v1/sessions").await.data()["total"], 0, "a refused session leaves no row");
}

#[tokio::test]
async fn too_many_are_429_and_told_when_to_come_back() {
    let config = "[sessions]\nmax_concurrent = 1\nqueue_wait_seconds = 0";
    let server = TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await;
    let client = server.client();
    let first = client.session(json!({})).await;
    let refused = client.post("/v1/sessions", json!({})).await;
    insta::assert_snapshot!(refused.shown(), @r#"
    429
    {
      "error": {
        "code": 429,
        "message": "Session creation rate limit exceeded. All 1 concurrent sessions are in use; end one or try again later."
      }
    }
    "#);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit"), Some("\"concurrent-sessions\"; r=0; t=1"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"concurrent-sessions\"; q=1"));
    client.delete(&format!("/v1/sessions/{}", first["id"].as_str().unwrap())).await.data();
    client.session(json!({})).await;
}

#[tokio::test]
async fn a_browser_that_does_not_start_is_503_and_on_record() {
    let options = TestServerOptions { browser: Behaviour::ExitAtOnce, ..TestServerOptions::default() };
    let mut server = TestServer::start_with(options).await;
    server.expect_error("the browser did not start");
    let (status, message) = server.client().post("/v1/sessions", json!({})).await.failure();
    assert_eq!(status, 503, "{message}");
    let listed = server.get("/v1/sessions").await.data();
    assert_eq!((&listed["total"], &listed["sessions"][0]["status"]), (&json!(1), &json!("failed")));
    assert!(server.log().contains("told to fail"), "the log has the browser's last words");
}

#[tokio::test]
async fn a_create_whose_client_hangs_up_leaves_nothing() {
    let options = TestServerOptions { browser: Behaviour::Silent, ..TestServerOptions::default() };
    let server = TestServer::start_with(options).await;
    let client = server.client();
    let hasty = client.request(Method::POST, "/v1/sessions").timeout(Duration::from_millis(300)).send().await;
    assert!(hasty.unwrap_err().is_timeout());
    // The end of the test asserts that neither browser nor work dir is left.
}
