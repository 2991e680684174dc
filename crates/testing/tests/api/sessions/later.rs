//! `POST /v1/sessions/async` and its status.

use reqwest::Method;
use roadstead_testing::answer::Client;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};

/// Asks for a session, and returns where its status is.
async fn ask(client: &Client, body: Value) -> String {
    let asked = client.post("/v1/sessions/async", body).await.data();
    format!("/v1/sessions/async/{}/status", asked["request_id"].as_str().unwrap())
}

async fn settled(client: &Client, status: &str) -> Value {
    client.wait_for(status, |data| data["status"] != "pending" && data["status"] != "processing").await
}

#[tokio::test]
async fn a_session_is_started_in_the_background_and_needs_no_body() {
    let server = TestServer::start().await;
    let client = server.client();
    let asked = client.send(client.request(Method::POST, "/v1/sessions/async")).await;
    insta::assert_snapshot!(asked.shown(), @r#"
    200
    {
      "data": {
        "request_id": "[uuid]",
        "session_id": null,
        "status": "pending"
      }
    }
    "#);
    let request = asked.data()["request_id"].as_str().unwrap().to_owned();
    let status = format!("/v1/sessions/async/{request}/status");
    let ready = settled(client, &status).await;
    insta::assert_snapshot!(client.get(&status).await.shown(), @r#"
    200
    {
      "data": {
        "created_at": "[time]",
        "progress": {
          "current_phase": "ready"
        },
        "request_id": "[uuid]",
        "session": {
          "cdp_url": "ws://[address]/?sessionId=[uuid]&token=[token]",
          "completed_at": "[time]",
          "item_index": 0,
          "retry_count": 0,
          "session_id": "[uuid]",
          "started_at": "[time]",
          "status": "completed"
        },
        "status": "ready"
      }
    }
    "#);
    let session = format!("/v1/sessions/{}", ready["session"]["session_id"].as_str().unwrap());
    let shown = client.get(&session).await.data();
    assert_eq!((&shown["status"], &shown["cdp_url"]), (&json!("running"), &ready["session"]["cdp_url"]));
    assert_eq!(client.get(&format!("/v1/sessions?batch_id={request}")).await.data()["total"], 1);
    assert_eq!(client.get("/v1/sessions?batch_id=another").await.data()["total"], 0);

    client.delete(&session).await.data();
    let over = client.get(&status).await.data();
    assert_eq!(
        (&over["status"], &over["session"]["cdp_url"]),
        (&json!("completed"), &Value::Null),
        "what is over has no browser to talk to"
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_once_and_what_fails_later_tells_why() {
    let server = TestServer::start().await;
    let client = server.client();
    let mut shown = Vec::new();
    for body in [
        json!({"browser": {"captcha_solver": {"active": true}}}),
        json!({"session": {"proxy": {"active": true, "country_code": "de"}}}),
        json!({"identities": [{"id": "x"}]}),
    ] {
        let (status, message) = client.post("/v1/sessions/async", body).await.failure();
        shown.push(format!("{status} {message}"));
    }
    let status = ask(client, json!({"browser": {"profile": {"name": "never heard of"}}})).await;
    let failed = settled(client, &status).await;
    shown.push(format!("{} {} {}", failed["status"], failed["error"], failed["progress"]["current_phase"]));
    shown.push(format!("{} {}", failed["session"]["status"], failed["session"]["error"]));
    insta::assert_snapshot!(shown.join("\n"), @r#"
    400 CAPTCHA solver requires proxy to be active.
    501 Feature not implemented. session.proxy: this server has no exits; its operator adds them as [[egress.exits]] in roadstead.toml.
    501 Feature not implemented. identities: nothing logs in with them; log in once and use browser.profile.
    "failed" "Profile not found." "provisioning"
    "failed" "Profile not found."
    "#);
}

#[tokio::test]
async fn a_place_is_waited_for_as_long_as_it_takes() {
    let config = "[sessions]\nmax_concurrent = 1\nqueue_wait_seconds = 0";
    let server = TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await;
    let client = server.client();
    let first = client.session(json!({})).await;
    let status = ask(client, json!({})).await;
    // Whoever waits for the answer is refused; what can wait is not.
    assert_eq!(client.post("/v1/sessions", json!({})).await.failure().0, 429);
    let waiting = client.get(&status).await.data();
    assert_eq!(
        (&waiting["status"], &waiting["progress"]["current_phase"], &waiting["session"]),
        (&json!("pending"), &json!("queued"), &Value::Null)
    );
    client.delete(&format!("/v1/sessions/{}", first["id"].as_str().unwrap())).await.data();
    assert_eq!(settled(client, &status).await["status"], "ready");
}

#[tokio::test]
async fn what_waits_for_a_profile_takes_nobodys_place() {
    let config = "[sessions]\nmax_concurrent = 1\nqueue_wait_seconds = 0";
    let server = TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await;
    let client = server.client();
    client.post("/v1/profiles", json!({"name": "p"})).await.data();
    let behind = json!({"name": "p", "min_revision": 1, "wait_seconds": 600});
    let status = ask(client, json!({"browser": {"profile": behind}})).await;
    client.wait_for(&status, |data| data["status"] == "processing").await;
    // It steps back at once; the one place is free for the session that it waits for.
    let writer = {
        let body = json!({"browser": {"profile": {"name": "p", "persist": true}}});
        let later = ask(client, body).await;
        settled(client, &later).await["session"]["session_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(client.get(&status).await.data()["status"], "processing");
    client.delete(&format!("/v1/sessions/{writer}")).await.data();
    assert_eq!(settled(client, &status).await["status"], "ready");
}

#[tokio::test]
async fn an_unknown_request_is_404_and_so_is_another_projects_and_a_batch() {
    let server = TestServer::start().await;
    let client = server.client();
    let status = ask(client, json!({})).await;
    settled(client, &status).await;
    let batch = client.post("/v1/batch-sessions", json!({"count": 1})).await.data();
    let not_found = (404, "Async request not found.".to_owned());
    assert_eq!(server.other_project().await.get(&status).await.failure(), not_found);
    for id in ["nonsense", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", batch["batch_id"].as_str().unwrap()] {
        assert_eq!(client.get(&format!("/v1/sessions/async/{id}/status")).await.failure(), not_found);
    }
    assert_eq!(client.get("/v1/batch-sessions").await.data()["pagination"]["total_records"], 1);
}
