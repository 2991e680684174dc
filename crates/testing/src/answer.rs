//! The API as a client sees it: requests with a key, and answers in a form that snapshots can hold.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long what is waited for may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    key: Option<String>,
    http: reqwest::Client,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub text: String,
    /// Where from.
    address: SocketAddr,
}

impl Client {
    /// Makes a client.
    pub fn new(address: SocketAddr, key: Option<&str>) -> Self {
        Self { address, key: key.map(str::to_owned), http: reqwest::Client::new() }
    }

    /// Returns a WebSocket URL of the server.
    pub fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Makes a request to be added to.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        match &self.key {
            Some(key) => request.header("anchor-api-key", key),
            None => request,
        }
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("the answer has an end");
        Answer { status, headers, text, address: self.address }
    }

    /// Calls `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Calls `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Calls `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// Calls `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// Calls `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// Waits until a `GET` answers something that `wanted` accepts, and returns its `data`.
    pub async fn wait_for(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let data = self.get(path).await.data();
            if wanted(&data) {
                return data;
            }
            assert!(Instant::now() < deadline, "{path} never became what was waited for: {data}");
            sleep(PAUSE).await;
        }
    }

    /// Starts a session and returns `data`.
    pub async fn session(&self, body: Value) -> Value {
        self.post("/v1/sessions", body).await.data()
    }
}

impl Answer {
    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    /// Returns `data` of a success.
    pub fn data(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()["data"].take()
    }

    /// Returns the status and the message of a failure, and checks the envelope around them.
    pub fn failure(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(self.headers[CONTENT_TYPE], "application/json", "{body}");
        assert_eq!(body["error"]["code"], self.status.as_u16(), "{body}");
        let message = body["error"]["message"].as_str().unwrap_or_else(|| panic!("no message: {body}"));
        (self.status.as_u16(), message.to_owned())
    }

    /// Returns a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Shows status and body for a snapshot: what differs from run to run is replaced by what it is.
    pub fn shown(&self) -> String {
        let mut body = self.json();
        scrub(&mut body, &self.address.to_string());
        format!("{}\n{body:#}", self.status.as_u16())
    }
}

/// Numbers that differ from run to run.
const VARYING: [&str; 6] = ["duration", "duration_ms", "size_bytes", "added_bytes", "files", "other"];

/// Replaces what differs from run to run.
fn scrub(value: &mut Value, address: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, address)),
        Value::Object(members) => {
            for (name, value) in members {
                if VARYING.contains(&name.as_str()) && value.is_number() {
                    *value = Value::from(format!("[{name}]"));
                } else {
                    scrub(value, address);
                }
            }
        }
        Value::String(text) => *text = scrub_text(text, address),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn scrub_text(text: &str, address: &str) -> String {
    if text.parse::<Timestamp>().is_ok() {
        return "[time]".to_owned();
    }
    let text = text.replace(address, "[address]");
    let mut scrubbed = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let found = [(36, "[uuid]"), (64, "[digest]"), (32, "[token]")].into_iter().find(|(length, kind)| {
            let Some(piece) = rest.get(..*length) else { return false };
            match *kind {
                "[uuid]" => piece.parse::<Uuid>().is_ok(),
                _ => piece.bytes().all(|byte| byte.is_ascii_hexdigit()),
            }
        });
        let (length, shown) = match found {
            Some((length, kind)) => (length, kind.to_owned()),
            None => (first.len_utf8(), first.to_string()),
        };
        scrubbed.push_str(&shown);
        rest = &rest[length..];
    }
    scrubbed
}
