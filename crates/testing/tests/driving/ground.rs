//! What every test here stands on: a page that tells what happens to it, and sessions that show it.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::Html;
use axum::routing::get;
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// One of the two Chromium builds, as a caller asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// `browser.headless.active: true`.
    Shell,
    /// The default.
    Full,
}

/// A running program, and a site of two addresses, which are two sites to a browser.
pub struct Ground {
    pub program: Program,
    addresses: [SocketAddr; 2],
    _servers: JoinSet<std::io::Result<()>>,
    _place: Place,
}

/// A session, and a DevTools client that watches its first page.
pub struct Session<'a> {
    pub page: Page,
    pub id: String,
    pub cdp_url: String,
    program: &'a Program,
}

impl Ground {
    pub async fn new() -> Result<Self> {
        let mut servers = JoinSet::new();
        let mut addresses = Vec::new();
        for host in ["127.0.0.1:0", "127.0.0.2:0"] {
            let listener = TcpListener::bind(host).await?;
            addresses.push(listener.local_addr()?);
            servers.spawn(async move { axum::serve(listener, site()).await });
        }
        let place = Place::new()?;
        let program = Program::start(&place.data(), &ProgramOptions::default()).await?;
        Ok(Self { program, addresses: [addresses[0], addresses[1]], _servers: servers, _place: place })
    }

    /// Returns an address of the site.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses[0])
    }

    /// Returns an address of the other site.
    pub fn elsewhere(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses[1])
    }

    /// Starts a session in the build that is asked for and no other.
    pub async fn session(&self, build: Build) -> Result<Session<'_>> {
        let browser = match build {
            Build::Shell => json!({"headless": {"active": true}}),
            Build::Full => json!({}),
        };
        let body = json!({"browser": browser});
        let created = self.program.data(Method::POST, "/v1/sessions", Some(body)).await?;
        let cdp_url = text(&created["cdp_url"]).to_owned();
        let mut page = Page::open(&cdp_url).await?;
        let version = page.call("Browser.getVersion", json!({})).await?;
        let shell = text(&version["product"]).starts_with("Headless");
        ensure!(shell == (build == Build::Shell), "{build:?} was asked for, and came as {version}");
        Ok(Session { page, id: text(&created["id"]).to_owned(), cdp_url, program: &self.program })
    }

    /// Starts a session that shows the stage, with a frame of the other site in it.
    pub async fn on_stage(&self, build: Build) -> Result<Session<'_>> {
        let mut session = self.session(build).await?;
        session
            .act("goto", json!({"url": self.url(&format!("/stage?frame={}", self.elsewhere("/frame")))}))
            .await?;
        session.page.wait_for("inner.ready === true").await?;
        Ok(session)
    }
}

impl Session<'_> {
    /// Calls an operation of the session. Returns its status and its answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
        let (status, answer) =
            self.program.call(method, &format!("/v1/sessions/{}/{path}", self.id), body).await?;
        Ok((StatusCode::from_u16(status.as_u16())?, answer))
    }

    /// Does something, which must succeed and say so in both places.
    pub async fn act(&self, path: &str, body: Value) -> Result<()> {
        let (status, answer) = self.call(Method::POST, path, Some(body.clone())).await?;
        let done = json!({"status": "success", "data": {"status": "success"}});
        ensure!(status == StatusCode::OK && answer == done, "{path} {body}: {status} {answer}");
        Ok(())
    }

    /// Does something that must be refused. Returns the status and the message.
    pub async fn refused(&self, path: &str, body: Value) -> Result<(u16, String)> {
        let (status, answer) = self.call(Method::POST, path, Some(body.clone())).await?;
        let Some(message) = answer["error"]["message"].as_str() else {
            bail!("{path} {body} is not refused: {status} {answer}");
        };
        ensure!(answer["error"]["code"] == status.as_u16(), "{answer}");
        Ok((status.as_u16(), message.to_owned()))
    }

    /// Waits until everything that has happened on the page, except moves, is this. What matches is forgotten.
    pub async fn require_happened(&mut self, expected: &[&str]) -> Result<()> {
        self.require("happened", expected).await
    }

    /// The same for the frame.
    pub async fn require_happened_inside(&mut self, expected: &[&str]) -> Result<()> {
        self.require("inner.happened", expected).await
    }

    async fn require(&mut self, list: &str, expected: &[&str]) -> Result<()> {
        let enough = format!("{list}.length >= {}", expected.len());
        let waited = self.page.wait_for(&enough).await;
        let happened = self.page.evaluate(&format!("{list}.splice(0)")).await?;
        ensure!(happened == json!(expected), "expected {expected:?}, and it was {happened}; {waited:?}");
        waited
    }

    /// Forgets what has happened.
    pub async fn forget(&mut self) -> Result<()> {
        self.page.evaluate("happened.splice(0)").await.map(drop)
    }

    /// Returns the clipboard's text.
    pub async fn clipboard(&self) -> Result<String> {
        let (status, answer) = self.call(Method::GET, "clipboard", None).await?;
        let text = answer["data"]["text"].as_str();
        text.map(str::to_owned).with_context(|| format!("no text: {status} {answer}"))
    }
}

/// A page of 400 × 5000 pixels, which notes when its end is seen.
const LONG: &str = "<!doctype html><style>body { margin: 0; height: 5000px; position: relative }</style>
<p id=end style='position: absolute; bottom: 0'>the end</p>
<script>new IntersectionObserver((seen) => { if (seen[0].isIntersecting) window.seen = true; }).observe(end)</script>";

/// A page whose script writes most of what there is to read.
const STORY: &str = "<!doctype html><title>Night</title><nav><a href=/plain>Menu</a></nav><main></main>
<script>document.querySelector('main').innerHTML = '<h2>One</h2>'
    + '<p>It was a dark and stormy night, and the <b>rain</b> fell in torrents, except at intervals.</p>'.repeat(8)</script>";

fn site() -> Router {
    Router::new()
        .route("/stage", get(async || Html(include_str!("stage.html"))))
        .route("/frame", get(async || Html(include_str!("frame.html"))))
        .route("/nothing", get(async || StatusCode::NO_CONTENT))
        .route(
            "/missing",
            get(async || (StatusCode::NOT_FOUND, Html("<!doctype html><title>missing</title>"))),
        )
        .route(
            "/download",
            get(async || ([(CONTENT_DISPOSITION, "attachment; filename=\"a.bin\"")], "bytes")),
        )
        .route("/moved", get(async || Html("<!doctype html><script>location.replace('/plain')</script>")))
        .route("/plain", get(async || Html("<!doctype html><title>plain</title>")))
        .route("/long", get(async || Html(LONG)))
        .route("/story", get(async || Html(STORY)))
        .route("/slow", get(async || Html("<!doctype html><p>what there is<img src=/never>")))
        .route("/never", get(async || std::future::pending::<StatusCode>().await))
}
