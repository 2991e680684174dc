//! `/api/sessions` and `/api/profiles`, as scripts from before `/v1` use them.

use roadstead_testing::server::TestServer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_flat_session_is_the_same_session() {
    let server = TestServer::start().await;
    let client = server.client();
    let body = json!({
        "adblock_config": {"active": false, "popup_blocking_active": false},
        "captcha_config": {"active": false},
        "headless": true,
        "proxy_config": {"type": "anchor_residential", "active": false},
        "recording": {"active": false},
        "profile": {"name": "my-profile", "persist": true, "store_cache": true},
        "viewport": {"width": 1440, "height": 900},
        "timeout": 10,
        "idle_timeout": 3,
    });
    let made = client.post("/api/sessions", body).await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    assert!(made["cdp_url"].as_str().unwrap().contains(id), "{made}");
    let now = client.get(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(
        (&now["headless"], &now["status"], &now["profile"]["name"]),
        (&json!(true), &json!("running"), &json!("my-profile"))
    );
    assert_eq!(now["configuration"]["session"]["timeout"], json!({"max_duration": 10, "idle_timeout": 3}));
    let then = client.get(&format!("/api/sessions/{id}")).await.json();
    assert_eq!((&then["id"], &then["status"]), (&made["id"], &json!("running")));
    let active = client.get("/api/sessions/active").await.data();
    assert_eq!((active.as_array().unwrap().len(), &active[0]["id"]), (1, &made["id"]));
    assert_eq!(client.get("/api/sessions").await.data()["total"], 1);

    assert_eq!(client.delete(&format!("/api/sessions/{id}")).await.data()["status"], "success");
    assert_eq!(client.get("/api/sessions/active").await.data(), json!([]));
    assert_eq!(client.get("/v1/profiles/my-profile").await.data()["revision"], 1);
    // What today's API refuses is refused, and its fields are named as today.
    let (status, message) = client.post("/api/sessions", json!({"headless": "yes"})).await.failure();
    assert!(status == 400 && message.starts_with("headless"), "{message}");
    let captcha = json!({"captcha_config": {"active": true}});
    let (status, message) = client.post("/api/sessions", captcha).await.failure();
    assert!(status == 400 && message.contains("CAPTCHA solver requires proxy"), "{status} {message}");
    client.delete("/api/sessions/all").await.data();
}

#[tokio::test]
async fn an_empty_body_starts_a_session() {
    let server = TestServer::start().await;
    let client = server.client();
    let made = client.send(client.request(reqwest::Method::POST, "/api/sessions")).await.json();
    client.delete(&format!("/api/sessions/{}", made["id"].as_str().unwrap())).await.data();
}

#[tokio::test]
async fn profiles_are_an_array_right_under_data() {
    let server = TestServer::start().await;
    let client = server.client();
    let made = client.post("/api/profiles", json!({"name": "p", "description": "mine"})).await.data();
    assert_eq!((&made["name"], &made["description"]), (&json!("p"), &json!("mine")));
    let listed = client.get("/api/profiles").await.data();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["name"]), (1, &json!("p")));
    client.put("/api/profiles/p", json!({"description": "yours"})).await.data();
    assert_eq!(client.get("/api/profiles/p").await.data()["description"], "yours");
    client.delete("/api/profiles/p").await.data();
    assert_eq!(client.get("/api/profiles/p").await.failure(), (404, "Profile not found.".to_owned()));
}

#[tokio::test]
async fn it_is_behind_the_key_and_not_in_the_document() {
    let server = TestServer::start().await;
    let stranger = server.stranger();
    for path in [
        "/api/sessions",
        "/api/sessions/active",
        "/api/sessions/x",
        "/api/sessions/x/recording",
        "/api/profiles",
        "/api/profiles/x",
    ] {
        assert_eq!(stranger.get(path).await.failure().0, 401, "{path}");
    }
    for path in ["/api/sessions", "/api/profiles"] {
        assert_eq!(stranger.post(path, json!({"name": "p"})).await.failure().0, 401, "{path}");
    }
    let other = server.other_project().await;
    let made = server.client().post("/api/sessions", json!({})).await.json();
    let path = format!("/api/sessions/{}", made["id"].as_str().unwrap());
    assert_eq!((other.get(&path).await.failure().0, other.delete(&path).await.failure().0), (404, 404));
    server.client().delete(&path).await.data();
    let document: Value = server.get("/openapi.json").await.json();
    assert!(!document["paths"].as_object().unwrap().keys().any(|path| path.starts_with("/api")));
    // The newer prefix is still today's API.
    assert_eq!(server.get("/api/v1/sessions").await.data()["total"], 1);
    assert_eq!(server.get("/api/nothing").await.failure().0, 404);
}
