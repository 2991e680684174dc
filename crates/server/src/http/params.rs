//! What a URL says: query parameters and ids in paths, with the API's own answers when they are wrong.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use roadstead_api::{ApplicationId, AuthFlowId, BatchId, IdentityId, SessionId, WebhookId};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::error::Failure;
use crate::error::{
    APPLICATION_NOT_FOUND, ASYNC_REQUEST_NOT_FOUND, AUTH_FLOW_NOT_FOUND, BATCH_NOT_FOUND, Error,
    IDENTITY_NOT_FOUND, PROFILE_NOT_FOUND, REVISION_NOT_FOUND, Result, SESSION_NOT_FOUND, WEBHOOK_NOT_FOUND,
};

/// Where a page may be sent. `file:` would show it the server's own disk, `chrome:` the browser's switches.
const SCHEMES: [&str; 4] = ["http", "https", "about", "data"];

/// The query's parameters.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|Query(params)| Self(params))
            .map_err(|rejection| Failure::new(StatusCode::BAD_REQUEST, rejection.body_text()))
    }
}

/// The id in `/v1/sessions/{session_id}`. One that is no UUID is a session that does not exist.
#[derive(Clone, Copy, Debug)]
pub struct SessionPath(pub SessionId);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await.map_err(|_| SESSION_NOT_FOUND)?;
        Ok(Self(session_id(&id)?))
    }
}

/// The id in `/v1/batch-sessions/{batch_id}`. One that is no UUID is a batch that does not exist.
#[derive(Clone, Copy, Debug)]
pub struct BatchPath(pub BatchId);

impl<S: Send + Sync> FromRequestParts<S> for BatchPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await.map_err(|_| BATCH_NOT_FOUND)?;
        Ok(Self(id.parse().map_err(|_| BATCH_NOT_FOUND)?))
    }
}

/// The query's parameters, as they come: names may come more than once, and hold anything.
#[derive(Debug)]
pub struct Pairs(pub Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Pairs {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Params::from_request_parts(parts, state).await.map(|Params(pairs)| Self(pairs))
    }
}

/// The id in `/v1/applications/{application_id}`. One that is no UUID is an application that does not exist.
#[derive(Clone, Copy, Debug)]
pub struct ApplicationPath(pub ApplicationId);

impl<S: Send + Sync> FromRequestParts<S> for ApplicationPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let id = id.map_err(|_| APPLICATION_NOT_FOUND)?;
        Ok(Self(id.parse().map_err(|_| APPLICATION_NOT_FOUND)?))
    }
}

/// The ids in `/v1/applications/{application_id}/auth-flows/{auth_flow_id}`. What is no UUID does not exist.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AuthFlowPath {
    /// The application's id.
    #[param(value_type = String)]
    application_id: ApplicationId,
    /// The authentication flow's id.
    #[param(value_type = String)]
    auth_flow_id: AuthFlowId,
}

impl AuthFlowPath {
    /// Returns the application's id and the flow's.
    pub fn ids(self) -> (ApplicationId, AuthFlowId) {
        (self.application_id, self.auth_flow_id)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AuthFlowPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((application, flow)) = path.map_err(|_| APPLICATION_NOT_FOUND)?;
        Ok(Self {
            application_id: application.parse().map_err(|_| APPLICATION_NOT_FOUND)?,
            auth_flow_id: flow.parse().map_err(|_| AUTH_FLOW_NOT_FOUND)?,
        })
    }
}

/// The id in `/v1/identities/{identity_id}`. One that is no UUID is an identity that does not exist.
#[derive(Clone, Copy, Debug)]
pub struct IdentityPath(pub IdentityId);

impl<S: Send + Sync> FromRequestParts<S> for IdentityPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await.map_err(|_| IDENTITY_NOT_FOUND)?;
        Ok(Self(id.parse().map_err(|_| IDENTITY_NOT_FOUND)?))
    }
}

/// The id in `/v1/webhooks/{webhook_id}`. One of another form is a webhook that does not exist.
#[derive(Clone, Copy, Debug)]
pub struct WebhookPath(pub WebhookId);

impl<S: Send + Sync> FromRequestParts<S> for WebhookPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await.map_err(|_| WEBHOOK_NOT_FOUND)?;
        Ok(Self(id.parse().map_err(|_| WEBHOOK_NOT_FOUND)?))
    }
}

/// The id in `/v1/sessions/async/{request_id}/status`. One that is no UUID is a request that does not exist.
#[derive(Clone, Copy, Debug)]
pub struct RequestPath(pub BatchId);

impl<S: Send + Sync> FromRequestParts<S> for RequestPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let id = id.map_err(|_| ASYNC_REQUEST_NOT_FOUND)?;
        Ok(Self(id.parse().map_err(|_| ASYNC_REQUEST_NOT_FOUND)?))
    }
}

