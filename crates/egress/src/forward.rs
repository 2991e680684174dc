//! Requests of plain HTTP, sent on over the route's pool.

use std::error::Error;
use std::sync::Arc;

use http::header::{CONNECTION, EXPECT, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy;

use crate::content::{Answer, Content};
use crate::failure::{Failure, Trouble};
use crate::listener::Inner;
use crate::way::{OpenWay, WayOut};
use crate::{Destination, headers, http_proxy, tunnel};

/// With so many connections to the network open, a request's own is not kept for the next: a page that asks a thousand hosts
/// would else hold a thousand descriptors for a minute. Chromium asks for 32 things at once.
const MAX_KEPT: usize = 64;

/// Sends a request on, and gives its answer back.
pub(crate) async fn send(
    inner: &Arc<Inner>,
    way: &Arc<WayOut>,
    open: &OpenWay,
    mut request: Request<Incoming>,
    destination: &Destination,
    uri: Uri,
) -> Result<Response<Answer>, Failure> {
    let protocol = headers::upgrade(request.headers());
    let upgrade = hyper::upgrade::on(&mut request);
    let expects = request
        .headers()
        .get(EXPECT)
        .is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let (mut parts, incoming) = request.into_parts();
    parts.headers = onward_headers(&parts.headers, &uri, protocol.as_ref(), open)?;
    if protocol.is_none() && inner.counts.connections() >= MAX_KEPT {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    parts.uri = uri;
    parts.version = http::Version::HTTP_11;
    let again = can_be_repeated(&parts.method, &incoming, protocol.is_some());
    let again = again.then(|| Request::from_parts(parts.clone(), Content::empty()));
    let held = expects && !incoming.is_end_stream();
    let mut request = Request::from_parts(parts, Content::new(incoming));
    if held {
        Content::hold(&mut request, inner.shared.limits.expect);
    }
    let exchange = async {
        let answered = match (open.client.request(request).await, again) {
            // A site may close a pooled connection just as it is used; a browser would ask again itself.
            (Err(error), Some(again)) if hung_up(&error) => open.client.request(again).await,
            (answered, _) => answered,
        };
        answered.map_err(|error| explain(&error, destination, open))
    };
    let response = way.unless_cut(exchange).await?;
    open.tally.reached(&destination.host);
    receive(inner, way, open, response, destination, protocol.map(|_| upgrade))
}

fn onward_headers(
    headers: &HeaderMap,
    uri: &Uri,
    protocol: Option<&HeaderValue>,
    open: &OpenWay,
) -> Result<HeaderMap, Failure> {
    let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let host = host.ok_or(Failure::BadRequest(crate::target::BadRequest::Host))?;
    let mut onward = headers::for_request(headers, &host, protocol);
    if let Some(credentials) = open.dialer.http_proxy().and_then(|proxy| proxy.credentials.as_ref()) {
        onward.insert(PROXY_AUTHORIZATION, http_proxy::authorization(credentials));
    }
    Ok(onward)
}

fn can_be_repeated(method: &Method, content: &Incoming, upgrades: bool) -> bool {
    method.is_safe() && content.is_end_stream() && !upgrades
}

/// Makes a site's answer fit for the browser.
fn receive(
    inner: &Arc<Inner>,
    way: &Arc<WayOut>,
    open: &OpenWay,
    mut response: Response<Incoming>,
    destination: &Destination,
    upgrade: Option<OnUpgrade>,
) -> Result<Response<Answer>, Failure> {
    let broke = |why: &str| Failure::BrokeOff {
        target: destination.to_string(),
        exit: open.dialer.exit_name().cloned(),
        why: why.to_owned(),
    };
    let mut protocol = None;
    match (response.status(), upgrade) {
        // Passed on, a browser would ask its user for a proxy's password, and it would be the site that asked.
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, _) => {
            return Err(match (open.dialer.http_proxy(), open.dialer.exit_name()) {
                (Some(_), Some(exit)) => Failure::hop(exit, Trouble::Authentication),
                _ => broke("it asks for a proxy's password"),
            });
        }
        (StatusCode::SWITCHING_PROTOCOLS, Some(browser)) => {
            protocol = response.headers().get(header::UPGRADE).cloned();
            tunnel::upgrade(inner, way, browser, hyper::upgrade::on(&mut response));
        }
        (StatusCode::SWITCHING_PROTOCOLS, None) => {
            return Err(broke("it changes to a protocol that nobody asked for"));
        }
        _ => {}
    }
    let (mut parts, incoming) = response.into_parts();
    parts.headers = headers::for_response(&parts.headers, protocol.as_ref());
    parts.version = http::Version::HTTP_11;
    Ok(Response::from_parts(parts, Answer::Site(incoming)))
}

/// Whether the connection ended before there was an answer.
fn hung_up(error: &legacy::Error) -> bool {
    cause(error).is_some_and(|cause| !cause.is_parse() && !cause.is_user())
}

fn cause(error: &legacy::Error) -> Option<&hyper::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// Puts an error of the client in words.
fn explain(error: &legacy::Error, destination: &Destination, open: &OpenWay) -> Failure {
    if let Some(failure) = Failure::among(error) {
        return failure;
    }
    let why = match cause(error) {
        Some(cause) if cause.is_parse_too_large() => "its answer's head is too large",
        Some(cause) if cause.is_parse() => "its answer is not HTTP",
        Some(cause) if cause.is_user() || cause.is_body_write_aborted() => "the request's content broke off",
        _ => "the connection was closed before there was an answer",
    };
    Failure::BrokeOff {
        target: destination.to_string(),
        exit: open.dialer.exit_name().cloned(),
        why: why.to_owned(),
    }
}
