//! Cancelling, retrying and deleting batches.

use roadstead_testing::fake_browser::Behaviour;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::json;

use super::{counts, order, server_with, settled};

#[tokio::test]
async fn a_cancel_ends_what_runs_and_what_waits_is_never_started() {
    let server = server_with("[sessions]\nmax_concurrent = 1").await;
    let client = server.client();
    let path = order(client, 3, json!({})).await;
    let batch = client.wait_for(&path, |batch| batch["completed_requests"] == 1).await;
    let session = batch["sessions"][0]["session_id"].as_str().unwrap();
    assert_eq!(
        client.patch(&path, json!({"status": "completed"})).await.failure(),
        (400, "status: must be cancelled".to_owned())
    );
    let cancelled = client.patch(&path, json!({"status": "cancelled"})).await;
    insta::assert_snapshot!(cancelled.shown(), @r#"
    200
    {
      "data": {
        "batch_id": "[uuid]",
        "cancelled_sessions": 1,
        "message": "The batch is cancelled, and 1 running sessions are ended.",
        "status": "cancelled"
      }
    }
    "#);
    let batch = client.get(&path).await.data();
    assert_eq!((&batch["status"], counts(&batch)), (&json!("cancelled"), [0, 0, 1, 0, 2]));
    assert_eq!(batch["sessions"][1]["status"], "cancelled");
    let ended = client.get(&format!("/v1/sessions/{session}")).await.data();
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("completed"), &json!("requested")));
    assert_eq!(client.get("/v1/sessions").await.data()["total"], 1, "nothing else was started");

    let (status, message) = client.patch(&path, json!({"status": "cancelled"})).await.failure();
    assert!(status == 409 && message.starts_with("The batch is cancelled already"), "{status} {message}");
    let done = order(client, 1, json!({})).await;
    settled(client, &done).await;
    assert_eq!(client.patch(&done, json!({"status": "cancelled"})).await.failure().0, 409);
}

#[tokio::test]
async fn a_cancel_stops_a_start_that_is_under_way() {
    let options = TestServerOptions { browser: Behaviour::Silent, ..TestServerOptions::default() };
    let server = TestServer::start_with(options).await;
    let client = server.client();
    let path = order(client, 2, json!({})).await;
    client.wait_for(&path, |batch| batch["processing_requests"] == 2).await;
    client.wait_for("/v1/sessions", |sessions| sessions["total"] == 2).await;
    // The browsers would be waited for for half a minute.
    let cancelled = client.patch(&path, json!({"status": "cancelled"})).await.data();
    assert!(cancelled["message"].is_string());
    let batch = client.get(&path).await.data();
    assert_eq!((&batch["status"], counts(&batch)), (&json!("cancelled"), [0, 0, 0, 0, 2]));
    client.wait_for("/v1/sessions/all/status", |live| live["count"] == 0).await;
}

#[tokio::test]
async fn what_failed_is_tried_again_as_often_as_asked() {
    let server = TestServer::start().await;
    let client = server.client();
    let path = order(client, 2, json!({"browser": {"profile": {"name": "late"}}})).await;
    let retry = format!("{path}/retry");
    settled(client, &path).await;
    for (body, why) in [
        (json!({"max_retries": 0}), "max_retries: must be between 1 and 3"),
        (json!({"max_retries": 4}), "max_retries: must be between 1 and 3"),
        (
            json!({"retry_failed_only": "no"}),
            "retry_failed_only: invalid type: string \"no\", expected a boolean",
        ),
    ] {
        assert_eq!(client.post(&retry, body).await.failure(), (400, why.to_owned()));
    }
    let again = client.post(&retry, json!({"retry_failed_only": true, "max_retries": 3})).await;
    insta::assert_snapshot!(again.shown(), @r#"
    200
    {
      "data": {
        "batch_id": "[uuid]",
        "message": "2 sessions are tried again.",
        "retried_sessions": 2,
        "status": "processing"
      }
    }
    "#);
    let failed = settled(client, &path).await;
    assert_eq!((&failed["status"], counts(&failed)), (&json!("failed"), [0, 0, 0, 2, 0]));
    let item = &failed["sessions"][1];
    assert_eq!((&item["retry_count"], &item["error"]), (&json!(3), &json!("Profile not found.")));

    client.post("/v1/profiles", json!({"name": "late"})).await.data();
    client.post(&retry, json!({})).await.data();
    let done = settled(client, &path).await;
    assert_eq!((&done["status"], counts(&done)), (&json!("completed"), [0, 0, 2, 0, 0]));
    assert_eq!(
        (&done["sessions"][0]["retry_count"], &done["sessions"][0]["error"]),
        (&json!(4), &json!(null))
    );
    assert_eq!(
        client.post(&retry, json!({"retry_failed_only": false})).await.failure(),
        (400, "No failed sessions to retry".to_owned())
    );
}

#[tokio::test]
async fn what_was_cancelled_is_tried_again_only_when_asked_for() {
    let server = server_with("[sessions]\nmax_concurrent = 1").await;
    let client = server.client();
    let session = client.session(json!({})).await;
    let path = order(client, 2, json!({})).await;
    client.patch(&path, json!({"status": "cancelled"})).await.data();
    let retry = format!("{path}/retry");
    assert_eq!(client.post(&retry, json!({})).await.failure().0, 400);
    let again = client.post(&retry, json!({"retry_failed_only": false})).await.data();
    assert_eq!((&again["status"], &again["retried_sessions"]), (&json!("processing"), &json!(2)));
    client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    client.wait_for(&path, |batch| batch["completed_requests"] == 1).await;
}

#[tokio::test]
async fn a_deleted_batch_is_over_and_forgotten() {
    let server = server_with("[sessions]\nmax_concurrent = 2").await;
    let client = server.client();
    let path = order(client, 3, json!({"browser": {"profile": {"name": "p", "persist": true}}})).await;
    let batch = client.wait_for(&path, |batch| batch["completed_requests"] == 2).await;
    let deleted = client.delete(&path).await;
    insta::assert_snapshot!(deleted.shown(), @r#"
    200
    {
      "data": {
        "batch_id": "[uuid]",
        "deleted_sessions": 2,
        "failed_deletions": 0,
        "message": "The batch is deleted. 2 of its sessions are over and saved, 0 are over and failed."
      }
    }
    "#);
    assert_eq!(client.get(&path).await.failure(), (404, "Batch not found.".to_owned()));
    assert_eq!(client.delete(&path).await.failure().0, 404);
    assert_eq!(client.get("/v1/sessions/all/status").await.data()["count"], 0);
    assert_eq!(client.get("/v1/sessions").await.data()["total"], 2, "the third was never started");
    // Receipts refer to a session: its record stays.
    let session = batch["sessions"][0]["session_id"].as_str().unwrap();
    let ended = client.get(&format!("/v1/sessions/{session}")).await.data();
    assert_eq!(ended["receipts"][0]["status"], "saved");
    assert_eq!(client.get("/v1/profiles/p").await.data()["revision"], 2);
    let told = client.get("/v1/audit?action=batch.delete").await.data();
    assert_eq!(told["items"][0]["subject"], deleted.data()["batch_id"]);
    for (action, times) in [("batch.create", 1), ("batch.cancel", 1), ("batch.retry", 0)] {
        let told = client.get(&format!("/v1/audit?action={action}")).await.data();
        assert_eq!(told["items"].as_array().unwrap().len(), times, "{action}");
    }
}
