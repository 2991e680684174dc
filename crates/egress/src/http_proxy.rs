//! CONNECT, as the client of an upstream proxy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;

use crate::failure::Trouble;
use crate::upstream::Credentials;
use crate::{Destination, Stream};

/// The `Proxy-Authorization` that logs in.
pub(crate) fn authorization(credentials: &Credentials) -> HeaderValue {
    let pair = zeroize::Zeroizing::new(format!("{}:{}", credentials.username(), credentials.password()));
    let value = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
    let mut value = HeaderValue::from_str(&value).expect("base64 is a header's value");
    value.set_sensitive(true);
    value
}

/// Asks a proxy for a tunnel.
pub(crate) async fn connect(
    stream: Stream,
    to: &Destination,
    credentials: Option<&Credentials>,
    head_bytes: usize,
) -> Result<Stream, Trouble> {
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).max_buf_size(head_bytes);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| broke_off(&error))?;
    let mut request = Request::connect(to.to_string()).header(header::HOST, to.to_string());
    if let Some(credentials) = credentials {
        request = request.header(header::PROXY_AUTHORIZATION, authorization(credentials));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| Trouble::Protocol("HTTP"))?;
    let ask = async {
        let response = sender.send_request(request).await.map_err(|error| broke_off(&error))?;
        match response.status() {
            status if status.is_success() => upgrade::on(response).await.map_err(|error| broke_off(&error)),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(Trouble::Authentication),
            status => Err(Trouble::Rejected(format!("it answered {}", status.as_u16()))),
        }
    };
    // The connection hands the socket over when it ends, so both have to be waited for; but a refusal is one at once.
    let connection = connection.with_upgrades();
    tokio::pin!(connection, ask);
    match future::select(&mut ask, &mut connection).await {
        future::Either::Left((answer, _)) => unwrap(answer?),
        future::Either::Right(_) => unwrap(ask.await?),
    }
}

fn unwrap(upgraded: Upgraded) -> Result<Stream, Trouble> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().map_err(|_| Trouble::Protocol("HTTP"))?;
    Ok(parts.io.into_inner().with_early(parts.read_buf))
}

fn broke_off(error: &hyper::Error) -> Trouble {
    if error.is_parse() {
        return Trouble::Protocol("HTTP");
    }
    Trouble::HungUp(if error.is_timeout() { "timed out" } else { "the connection was closed" }.to_owned())
}
