//! The fuzz target: any text as the body of a request, read as each handler reads it.
//!
//! An input is a letter for the kind of the body, and the body. Nothing panics, a refusal is an envelope that blames the caller,
//! what is taken is within its limits, and no password is in a refusal, in the echo, or in what a log could show.

use std::fmt::Debug;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest as _, Request};
use axum::response::IntoResponse as _;
use futures_util::FutureExt as _;
use roadstead_api::session_create::ProxyConfig;
use roadstead_api::{CheckpointRequest, ProfileCreateRequest, ProfileUpdateRequest, SessionTagsRequest};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::{JsonBody, MAX_BODY_BYTES, OptionalBody};
use super::error::Failure;
use super::{profiles, session_proxy, session_request};
use crate::config::EgressConfig;
use crate::session::request::SessionRequest;

/// Put where a password is, as a string or as a number.
const PASSWORD: &str = "XyZzYsEcReT";
const NUMBER: u64 = 7_777_777_777;

/// Runs one input.
pub fn request_bodies(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    drop(read(*kind, body));
    if let Some(body) = with_password(*kind, body) {
        let told = read(*kind, body.to_string().as_bytes());
        assert!(!has_password(&told), "a password was told: {told}");
    }
}

fn has_password(text: &str) -> bool {
    text.contains(PASSWORD) || text.contains(&NUMBER.to_string())
}

/// Reads a body, and gives all that can be told of it: what was read, or the refusal.
fn read(kind: u8, body: &[u8]) -> String {
    let egress = EgressConfig::default();
    let read = match kind {
        b's' => session(body),
        b'p' => json_body::<ProfileCreateRequest>(body)
            .and_then(|body| told(profiles::new_profile(&egress, body))),
        b'u' => json_body::<ProfileUpdateRequest>(body)
            .and_then(|body| told(profiles::profile_change(&egress, body))),
        b'x' => json_body::<ProxyConfig>(body).and_then(|body| told(session_proxy::read("", Some(&body)))),
        b't' => json_body::<SessionTagsRequest>(body).and_then(|body| told(Ok(body))),
        b'c' => json_body::<CheckpointRequest>(body).and_then(|body| told(Ok(body))),
        _ => return String::new(),
    };
    read.unwrap_or_else(refusal)
}

fn told<T: Debug>(read: crate::error::Result<T>) -> Result<String, Failure> {
    Ok(format!("{:?}", read?))
}

fn session(body: &[u8]) -> Result<String, Failure> {
    let OptionalBody(body) = now(OptionalBody::from_request(request(body), &()))?;
    let read = session_request::read(body)?;
    check_session(&read);
    told(Ok(read))
}

fn check_session(request: &SessionRequest) {
    let browser = &request.browser;
    assert!((1..=16_384).contains(&browser.width) && (1..=16_384).contains(&browser.height), "{browser:?}");
    let url = request.initial_url.as_deref().unwrap_or("about:blank").to_lowercase();
    let allowed = ["http://", "https://", "about:", "data:"].iter().any(|scheme| url.starts_with(scheme));
    assert!(allowed && !url.contains(char::is_control), "{url}");
    // A moment that is so far off can still be written.
    for limit in [request.max_duration, request.idle_timeout].into_iter().flatten() {
        assert!(jiff::Timestamp::UNIX_EPOCH.checked_add(limit).is_ok(), "{limit:?}");
    }
}

fn json_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    now(JsonBody::from_request(request(body), &())).map(|JsonBody(body)| body)
}

fn request(body: &[u8]) -> Request {
    assert!(body.len() <= MAX_BODY_BYTES, "the campaign's limit is lower");
    Request::new(Body::from(body.to_vec()))
}

/// Checks a refusal, and gives its text.
fn refusal(failure: Failure) -> String {
    let (parts, body) = failure.into_response().into_parts();
    assert!(parts.status.is_client_error() || parts.status.as_u16() == 501, "{}", parts.status);
    let body = now(to_bytes(body, usize::MAX)).expect("it is in memory");
    let envelope: Value = serde_json::from_slice(&body).expect("a refusal is JSON");
    assert_eq!(envelope["error"]["code"], parts.status.as_u16(), "{envelope}");
    envelope.to_string()
}

/// Nothing waits: all of a body is there.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("all of it is in memory")
}

/// Puts the password where a body has one; `None` if it has none, or if the body says the same elsewhere.
fn with_password(kind: u8, body: &[u8]) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    if has_password(&body.to_string()) {
        return None;
    }
    let proxy = match kind {
        b's' => body.pointer_mut("/session/proxy")?,
        b'x' => &mut body,
        _ => return None,
    };
    let proxy = proxy.as_object_mut()?;
    if let Some(password) = proxy.get_mut("password") {
        *password = if password.is_number() { json!(NUMBER) } else { json!(PASSWORD) };
    }
    if let Some(Value::String(server)) = proxy.get_mut("server") {
        let (scheme, place) = server.split_once("://").unwrap_or(("http", server));
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        *server = format!("{scheme}://user:{PASSWORD}@{place}");
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that reaches nothing finds nothing.
    #[test]
    fn the_target_reads_every_kind() {
        for (input, expected) in [
            (r"s", "SessionRequest"),
            (r#"s{"session":{"proxy":{"active":true,"type":"custom","server":"x:1"}}}"#, "Custom"),
            (r#"p{"name":"a"}"#, "NewProfile"),
            (r#"u{"description":"a"}"#, "ProfileChange"),
            (r#"x{"active":false}"#, "Direct"),
            (r#"t{"tags":["a"]}"#, "SessionTagsRequest"),
            (r#"c{"session_id":"a"}"#, "CheckpointRequest"),
            (r"c[]", "400"),
        ] {
            let (kind, body) = input.as_bytes().split_first().unwrap();
            let told = read(*kind, body);
            assert!(told.contains(expected), "{input}: {told}");
        }
        let body = with_password(b'x', br#"{"server":"socks5://a:b@x:1","password":5}"#).unwrap();
        assert_eq!(body, json!({"server": "socks5://user:XyZzYsEcReT@x:1", "password": NUMBER}));
        assert_eq!(with_password(b'x', br#"{"password":5,"exit":"777777777\u0037"}"#), None);
    }

    #[test]
    fn the_corpus_and_what_is_near_it() {
        let words = [
            "\"session\":{",
            "\"browser\":{",
            "\"proxy\":{",
            "\"profile\":{",
            "\"active\":true",
            "\"server\":\"",
            "\"password\":1",
            "null",
            "-1",
            "1e999",
            "\\u0000",
            "\\ud800",
            "\"name\":\"",
            "{",
            "[",
            "}",
            "@",
            "://",
        ];
        roadstead_replay::replay("request_bodies", 20_000, &words, request_bodies);
    }
}
