//! `DELETE /v1/sessions/{id}` and `DELETE /v1/sessions/all`.

use roadstead_testing::fake_browser::Behaviour;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::json;

#[tokio::test]
async fn an_end_returns_receipts_and_can_be_asked_for_again() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({"browser": {"profile": {"name": "p", "persist": true}}})).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let ended = client.delete(&path).await;
    insta::assert_snapshot!(ended.shown(), @r#"
    200
    {
      "data": {
        "id": "[uuid]",
        "reason": "requested",
        "receipts": [
          {
            "added_bytes": "[added_bytes]",
            "at": "[time]",
            "captured": {
              "bytes": {
                "other": "[other]"
              },
              "cookies": {
                "http_only": 0,
                "partitioned": 0,
                "persistent": 0,
                "secure": 0,
                "session": 0,
                "total": 0
              },
              "databases": 0,
              "origins": 0,
              "tabs": 0
            },
            "cause": "ended",
            "cookies": {
              "http_only": 0,
              "partitioned": 0,
              "persistent": 0,
              "secure": 0,
              "session": 0,
              "total": 0
            },
            "digest": "[digest]",
            "durable": true,
            "duration_ms": "[duration_ms]",
            "files": "[files]",
            "profile": "p",
            "revision": 1,
            "session_id": "[uuid]",
            "size_bytes": "[size_bytes]",
            "status": "saved"
          }
        ],
        "session_id": "[uuid]",
        "session_status": "completed",
        "status": "success"
      }
    }
    "#);
    assert_eq!(client.delete(&path).await.data(), ended.data());
    assert_eq!(
        client.delete("/v1/sessions/nonsense").await.failure(),
        (404, "Session not found.".to_owned())
    );
}

#[tokio::test]
async fn all_end_at_once() {
    let server = TestServer::start().await;
    let client = server.client();
    for _ in 0..3 {
        client.session(json!({})).await;
    }
    assert_eq!(client.get("/v1/sessions/all/status").await.data()["count"], 3);
    let ended = client.delete("/v1/sessions/all").await.data();
    assert_eq!((&ended["status"], &ended["count"]), (&json!("success"), &json!(3)));
    assert_eq!(client.get("/v1/sessions/all/status").await.data()["count"], 0);
    assert_eq!(client.delete("/v1/sessions/all").await.data()["count"], 0);
}

#[tokio::test]
async fn a_browser_that_does_not_close_is_made_to() {
    for browser in [Behaviour::IgnoreClose, Behaviour::IgnoreCloseAndTerm] {
        let config = "[sessions]\nclose_grace_seconds = 0";
        let server = TestServer::start_with(TestServerOptions { browser, config }).await;
        let client = server.client();
        let session = client.session(json!({})).await;
        let ended = client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
        assert_eq!(
            (&ended["status"], &ended["reason"]),
            (&json!("success"), &json!("requested")),
            "{browser:?}"
        );
    }
}
