//! A receiver of webhooks, which answers as it is told and remembers what was posted to it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header::LOCATION};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How long what is waited for may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(10);
/// The block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answers with a status.
    Status(u16),
    /// Answers 200, with a body that has no end.
    Endless,
    /// Sends the poster to `/elsewhere`.
    Redirect,
    /// Never answers.
    Silence,
}

/// A running receiver; it stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    server: JoinHandle<io::Result<()>>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub body: Bytes,
}

#[derive(Debug)]
struct Desk {
    posted: Vec<Posted>,
    /// The next replies.
    script: VecDeque<Reply>,
    /// What comes when the script is over.
    then: Reply,
}

impl Receiver {
    /// Listens on loopback, and answers 200.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let desk = Desk { posted: Vec::new(), script: VecDeque::new(), then: Reply::Status(200) };
        let desk = Arc::new(Mutex::new(desk));
        let router = Router::new().fallback(take).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, desk, server })
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Says how the next requests are answered, and all after them.
    pub fn reply(&self, script: &[Reply], then: Reply) {
        let mut desk = lock(&self.desk);
        desk.script = script.iter().copied().collect();
        desk.then = then;
    }

    /// Returns every request so far.
    pub fn posted(&self) -> Vec<Posted> {
        lock(&self.desk).posted.clone()
    }

    /// Waits until there are so many requests, and returns all there are.
    pub async fn wait_for(&self, many: usize) -> Vec<Posted> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let posted = self.posted();
            if posted.len() >= many {
                return posted;
            }
            assert!(Instant::now() < deadline, "{many} requests never came, only these: {posted:?}");
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Posted {
    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Returns a header as text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_else(|| panic!("no header {name}: {:?}", self.headers))
    }

    /// Tells which of its signatures, by their places, were made with a secret: computed here from the published description alone.
    pub fn signed_with(&self, secret: &str) -> Vec<usize> {
        let (seconds, signatures) = self.header("anchor-signature").split_once(',').expect("two parts");
        let seconds = seconds.strip_prefix("t=").expect("a moment");
        assert_eq!(seconds, self.header("anchor-timestamp"));
        let message = [format!("v0:{seconds}:").as_bytes(), &self.body].concat();
        let expected = format!("v1={}", hex(&hmac(secret.as_bytes(), &message)));
        let places = signatures.split(',').enumerate().filter(|(_, found)| *found == expected);
        places.map(|(place, _)| place).collect()
    }
}

/// HMAC-SHA256, as RFC 2104 has it.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = if key.len() > BLOCK { Sha256::digest(key).to_vec() } else { key.to_vec() };
    let padded = |with: u8| -> Vec<u8> {
        (0..BLOCK).map(|place| key.get(place).copied().unwrap_or_default() ^ with).collect()
    };
    let inner = Sha256::digest([padded(0x36), message.to_vec()].concat());
    Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

async fn take(State(desk): State<Arc<Mutex<Desk>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let reply = {
        let mut desk = lock(&desk);
        desk.posted.push(Posted { path: uri.path().to_owned(), headers, body });
        desk.script.pop_front().unwrap_or(desk.then)
    };
    match reply {
        Reply::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Reply::Endless => {
            let chunk = || Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 4096]));
            Body::from_stream(futures_util::stream::repeat_with(chunk)).into_response()
        }
        Reply::Redirect => (StatusCode::FOUND, [(LOCATION, "/elsewhere")]).into_response(),
        Reply::Silence => std::future::pending().await,
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
