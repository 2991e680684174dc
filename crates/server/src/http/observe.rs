//! What every request gets, whatever becomes of it: an id, a span, a log line, a count. Never the query string, which
//! holds keys and tokens, and never the path, which holds names: the route stands for it.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use tracing::field::Empty;
use tracing::{Instrument as _, debug, info, info_span};
use uuid::Uuid;

use super::client_address::ClientAddress;

/// The header that carries a request's id, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const MAX_ID_CHARS: usize = 64;
/// What stands for the route of a path that leads nowhere.
const NO_ROUTE: &str = "none";

/// Observes a request.
pub async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let ClientAddress(client) = ClientAddress::of(request.extensions());
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let span = info_span!("request", request.id = id.to_str().unwrap_or_default(), http.method = %method, http.route = route, client.address = %client, project.id = Empty);
    async {
        let mut response = next.run(request).await;
        let status = response.status().as_u16();
        let duration_ms = f64::from(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)) / 1_000.0;
        if route.starts_with("/v1") || status >= 400 {
            info!(status, duration_ms, "answered");
        } else {
            debug!(status, duration_ms, "answered");
        }
        let labels = [
            ("method", method_label(&method).to_owned()),
            ("route", route.clone()),
            ("status", status.to_string()),
        ];
        counter!("roadstead_http_requests_total", &labels).increment(1);
        histogram!("roadstead_http_request_seconds", "route" => route.clone()).record(began.elapsed());
        response.headers_mut().insert(REQUEST_ID, id.clone());
        response
    }
    .instrument(span.clone())
    .await
}

/// Returns a method as a label. Clients may invent methods, and each label is a series that never goes away.
fn method_label(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS
        | Method::PATCH => method.as_str(),
        _ => "other",
    }
}

/// Returns the client's id when it is a sane one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let id = id.as_bytes();
        (1..=MAX_ID_CHARS).contains(&id.len())
            && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        HeaderValue::try_from(Uuid::new_v4().to_string()).expect("a UUID is a valid header")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken_over() {
        let id = |value: &str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(value).unwrap())]);
            request_id(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(id("trace-1.a_B"), "trace-1.a_B");
        for strange in ["", "a b", "a\"b", &"x".repeat(65), "a;b"] {
            assert!(id(strange).parse::<Uuid>().is_ok(), "{strange}");
        }
        assert!(request_id(&HeaderMap::new()).to_str().unwrap().parse::<Uuid>().is_ok());
    }
}
