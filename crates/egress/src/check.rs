//! Trying an exit.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{ACCEPT, HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::dialer::Dialer;
use crate::egress::Shared;
use crate::failure::{Failure, Trouble, words};
use crate::{Destination, Exit, Host, Refusal, Stream, Way, http_proxy, tls};

/// How much of an echo's answer is read, in bytes.
const ANSWER_BYTES: usize = 4 << 10;

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

impl From<Failure> for CheckError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Hop { hop, .. } => hop.trouble.into(),
            other => Self::Down(other.to_string().trim_end_matches('.').to_owned()),
        }
    }
}

impl From<Trouble> for CheckError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Authentication => Self::Authentication(trouble.to_string()),
            Trouble::Tls(why) => Self::Tls(why),
            Trouble::Refused(refusal) => Self::Refused(refusal),
            other => Self::Down(other.to_string()),
        }
    }
}

/// Tries an exit.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    exit: &Exit,
    echo: Option<&Echo>,
) -> Result<Checked, CheckError> {
    let began = Instant::now();
    let limit = shared.limits.check;
    let dialer = Dialer::new(Arc::clone(shared), Some(Arc::new(exit.clone())));
    let checked = async {
        match (echo, &exit.way) {
            (Some(echo), _) => ask(shared, &dialer, echo).await.map(Some),
            (None, Way::Proxy(proxy)) => Ok(dialer.try_proxy(proxy).await.map(|()| None)?),
            (None, Way::SourceAddress(address)) => match UdpSocket::bind((*address, 0)) {
                Ok(_) => Ok(None),
                Err(error) => Err(CheckError::Down(format!(
                    "{address} is not an address of this machine ({})",
                    words(&error)
                ))),
            },
        }
    };
    let address = timeout(limit, checked).await.map_err(|_| CheckError::TimedOut(limit))??;
    Ok(Checked { address, took: began.elapsed() })
}

/// Asks an echo through an exit for the address that it sees.
async fn ask(shared: &Shared, dialer: &Dialer, echo: &Echo) -> Result<IpAddr, CheckError> {
    let url = &echo.url;
    let host = Host::parse(url.host_str().unwrap_or_default());
    let host = host.map_err(|error| CheckError::NotAnAddress(error.to_string()))?;
    let destination = Destination { host, port: url.port_or_known_default().unwrap_or(80) };
    let mut request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        // Some sites answer nobody without a name.
        .header(USER_AGENT, "Mozilla/5.0")
        .header(ACCEPT, "*/*");
    let stream = if url.scheme() == "https" {
        let stream = dialer.open(&destination).await?;
        let connector = shared.roots.connector(None).await.map_err(CheckError::Tls)?;
        let shaken = tls::handshake(&connector, &destination.host, stream).await;
        shaken.map_err(|why| CheckError::Tls(format!("with the echo: {why}")))?
    } else {
        if let Some(proxy) = dialer.http_proxy() {
            request = request.uri(&url[..url::Position::AfterQuery]);
            if let Some(credentials) = &proxy.credentials {
                request = request.header(PROXY_AUTHORIZATION, http_proxy::authorization(credentials));
            }
        }
        dialer.open_plain(&destination).await?
    };
    let request = request.body(Empty::new()).map_err(|error| CheckError::NotAnAddress(error.to_string()))?;
    match exchange(stream, request).await? {
        (StatusCode::OK, answer) => read_address(&answer).ok_or_else(|| {
            CheckError::NotAnAddress(
                "its answer is neither one nor JSON with ip, origin or address".to_owned(),
            )
        }),
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, _) => Err(Trouble::Authentication.into()),
        (status, _) => Err(CheckError::NotAnAddress(format!("it answered {status}"))),
    }
}

async fn exchange(stream: Stream, request: Request<Empty<Bytes>>) -> Result<(StatusCode, Bytes), CheckError> {
    let broke = |_: &hyper::Error| CheckError::Down("the connection to the echo broke off".to_owned());
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broke(&error))?;
    let work = async {
        let response = sender.send_request(request).await.map_err(|error| broke(&error))?;
        let status = response.status();
        let content = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let content = content
            .map_err(|_| CheckError::NotAnAddress("its answer is too long or broke off".to_owned()))?;
        Ok((status, content.to_bytes()))
    };
    tokio::pin!(work, connection);
    match select(work, connection).await {
        Either::Left((done, _)) => done,
        Either::Right((_, work)) => work.await,
    }
}

/// Finds the address in an echo's answer.
fn read_address(answer: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(answer).ok()?.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let found = ["ip", "origin", "address"].iter().find_map(|key| json.get(key)?.as_str())?;
    // `origin` may be a list, with proxies on the way behind the first.
    let first = found.split(',').next()?.trim();
    first.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
