//! Under which address a client reaches us: what `cdp_url` and its kin start with.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::Failure;
use crate::app::App;
use crate::session::SessionHandle;

/// Everything but what RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The WebSocket origin that this client can use: `ws://host:port`.
///
/// It is the configured public URL's, or else the one that the request's own `Host` header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketOrigin(String);

impl FromRequestParts<App> for WebSocketOrigin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        match &app.config().server.public_url {
            Some(url) => Ok(Self(url.websocket_origin())),
            None => Self::of_host(&parts.headers),
        }
    }
}

impl WebSocketOrigin {
    fn of_host(headers: &HeaderMap) -> Result<Self, Failure> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        match authority {
            Some(authority) if !authority.as_str().contains('@') => Ok(Self(format!("ws://{authority}"))),
            _ => Err(Failure::new(StatusCode::BAD_REQUEST, "The Host header is missing or malformed.")),
        }
    }

    /// Returns the URL that gives a client the whole browser. It carries the session's token.
    pub fn cdp_url(&self, session: &SessionHandle) -> String {
        format!("{}/?sessionId={}&token={}", self.0, session.id(), session.token())
    }

    /// Returns the same in the form that a browser's own `/json/version` has.
    pub fn browser_url(&self, session: &SessionHandle) -> String {
        format!("{}/devtools/browser/{}?token={}", self.0, session.id(), session.token())
    }

    /// Returns the URL that gives a client one page of the browser. It carries the session's token.
    pub fn page_url(&self, session: &SessionHandle, target: &str) -> String {
        let target = utf8_percent_encode(target, RESERVED);
        format!("{}/devtools/page/{target}?sessionId={}&token={}", self.0, session.id(), session.token())
    }

    /// Returns the URL that starts a session when it is connected to. `key` is put in when the client sent it in the
    /// query, where its WebSocket library will look for it again.
    pub fn new_session_url(&self, key: Option<&str>) -> String {
        match key {
            Some(key) => format!("{}/?apiKey={}", self.0, utf8_percent_encode(key, RESERVED)),
            None => format!("{}/", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_becomes_an_origin_and_nothing_else_does() {
        let origin = |host: &str| {
            WebSocketOrigin::of_host(&HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]))
        };
        for (host, expected) in [
            ("127.0.0.1:8700", "ws://127.0.0.1:8700"),
            ("[::1]:8700", "ws://[::1]:8700"),
            ("browsers.example", "ws://browsers.example"),
        ] {
            assert_eq!(origin(host).unwrap().0, expected);
        }
        for host in ["", "a/b", "user@host", "a b", "a?b"] {
            assert!(origin(host).is_err(), "{host}");
        }
        assert!(WebSocketOrigin::of_host(&HeaderMap::new()).is_err());
    }

    #[test]
    fn keys_are_encoded_into_urls() {
        let origin = WebSocketOrigin("ws://h".to_owned());
        assert_eq!(origin.new_session_url(Some("sk-a&b=é")), "ws://h/?apiKey=sk-a%26b%3D%C3%A9");
        assert_eq!(origin.new_session_url(None), "ws://h/");
    }
}
