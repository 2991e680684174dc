//! `/v1/sessions/{id}/recordings`: how they are listed, who may see them, and for how long. What real browsers show is in
//! `tests/recordings`.

use roadstead_testing::program::wait_until;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cdp::Socket;

async fn server(config: &'static str) -> TestServer {
    TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await
}

/// Starts a session that is recorded, and waits for its first picture. Returns its id, and the path of its recordings.
async fn recorded(server: &TestServer, body: Value) -> (String, String) {
    let created = server.client().session(body).await;
    let id = created["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/sessions/{id}/recordings");
    server.client().wait_for(&path, |shown| shown["items"][0]["frames"] == 1).await;
    (id, path)
}

fn on() -> Value {
    json!({"session": {"recording": {"active": true}}})
}

/// Has the fake browser show something else.
async fn show(server: &TestServer, id: &str, url: &str) {
    let pages = server.get(&format!("/v1/sessions/{id}/pages")).await.data();
    let mut page = Socket::open(pages["items"][0]["cdp_url"].as_str().unwrap()).await;
    page.call(json!({"id": 1, "method": "Page.navigate", "params": {"url": url}})).await;
}

#[tokio::test]
async fn a_recording_is_listed_and_its_pictures_are_fetched() {
    let server = server("").await;
    let (id, path) = recorded(&server, on()).await;
    assert_eq!(server.get("/v1/sessions").await.data()["sessions"][0]["recording"], true);
    show(&server, &id, "https://site.example/second").await;
    server.client().wait_for(&path, |shown| shown["items"][0]["frames"] == 2).await;
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    let mut item = server.get(&path).await.data()["items"][0].clone();
    assert!(item["size"].as_u64() > Some(100) && item["duration"].as_str().unwrap().contains('.'));
    (item["size"], item["duration"]) = (json!("[size]"), json!("[duration]"));
    let shown = item.to_string();
    for part in [
        "\"status\":\"completed\"",
        "\"is_primary\":true",
        "\"frames\":2",
        &format!("/v1/sessions/{id}/recordings/primary/fetch\""),
        &format!("/v1/sessions/{id}/recordings/primary/replay\""),
        ".mp4\"",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    // What scripts from before `/v1` read.
    let videos = server.get(&format!("/api/sessions/{id}/recording")).await.data();
    assert_eq!(videos, json!({"videos": [item["file_link"]]}));
    let frames = server.get(&format!("{path}/primary/frames")).await.data();
    assert_eq!(frames["status"], "completed");
    assert!(frames["frames"][0].as_u64() <= frames["frames"][1].as_u64(), "{frames}");
    assert!(frames["frames"][1].as_u64() <= frames["duration_ms"].as_u64(), "{frames}");
    for (number, url) in [(0, "about:blank"), (1, "https://site.example/second")] {
        let picture = server.get(&format!("{path}/primary/frames/{number}")).await;
        assert!(picture.text.contains(url), "picture {number}");
        assert_eq!(picture.header("content-type"), Some("image/jpeg"));
        assert_eq!(picture.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(picture.header("cache-control"), Some("no-store"));
    }
    for number in ["2", "-1", "x", "99999999999999999999"] {
        let answer = server.get(&format!("{path}/primary/frames/{number}")).await;
        assert_eq!(answer.failure(), (404, "Recording not found.".to_owned()));
    }
}

#[tokio::test]
async fn a_session_that_is_not_recorded_says_so() {
    let server = server("").await;
    for body in [json!({}), json!({"session": {"recording": {"active": false}}})] {
        let created = server.client().session(body).await;
        let id = created["id"].as_str().unwrap();
        let path = format!("/v1/sessions/{id}/recordings");
        assert_eq!(server.get(&path).await.data(), json!({"count": 0, "items": []}));
        let videos = server.get(&format!("/api/sessions/{id}/recording")).await.data();
        assert_eq!(videos, json!({"videos": []}));
        let disabled = (400, "Recording feature is disabled for this session.".to_owned());
        for what in ["pause", "resume"] {
            let answer = server.client().post(&format!("{path}/{what}"), json!({})).await;
            assert_eq!(answer.failure(), disabled);
        }
        assert_eq!(server.client().delete(&format!("{path}/primary")).await.failure(), disabled);
        for what in ["fetch", "frames", "frames/0", "replay"] {
            let answer = server.get(&format!("{path}/primary/{what}")).await;
            assert_eq!(answer.failure(), (404, "Recording not found.".to_owned()), "{what}");
        }
    }
    assert!(!server.data_dir().join("recordings").read_dir().unwrap().any(|_| true));
    assert_eq!(server.get("/v1/sessions").await.data()["sessions"][0]["recording"], false);
}

#[tokio::test]
async fn the_configuration_says_what_a_caller_does_not() {
    let server = server("[recordings]\nactive = true").await;
    recorded(&server, json!({})).await;
    let created = server.client().session(json!({"session": {"recording": {"active": false}}})).await;
    let path = format!("/v1/sessions/{}/recordings", created["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.data()["count"], 0);
}

#[tokio::test]
async fn a_pause_takes_nothing_and_an_end_ends_it() {
    let server = server("").await;
    let (id, path) = recorded(&server, on()).await;
    let post = async |what: &str| server.client().post(&format!("{path}/{what}"), json!({})).await;
    for _ in 0..2 {
        let paused = post("pause").await;
        assert_eq!(paused.json(), json!({"data": {"data": {"status": "success"}}}));
        assert_eq!(server.get(&path).await.data()["items"][0]["status"], "paused");
    }
    show(&server, &id, "https://site.example/unseen").await;
    for _ in 0..2 {
        post("resume").await.data();
        assert_eq!(server.get(&path).await.data()["items"][0]["status"], "recording");
    }
    let frames = format!("{path}/primary/frames");
    let taken = async |count: usize| {
        let has_them = |shown: &Value| shown["frames"].as_array().is_some_and(|frames| frames.len() >= count);
        let shown = server.client().wait_for(&frames, has_them).await;
        assert_eq!(shown["frames"].as_array().unwrap().len(), count);
    };
    // What the page shows when it goes on is seen again.
    taken(2).await;
    show(&server, &id, "https://site.example/seen").await;
    taken(3).await;
    assert!(server.get(&format!("{frames}/2")).await.text.contains("/seen"));
    post("pause").await.data();
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(server.get(&path).await.data()["items"][0]["status"], "completed");
    assert_eq!(post("pause").await.failure().0, 409);
    assert_eq!(post("resume").await.failure().0, 409);
}

#[tokio::test]
async fn a_recording_is_deleted_while_it_is_made_and_after() {
    let server = server("").await;
    let (id, path) = recorded(&server, on()).await;
    let kept = |id: &str| server.data_dir().join("recordings").join(id);
    assert!(kept(&id).join("reel").is_file());
    let unknown = (404, "Recording not found.".to_owned());
    for wrong in [Uuid::new_v4().to_string(), "secondary".to_owned()] {
        assert_eq!(server.client().delete(&format!("{path}/{wrong}")).await.failure(), unknown);
    }
    let deleted = server.client().delete(&format!("{path}/primary")).await;
    assert_eq!(deleted.json(), json!({"data": {"status": "success"}}));
    assert!(!kept(&id).exists());
    assert_eq!(server.get(&path).await.data()["count"], 0);
    assert_eq!(server.client().delete(&format!("{path}/primary")).await.failure(), unknown);
    assert_eq!(server.client().post(&format!("{path}/resume"), json!({})).await.failure(), unknown);
    // The session goes on without it.
    show(&server, &id, "https://site.example/").await;
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    assert!(!kept(&id).exists());

    let (id, path) = recorded(&server, on()).await;
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    let which = server.get(&path).await.data()["items"][0]["id"].as_str().unwrap().to_owned();
    server.client().delete(&format!("{path}/{which}")).await.data();
    assert!(!kept(&id).exists());
    assert_eq!(server.get(&format!("{path}/primary/frames")).await.failure(), unknown);
}

#[tokio::test]
async fn a_recording_opens_to_its_project_and_to_its_sessions_tokens() {
    let server = server("").await;
    let (id, path) = recorded(&server, on()).await;
    let (second, _) = recorded(&server, on()).await;
    let (other, stranger) = (server.other_project().await, server.stranger());
    let unknown = (404, "Session not found.".to_owned());
    assert_eq!(other.get(&path).await.failure(), unknown);
    assert_eq!(other.post(&format!("{path}/pause"), json!({})).await.failure(), unknown);
    assert_eq!(other.delete(&format!("{path}/primary")).await.failure(), unknown);
    let token = async |id: &str| {
        let minted = server.client().post(&format!("/v1/sessions/{id}/tokens"), json!({})).await.data();
        minted["tokens"][0]["token"].as_str().unwrap().to_owned()
    };
    let (own, of_second) = (token(&id).await, token(&second).await);
    for what in ["frames", "frames/0", "replay"] {
        let path = format!("{path}/primary/{what}");
        assert_eq!(other.get(&path).await.failure(), unknown, "{what}");
        assert_eq!(stranger.get(&path).await.failure(), (401, "Invalid API Key".to_owned()));
        assert_eq!(stranger.get(&format!("{path}?token={of_second}")).await.failure().0, 401);
        assert_eq!(stranger.get(&format!("{path}?token={own}")).await.status, 200, "{what}");
    }
    assert_eq!(other.get(&format!("{path}/primary/fetch")).await.failure(), unknown);
    assert_eq!(stranger.get(&format!("{path}/primary/fetch")).await.failure().0, 401);
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(stranger.get(&format!("{path}/primary/frames?token={own}")).await.failure().0, 401);
    assert_eq!(server.get(&format!("{path}/primary/frames")).await.status, 200);
}

#[tokio::test]
async fn the_page_that_plays_it_loads_nothing_else_and_asks_a_browser_for_a_key() {
    let server = server("").await;
    let (_, path) = recorded(&server, on()).await;
    let path = format!("{path}/primary/replay");
    let page = server.get(&path).await;
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !page.text.contains("http"), "it is self-contained");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let stranger = server.stranger();
    let request = stranger.request(reqwest::Method::GET, &path).header("accept", "text/html,*/*");
    let asked = stranger.send(request).await;
    assert_eq!((asked.status.as_u16(), asked.text == page.text), (401, true));
    // It is the same for what does not exist.
    let absent = format!("/v1/sessions/{}/recordings/primary/replay", Uuid::new_v4());
    let request = stranger.request(reqwest::Method::GET, &absent).header("accept", "text/html,*/*");
    assert_eq!(stranger.send(request).await.text, page.text);
}

#[tokio::test]
async fn a_recording_that_is_full_stops_and_says_so() {
    let server = server("[recordings]\nmax_bytes = 400").await;
    let (id, path) = recorded(&server, on()).await;
    for number in 0..3 {
        show(&server, &id, &format!("https://site.example/{number}")).await;
    }
    let shown = server.client().wait_for(&path, |shown| shown["items"][0]["status"] == "stopped").await;
    let item = &shown["items"][0];
    assert_eq!(
        item["detail"],
        "It has reached the 400 bytes that a recording may have (recordings.max_bytes)."
    );
    assert!(item["size"].as_u64() <= Some(400) && item["frames"].as_u64() >= Some(1), "{item}");
    assert_eq!(server.client().post(&format!("{path}/resume"), json!({})).await.failure().0, 409);
    assert_eq!(server.get(&format!("{path}/primary/frames/0")).await.status, 200);
    assert_eq!(server.get(&format!("/v1/sessions/{id}")).await.data()["status"], "running");
}

#[tokio::test]
async fn without_ffmpeg_there_is_no_video() {
    let server = server("[recordings]\nffmpeg = '/nowhere/ffmpeg'").await;
    let (_, path) = recorded(&server, on()).await;
    let (status, message) = server.get(&format!("{path}/primary/fetch")).await.failure();
    assert_eq!(status, 501);
    assert!(message.contains("apt-get install ffmpeg") && message.contains("replay_link"), "{message}");
}

#[tokio::test]
async fn a_recording_expires_some_time_after_its_session() {
    let server = server("[recordings]\nkeep_minutes = 0").await;
    let (id, path) = recorded(&server, on()).await;
    let kept = server.data_dir().join("recordings").join(&id);
    assert!(kept.is_dir());
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    // At once, whenever its file goes.
    assert_eq!(server.get(&path).await.data(), json!({"count": 0, "items": []}));
    wait_until("its file is gone", || !kept.exists()).await.unwrap();
}

#[tokio::test]
async fn nothing_of_a_recording_is_in_the_log() {
    let server = server("").await;
    let (id, path) = recorded(&server, on()).await;
    show(&server, &id, "https://site.example/a-secret-page").await;
    server.client().wait_for(&path, |shown| shown["items"][0]["frames"] == 2).await;
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    assert!(server.log().contains("a recording ended") && !server.log().contains("a-secret-page"));
}
