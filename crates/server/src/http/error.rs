//! The only mapping from what went wrong to what goes over the wire: a status, headers, and the error envelope.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use axum::response::{AppendHeaders, IntoResponse, Response};
use roadstead_api::ErrorResponse;
use tracing::error;

use super::rate_limit::{self, RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::error::Error;
use crate::limits::{Left, Quota};

/// Tells the SDKs whether to repeat the request; they obey it before any rule of their own.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A refusal, ready to be sent.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    message: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log alone.
    cause: Option<anyhow::Error>,
}

impl Failure {
    /// Makes a refusal for what only HTTP knows: a wrong method, a wrong content type.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), headers: Vec::new(), cause: None }
    }

    /// Adds a header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Tells whether it says that nobody knows who calls.
    pub fn is_unauthenticated(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Says that repeating the request cannot help.
    pub fn final_answer(self) -> Self {
        self.with(SHOULD_RETRY, HeaderValue::from_static("false"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::InvalidRequest(_) => Self::new(StatusCode::BAD_REQUEST, message),
            Error::Unauthenticated => Self::new(StatusCode::UNAUTHORIZED, message),
            Error::NotFound(_) => Self::new(StatusCode::NOT_FOUND, message),
            Error::Conflict(_) => Self::new(StatusCode::CONFLICT, message).final_answer(),
            Error::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, message).final_answer(),
            Error::NotImplemented(_) => Self::new(StatusCode::NOT_IMPLEMENTED, message).final_answer(),
            Error::TooManySessions { limit, retry_after } => too_many(message, limit, retry_after),
            Error::TooMuchWaits { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, message).final_answer(),
            Error::TooOften { quota, retry_after, .. } => too_often(message, quota, retry_after),
            Error::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, message),
            Error::WayOutFailed(_) | Error::SiteFailed(_) => Self::new(StatusCode::BAD_GATEWAY, message),
            Error::Timeout(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, message),
            Error::WaitedInVain(_) => Self::new(StatusCode::REQUEST_TIMEOUT, message),
            Error::Internal { source, .. } => {
                Self { cause: Some(source), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
            }
        }
    }
}

/// The published API's 429: `Retry-After`, and the rate-limit fields of the IETF's eighth draft.
fn too_many(message: String, limit: usize, retry_after: Duration) -> Failure {
    let seconds = retry_after.as_secs_f64().ceil();
    let number = |text: String| HeaderValue::try_from(text).expect("digits and quotes are a valid header");
    Failure::new(StatusCode::TOO_MANY_REQUESTS, message)
        .with(RETRY_AFTER, number(format!("{seconds}")))
        .with(RATE_LIMIT, number(format!("\"concurrent-sessions\"; r=0; t={seconds}")))
        .with(RATE_LIMIT_POLICY, number(format!("\"concurrent-sessions\"; q={limit}")))
}

/// The same fields for a quota that comes back with time.
fn too_often(message: String, quota: Quota, retry_after: Duration) -> Failure {
    let seconds = retry_after.as_secs_f64().ceil();
    let wait = HeaderValue::try_from(format!("{seconds}")).expect("digits are a valid header");
    let left = Left { quota, remaining: 0, full_in: retry_after };
    rate_limit::fields(&left)
        .into_iter()
        .fold(Failure::new(StatusCode::TOO_MANY_REQUESTS, message), |failure, (name, value)| {
            failure.with(name, value)
        })
        .with(RETRY_AFTER, wait)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if let Some(cause) = self.cause {
            error!(error = ?cause, message = %self.message, "failed to answer a request");
        }
        let body = ErrorResponse::new(self.status.as_u16(), self.message.into_owned());
        (self.status, AppendHeaders(self.headers), Json(body)).into_response()
    }
}

/// Answers a path that leads nowhere.
pub async fn no_such_route() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "No such endpoint. GET /openapi.json lists those that there are.")
}

/// Answers a method that the path does not have; axum adds the `Allow` header.
pub async fn no_such_method() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This endpoint does not have that method; see the Allow header.",
    )
}

/// Answers a request whose handler panicked. What it said goes to the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the layer that calls this gives it away")]
pub fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said =
        said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("something that is not text");
    error!(panic = said, "a handler panicked");
    Failure::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal server error. The server's log tells more, under this answer's x-request-id.",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { name: "creates", count: 600 };

    #[test]
    fn every_condition_has_its_status() {
        let internal = Error::internal("It broke.", anyhow::anyhow!("a secret path"));
        for (error, status) in [
            (Error::InvalidRequest(String::new()), 400),
            (Error::Unauthenticated, 401),
            (Error::NotFound("x"), 404),
            (Error::Conflict(String::new()), 409),
            (Error::TooManySessions { limit: 1, retry_after: Duration::from_secs(1) }, 429),
            (Error::TooOften { what: "", quota: QUOTA, retry_after: Duration::from_secs(1) }, 429),
            (Error::TooMuchWaits { limit: 1 }, 429),
            (internal, 500),
            (Error::NotImplemented(String::new()), 501),
            (Error::Unavailable(String::new()), 503),
            (Error::WayOutFailed(String::new()), 502),
            (Error::SiteFailed(String::new()), 502),
            (Error::Timeout(String::new()), 504),
            (Error::WaitedInVain(String::new()), 408),
            (Error::TooLarge(String::new()), 413),
        ] {
            assert_eq!(Failure::from(error).status.as_u16(), status);
        }
    }

    #[test]
    fn a_conflict_is_not_to_be_retried_and_too_many_are_told_when() {
        let headers = |error| Failure::from(error).into_response().headers().clone();
        let conflict = headers(Error::Conflict("Profile name already exists.".to_owned()));
        assert_eq!(conflict[SHOULD_RETRY], "false");
        let retry_after = Duration::from_millis(1_200);
        let too_many = headers(Error::TooManySessions { limit: 5, retry_after });
        assert_eq!(too_many[RETRY_AFTER], "2");
        assert_eq!(too_many[RATE_LIMIT], "\"concurrent-sessions\"; r=0; t=2");
        assert_eq!(too_many[RATE_LIMIT_POLICY], "\"concurrent-sessions\"; q=5");
    }

    #[test]
    fn too_often_tells_the_quota_and_when_to_come_back() {
        let retry_after = Duration::from_millis(57_200);
        let failure = Failure::from(Error::TooOften { what: "Too much.", quota: QUOTA, retry_after });
        assert_eq!(failure.message, "Too much. Try again in 58 s.");
        let headers = failure.into_response().headers().clone();
        assert_eq!(headers[RETRY_AFTER], "58");
        assert_eq!(headers[RATE_LIMIT], "\"creates\"; r=0; t=58");
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"creates\"; q=600; w=60");
    }

    #[tokio::test]
    async fn a_panic_tells_the_client_nothing() {
        for payload in [
            Box::new("a secret") as Box<dyn std::any::Any + Send>,
            Box::new(String::from("a secret")),
            Box::new(5),
        ] {
            let response = panicked(payload);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.starts_with("{\"error\":{\"code\":500,") && !body.contains("secret"), "{body}");
        }
    }
}
