//! `/v1/webhooks`: who is told, of what, how it is signed, and what becomes of what nobody takes.

use reqwest::Method;
use roadstead_testing::answer::Client;
use roadstead_testing::fake_browser::Behaviour;
use roadstead_testing::receiver::{Receiver, Reply};
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};

/// A server that posts to loopback, and hardly waits between attempts.
async fn server() -> TestServer {
    server_with(Behaviour::Good).await
}

async fn server_with(browser: Behaviour) -> TestServer {
    let config = "[webhooks]\nallow_private = true\nretry_base_ms = 1\ntimeout_seconds = 2\n[sessions]\nstart_seconds = 2";
    TestServer::start_with(TestServerOptions { browser, config }).await
}

/// Makes a webhook, and returns it with its secret.
async fn make(client: &Client, url: &str, events: &[&str]) -> Value {
    let made = client.post("/v1/webhooks", json!({"url": url, "subscribed_events": events})).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text);
    made.json()
}

fn path(webhook: &Value) -> String {
    format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap())
}

/// Waits until the newest delivery of a webhook is in a status, and returns it.
async fn newest(client: &Client, webhook: &Value, status: &str) -> Value {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let log = client.get(&format!("{}/events", path(webhook))).await.json();
        if log["events"][0]["status"] == status {
            return log["events"][0].clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "it never was {status}: {log}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn test_event(client: &Client, webhook: &Value) -> Value {
    let sent = client.post(&format!("{}/test", path(webhook)), json!({"event_type": "task.healed"})).await;
    assert_eq!(sent.status.as_u16(), 202, "{}", sent.text);
    sent.json()
}

#[tokio::test]
async fn a_webhook_is_made_shown_changed_and_deleted() {
    let server = TestServer::start().await;
    let client = server.client();
    let body = json!({
        "url": "https://app.example.com/hooks?a=b", "description": "mine",
        "subscribed_events": ["session.completed", "session.recording.ready", "session.completed"],
    });
    let made = client.post("/v1/webhooks", body).await;
    insta::assert_snapshot!(made.shown(), @r#"
    201
    {
      "created_at": "[time]",
      "description": "mine",
      "enabled": true,
      "id": "wh_[token]",
      "project_id": "[uuid]",
      "secret": "[digest]",
      "subscribed_events": [
        "session.completed",
        "session.recording.ready"
      ],
      "updated_at": "[time]",
      "url": "https://app.example.com/hooks?a=b"
    }
    "#);
    let made = made.json();
    let shown = client.get(&path(&made)).await;
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!((shown.status.as_u16(), shown.json()), (200, expected.clone()));
    assert_eq!(client.get("/v1/webhooks").await.json(), json!({"webhooks": [expected]}));

    for method in [Method::PATCH, Method::PUT] {
        let request = client.request(method.clone(), &path(&made));
        let changed = client.send(request.json(&json!({"enabled": false, "description": null}))).await.json();
        assert_eq!(
            (&changed["enabled"], &changed["description"], &changed["url"], &changed["subscribed_events"]),
            (&json!(false), &json!("mine"), &made["url"], &made["subscribed_events"]),
            "{method}"
        );
        assert_eq!(changed["secret"], Value::Null);
    }
    let body =
        json!({"url": "https://other.example.com", "subscribed_events": ["batch.failed"], "description": ""});
    let changed = client.patch(&path(&made), body).await.json();
    assert_eq!(changed["url"], "https://other.example.com");
    assert_eq!(changed["subscribed_events"], json!(["batch.failed"]));
    assert_eq!(changed["description"], "");
    let moment = |field: &str| changed[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(moment("updated_at") > moment("created_at"));

    assert_eq!(client.delete(&path(&made)).await.json(), json!({"ok": true}));
    for answer in [client.get(&path(&made)).await, client.delete(&path(&made)).await] {
        assert_eq!(answer.failure(), (404, "Webhook not found.".to_owned()));
    }
    assert_eq!(client.get("/v1/webhooks").await.json(), json!({"webhooks": []}));
    // What it was told stays to be read.
    assert_eq!(client.get(&format!("{}/events", path(&made))).await.status.as_u16(), 200);

    let told = client.get("/v1/audit?limit=100").await.data();
    let actions: Vec<_> =
        told["items"].as_array().unwrap().iter().rev().map(|item| item["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions[1..],
        ["webhook.create", "webhook.update", "webhook.update", "webhook.update", "webhook.delete"]
    );
}

#[tokio::test]
async fn what_is_malformed_is_named() {
    let server = TestServer::start().await;
    let client = server.client();
    let good = json!({"url": "https://app.example.com", "subscribed_events": ["session.failed"]});
    for (field, value) in [
        ("url", json!("")),
        ("url", json!("app.example.com")),
        ("url", json!("ftp://app.example.com")),
        ("url", json!("https://u:p@app.example.com")),
        ("url", json!(format!("https://app.example.com/{}", "a".repeat(2048)))),
        ("url", json!(5)),
        ("description", json!("d".repeat(257))),
        ("subscribed_events", json!([])),
        ("subscribed_events", json!(["session.started"])),
        ("subscribed_events", json!("session.failed")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let (status, message) = client.post("/v1/webhooks", body).await.failure();
        assert!(status == 400 && message.starts_with(field), "{field} {value}: {status} {message}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("offset=-1", "offset"),
        ("status=x", "status"),
        ("event_type=x", "event_type"),
        ("since=x", "since"),
        ("until=x", "until"),
    ] {
        let made = make(client, "https://app.example.com", &["session.failed"]).await;
        let (status, message) = client.get(&format!("{}/events?{query}", path(&made))).await.failure();
        assert!(status == 400 && message.starts_with(field), "{query}: {status} {message}");
        client.delete(&path(&made)).await.json();
    }
}

#[tokio::test]
async fn private_addresses_and_plain_http_are_refused_unless_the_operator_allows_them() {
    let server = TestServer::start().await;
    let client = server.client();
    for url in [
        "https://127.0.0.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://a.localhost:8443/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://metadata.google.internal/",
        "https://100.64.0.1/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
    ] {
        let body = json!({"url": url, "subscribed_events": ["session.failed"]});
        let (status, message) = client.post("/v1/webhooks", body).await.failure();
        assert!(status == 400 && message.contains("events are not sent to"), "{url}: {status} {message}");
    }
    let http = json!({"url": "http://app.example.com/", "subscribed_events": ["session.failed"]});
    let (status, message) = client.post("/v1/webhooks", http).await.failure();
    assert!(status == 400 && message.contains("allow_private = true"), "{message}");
    let made = make(client, "https://app.example.com", &["session.failed"]).await;
    assert_eq!(client.patch(&path(&made), json!({"url": "https://127.0.0.1"})).await.failure().0, 400);
    assert_eq!(client.get(&path(&made)).await.json()["url"], "https://app.example.com");

    let server = self::server().await;
    make(server.client(), "http://10.0.0.1/", &["session.failed"]).await;
    // The server's own listener is nobody's receiver, and no instance's credentials are.
    for url in [format!("http://{}/v1/sessions", server.address()), "http://169.254.169.254/".to_owned()] {
        let body = json!({"url": url, "subscribed_events": ["session.failed"]});
        assert_eq!(server.client().post("/v1/webhooks", body).await.failure().0, 400, "{url}");
    }
}

#[tokio::test]
async fn a_project_has_five_at_most_and_no_other_sees_them() {
    let server = TestServer::start().await;
    let client = server.client();
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(make(client, &format!("https://{number}.example.com"), &["session.failed"]).await);
    }
    let sixth = json!({"url": "https://6.example.com", "subscribed_events": ["session.failed"]});
    let (status, message) = client.post("/v1/webhooks", sixth.clone()).await.failure();
    assert!(status == 409 && message.contains("5 webhooks"), "{status} {message}");
    let other = server.other_project().await;
    assert_eq!(other.get("/v1/webhooks").await.json(), json!({"webhooks": []}));
    make(&other, "https://6.example.com", &["session.failed"]).await;
    let path = path(&made[0]);
    let (events, test, rotate) =
        (format!("{path}/events"), format!("{path}/test"), format!("{path}/rotate-secret"));
    for answer in [
        other.get(&path).await,
        other.patch(&path, json!({"enabled": false})).await,
        other.put(&path, json!({"enabled": false})).await,
        other.delete(&path).await,
        other.get(&events).await,
        other.post(&test, json!({"event_type": "session.failed"})).await,
        other.post(&rotate, json!({})).await,
        client.get("/v1/webhooks/wh_1").await,
        client.get("/v1/webhooks/00000000-0000-4000-8000-000000000000").await,
    ] {
        assert_eq!(answer.failure(), (404, "Webhook not found.".to_owned()));
    }
    assert_eq!(client.get(&path).await.json()["enabled"], true);
    client.delete(&path).await.json();
    assert_eq!(client.post("/v1/webhooks", sixth).await.status.as_u16(), 201);
}

#[tokio::test]
async fn the_end_of_a_session_is_told_signed_and_logged() {
    let (server, receiver) = (server().await, Receiver::start().await.unwrap());
    let client = server.client();
    let webhook = make(client, &receiver.url("/hooks?a=b"), &["session.completed"]).await;
    let not_wanted =
        make(client, &receiver.url("/other"), &["session.failed", "session.recording.ready"]).await;
    let disabled = make(client, &receiver.url("/disabled"), &["session.completed"]).await;
    client.patch(&path(&disabled), json!({"enabled": false})).await.json();
    let body = json!({"browser": {"profile": {"name": "p", "persist": true}}});
    let session = client.session(body).await;
    let id = session["id"].as_str().unwrap();
    client.delete(&format!("/v1/sessions/{id}")).await.data();

    let posted = receiver.wait_for(1).await;
    let delivery = newest(client, &webhook, "succeeded").await;
    assert_eq!(posted.len(), 1);
    let event = posted[0].json();
    assert_eq!((posted[0].path.as_str(), posted[0].header("content-type")), ("/hooks", "application/json"));
    assert!(posted[0].header("user-agent").starts_with("Anchor-Webhooks/1.0"));
    assert_eq!(posted[0].header("anchor-event"), "session.completed");
    assert_eq!(posted[0].header("anchor-delivery-id"), delivery["id"]);
    assert_eq!(posted[0].signed_with(webhook["secret"].as_str().unwrap()), [0]);
    assert!(posted[0].signed_with(not_wanted["secret"].as_str().unwrap()).is_empty());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now - posted[0].header("anchor-timestamp").parse::<u64>().unwrap() < 60);

    let names: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["created", "data", "id", "project_id", "text", "type"]);
    assert_eq!(event["id"], delivery["external_event_id"]);
    assert!(event["id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!((&event["type"], &event["project_id"]), (&json!("session.completed"), &webhook["project_id"]));
    assert!(event["text"].as_str().unwrap().contains(id), "{event}");
    let data = &event["data"];
    assert_eq!(
        (&data["session_id"], &data["status"], &data["reason"]),
        (&json!(id), &json!("completed"), &json!("requested"))
    );
    assert_eq!(data["saved_profiles"], json!([{"name": "p", "revision": 1}]));
    assert_eq!((&delivery["attempt"], &delivery["response_status"]), (&json!(1), &json!(200)));
    assert_eq!(delivery["error_message"], Value::Null);
    assert!(delivery["completed_at"].is_string(), "{delivery}");
    for other in [&not_wanted, &disabled] {
        let log = client.get(&format!("{}/events", path(other))).await.json();
        assert_eq!(log, json!({"events": [], "pagination": {"limit": 25, "offset": 0, "total": 0}}));
    }
}

#[tokio::test]
async fn a_session_that_fails_is_told_as_one() {
    let (mut server, receiver) = (server_with(Behaviour::ExitAtOnce).await, Receiver::start().await.unwrap());
    server.expect_error("browser");
    let client = server.client();
    let webhook = make(client, &receiver.url("/"), &["session.failed", "batch.failed"]).await;
    client.post("/v1/sessions", json!({})).await.failure();
    let posted = receiver.wait_for(1).await;
    assert_eq!(
        (&posted[0].json()["type"], &posted[0].json()["data"]["status"]),
        (&json!("session.failed"), &json!("failed"))
    );
    newest(client, &webhook, "succeeded").await;
    client.post("/v1/batch-sessions", json!({"count": 1})).await.data();
    let posted = receiver.wait_for(3).await;
    let batch = posted.iter().find(|posted| posted.header("anchor-event") == "batch.failed").unwrap().json();
    assert_eq!((&batch["data"]["total_requests"], &batch["data"]["failed_requests"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_batch_is_told_once_when_all_of_it_is_settled() {
    let (server, receiver) = (server().await, Receiver::start().await.unwrap());
    let client = server.client();
    let webhook = make(client, &receiver.url("/"), &["batch.completed"]).await;
    let batch = client.post("/v1/batch-sessions", json!({"count": 3})).await.data();
    client.post("/v1/sessions/async", json!({})).await.data();
    let told = receiver.wait_for(1).await[0].json();
    assert_eq!(told["data"]["batch_id"], batch["batch_id"]);
    assert_eq!(
        (&told["data"]["total_requests"], &told["data"]["completed_requests"]),
        (&json!(3), &json!(3))
    );
    // The single session is no batch to anybody.
    client.wait_for("/v1/sessions?status=running", |sessions| sessions["total"] == 4).await;
    let log = client.get(&format!("{}/events", path(&webhook))).await.json();
    assert_eq!(log["pagination"]["total"], 1, "{log}");
}

#[tokio::test]
async fn what_fails_for_a_time_is_tried_again_and_stays_one_event() {
    let (server, receiver) = (server().await, Receiver::start().await.unwrap());
    let client = server.client();
    let webhook = make(client, &receiver.url("/"), &["session.failed"]).await;
    receiver.reply(&[Reply::Status(500), Reply::Silence, Reply::Status(429)], Reply::Endless);
    let sent = test_event(client, &webhook).await;
    let delivery = newest(client, &webhook, "succeeded").await;
    assert_eq!((&delivery["attempt"], &delivery["response_status"]), (&json!(4), &json!(200)), "{delivery}");
    assert_eq!(delivery["external_event_id"], sent["external_event_id"]);
    let posted = receiver.posted();
    assert_eq!(posted.len(), 4);
    for attempt in &posted {
        assert_eq!(attempt.body, posted[0].body, "every attempt is the same event");
        assert_eq!(attempt.header("anchor-delivery-id"), delivery["id"]);
        assert_eq!(attempt.signed_with(webhook["secret"].as_str().unwrap()), [0]);
    }
}

#[tokio::test]
async fn the_sixth_failure_ends_it_and_a_lasting_one_does_at_once() {
    let (server, receiver) = (server().await, Receiver::start().await.unwrap());
    let client = server.client();
    let webhook = make(client, &receiver.url("/hooks"), &["session.failed"]).await;
    // Redirects are answers, and nobody goes where they lead.
    receiver.reply(&[Reply::Status(503), Reply::Status(408)], Reply::Redirect);
    test_event(client, &webhook).await;
    let dead = newest(client, &webhook, "dead").await;
    assert_eq!((&dead["attempt"], &dead["response_status"]), (&json!(6), &json!(302)), "{dead}");
    assert!(dead["error_message"].as_str().unwrap().contains("redirects are not followed"), "{dead}");
    assert!(dead["completed_at"].is_string(), "{dead}");
    let posted = receiver.posted();
    assert_eq!(posted.len(), 6);
    assert!(posted.iter().all(|posted| posted.path == "/hooks"), "{posted:?}");

    receiver.reply(&[], Reply::Status(410));
    test_event(client, &webhook).await;
    let failed = newest(client, &webhook, "failed").await;
    assert_eq!((&failed["attempt"], &failed["response_status"]), (&json!(1), &json!(410)), "{failed}");
    assert_eq!(receiver.posted().len(), 7);

    let log = async |query: &str| client.get(&format!("{}/events?{query}", path(&webhook))).await.json();
    assert_eq!(log("").await["pagination"], json!({"limit": 25, "offset": 0, "total": 2}));
    assert_eq!(log("status=dead").await["events"], json!([dead]));
    assert_eq!(log("limit=1&offset=1").await["events"], json!([dead]));
    assert_eq!(log("event_type=task.healed").await["pagination"]["total"], 2);
    assert_eq!(log("event_type=task.failed").await["pagination"]["total"], 0);
    assert_eq!(log("since=2099-01-01").await["pagination"]["total"], 0);
    assert_eq!(log("until=2099-01-01").await["pagination"]["total"], 2);
}

#[tokio::test]
async fn for_a_day_the_old_secret_signs_too() {
    let (server, receiver) = (server().await, Receiver::start().await.unwrap());
    let client = server.client();
    let first = make(client, &receiver.url("/"), &["session.failed"]).await;
    let rotate = format!("{}/rotate-secret", path(&first));
    let second = client.send(client.request(Method::POST, &rotate)).await.json();
    assert_eq!((&second["id"], &second["url"]), (&first["id"], &first["url"]));
    let secret = |webhook: &Value| webhook["secret"].as_str().unwrap().to_owned();
    assert_ne!(secret(&first), secret(&second));
    test_event(client, &first).await;
    let posted = receiver.wait_for(1).await;
    assert_eq!(posted[0].signed_with(&secret(&second)), [0]);
    assert_eq!(posted[0].signed_with(&secret(&first)), [1]);
    // Of two rotations in a day the older secret is gone.
    let third = client.post(&rotate, json!({})).await.json();
    test_event(client, &first).await;
    let posted = receiver.wait_for(2).await;
    assert_eq!(
        (posted[1].signed_with(&secret(&third)), posted[1].signed_with(&secret(&second))),
        (vec![0], vec![1])
    );
    assert!(posted[1].signed_with(&secret(&first)).is_empty());

    for file in std::fs::read_dir(server.data_dir()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        for secret in [secret(&first), secret(&second), secret(&third)] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret can be read on the disk");
            assert!(!server.log().contains(&secret));
        }
    }
}

#[tokio::test]
async fn a_deleted_webhook_is_told_nothing_more() {
    let (server, receiver) = (server().await, Receiver::start().await.unwrap());
    let client = server.client();
    let webhook = make(client, &receiver.url("/"), &["session.completed"]).await;
    receiver.reply(&[], Reply::Silence);
    test_event(client, &webhook).await;
    receiver.wait_for(1).await;
    client.delete(&path(&webhook)).await.json();
    let dead = newest(client, &webhook, "dead").await;
    assert_eq!(dead["error_message"], "the webhook was deleted");
    let session = client.session(json!({})).await;
    client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    let log = client.get(&format!("{}/events", path(&webhook))).await.json();
    assert_eq!(log["pagination"]["total"], 1, "{log}");
}
