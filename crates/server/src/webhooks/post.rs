//! One attempt: one connection, one request, and the status of the answer. Nothing else of it is read, and a redirect is an answer
//! like any other.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use roadstead_egress::{ConnectError, Egress, Rule};
use tokio::time::timeout;

use super::Due;
use super::target::Target;

/// How long the head of an answer may be, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// The published one, and who really sends it.
const AGENT: &str = concat!("Anchor-Webhooks/1.0 (Roadstead/", env!("CARGO_PKG_VERSION"), ")");

/// Posts a delivery, and returns the answer's status. What fails is in words, without anything secret.
pub async fn post(
    egress: &Egress,
    target: &Target,
    due: &Due,
    (seconds, signature): (i64, String),
    patience: Duration,
) -> Result<u16, String> {
    let request = Request::post(target.path())
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .header("anchor-event", due.event.as_str())
        .header("anchor-delivery-id", &due.id)
        .header("anchor-timestamp", seconds)
        .header("anchor-signature", signature)
        .body(Full::new(Bytes::from(due.body.clone())))
        .map_err(|_| "the URL cannot be asked for".to_owned())?;
    let attempt = timeout(patience, exchange(egress, target, request)).await;
    attempt.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())))
}

async fn exchange(egress: &Egress, target: &Target, request: Request<Full<Bytes>>) -> Result<u16, String> {
    let stream = egress.connect(target.destination(), target.is_encrypted()).await.map_err(told)?;
    let broke = |_: hyper::Error| "the connection broke off before there was an answer".to_owned();
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    tokio::select! {
        answered = &mut answer => answered.map(|answer| answer.status().as_u16()).map_err(broke),
        // It may end with the answer still on its way to us.
        _ = &mut connection => answer.await.map(|answer| answer.status().as_u16()).map_err(broke),
    }
}

/// Says why there is no connection. The policy's own words are for browsers.
fn told(error: ConnectError) -> String {
    match error {
        ConnectError::Refused(refusal) => refused(refusal.rule()),
        ConnectError::Failed(why) => why,
    }
}

/// Says why an address is refused, and what lifts that.
pub fn refused(rule: Rule) -> String {
    let lifted = match rule {
        Rule::Loopback | Rule::Private | Rule::Shared | Rule::LinkLocal => {
            "; allow_private = true under [webhooks] in roadstead.toml lets events go there"
        }
        _ => "",
    };
    format!("leads to an address that events are not sent to ({}){lifted}", rule.label().replace('_', " "))
}
