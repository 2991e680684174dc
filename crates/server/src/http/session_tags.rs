//! `/v1/sessions/{session_id}/tags`: a session's labels, which outlive it.

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{
    ChangeStatus, Data, ErrorResponse, SessionId, SessionTags, SessionTagsChanged, SessionTagsRequest,
};

use super::TAG_SESSIONS;
use super::body::JsonBody;
use super::error::Failure;
use super::params::SessionPath;
use crate::app::App;
use crate::caller::Caller;

/// Show a session's labels
#[utoipa::path(
    get, path = "/sessions/{session_id}/tags", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "Its labels.", body = Data<SessionTags>),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
    )
)]
pub async fn get_session_tags(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(session_id): SessionPath,
) -> Result<Json<Data<SessionTags>>, Failure> {
    let tags = app.sessions().tags(caller.project, session_id).await?;
    Ok(Json(Data::of(SessionTags { session_id, tags })))
}

/// Replace a session's labels
#[utoipa::path(
    put, path = "/sessions/{session_id}/tags", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = SessionTagsRequest,
    responses(
        (status = 200, description = "Its labels now.", body = Data<SessionTagsChanged>),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
    )
)]
pub async fn put_session_tags(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<SessionTagsRequest>,
) -> Result<Json<Data<SessionTagsChanged>>, Failure> {
    replace(&app, &caller, id, body.tags).await
}

/// Remove a session's labels
#[utoipa::path(
    delete, path = "/sessions/{session_id}/tags", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "It has no labels now.", body = Data<SessionTagsChanged>),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
    )
)]
pub async fn delete_session_tags(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<Data<SessionTagsChanged>>, Failure> {
    replace(&app, &caller, id, Vec::new()).await
}

async fn replace(
    app: &App,
    caller: &Caller,
    session_id: SessionId,
    tags: Vec<String>,
) -> Result<Json<Data<SessionTagsChanged>>, Failure> {
    app.sessions().set_tags(caller.project, session_id, tags.clone()).await?;
    Ok(Json(Data::of(SessionTagsChanged { status: ChangeStatus::Success, session_id, tags })))
}
