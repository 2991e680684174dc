//! `/v1/sessions/{id}/downloads`: how downloads are listed, who may fetch them, and for how long. That a browser's bytes come out
//! is in `tests/files`.

use roadstead_testing::program::wait_until;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cdp::{PATIENCE, Socket};

const LIMITS: &str = "[files]\nmax_download_mib = 1\nmax_downloads_mib = 2\ndownload_seconds = 60";

async fn server(config: &'static str) -> TestServer {
    TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await
}

/// A session, and a client of its browser.
struct Session {
    id: String,
    socket: Socket,
}

impl Session {
    async fn start(server: &TestServer) -> Self {
        let created = server.client().session(json!({})).await;
        let socket = Socket::open(created["cdp_url"].as_str().unwrap()).await;
        Self { id: created["id"].as_str().unwrap().to_owned(), socket }
    }

    fn path(&self) -> String {
        format!("/v1/sessions/{}/downloads", self.id)
    }

    /// Has the fake browser download something. Returns the download's id.
    async fn download(&mut self, mut params: Value) -> String {
        let guid = Uuid::new_v4().to_string();
        params["guid"] = json!(guid);
        params["url"] = json!("https://site.example/a");
        self.socket.call(json!({"id": 1, "method": "Fake.download", "params": params})).await;
        guid
    }