/// The name and the number in `/v1/profiles/{name}/revisions/{revision}`. What is no number is a revision that does not exist.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RevisionPath {
    /// The profile's name, percent-encoded.
    pub name: String,
    /// The revision's number.
    pub revision: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for RevisionPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((name, revision)) = path.map_err(|_| PROFILE_NOT_FOUND)?;
        Ok(Self { name, revision: revision.parse().map_err(|_| REVISION_NOT_FOUND)? })
    }
}

/// Reads the absolute URL of a page.
pub fn page_url(field: &str, url: &str) -> Result<String> {
    let url = url.trim();
    let (scheme, rest) = url
        .split_once(':')
        .ok_or_else(|| Error::invalid(field, "must be an absolute URL, https://example.com for example"))?;
    let scheme = scheme.to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.as_str()) {
        return Err(Error::invalid(field, "must be an http, https, about or data URL"));
    }
    let has_host =
        rest.strip_prefix("//").is_some_and(|rest| !rest.starts_with(['/', '?', '#']) && !rest.is_empty());
    if scheme.starts_with("http") && !has_host {
        return Err(Error::invalid(field, "must name a host, https://example.com for example"));
    }
    if url.chars().any(char::is_control) {
        return Err(Error::invalid(field, "must not contain control characters"));
    }
    Ok(url.to_owned())
}

/// Reads a session's id.
pub fn session_id(text: &str) -> Result<SessionId> {
    text.parse().map_err(|_| SESSION_NOT_FOUND)
}

/// Reads a yes or no.
pub fn flag(name: &str, text: Option<&str>) -> Result<Option<bool>> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("") => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(Error::invalid(name, "must be true or false")),
    }
}

/// Reads a list that is separated by commas.
pub fn list(text: Option<&str>) -> Vec<String> {
    let items = text.unwrap_or_default().split(',').map(str::trim);
    items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Reads a moment: RFC 3339, or without a zone, which is then UTC, or a date alone, which is its first moment.
pub fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    // A plus sign that the client did not encode arrives as a space.
    let text = text.replace(' ', if text.contains('T') { "+" } else { " " });
    let civil = |text: &str| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    let found = text.parse::<Timestamp>().ok().or_else(|| civil(&text));
    found.map(Some).ok_or_else(|| {
        Error::invalid(name, "must be an ISO 8601 date and time, 2026-01-31T12:00:00Z for example")
    })
}

/// Reads a number of at least 1, and of at most what its format in the OpenAPI document holds: `int32` is an `i32`, `int64` an `i64`.
pub fn positive<N: FromStr + PartialOrd + From<u8>>(name: &str, text: Option<&str>) -> Result<Option<N>> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<N>() {
            Ok(number) if number >= N::from(1) => Ok(Some(number)),
            Ok(_) | Err(_) => Err(Error::invalid(name, "must be a whole number from 1")),
        },
    }
}

/// Reads a span of time in seconds, with fractions.
pub fn seconds(name: &str, text: Option<&str>, usual: Duration, most: Duration) -> Result<Duration> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(usual);
    };
    let found = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    found.filter(|found| *found <= most).ok_or_else(|| {
        Error::invalid(name, format!("must be a number of seconds from 0 to {}", most.as_secs()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_clients_write_them() {
        let at = |text| moment("created_from", Some(text)).map(|found| found.map(|at| at.to_string()));
        for (text, expected) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.250+02:00", "2026-01-31T10:00:00.25Z"),
            ("2026-01-31T12:00:00 00:00", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00", "2026-01-31T12:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
        ] {
            assert_eq!(at(text).unwrap().as_deref(), Some(expected), "{text}");
        }
        assert!(at("yesterday").is_err());
        assert!(at("2026-13-01").is_err());
        assert_eq!(moment("created_from", Some("")).unwrap(), None);
    }

    #[test]
    fn flags_lists_and_numbers_are_read_as_clients_write_them() {
        assert_eq!(flag("proxy", Some("True")).unwrap(), Some(true));
        assert_eq!(flag("proxy", Some("0")).unwrap(), Some(false));
        assert_eq!(flag("proxy", None).unwrap(), None);
        assert!(flag("proxy", Some("maybe")).is_err());
        assert_eq!(list(Some(" a ,b,, c d")), ["a", "b", "c d"]);
        assert_eq!(list(None), Vec::<String>::new());
        assert_eq!(positive::<i32>("page", Some("3")).unwrap(), Some(3));
        assert_eq!(positive::<i64>("before", Some("2147483648")).unwrap(), Some(1 << 31));
        for wrong in ["0", "-1", "1.5", "x", "2147483648"] {
            assert!(positive::<i32>("page", Some(wrong)).is_err(), "{wrong}");
        }
    }
}
