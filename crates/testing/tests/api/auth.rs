//! Keys: without one nothing opens, and another project's open nothing of this one.

use reqwest::Method;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};

/// Walks every operation of the document: each one under `/v1` must refuse a stranger before it looks at anything else.
#[tokio::test]
async fn every_operation_refuses_strangers() {
    // One client comes with more wrong keys here than is allowed.
    let config = "[limits]\nfailed_auth_per_minute = 0";
    let server = TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await;
    let document: Value = server.get("/openapi.json").await.json();
    let mut walked = 0;
    for (path, operations) in
        document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/v1/"))
    {
        for (method, operation) in operations.as_object().unwrap() {
            assert_eq!(operation["security"], json!([{"api_key_header": []}]), "{method} {path}");
            assert!(operation["responses"]["401"].is_object(), "{method} {path}");
            for prefix in ["", "/api"] {
                let path = format!("{prefix}{}", path.replace(['{', '}'], ""));
                let method: Method = method.to_uppercase().parse().unwrap();
                for key in [None, Some(""), Some("sk-wrong"), Some("sk-0123456789abcdef0123456789abcdee")] {
                    let stranger = server.stranger();
                    let mut request = stranger.request(method.clone(), &path).body("not JSON");
                    if let Some(key) = key {
                        request = request.header("anchor-api-key", key);
                    }
                    let answer = stranger.send(request).await;
                    assert_eq!(
                        answer.failure(),
                        (401, "Invalid API Key".to_owned()),
                        "{method} {path} {key:?}"
                    );
                }
            }
            walked += 1;
        }
    }
    assert!(walked >= 15, "only {walked} operations");
}

#[tokio::test]
async fn what_does_not_exist_is_behind_the_key_too() {
    let server = TestServer::start().await;
    assert_eq!(server.stranger().get("/v1/nothing").await.failure().0, 401);
    assert_eq!(server.get("/v1/nothing").await.failure().0, 404);
}

#[tokio::test]
async fn a_key_in_the_query_opens_nothing_under_v1() {
    let server = TestServer::start().await;
    let path = format!("/v1/profiles?apiKey={}", roadstead_testing::server::API_KEY);
    assert_eq!(server.stranger().get(&path).await.failure().0, 401);
}

#[tokio::test]
async fn another_projects_things_do_not_exist() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({"session": {"tags": ["mine"]}})).await;
    let id = session["id"].as_str().unwrap();
    server.client().post("/v1/profiles", json!({"name": "mine"})).await.data();

    let other = server.other_project().await;
    for path in ["", "/pages", "/tags"] {
        let answer = other.get(&format!("/v1/sessions/{id}{path}")).await;
        assert_eq!(answer.failure(), (404, "Session not found.".to_owned()), "{path}");
    }
    assert_eq!(other.delete(&format!("/v1/sessions/{id}")).await.failure().0, 404);
    assert_eq!(other.put(&format!("/v1/sessions/{id}/tags"), json!({"tags": []})).await.failure().0, 404);
    assert_eq!(other.get("/v1/sessions").await.data()["total"], 0);
    assert_eq!(other.get("/v1/sessions/all/status").await.data()["count"], 0);
    assert_eq!(other.delete("/v1/sessions/all").await.data()["count"], 0);
    assert_eq!(other.get("/v1/profiles").await.data()["count"], 0);
    assert_eq!(other.get("/v1/profiles/mine").await.failure().0, 404);
    assert_eq!(other.delete("/v1/profiles/mine").await.failure().0, 404);
    assert_eq!(other.put("/v1/profiles/mine", json!({"description": "x"})).await.failure().0, 404);
    let stolen = other.post("/v1/profiles", json!({"name": "theirs", "session_id": id})).await;
    assert_eq!(stolen.failure(), (404, "Session not found or unreachable.".to_owned()));
    let loaded = other.post("/v1/sessions", json!({"browser": {"profile": {"name": "mine"}}})).await;
    assert_eq!(loaded.failure().0, 404);
    // The same name is free in another project.
    other.post("/v1/profiles", json!({"name": "mine"})).await.data();

    let mine = server.get(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!((&mine["status"], &mine["tags"]), (&json!("running"), &json!(["mine"])));
}
