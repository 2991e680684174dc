//! `GET /v1/sessions/{id}`, and its pages.

use roadstead_testing::server::TestServer;
use serde_json::json;

#[tokio::test]
async fn a_running_session_and_one_that_is_over() {
    let server = TestServer::start().await;
    let client = server.client();
    let body = json!({"session": {"tags": ["a"]}, "browser": {"profile": {"name": "p", "persist": true}}});
    let created = client.session(body).await;
    let path = format!("/v1/sessions/{}", created["id"].as_str().unwrap());
    let running = client.get(&path).await;
    assert_eq!(running.data()["cdp_url"], created["cdp_url"]);
    insta::assert_snapshot!(running.shown(), @r#"
    200
    {
      "data": {
        "api_key_name": "first",
        "browser_version": "FakeChromium/156.0.0.0",
        "cdp_url": "ws://[address]/?sessionId=[uuid]&token=[token]",
        "configuration": {
          "browser": {
            "profile": {
              "name": "p",
              "persist": true
            }
          },
          "session": {
            "tags": [
              "a"
            ]
          }
        },
        "created_at": "[time]",
        "credits_used": 0,
        "domains": [],
        "duration": "[duration]",
        "headless": false,
        "id": "[uuid]",
        "playground": false,
        "profile": {
          "name": "p",
          "persist": true
        },
        "proxy": {
          "active": false
        },
        "proxy_bytes": 0,
        "receipts": [],
        "requests": 0,
        "session_id": "[uuid]",
        "status": "running",
        "steps": 0,
        "tags": [
          "a"
        ],
        "team_id": "[uuid]",
        "tokens": {}
      }
    }
    "#);
    client.delete(&path).await.data();
    insta::assert_snapshot!(client.get(&path).await.shown(), @r#"
    200
    {
      "data": {
        "api_key_name": "first",
        "browser_version": "FakeChromium/156.0.0.0",
        "configuration": {
          "browser": {
            "profile": {
              "name": "p",
              "persist": true
            }
          },
          "session": {
            "tags": [
              "a"
            ]
          }
        },
        "created_at": "[time]",
        "credits_used": 0,
        "domains": [],
        "duration": "[duration]",
        "ended_at": "[time]",
        "headless": false,
        "id": "[uuid]",
        "playground": false,
        "profile": {
          "name": "p",
          "persist": true
        },
        "proxy": {
          "active": false
        },
        "proxy_bytes": 0,
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
        "requests": 0,
        "session_id": "[uuid]",
        "status": "completed",
        "steps": 0,
        "tags": [
          "a"
        ],
        "team_id": "[uuid]",
        "tokens": {}
      }
    }
    "#);
}

#[tokio::test]
async fn an_unknown_id_is_404_whatever_it_looks_like() {
    let server = TestServer::start().await;
    for id in ["session_id", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", "%00", "all%2F"] {
        for path in ["", "/pages", "/tags"] {
            let answer = server.get(&format!("/v1/sessions/{id}{path}")).await;
            assert_eq!(answer.failure(), (404, "Session not found.".to_owned()), "{id}{path}");
        }
    }
}

#[tokio::test]
async fn pages_have_an_id_to_connect_to() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let path = format!("/v1/sessions/{}/pages", session["id"].as_str().unwrap());
    insta::assert_snapshot!(server.get(&path).await.shown(), @r#"
    200
    {
      "data": {
        "count": 1,
        "items": [
          {
            "cdp_url": "ws://[address]/devtools/page/[token]?sessionId=[uuid]&token=[token]",
            "id": "[token]",
            "title": "about:blank",
            "url": "about:blank"
          }
        ]
      }
    }
    "#);
    server.client().delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    assert_eq!(server.get(&path).await.failure().0, 404);
}
