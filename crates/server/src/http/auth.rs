//! Keys at the door: who calls is known before anything else of a request is looked at.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::HeaderName;
use axum::middleware::Next;
use axum::response::Response;

use super::error::Failure;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;

/// The header that carries a project's key.
pub const API_KEY: HeaderName = HeaderName::from_static("anchor-api-key");

/// Lets a request through with its [`Caller`], or answers 401. It wraps every route under `/v1`, its 404s included.
pub async fn require_key(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let caller = authenticate(&app, header_key(request.headers())).await?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Finds out whose key this is, and notes the project in the request's span.
pub async fn authenticate(app: &App, key: Option<&str>) -> Result<Caller, Failure> {
    let caller = app.authenticate(key.ok_or(Error::Unauthenticated)?).await?;
    tracing::Span::current().record("project.id", tracing::field::display(caller.project));
    Ok(caller)
}

/// Returns the key in the headers. One that is not text is none.
pub fn header_key(headers: &HeaderMap) -> Option<&str> {
    headers.get(API_KEY)?.to_str().ok()
}
