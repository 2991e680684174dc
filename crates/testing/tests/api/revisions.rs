//! `/v1/profiles/{name}/revisions`, `/checkpoint`, `/events`, and the long poll.

use futures_util::StreamExt as _;
use http::Method;
use roadstead_testing::answer::Client;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};

/// Saves a session into a profile; returns the session's id.
async fn save(client: &Client, profile: &str) -> String {
    let session = client.session(json!({"browser": {"profile": {"name": profile, "persist": true}}})).await;
    let id = session["id"].as_str().unwrap().to_owned();
    client.delete(&format!("/v1/sessions/{id}")).await.data();
    id
}

async fn start(client: &Client, profile: Value) -> Value {
    client.session(json!({"browser": {"profile": profile}})).await
}

async fn refuse(client: &Client, profile: Value) -> (u16, String) {
    client.post("/v1/sessions", json!({"browser": {"profile": profile}})).await.failure()
}

async fn numbers(client: &Client, profile: &str) -> Vec<u64> {
    let listed = client.get(&format!("/v1/profiles/{profile}/revisions")).await.data();
    let items = listed["items"].as_array().unwrap();
    items.iter().map(|revision| revision["revision"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn revisions_are_listed_newest_first_and_shown_one_by_one() {
    let server = TestServer::start().await;
    let client = server.client();
    let first = save(client, "a").await;
    save(client, "a").await;
    let listed = client.get("/v1/profiles/a/revisions").await.data();
    assert_eq!(listed["count"], 2);
    let [newest, oldest] = [&listed["items"][0], &listed["items"][1]];
    assert_eq!(
        (&newest["revision"], &newest["parent"], &newest["head"]),
        (&json!(2), &json!(1), &json!(true))
    );
    assert_eq!(
        (&oldest["revision"], &oldest["parent"], &oldest["head"]),
        (&json!(1), &Value::Null, &json!(false))
    );
    assert_eq!((&oldest["session_id"], &oldest["cause"]), (&json!(first), &json!("ended")));
    insta::assert_snapshot!(client.get("/v1/profiles/a/revisions/1").await.shown(), @r#"
    200
    {
      "data": {
        "added_bytes": "[added_bytes]",
        "browser_version": "FakeChromium/156.0.0.0",
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
        "digest": "[digest]",
        "files": "[files]",
        "head": false,
        "pinned": false,
        "revision": 1,
        "saved_at": "[time]",
        "session_id": "[uuid]",
        "size_bytes": "[size_bytes]"
      }
    }
    "#);
    assert_eq!(
        client.get("/v1/profiles/b/revisions").await.failure(),
        (404, "Profile not found.".to_owned())
    );
    for number in ["3", "0", "x", "-1", "99999999999999999999"] {
        let answer = client.get(&format!("/v1/profiles/a/revisions/{number}")).await;
        assert_eq!(answer.failure(), (404, "Revision not found.".to_owned()), "{number}");
    }
}

#[tokio::test]
async fn a_roll_back_adds_a_revision_and_overwrites_nothing() {
    let server = TestServer::start().await;
    let client = server.client();
    save(client, "a").await;
    save(client, "a").await;
    let added = client.post("/v1/profiles/a/revisions/1/rollback", json!({})).await.data();
    let first = client.get("/v1/profiles/a/revisions/1").await.data();
    assert_eq!((&added["revision"], &added["cause"]), (&json!(3), &json!("rolled_back")));
    assert_eq!((&added["digest"], &added["parent"]), (&first["digest"], &json!(1)));
    assert_eq!(client.get("/v1/profiles/a").await.data()["revision"], 3);
    assert_eq!(numbers(client, "a").await, [3, 2, 1]);
    let session = start(client, json!({"name": "a"})).await;
    let shown = client.get(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    assert_eq!(shown["profile"]["revision"], 3);
    // Its bytes are those of revision 1, so they stay when that one goes.
    client.delete("/v1/profiles/a/revisions/1").await.data();
    start(client, json!({"name": "a"})).await;
    assert_eq!(client.post("/v1/profiles/a/revisions/1/rollback", json!({})).await.failure().0, 404);
}

#[tokio::test]
async fn a_revision_is_deleted_for_good_but_never_the_head_or_a_pinned_one() {
    let server = TestServer::start().await;
    let client = server.client();
    for _ in 0..3 {
        save(client, "a").await;
    }
    let (status, message) = client.delete("/v1/profiles/a/revisions/3").await.failure();
    assert_eq!((status, message.contains("is the head")), (409, true), "{message}");
    assert_eq!(client.post("/v1/profiles/a/revisions/1/pin", json!({})).await.data()["pinned"], true);
    let (status, message) = client.delete("/v1/profiles/a/revisions/1").await.failure();
    assert_eq!((status, message.contains("is pinned")), (409, true), "{message}");
    assert_eq!(client.delete("/v1/profiles/a/revisions/1/pin").await.data()["pinned"], false);
    client.delete("/v1/profiles/a/revisions/1").await.data();
    let running = start(client, json!({"name": "a", "revision": 2})).await;
    let (status, message) = client.delete("/v1/profiles/a/revisions/2").await.failure();
    assert_eq!((status, message.contains("in use by a session")), (409, true), "{message}");
    client.delete(&format!("/v1/sessions/{}", running["id"].as_str().unwrap())).await.data();
    client.delete("/v1/profiles/a/revisions/2").await.data();
    assert_eq!(numbers(client, "a").await, [3]);
    // Its number is not used again, although it is the highest that is free.
    save(client, "a").await;
    client.post("/v1/profiles/a/revisions/3/rollback", json!({})).await.data();
    client.delete("/v1/profiles/a/revisions/4").await.data();
    save(client, "a").await;
    assert_eq!(numbers(client, "a").await, [6, 5, 3]);
}

#[tokio::test]
async fn two_that_start_from_one_revision_both_become_revisions_and_say_so() {
    let server = TestServer::start().await;
    let client = server.client();
    save(client, "a").await;
    let one = start(client, json!({"name": "a", "persist": true})).await;
    let other = start(client, json!({"name": "a", "persist": true})).await;
    let end = async |session: &Value| {
        client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data()
    };
    let first = end(&one).await["receipts"][0].clone();
    let second = end(&other).await["receipts"][0].clone();
    assert_eq!((&first["revision"], &first["diverged_from"]), (&json!(2), &Value::Null));
    assert_eq!((&second["revision"], &second["diverged_from"]), (&json!(3), &json!(2)));
    let listed = client.get("/v1/profiles/a/revisions/3").await.data();
    assert_eq!((&listed["parent"], &listed["diverged_from"]), (&json!(1), &json!(2)));
    assert_eq!(client.get("/v1/profiles/a").await.data()["revision"], 3);
}

#[tokio::test]
async fn an_exclusive_writer_is_the_only_one_and_is_named() {
    let server = TestServer::start().await;
    let client = server.client();
    save(client, "a").await;
    let alone = json!({"name": "a", "persist": true, "writer": "exclusive"});
    let holder = start(client, alone.clone()).await;
    let id = holder["id"].as_str().unwrap();
    for another in [alone.clone(), json!({"name": "a", "persist": true})] {
        let (status, message) = refuse(client, another).await;
        assert_eq!((status, message.contains(id)), (409, true), "{message}");
    }
    let reader = start(client, json!({"name": "a"})).await;
    let tie = client.put("/v1/profiles/a", json!({"session_id": reader["id"]})).await.failure();
    assert_eq!((tie.0, tie.1.contains(id)), (409, true), "{}", tie.1);
    let reading = json!({"session_id": reader["id"]});
    assert_eq!(client.post("/v1/profiles/a/checkpoint", reading).await.failure().0, 409);
    assert_eq!(client.post("/v1/profiles/a/revisions/1/rollback", json!({})).await.failure().0, 409);
    let own = client.post("/v1/profiles/a/checkpoint", json!({"session_id": id})).await.data();
    assert_eq!((&own["status"], &own["diverged_from"]), (&json!("saved"), &Value::Null));
    client.delete(&format!("/v1/sessions/{id}")).await.data();

    let shared = start(client, json!({"name": "a", "persist": true})).await;
    let (status, message) = refuse(client, alone.clone()).await;
    assert_eq!((status, message.contains(shared["id"].as_str().unwrap())), (409, true), "{message}");
    start(client, json!({"name": "a", "persist": true})).await;
    client.delete("/v1/sessions/all").await.data();
    start(client, alone).await;
}

#[tokio::test]
async fn a_session_starts_from_the_revision_that_it_names() {
    let server = TestServer::start().await;
    let client = server.client();
    save(client, "a").await;
    save(client, "a").await;
    let old = start(client, json!({"name": "a", "revision": 1, "persist": true})).await;
    let ended = client.delete(&format!("/v1/sessions/{}", old["id"].as_str().unwrap())).await.data();
    let receipt = &ended["receipts"][0];
    assert_eq!((&receipt["revision"], &receipt["diverged_from"]), (&json!(3), &json!(2)));
    assert_eq!(client.get("/v1/profiles/a/revisions/3").await.data()["parent"], 1);
    assert_eq!(
        refuse(client, json!({"name": "a", "revision": 9})).await,
        (404, "Revision not found.".to_owned())
    );
    let (status, message) = refuse(client, json!({"name": "a", "min_revision": 9, "wait_seconds": 0})).await;
    assert_eq!((status, message.contains("its head is 3")), (409, true), "{message}");
    assert_eq!(refuse(client, json!({"name": "a", "revision": 0})).await.0, 400);
    start(client, json!({"name": "a", "min_revision": 3})).await;
}

#[tokio::test]
async fn a_checkpoint_needs_a_running_session_and_a_profile_of_the_same_project() {
    let server = TestServer::start().await;
    let (client, stranger) = (server.client(), server.other_project().await);
    save(client, "a").await;
    let session = start(client, json!({"name": "a"})).await;
    let body = json!({"session_id": session["id"]});
    let receipt = client.post("/v1/profiles/a/checkpoint", body.clone()).await.data();
    assert_eq!((&receipt["status"], &receipt["revision"]), (&json!("saved"), &json!(2)));
    assert_eq!(client.get("/v1/profiles/a/revisions/2").await.data()["parent"], 1, "it was started from it");
    stranger.post("/v1/profiles", json!({"name": "a"})).await.data();
    for (client, body, expected) in [
        (&stranger, body.clone(), (404, "Session not found or unreachable.")),
        (client, json!({"session_id": uuid::Uuid::new_v4()}), (404, "Session not found or unreachable.")),
        (client, json!({"session_id": "x"}), (400, "session_id: must be a session's id, which is a UUID")),
        (client, json!({}), (400, "missing field `session_id`")),
    ] {
        let (status, message) = client.post("/v1/profiles/a/checkpoint", body).await.failure();
        assert_eq!((status, message.as_str()), expected);
    }
    assert_eq!(client.post("/v1/profiles/b/checkpoint", body).await.failure().0, 404);
    for path in ["", "/1", "/1/rollback", "/1/pin", "/1/promote"] {
        let path = format!("/v1/profiles/a/revisions{path}");
        let method =
            if path.ends_with("revisions") || path.ends_with("/1") { Method::GET } else { Method::POST };
        let request = stranger.request(method, &path);
        let answer = stranger.send(request).await;
        if path.ends_with("revisions") {
            assert_eq!(answer.data()["count"], 0, "its own is empty");
        } else {
            assert_eq!(answer.failure(), (404, "Revision not found.".to_owned()), "{path}");
        }
    }
    let ended = client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    assert_eq!(ended["receipts"].as_array().unwrap().len(), 1, "it was not to be saved at its end: {ended}");
}

#[tokio::test]
async fn a_long_poll_answers_when_the_revision_is_there_or_the_time_is_over() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = start(client, json!({"name": "a", "persist": true})).await;
    let (status, message) = client.get("/v1/profiles/a?min_revision=1&timeout=0.05").await.failure();
    assert_eq!((status, message.contains("it holds nothing yet")), (408, true), "{message}");
    let waiting = client.get("/v1/profiles/a?min_revision=1&timeout=60");
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let (waited, _ended) = tokio::join!(waiting, client.delete(&path));
    assert_eq!(waited.data()["revision"], 1);
    for wrong in
        ["min_revision=0", "min_revision=x", "min_revision=1&timeout=-1", "min_revision=1&timeout=601"]
    {
        assert_eq!(client.get(&format!("/v1/profiles/a?{wrong}")).await.failure().0, 400, "{wrong}");
    }
    assert_eq!(client.get("/v1/profiles/b?min_revision=1").await.failure().0, 404);
}

#[tokio::test]
async fn events_tell_of_revisions_of_the_status_and_of_the_end() {
    let server = TestServer::start().await;
    let client = server.client();
    save(client, "a").await;
    let response = client.request(Method::GET, "/v1/profiles/a/events").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = Events { bytes: Box::pin(response.bytes_stream()), text: String::new() };
    let (id, name, data) = events.next().await;
    assert_eq!((id.as_str(), name.as_str(), &data["revision"]), ("1", "revision", &json!(1)), "the head");
    assert_eq!(events.next().await.2["status"], "active");
    save(client, "a").await;
    let (id, name, data) = events.next().await;
    assert_eq!((id.as_str(), name.as_str(), &data["cause"]), ("2", "revision", &json!("ended")));
    let request = client.request(Method::GET, "/v1/profiles/a/events").header("last-event-id", "0");
    let response = request.send().await.unwrap();
    let mut all = Events { bytes: Box::pin(response.bytes_stream()), text: String::new() };
    assert_eq!((all.next().await.0, all.next().await.0), ("1".to_owned(), "2".to_owned()));
    client.delete("/v1/profiles/a").await.data();
    assert_eq!(events.next().await.1, "deleted");
    assert_eq!(client.get("/v1/profiles/a/events").await.failure().0, 404);
}

/// Server-sent events as they arrive: id, name and data of each.
struct Events<B, E>
where
    B: AsRef<[u8]>,
    E: std::fmt::Debug,
{
    bytes: std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<B, E>>>>,
    text: String,
}

impl<B: AsRef<[u8]>, E: std::fmt::Debug> Events<B, E> {
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(found) = read_event(&event) {
                    return found;
                }
                continue;
            }
            let more = tokio::time::timeout(std::time::Duration::from_secs(30), self.bytes.next()).await;
            let more = more.expect("an event in time").expect("the stream goes on").unwrap();
            self.text.push_str(std::str::from_utf8(more.as_ref()).unwrap());
        }
    }
}

/// Reads an event; a status that nobody asked for in these tests and a comment are skipped.
fn read_event(text: &str) -> Option<(String, String, Value)> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let data = serde_json::from_str(&field("data")).ok()?;
    (data != json!({"name": "a", "status": "pending", "revision": 1, "status_reason": null}))
        .then(|| (field("id"), field("event"), data))
}

#[tokio::test]
async fn old_revisions_go_and_pinned_ones_stay() {
    let config = "[profile]\nkeep_last = 2\nkeep_days = 0";
    let server = TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await;
    let client = server.client();
    save(client, "a").await;
    client.post("/v1/profiles/a/revisions/1/pin", json!({})).await.data();
    for _ in 0..30 {
        save(client, "a").await;
    }
    // Let go in the background after each save; the last may still be under way.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while numbers(client, "a").await != [31, 30, 1] {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", numbers(client, "a").await);
        tokio::task::yield_now().await;
    }
    start(client, json!({"name": "a", "revision": 1})).await;
    start(client, json!({"name": "a"})).await;
    assert_eq!(refuse(client, json!({"name": "a", "revision": 7})).await.0, 404);
}