    /// Waits until so many are over. Returns them.
    async fn over(&self, server: &TestServer, count: usize) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut shown = server.get(&self.path()).await.data();
            if shown["count"] == count {
                return shown["items"].as_array_mut().map(std::mem::take).unwrap();
            }
            assert!(tokio::time::Instant::now() < deadline, "there are never {count}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_download_is_listed_and_fetched() {
    let server = server(LIMITS).await;
    let mut session = Session::start(&server).await;
    assert_eq!(server.get(&session.path()).await.data(), json!({"count": 0, "items": []}));
    session.download(json!({"name": "Grüße.txt", "text": "contents"})).await;
    let items = session.over(&server, 1).await;
    insta::assert_snapshot!(server.get(&session.path()).await.shown(), @r#"
    200
    {
      "data": {
        "count": 1,
        "items": [
          {
            "created_at": "[time]",
            "duration": "[duration]",
            "file_link": "http://[address]/v1/sessions/[uuid]/downloads/[uuid]",
            "id": "[uuid]",
            "original_download_url": "https://site.example/a",
            "original_file_name": "Grüße.txt",
            "size": 8,
            "status": "completed",
            "suggested_file_name": "Grüße.txt"
          }
        ]
      }
    }
    "#);
    let link = items[0]["file_link"].as_str().unwrap();
    let path = link.split_once("/v1/").map(|(_, path)| format!("/v1/{path}")).unwrap();
    let fetched = server.get(&path).await;
    assert_eq!((fetched.status.as_u16(), fetched.text.as_str()), (200, "contents"));
    for (header, value) in [
        ("content-type", "application/octet-stream"),
        ("content-length", "8"),
        ("content-disposition", "attachment; filename=\"Gr__e.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%2Etxt"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(fetched.header(header), Some(value));
    }
    // It outlives its session.
    server.client().delete(&format!("/v1/sessions/{}", session.id)).await.data();
    assert_eq!(server.get(&path).await.text, "contents");
    assert_eq!(session.over(&server, 1).await, items);
}

#[tokio::test]
async fn a_download_opens_to_its_project_and_to_its_sessions_tokens() {
    let server = server(LIMITS).await;
    let mut session = Session::start(&server).await;
    let id = session.download(json!({"name": "a", "text": "contents"})).await;
    session.over(&server, 1).await;
    let path = format!("{}/{id}", session.path());
    let (other, stranger) = (server.other_project().await, server.stranger());
    let unknown = (404, "Session not found.".to_owned());
    assert_eq!(other.get(&session.path()).await.failure(), unknown);
    assert_eq!(other.get(&path).await.failure(), unknown);
    assert_eq!(stranger.get(&session.path()).await.failure().0, 401);
    assert_eq!(stranger.get(&path).await.failure(), (401, "Invalid API Key".to_owned()));
    assert_eq!(stranger.get(&format!("{path}?token=wrong")).await.failure().0, 401);
    let mut second = Session::start(&server).await;
    second.download(json!({"name": "b", "text": "other"})).await;
    let token = async |id: &str| {
        let minted = server.client().post(&format!("/v1/sessions/{id}/tokens"), json!({})).await.data();
        minted["tokens"][0]["token"].as_str().unwrap().to_owned()
    };
    let (own, of_second) = (token(&session.id).await, token(&second.id).await);
    assert_eq!(stranger.get(&format!("{path}?token={own}")).await.text, "contents");
    assert_eq!(stranger.get(&format!("{path}?token={of_second}")).await.failure().0, 401);
    // A key that was typed counts before a token, whichever of them is right.
    assert_eq!(server.get(&format!("{path}?token=wrong")).await.text, "contents");
    assert_eq!(other.get(&format!("{path}?token={own}")).await.failure(), unknown);
    let absent = Uuid::new_v4();
    for (path, message) in [
        (format!("{}/{absent}", session.path()), "Download not found."),
        (format!("{}/nonsense", session.path()), "Download not found."),
        (format!("{}/{id}", second.path()), "Download not found."),
        (format!("/v1/sessions/{absent}/downloads/{id}"), "Session not found."),
        (format!("/v1/sessions/{absent}/downloads"), "Session not found."),
    ] {
        assert_eq!(server.get(&path).await.failure(), (404, message.to_owned()), "{path}");
    }
    server.client().delete(&format!("/v1/sessions/{}", session.id)).await.data();
    assert_eq!(stranger.get(&format!("{path}?token={own}")).await.failure().0, 401);
    assert_eq!(server.get(&path).await.text, "contents");
}

#[tokio::test]
async fn a_client_hears_of_a_download_where_it_reaches_the_server() {
    let server = server(LIMITS).await;
    let mut session = Session::start(&server).await;
    let created = server.client().get(&format!("/v1/sessions/{}", session.id)).await.data();
    let url = created["cdp_url"].as_str().unwrap();
    let mut elsewhere = Socket::try_open_with(url, &[("host", "browsers.example")]).await.ok().unwrap();
    let id = session.download(json!({"name": "Grüße.txt", "text": "contents"})).await;
    let heard = elsewhere.hear().await.unwrap();
    let params = &heard["params"];
    assert_eq!((&heard["method"], heard.get("sessionId")), (&json!("Anchor.downloadReady"), None));
    assert_eq!((&params["guid"], &params["totalBytes"]), (&json!(id), &json!(8)));
    assert_eq!(params["suggestedFilename"], "Grüße.txt");
    let url = params["p2pDownloadUrl"].as_str().unwrap();
    let place = url.strip_prefix("http://browsers.example").unwrap();
    let stranger = server.stranger();
    assert_eq!(stranger.get(place).await.text, "contents");
    // It opens that one, whatever else is minted, and ends with the session.
    server.client().post(&format!("/v1/sessions/{}/tokens", session.id), json!({})).await.data();
    assert_eq!(stranger.get(place).await.text, "contents");
    let token = place.split_once('?').unwrap().1;
    let other = session.download(json!({"name": "b", "text": "other"})).await;
    session.over(&server, 2).await;
    assert_eq!(stranger.get(&format!("{}/{other}?{token}", session.path())).await.failure().0, 401);
    server.client().delete(&format!("/v1/sessions/{}", session.id)).await.data();
    assert_eq!(stranger.get(place).await.failure().0, 401);
}

#[tokio::test]
async fn what_has_no_file_says_why() {
    let server = server(LIMITS).await;
    let mut session = Session::start(&server).await;
    let over = "x".repeat((1 << 20) + 1);
    let mut ids = Vec::new();
    for params in [
        json!({"name": "no end", "text": null}),
        json!({"name": "announced", "text": null, "received": (1 << 20) + 1}),
        json!({"name": "quick", "text": over}),
        json!({"name": "fits", "text": over[1..]}),
        json!({"name": "so does this", "text": over[1..]}),
        json!({"name": "no room", "text": "x"}),
    ] {
        ids.push(session.download(params).await);
        // One after the other, so that it is known which there is no room for.
        session.over(&server, ids.len() - 1).await;
    }
    server.client().delete(&format!("/v1/sessions/{}", session.id)).await.data();
    let items = session.over(&server, 6).await;
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            let text = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
            assert_eq!(item["file_link"].is_null(), item["status"] != "completed");
            format!("{}: {}: {}", text("suggested_file_name"), text("status"), text("detail"))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    no end: interrupted: The session ended before it was whole.
    announced: stopped: It was larger than the 1 MiB that a download may have.
    quick: stopped: It was larger than the 1 MiB that a download may have.
    fits: completed: -
    so does this: completed: -
    no room: stopped: There was no room for it: all downloads of a session may have 2 MiB together.
    ");
    for (id, item) in ids.iter().zip(&items) {
        let status = if item["status"] == "completed" { 200 } else { 404 };
        assert_eq!(server.get(&format!("{}/{id}", session.path())).await.status, status);
    }
    let kept = server.data_dir().join("downloads").join(&session.id);
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 2);
}

#[tokio::test]
async fn a_download_expires_some_time_after_its_session() {
    let server = server("[files]\nkeep_downloads_minutes = 0").await;
    let mut session = Session::start(&server).await;
    let id = session.download(json!({"name": "a", "text": "contents"})).await;
    session.over(&server, 1).await;
    let kept = server.data_dir().join("downloads").join(&session.id);
    assert_eq!(server.get(&format!("{}/{id}", session.path())).await.text, "contents");
    assert!(kept.join(&id).is_file());
    server.client().delete(&format!("/v1/sessions/{}", session.id)).await.data();
    // At once, whenever its file goes.
    assert_eq!(server.get(&session.path()).await.data(), json!({"count": 0, "items": []}));
    let gone = (404, "Download not found.".to_owned());
    assert_eq!(server.get(&format!("{}/{id}", session.path())).await.failure(), gone);
    wait_until("its file is gone", || !kept.exists()).await.unwrap();
}
