//! Keys at the door: who calls is known before anything else of a request is looked at.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::HeaderName;
use axum::middleware::Next;
use axum::response::Response;

use super::client_address::ClientAddress;
use super::error::Failure;
use crate::app::App;
use crate::audit::{Action, Actor, Entry, Origin, Outcome};
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
    let address = ClientAddress::of(request.extensions());
    let caller = authenticate(&app, address, header_key(request.headers())).await?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Finds out whose key this is, and notes the project in the request's span.
///
/// A right key always opens, whatever came from the same address before: many may share it.
pub async fn authenticate(app: &App, address: ClientAddress, key: Option<&str>) -> Result<Caller, Failure> {
    let caller = match app.authenticate(key.ok_or(Error::Unauthenticated)?, address.0).await {
        Err(Error::Unauthenticated) => {
            refuse(app, address).await?;
            return Err(Error::Unauthenticated.into());
        }
        found => found?,
    };
    tracing::Span::current().record("project.id", tracing::field::display(caller.project));
    Ok(caller)
}

/// Counts a key or a token that opens nothing, and puts it on record unless there were many just now. An error when too many
/// came from the address: it is to be the answer then.
pub async fn refuse(app: &App, address: ClientAddress) -> Result<(), Failure> {
    let counted = app.limits().failed_authentication(address.0);
    if app.limits().is_worth_a_record() {
        let actor = Actor { project: None, key: None, origin: Origin::Client(address.0) };
        app.db().record(&actor, &Entry::of(Action::AuthFailed).came_out(Outcome::Failed)).await?;
    }
    Ok(counted?)
}

/// Returns the key in the headers. One that is not text is none.
pub fn header_key(headers: &HeaderMap) -> Option<&str> {
    headers.get(API_KEY)?.to_str().ok()
}
