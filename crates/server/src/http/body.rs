//! JSON bodies: their size, their type, and errors that name the field.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::body_deadline::TooSlow;
use super::error::Failure;
use crate::error::Error;

/// The largest JSON body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// A body that must be there.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A body that may be missing, as it came: a JSON object, empty when there was none.
#[derive(Debug)]
pub struct OptionalBody(pub Value);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let object = read_object(request)
            .await?
            .ok_or_else(|| malformed("a JSON object is expected, and there is none"))?;
        Ok(Self(typed(&object)?))
    }
}

impl<S: Sync> FromRequest<S> for OptionalBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        Ok(Self(read_object(request).await?.unwrap_or_else(|| Value::Object(Map::new()))))
    }
}

/// Reads a JSON object into `T`. Errors start with the path of the field: `browser.viewport.width: invalid type: …`.
pub fn typed<T: DeserializeOwned>(object: &Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(object).map_err(|error| {
        let path = error.path().to_string();
        let why = error.inner().to_string();
        Error::InvalidRequest(if path == "." { why } else { format!("{path}: {why}") })
    })
}

/// Reads a request's body as a JSON object; `None` when there is no body.
async fn read_object(request: Request) -> Result<Option<Value>, Failure> {
    let (parts, body) = request.into_parts();
    let bytes = read_limited(body).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    require_json(&parts.headers)?;
    match serde_json::from_slice(&bytes) {
        Ok(object @ Value::Object(_)) => Ok(Some(object)),
        Ok(_) => Err(malformed("a JSON object is expected")),
        Err(error) => Err(malformed(format!("it is not valid JSON: {error}"))),
    }
}

/// Reads a body of at most [`MAX_BODY_BYTES`], whether its length was announced or not.
async fn read_limited(body: Body) -> Result<Bytes, Failure> {
    let mut chunks = body.into_data_stream();
    let mut taken = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| unread(&error))?;
        if taken.len() + chunk.len() > MAX_BODY_BYTES {
            let message = format!("The body is too large: at most {MAX_BODY_BYTES} bytes of JSON are read.");
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        taken.extend_from_slice(&chunk);
    }
    Ok(taken.freeze())
}

/// Says why a body has no end: it came too slowly, or broke off.
fn unread(error: &axum::Error) -> Failure {
    if TooSlow::is_behind(error) {
        let message = "The body did not arrive in time; send it without pauses.";
        return Failure::new(StatusCode::REQUEST_TIMEOUT, message);
    }
    malformed("it could not be read to its end")
}

/// Refuses a body that says it is something else. One that says nothing is taken for what it must be.
fn require_json(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence =
        value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let message = "The body must be JSON: send the header `content-type: application/json`.";
    Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

fn malformed(why: impl std::fmt::Display) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, Cow::Owned(format!("The body is malformed: {why}.")))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request {
        let mut request = Request::builder();
        if let Some(value) = content_type {
            request = request.header(header::CONTENT_TYPE, value);
        }
        request.body(body.into()).unwrap()
    }

    async fn status(content_type: Option<&str>, body: impl Into<Body>) -> u16 {
        match read_object(request(content_type, body)).await {
            Ok(Some(_)) => 200,
            Ok(None) => 204,
            Err(failure) => failure.into_response().status().as_u16(),
        }
    }

    #[tokio::test]
    async fn bodies_are_judged_by_presence_type_and_form() {
        for (content_type, body, expected) in [
            (None, "", 204),
            (Some("text/plain"), "", 204),
            (Some("application/json"), "{}", 200),
            (Some("application/json; charset=utf-8"), "{}", 200),
            (Some("application/merge-patch+json"), "{}", 200),
            (None, "{}", 200),
            (Some("text/plain"), "{}", 415),
            (Some("application/x-www-form-urlencoded"), "a=b", 415),
            (Some("application/json"), "[]", 400),
            (Some("application/json"), "null", 400),
            (Some("application/json"), "{", 400),
            (Some("application/json"), "{\"a\":NaN}", 400),
            (Some("application/json"), "{} {}", 400),
        ] {
            assert_eq!(status(content_type, body).await, expected, "{content_type:?} {body:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(status(None, format!("{{\"a\":{deep}")).await, 400);
    }

    #[tokio::test]
    async fn a_body_has_a_limit_also_when_it_comes_in_chunks() {
        let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES - 8));
        assert_eq!(fits.len(), MAX_BODY_BYTES);
        let over = format!("{fits} ");
        assert_eq!(status(None, fits).await, 200);
        assert_eq!(status(None, over.clone()).await, 413);
        let chunks =
            over.into_bytes().chunks(1000).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect::<Vec<_>>();
        assert_eq!(status(None, Body::from_stream(futures_util::stream::iter(chunks))).await, 413);
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 16]));
        assert_eq!(status(None, Body::from_stream(endless)).await, 413);
    }
}
