//! `/v1/sessions/async/…`: a session that nobody waits for.

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{
    AsyncProgress, AsyncSessionCreated, AsyncSessionStatus, Data, ErrorResponse, SessionCreateRequest,
};

use super::body::OptionalBody;
use super::error::Failure;
use super::origin::WebSocketOrigin;
use super::params::RequestPath;
use super::rate_limit::RateLimitFields;
use super::{TAG_SESSIONS, batch_view};
use crate::app::App;
use crate::batch::Order;
use crate::batch::record::{BatchKind, BatchStatus};
use crate::caller::Caller;
use crate::error::{ASYNC_REQUEST_NOT_FOUND, Error, Result};

/// Start a session without waiting
///
/// Answers at once; the session is started in the background, as soon as there is a place, also after a restart of the server. Ask for
/// its status until that is `ready`.
#[utoipa::path(
    post, path = "/sessions/async", tag = TAG_SESSIONS, request_body(content = Option<SessionCreateRequest>),
    responses(
        (status = 200, description = "The session will be started.", body = Data<AsyncSessionCreated>),
        (status = 429, description = "Too much of the project waits to be started; or the key creates too many a minute.", body = ErrorResponse),
        (status = 501, description = "A field asks for what this server does not have.", body = ErrorResponse),
        (status = 503, description = "There is no such browser, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub async fn create_session_async(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    OptionalBody(body): OptionalBody,
) -> Result<(RateLimitFields, Json<Data<AsyncSessionCreated>>), Failure> {
    let left = app.limits().create(&caller)?;
    let order = Order { kind: BatchKind::Async, count: 1, body, metadata: None };
    let request_id = app.batches().create(&caller, order).await?.id;
    let status = BatchStatus::Pending.as_str();
    let created = AsyncSessionCreated { request_id, status, session_id: None };
    Ok((RateLimitFields(left), Json(Data::of(created))))
}

/// Show how far a session is
///
/// One that was created without waiting: whether it runs, or why it could not be started.
#[utoipa::path(
    get, path = "/sessions/async/{request_id}/status", tag = TAG_SESSIONS,
    params(("request_id" = String, Path, description = "The `request_id` that `POST /v1/sessions/async` returned.")),
    responses(
        (status = 200, description = "How far it is.", body = Data<AsyncSessionStatus>),
        (status = 404, description = "Async request not found.", body = ErrorResponse),
    )
)]
pub async fn get_async_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    RequestPath(id): RequestPath,
) -> Result<Json<Data<AsyncSessionStatus>>, Failure> {
    let found = app.batches().get(caller.project, id).await;
    let (request, items) = found.map_err(|error| match error {
        Error::NotFound(_) => ASYNC_REQUEST_NOT_FOUND,
        error => error,
    })?;
    let item = items.into_iter().next().filter(|_| request.kind == BatchKind::Async);
    let item = item.ok_or(ASYNC_REQUEST_NOT_FOUND)?;
    let running = item.session.and_then(|session| app.sessions().find(caller.project, session));
    let status = match (item.status, &running) {
        (BatchStatus::Completed, Some(_)) => "ready",
        (status, _) => status.as_str(),
    };
    let has_come_to_something = matches!(item.status, BatchStatus::Completed | BatchStatus::Failed);
    Ok(Json(Data::of(AsyncSessionStatus {
        request_id: request.id,
        status,
        created_at: request.created_at,
        error: item.error.clone().filter(|_| item.status == BatchStatus::Failed),
        session: has_come_to_something.then(|| batch_view::item(item, running.as_ref(), &origin)),
        progress: AsyncProgress { current_phase: request.counts.phase() },
    })))
}
