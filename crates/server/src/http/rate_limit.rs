//! The rate-limit fields of the IETF's eighth draft: what is left of a quota, and what the quota is.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};

use crate::limits::{Left, Quota};

/// What is left.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What is allowed.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells what is left of a quota, on an answer that used some of it. Nothing where there is no limit.
#[derive(Clone, Copy, Debug)]
pub struct RateLimitFields(pub Option<Left>);

impl IntoResponseParts for RateLimitFields {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        let headers: &mut HeaderMap = parts.headers_mut();
        headers.extend(self.0.iter().flat_map(fields));
        Ok(parts)
    }
}

/// Makes the two fields. Seconds are rounded up: who waits for so long finds what was promised.
pub fn fields(left: &Left) -> [(HeaderName, HeaderValue); 2] {
    let Left { quota: Quota { name, count }, remaining, full_in } = left;
    let seconds = full_in.as_secs_f64().ceil();
    let window = Quota::WINDOW.as_secs();
    let value = |text: String| HeaderValue::try_from(text).expect("digits and quotes are a valid header");
    [
        (RATE_LIMIT, value(format!("\"{name}\"; r={remaining}; t={seconds}"))),
        (RATE_LIMIT_POLICY, value(format!("\"{name}\"; q={count}; w={window}"))),
    ]
}
