//! Ordering batches, and watching them come up.

use roadstead_testing::server::TestServer;
use serde_json::json;

use super::{counts, end_one, order, server_with, settled};

#[tokio::test]
async fn a_batch_comes_up_and_shows_each_session() {
    let server = TestServer::start().await;
    let client = server.client();
    let configuration = json!({"browser": {"headless": {"active": true}}, "session": {"tags": ["batch"]}});
    let body = json!({"count": 2, "configuration": configuration, "metadata": {"project": "harbour"}});
    let created = client.post("/v1/batch-sessions", body).await;
    insta::assert_snapshot!(created.shown(), @r#"
    200
    {
      "data": {
        "batch_id": "[uuid]",
        "created_at": "[time]",
        "status": "pending",
        "total_requests": 2
      }
    }
    "#);
    let id = created.data()["batch_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/batch-sessions/{id}");
    settled(client, &path).await;
    insta::assert_snapshot!(client.get(&path).await.shown(), @r#"
    200
    {
      "data": {
        "actual_completion_time": "[time]",
        "batch_id": "[uuid]",
        "cancelled_requests": 0,
        "completed_requests": 2,
        "created_at": "[time]",
        "failed_requests": 0,
        "metadata": {
          "project": "harbour"
        },
        "pending_requests": 0,
        "processing_requests": 0,
        "progress": {
          "current_phase": "ready",
          "percentage": 100.0
        },
        "sessions": [
          {
            "cdp_url": "ws://[address]/?sessionId=[uuid]&token=[token]",
            "completed_at": "[time]",
            "item_index": 0,
            "retry_count": 0,
            "session_id": "[uuid]",
            "started_at": "[time]",
            "status": "completed"
          },
          {
            "cdp_url": "ws://[address]/?sessionId=[uuid]&token=[token]",
            "completed_at": "[time]",
            "item_index": 1,
            "retry_count": 0,
            "session_id": "[uuid]",
            "started_at": "[time]",
            "status": "completed"
          }
        ],
        "status": "completed",
        "total_requests": 2
      }
    }
    "#);
    let sessions = client.get(&format!("/v1/sessions?batch_id={id}&tags=batch")).await.data();
    assert_eq!(sessions["total"], 2);
    assert_eq!(sessions["sessions"][0]["user_configuration"], configuration);
    assert_eq!(client.get(&format!("/v1/sessions/all/status?batch_id={id}")).await.data()["count"], 2);
}

#[tokio::test]
async fn it_goes_on_as_room_comes_and_keeps_nobody_out() {
    let server = server_with("[sessions]\nmax_concurrent = 2\nqueue_wait_seconds = 30").await;
    let client = server.client();
    let path = order(client, 5, json!({})).await;
    for started in 2_u32..5 {
        let batch = client.wait_for(&path, |batch| batch["completed_requests"] == started).await;
        let expected = [5 - started, 0, started, 0, 0].map(u64::from);
        assert_eq!(counts(&batch), expected, "nothing is claimed without a place");
        assert_eq!(batch["status"], "processing");
        assert_eq!(batch["progress"]["current_phase"], "provisioning");
        assert_eq!(batch["progress"]["percentage"], 20.0 * f64::from(started));
        assert_eq!(client.get("/v1/sessions/all/status").await.data()["count"], 2);
        end_one(client, &batch).await;
    }
    // Somebody who waits for the answer stands in the same line: one more of the batch, and then it is his turn.
    let batch = settled(client, &path).await;
    assert_eq!(counts(&batch), [0, 0, 5, 0, 0]);
    let other = order(client, 3, json!({})).await;
    let (session, ()) = tokio::join!(client.session(json!({})), async {
        end_one(client, &batch).await;
        end_one(client, &client.get(&path).await.data()).await;
    });
    assert!(session["id"].is_string());
    let batch = client.wait_for(&other, |batch| batch["completed_requests"] == 1).await;
    assert_eq!(counts(&batch), [2, 0, 1, 0, 0], "the rest of the batch waits");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let server = TestServer::start().await;
    let client = server.client();
    let mut shown = Vec::new();
    for body in [
        json!({}),
        json!({"count": 0}),
        json!({"count": 1001}),
        json!({"count": "ten"}),
        json!({"count": 1, "configuration": []}),
        json!({"count": 1, "metadata": "m"}),
        json!({"count": 1, "configuration": {"browser": {"captcha_solver": {"active": true}}}}),
        json!({"count": 1, "configuration": {"identities": [{"id": "x"}]}}),
    ] {
        let (status, message) = client.post("/v1/batch-sessions", body).await.failure();
        shown.push(format!("{status} {message}"));
    }
    for query in ["status=ready", "limit=101", "limit=0", "page=x", "created_after=yesterday"] {
        let (status, message) = client.get(&format!("/v1/batch-sessions?{query}")).await.failure();
        shown.push(format!("{status} {message}"));
    }
    insta::assert_snapshot!(shown.join("\n"), @r#"
    400 missing field `count`
    400 Session count must be between 1 and 1000
    400 Session count must be between 1 and 1000
    400 count: invalid type: string "ten", expected i64
    400 configuration: must be an object
    400 metadata: invalid type: string "m", expected a map
    400 CAPTCHA solver requires proxy to be active.
    501 Feature not implemented. identities: nothing logs in with them; log in once and use browser.profile.
    400 status: must be pending, processing, completed, failed or cancelled
    400 limit: must be at most 100
    400 limit: must be a whole number from 1
    400 page: must be a whole number from 1
    400 created_after: must be an ISO 8601 date and time, 2026-01-31T12:00:00Z for example
    "#);
    assert_eq!(client.get("/v1/batch-sessions").await.data()["batches"], json!([]));
}

#[tokio::test]
async fn batches_are_listed_newest_first_by_status_and_time() {
    let server = server_with("[sessions]\nmax_concurrent = 1").await;
    let client = server.client();
    let failed = order(client, 2, json!({"browser": {"profile": {"name": "never heard of"}}})).await;
    settled(client, &failed).await;
    let running = order(client, 2, json!({})).await;
    client.wait_for(&running, |batch| batch["completed_requests"] == 1).await;
    let waiting = order(client, 3, json!({})).await;
    insta::assert_snapshot!(client.get("/v1/batch-sessions?limit=2").await.shown(), @r#"
    200
    {
      "data": {
        "batches": [
          {
            "batch_id": "[uuid]",
            "completed_requests": 0,
            "created_at": "[time]",
            "failed_requests": 0,
            "status": "pending",
            "total_requests": 3
          },
          {
            "batch_id": "[uuid]",
            "completed_requests": 1,
            "created_at": "[time]",
            "failed_requests": 0,
            "status": "processing",
            "total_requests": 2
          }
        ],
        "pagination": {
          "current_page": 1,
          "has_next": true,
          "has_prev": false,
          "total_pages": 2,
          "total_records": 3
        }
      }
    }
    "#);
    let listed = async |query: &str| {
        let page = client.get(&format!("/v1/batch-sessions?{query}")).await.data();
        let ids = page["batches"].as_array().unwrap().iter();
        ids.map(|batch| format!("/v1/batch-sessions/{}", batch["batch_id"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("page=2&limit=2").await, [&failed[..]]);
    assert_eq!(listed("status=failed").await, [&failed[..]]);
    assert_eq!(listed("status=processing").await, [&running[..]]);
    let at = client.get(&running).await.data()["created_at"].as_str().unwrap().to_owned();
    assert_eq!(listed(&format!("created_after={at}")).await, [&waiting[..]]);
    assert_eq!(listed(&format!("created_before={at}")).await, [&failed[..]]);
    let batch = client.get(&failed).await.data();
    assert_eq!(
        (&batch["error"], &batch["progress"]["percentage"]),
        (&json!("None of the sessions could be started. The first one: Profile not found."), &json!(100.0))
    );

    let other = server.other_project().await;
    assert_eq!(other.get("/v1/batch-sessions").await.data()["pagination"]["total_records"], 0);
    let not_found = (404, "Batch not found.".to_owned());
    assert_eq!(other.get(&running).await.failure(), not_found);
    assert_eq!(other.patch(&running, json!({"status": "cancelled"})).await.failure(), not_found);
    assert_eq!(other.post(&format!("{failed}/retry"), json!({})).await.failure(), not_found);
    assert_eq!(other.delete(&failed).await.failure(), not_found);
    for id in ["nonsense", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"] {
        assert_eq!(client.get(&format!("/v1/batch-sessions/{id}")).await.failure(), not_found);
    }
    client.get(&failed).await.data();
}

#[tokio::test]
async fn a_project_may_have_only_so_much_waiting() {
    let server = server_with("[sessions]\nmax_concurrent = 1").await;
    let client = server.client();
    client.session(json!({})).await;
    let mut last = String::new();
    for _ in 0..5 {
        last = order(client, 1000, json!({})).await;
    }
    let refused = client.post("/v1/sessions/async", json!({})).await;
    let (status, message) = refused.failure();
    assert_eq!(status, 429);
    assert!(message.starts_with("API key would exceed batch browser limit."), "{message}");
    assert_eq!(client.post("/v1/batch-sessions", json!({"count": 1})).await.failure().0, 429);
    // Another project's is its own affair, and what is cancelled waits no more.
    server.other_project().await.post("/v1/batch-sessions", json!({"count": 1})).await.data();
    client.patch(&last, json!({"status": "cancelled"})).await.data();
    client.post("/v1/batch-sessions", json!({"count": 1000})).await.data();
}
