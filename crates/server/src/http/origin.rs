//! Under which address a client reaches us: what `cdp_url` and its kin start with.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use roadstead_api::{DownloadId, SessionId};

use super::client_address::Reached;
use super::error::Failure;
use crate::app::App;
use crate::session::SessionHandle;

/// Everything but what RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The WebSocket origin that this client can use: `ws://host:port`.
///
/// It is the configured public URL's, or else the one that a trusted proxy names, or else the request's own `Host` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketOrigin(String);

impl FromRequestParts<App> for WebSocketOrigin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        match &app.config().server.public_url {
            Some(url) => Ok(Self(url.websocket_origin())),
            None => Self::reached(parts.extensions.get()),
        }
    }
}

impl WebSocketOrigin {
    fn reached(reached: Option<&Reached>) -> Result<Self, Failure> {
        match reached {
            Some(Reached { secure, host: Some(host) }) => {
                Ok(Self(format!("{}://{host}", if *secure { "wss" } else { "ws" })))
            }
            _ => Err(Failure::new(StatusCode::BAD_REQUEST, "The Host header is missing or malformed.")),
        }
    }

    /// Returns the URL that gives a client the whole browser. It carries a token.
    pub fn cdp_url(&self, session: SessionId, token: &str) -> String {
        format!("{}/?sessionId={session}&token={token}", self.0)
    }

    /// Returns the URL of a session's download. It carries nothing that opens it.
    pub fn download_url(&self, session: SessionId, id: DownloadId) -> String {
        format!("{}/{id}", self.downloads_url(session))
    }

    /// Returns the URL of a session's downloads.
    pub fn downloads_url(&self, session: SessionId) -> String {
        format!("{}/v1/sessions/{session}/downloads", self.http())
    }

    /// Returns the URL of what there is of a session's recording. It carries nothing that opens it.
    pub fn recording_url(&self, session: SessionId, what: &str) -> String {
        format!("{}/v1/sessions/{session}/recordings/primary/{what}", self.http())
    }

    fn http(&self) -> String {
        // `ws` becomes `http`, `wss` becomes `https`.
        self.0.replacen("ws", "http", 1)
    }

    /// Returns the same in the form that a browser's own `/json/version` has.
    pub fn browser_url(&self, session: SessionId, ticket: &Ticket) -> String {
        let query = ticket.parameter().map(|parameter| format!("?{parameter}")).unwrap_or_default();
        format!("{}/devtools/browser/{session}{query}", self.0)
    }

    /// Returns the URL that gives a client one page of the browser.
    pub fn page_url(&self, session: SessionId, target: &str, ticket: &Ticket) -> String {
        let target = utf8_percent_encode(target, RESERVED);
        let more = ticket.parameter().map(|parameter| format!("&{parameter}")).unwrap_or_default();
        format!("{}/devtools/page/{target}?sessionId={session}{more}", self.0)
    }

    /// Returns the URL that starts a session when it is connected to. `key` is put in when the client sent it in the
    /// query, where its WebSocket library will look for it again.
    pub fn new_session_url(&self, key: Option<&str>) -> String {
        match key {
            Some(key) => format!("{}/?{}", self.0, key_parameter(key)),
            None => format!("{}/", self.0),
        }
    }
}

/// What the URL of a WebSocket carries to be let in. It holds a secret, so it has no `Debug`.
pub enum Ticket {
    /// A token.
    Token(String),
    /// The project's key, which the client itself sent in a query.
    Key(String),
    /// Nothing: the client sends its key in a header, and does so again.
    Header,
}

impl Ticket {
    /// Returns the ticket for a client that has shown the project's key, `in_query` or else in a header: the session's own token
    /// as long as that opens anything, so that the URL works in other hands too.
    pub fn for_key(session: &SessionHandle, in_query: Option<&str>) -> Self {
        match (session.access().first(), in_query) {
            (Some(token), _) => Self::Token(token),
            (None, Some(key)) => Self::Key(key.to_owned()),
            (None, None) => Self::Header,
        }
    }

    fn parameter(&self) -> Option<String> {
        match self {
            Self::Token(token) => Some(format!("token={}", utf8_percent_encode(token, RESERVED))),
            Self::Key(key) => Some(key_parameter(key)),
            Self::Header => None,
        }
    }
}

fn key_parameter(key: &str) -> String {
    format!("apiKey={}", utf8_percent_encode(key, RESERVED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::forwarded::authority;

    #[test]
    fn a_host_header_becomes_an_origin_and_nothing_else_does() {
        let origin = |host: &str| {
            let reached = Reached { secure: false, host: authority(host) };
            WebSocketOrigin::reached(Some(&reached))
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
        let secure = Reached { secure: true, host: authority("b.example") };
        assert_eq!(WebSocketOrigin::reached(Some(&secure)).unwrap().0, "wss://b.example");
        assert!(WebSocketOrigin::reached(None).is_err());
    }

    #[test]
    fn urls_carry_the_clients_ticket() {
        let (origin, id) = (WebSocketOrigin("ws://h".to_owned()), SessionId::random());
        for (ticket, browser, page) in [
            (Ticket::Token("t".to_owned()), "?token=t", "&token=t"),
            (Ticket::Key("k&".to_owned()), "?apiKey=k%26", "&apiKey=k%26"),
            (Ticket::Header, "", ""),
        ] {
            assert_eq!(origin.browser_url(id, &ticket), format!("ws://h/devtools/browser/{id}{browser}"));
            assert_eq!(
                origin.page_url(id, "a/b", &ticket),
                format!("ws://h/devtools/page/a%2Fb?sessionId={id}{page}")
            );
        }
        let download = DownloadId::random();
        for (own, expected) in [("ws://h", "http://h"), ("wss://ws.h:1", "https://ws.h:1")] {
            let url = WebSocketOrigin(own.to_owned()).download_url(id, download);
            assert_eq!(url, format!("{expected}/v1/sessions/{id}/downloads/{download}"));
        }
        assert_eq!(origin.cdp_url(id, "t"), format!("ws://h/?sessionId={id}&token=t"));
    }

    #[test]
    fn keys_are_encoded_into_urls() {
        let origin = WebSocketOrigin("ws://h".to_owned());
        assert_eq!(origin.new_session_url(Some("sk-a&b=é")), "ws://h/?apiKey=sk-a%26b%3D%C3%A9");
        assert_eq!(origin.new_session_url(None), "ws://h/");
    }
}
