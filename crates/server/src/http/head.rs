//! Refuses heads that are larger than any client needs, while there is still an answer to give.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::error::Failure;

/// The most headers of a request.
const MAX_HEADERS: usize = 100;
/// The longest head of a request, in bytes: its URL, and its headers' names and values.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Lets a request through when its head is of a sane size, or answers 431.
pub async fn require_small(request: Request, next: Next) -> Result<Response, Failure> {
    let headers = request.headers();
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() + url;
    if headers.len() > MAX_HEADERS || bytes > MAX_HEAD_BYTES {
        let message = format!(
            "The request's head is too large: at most {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes are read."
        );
        return Err(Failure::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message));
    }
    Ok(next.run(request).await)
}
