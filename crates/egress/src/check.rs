//! Trying an exit.

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use crate::Refusal;

/// A site that answers with the address it sees: the bare address, or JSON with `ip`, `origin` or `address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    url: Url,
}

/// Why a URL cannot be an echo.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the echo is not an http or https URL without user name and password")]
pub struct InvalidEcho;

impl Echo {
    /// Takes an http or https URL.
    pub fn new(url: &str) -> Result<Self, InvalidEcho> {
        let url = Url::parse(url).map_err(|_| InvalidEcho)?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
            return Err(InvalidEcho);
        }
        Ok(Self { url })
    }

    /// The URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }
}

/// An exit works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The address that the echo saw; `None` when there was no echo to ask.
    pub address: Option<IpAddr>,
    /// How long it took.
    pub took: Duration,
}

/// Why an exit does not work. Messages are fragments, without credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It cannot be connected to, or hangs up.
    #[error("the exit is down: {0}")]
    Down(String),
    /// It does not take the user name and password, or wants some.
    #[error("the exit refuses the credentials: {0}")]
    Authentication(String),
    /// TLS, with the proxy or with the echo.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The policy refuses the exit's or the echo's address.
    #[error("refused by the policy: {0}")]
    Refused(Refusal),
    /// The echo was reached and did not answer with an address.
    #[error("the echo did not answer with an address: {0}")]
    NotAnAddress(String),
    /// Not done within 10 s.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}
