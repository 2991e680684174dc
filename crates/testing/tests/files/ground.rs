//! What every test here stands on: a program, a site, and sessions in either build.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use axum::Router;
use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method};
use roadstead_testing::form;
use roadstead_testing::ground::text;
use roadstead_testing::place::Place;
use roadstead_testing::program::{API_KEY, Program, ProgramOptions};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// One of the two Chromium builds, as a caller asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// `browser.headless.active: true`.
    Shell,
    /// The default.
    Full,
}

impl Build {
    /// Returns the body that asks for a session in it.
    pub fn body(self) -> Value {
        json!({"browser": {"headless": {"active": self == Self::Shell}}})
    }
}

/// A running program, and a site.
pub struct Ground {
    pub program: Program,
    pub place: Place,
    pub http: reqwest::Client,
    address: SocketAddr,
    _servers: JoinSet<std::io::Result<()>>,
}

/// A session.
pub struct Session {
    pub id: String,
    pub cdp_url: String,
}

impl Ground {
    /// Starts a program with a configuration.
    pub async fn new(config: &str) -> Result<Self> {
        let mut servers = JoinSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        servers.spawn(async move { axum::serve(listener, site()).await });
        let place = Place::new()?;
        let options = ProgramOptions { config: config.to_owned(), ..ProgramOptions::default() };
        let program = Program::start(&place.data(), &options).await?;
        Ok(Self { program, place, http: reqwest::Client::new(), address, _servers: servers })
    }

    /// Returns an address of the site.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the address of a page with a frame, which downloads something by itself.
    pub fn framed(&self, host: &str) -> String {
        self.url(&format!("/framed/{}/{host}", self.address.port()))
    }

    /// Returns the same address of the site under another name, which makes it another site.
    pub fn elsewhere(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// Starts a session.
    pub async fn session(&self, body: Value) -> Result<Session> {
        let created = self.program.data(Method::POST, "/v1/sessions", Some(body)).await?;
        Ok(Session { id: text(&created["id"]).to_owned(), cdp_url: text(&created["cdp_url"]).to_owned() })
    }

    /// Uploads a file. Returns the answer's `data`.
    pub async fn upload(&self, session: &Session, room: &str, body: impl Into<Body>) -> Result<Value> {
        let url = format!("{}/v1/sessions/{}/{room}", self.program.url(), session.id);
        let request = self.http.post(url).header("anchor-api-key", API_KEY);
        let response = request.header(CONTENT_TYPE, form::CONTENT_TYPE).body(body).send().await?;
        let (status, mut answer) = (response.status(), response.json::<Value>().await?);
        if status != 200 {
            bail!("{status} {answer}");
        }
        Ok(answer["data"].take())
    }
}

/// Returns bytes that no two places of have in common, and that are no text.
pub fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(count).collect()
}

/// Returns the hash of bytes, in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A page with a link to everything that can be downloaded.
const LINKS: &str = "<!doctype html><title>links</title>
<a id=together-1 download href=/together/1>1</a> <a id=together-2 download href=/together/2>2</a> <a id=together-3 download href=/together/3>3</a>
<a id=hostile href=/hostile>hostile</a> <a id=endless href=/endless>endless</a> <a id=slow href=/slow>slow</a>
<a id=announced href=/announced>announced</a> <a id=small href=/small>small</a> <a id=blob download=blob.txt>blob</a>
<a id=medium href=/medium>medium</a> <a id=large href=/large>large</a> <a id=popup target=_blank href=/small>popup</a>
<script>document.querySelector('#blob').href = URL.createObjectURL(new Blob(['made here']))</script>";

/// A page that downloads something as soon as it is there.
const AT_ONCE: &str = "<!doctype html><title>at once</title><a href=/small>small</a><script>document.querySelector('a').click()</script>";

/// A page around another.
fn framed(address: &str) -> Html<String> {
    Html(format!("<!doctype html><title>framed</title><iframe src='{address}'></iframe>"))
}

/// An answer that is to be saved under a name.
fn attachment(name: &str, body: impl Into<axum::body::Body>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(CONTENT_DISPOSITION, disposition)], body.into()).into_response()
}

/// A body that goes on for ever, piece by piece. Chromium looks at the first 1,445 bytes before it calls it a download.
fn endless(piece: usize, pause: Duration) -> axum::body::Body {
    let pieces = stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((Ok::<_, std::io::Error>(vec![b'x'; piece]), ()))
    });
    axum::body::Body::from_stream(pieces)
}

/// How much there is of `/medium`: several pieces, and no whole number of anything.
pub const MEDIUM: usize = 7_000_001;

fn site() -> Router {
    let all = Arc::new(Barrier::new(3));
    let together = async move |Path(seed): Path<u64>| {
        all.wait().await;
        attachment(&format!("file-{seed}.bin"), bytes(500_000, seed))
    };
    let announced = async || {
        let mut response = attachment("announced", endless(4096, Duration::from_millis(100)));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("10000000000"));
        response
    };
    Router::new()
        .route(
            "/chooser",
            get(async || Html("<!doctype html><title>chooser</title><input type=file multiple>")),
        )
        .route("/links", get(async || Html(LINKS)))
        .route("/together/{seed}", get(together))
        .route("/hostile", get(async || attachment("../../x", "hostile")))
        .route("/endless", get(async || attachment("endless", endless(1 << 20, Duration::from_millis(20)))))
        .route("/slow", get(async || attachment("slow", endless(4096, Duration::from_millis(100)))))
        .route("/announced", get(announced))
        .route("/small", get(async || attachment("small", bytes(1_000, 9))))
        .route("/medium", get(async || attachment("medium", bytes(MEDIUM, 10))))
        .route("/large", get(async || attachment("large", vec![b'x'; (64 << 20) + 1])))
        .route("/at-once", get(async || Html(AT_ONCE)))
        .route(
            "/framed/{port}/{host}",
            get(async |Path((port, host)): Path<(u16, String)>| {
                framed(&format!("http://{host}:{port}/at-once"))
            }),
        )
}
