//! `/v1/sessions/{session_id}/{goto,screenshot,clipboard,copy,paste}`: the address bar, the screen and the clipboard.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use roadstead_api::{
    ClipboardRequest, ClipboardText, Copied, Data, Driven, ErrorResponse, GotoRequest, PasteRequest,
};
use utoipa::IntoResponses;

use super::TAG_DRIVING;
use super::body::JsonBody;
use super::error::Failure;
use super::params::{SessionPath, page_url};
use crate::app::App;
use crate::caller::Caller;
use crate::session::drive::{Act, clipboard};

/// What every operation that drives a browser may answer besides, for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document has it")]
pub enum CannotDrive {
    /// There is no such session, or its browser is gone.
    #[response(status = 404)]
    Gone(ErrorResponse),
    /// The session does not run (any more), or has no page; says why.
    #[response(status = 409)]
    NotRunning(ErrorResponse),
    /// The page does not answer: it is busy, or shows a dialog.
    #[response(status = 504)]
    Busy(ErrorResponse),
}

/// Go to a URL
///
/// In the selected tab: the newest that is visible. Answers once the page is loaded, at most after 30 seconds.
#[utoipa::path(
    post, path = "/sessions/{session_id}/goto", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = GotoRequest,
    responses(
        (status = 200, description = "The page is loaded.", body = Driven),
        (status = 502, description = "The page could not be opened; has Chromium's net error.", body = ErrorResponse),
        CannotDrive,
    )
)]
pub async fn goto(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<GotoRequest>,
) -> Result<Json<Driven>, Failure> {
    let url = page_url("url", &body.url)?;
    app.sessions().require_running(caller.project, id).await?.goto(&url).await?;
    Ok(Json(Driven::SUCCESS))
}

/// Take a screenshot
///
/// Of the selected tab's viewport.
#[utoipa::path(
    get, path = "/sessions/{session_id}/screenshot", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    responses((status = 200, description = "The picture.", content_type = "image/png", body = [u8]), CannotDrive)
)]
pub async fn screenshot(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<impl IntoResponse, Failure> {
    let picture = app.sessions().screenshot(caller.project, id).await?;
    Ok(([(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "no-store")], picture))
}

/// Read the clipboard
#[utoipa::path(
    get, path = "/sessions/{session_id}/clipboard", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    responses((status = 200, description = "Its text.", body = Data<ClipboardText>), CannotDrive)
)]
pub async fn get_clipboard(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<Data<ClipboardText>>, Failure> {
    let text = app.sessions().act(caller.project, id, clipboard::Read).await?;
    Ok(Json(Data::of(ClipboardText { text })))
}

/// Set the clipboard
#[utoipa::path(
    post, path = "/sessions/{session_id}/clipboard", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = ClipboardRequest,
    responses((status = 200, description = "It holds the text.", body = Driven), CannotDrive)
)]
pub async fn set_clipboard(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ClipboardRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, clipboard::Write(body.text)).await
}

/// Copy what is selected
///
/// With Control+C, in the selected tab.
#[utoipa::path(
    post, path = "/sessions/{session_id}/copy", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    responses((status = 200, description = "What was copied; empty when nothing is selected.", body = Copied), CannotDrive)
)]
pub async fn copy(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<Copied>, Failure> {
    Ok(Json(Copied::of(app.sessions().act(caller.project, id, clipboard::Copy).await?)))
}

/// Paste a text
///
/// Sets the clipboard, and presses Control+V in the selected tab.
#[utoipa::path(
    post, path = "/sessions/{session_id}/paste", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = PasteRequest,
    responses((status = 200, description = "It is pasted.", body = Driven), CannotDrive)
)]
pub async fn paste(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<PasteRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, clipboard::Paste(body.text)).await
}

/// Does something that has nothing to tell.
pub async fn drive(
    app: &App,
    caller: &Caller,
    id: roadstead_api::SessionId,
    act: impl Act<Done = ()>,
) -> Result<Json<Driven>, Failure> {
    app.sessions().act(caller.project, id, act).await?;
    Ok(Json(Driven::SUCCESS))
}
