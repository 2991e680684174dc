//! `/v1/sessions/{session_id}/recordings`: what a session's browser showed, as a video, and picture by picture.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream::{Stream, try_unfold};
use roadstead_api::{
    Data, ErrorResponse, Items, RecordingChanged, RecordingFrames, RecordingId, RecordingItem, SessionId,
    SuccessResponse,
};

use super::TAG_RECORDINGS;
use super::error::Failure;
use super::file_access::{FilePath, OpenFile, TokenParams};
use super::origin::WebSocketOrigin;
use super::params::{SessionPath, session_id};
use super::replay;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{RECORDING_NOT_FOUND, SESSION_NOT_FOUND};
use crate::session::recordings::{Recording, Video};

/// What stands for a session's only recording.
const PRIMARY: &str = "primary";

/// List recordings
///
/// The session's only one, while it is made too; kept for a time after the session's end. None where the session is not recorded.
#[utoipa::path(
    get, path = "/sessions/{session_id}/recordings", tag = TAG_RECORDINGS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "It.", body = Data<Items<RecordingItem>>),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
    )
)]
pub async fn list_recordings(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    SessionPath(id): SessionPath,
) -> Result<Json<Data<Items<RecordingItem>>>, Failure> {
    let recording = app.sessions().recording(caller.project, id).await?;
    Ok(Json(Data::of(recording.into_iter().map(|recording| shown(&origin, id, recording)).collect())))
}

/// Pause a recording
///
/// No picture is taken when this has answered, and the pause is not in the video. One that is paused stays so.
#[utoipa::path(
    post, path = "/sessions/{session_id}/recordings/pause", tag = TAG_RECORDINGS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "It is paused.", body = RecordingChanged),
        (status = 400, description = "The session is not recorded.", body = ErrorResponse),
        (status = 404, description = "There is no such session, or its recording was deleted.", body = ErrorResponse),
        (status = 409, description = "The session does not run, or its recording was stopped.", body = ErrorResponse),
    )
)]
pub async fn pause_recording(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<RecordingChanged>, Failure> {
    app.sessions().recording_control(caller.project, id).await?.pause().await?;
    Ok(Json(RecordingChanged::SUCCESS))
}

/// Resume a recording
///
/// One that is not paused goes on as it is.
#[utoipa::path(
    post, path = "/sessions/{session_id}/recordings/resume", tag = TAG_RECORDINGS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "It goes on.", body = RecordingChanged),
        (status = 400, description = "The session is not recorded.", body = ErrorResponse),
        (status = 404, description = "There is no such session, or its recording was deleted.", body = ErrorResponse),
        (status = 409, description = "The session does not run, or its recording was stopped.", body = ErrorResponse),
    )
)]
pub async fn resume_recording(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<RecordingChanged>, Failure> {
    app.sessions().recording_control(caller.project, id).await?.resume().await?;
    Ok(Json(RecordingChanged::SUCCESS))
}

/// Delete a recording
///
/// With its video. One that is still made ends.
#[utoipa::path(
    delete, path = "/sessions/{session_id}/recordings/{recording_id}", tag = TAG_RECORDINGS,
    params(
        ("session_id" = String, Path, description = "The session's id."),
        ("recording_id" = String, Path, description = "The recording's id, or `primary`."),
    ),
    responses(
        (status = 200, description = "It is gone.", body = Data<SuccessResponse>),
        (status = 400, description = "The session was not recorded.", body = ErrorResponse),
        (status = 404, description = "There is no such session or recording, or it has expired.", body = ErrorResponse),
    )
)]
pub async fn delete_recording(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RecordingPath(session, id): RecordingPath,
) -> Result<Json<Data<SuccessResponse>>, Failure> {
    app.sessions().delete_recording(caller.project, session, id).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

/// Fetch a recording
///
/// As a video, which is made when it is fetched for the first time, and again when the recording has grown. With the project's key,
/// or with one of the session's tokens as long as it runs.
#[utoipa::path(
    get, path = "/sessions/{session_id}/recordings/primary/fetch", tag = TAG_RECORDINGS,
    params(("session_id" = String, Path, description = "The session's id."), TokenParams),
    responses(
        (status = 200, description = "The video.", content_type = "video/mp4", body = [u8]),
        (status = 404, description = "There is no such session or recording, it has no picture yet, or it has expired.", body = ErrorResponse),
        (status = 413, description = "The video would be too large.", body = ErrorResponse),
        (status = 501, description = "There is no ffmpeg to make it with.", body = ErrorResponse),
        (status = 504, description = "Making it took too long.", body = ErrorResponse),
    )
)]
pub async fn fetch_recording(
    State(app): State<App>,
    OpenFile { project, path: SessionPath(session) }: OpenFile<SessionPath>,
) -> Result<impl IntoResponse, Failure> {
    let (recording, video) = app.sessions().recording_video(project, session).await?;
    let headers = [
        (CONTENT_TYPE, "video/mp4".to_owned()),
        (CONTENT_LENGTH, video.size().to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file_name(recording.id))),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces(video))))
}

/// List a recording's pictures
///
/// When each was taken. With the project's key, or with one of the session's tokens as long as it runs.
#[utoipa::path(
    get, path = "/sessions/{session_id}/recordings/primary/frames", tag = TAG_RECORDINGS,
    params(("session_id" = String, Path, description = "The session's id."), TokenParams),
    responses(
        (status = 200, description = "Their moments.", body = Data<RecordingFrames>),
        (status = 404, description = "There is no such session or recording, or it has expired.", body = ErrorResponse),
    )
)]
pub async fn list_frames(
    State(app): State<App>,
    OpenFile { project, path: SessionPath(session) }: OpenFile<SessionPath>,
) -> Result<impl IntoResponse, Failure> {
    let (recording, moments) = app.sessions().recording_moments(project, session).await?;
    let frames = moments.into_iter().map(|moment| moment.at_ms).collect();
    let status = recording.state.as_str();
    let answer = Data::of(RecordingFrames { status, duration_ms: recording.duration_ms, frames });
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)))
}

/// Fetch a picture of a recording
///
/// With the project's key, or with one of the session's tokens as long as it runs.
#[utoipa::path(
    get, path = "/sessions/{session_id}/recordings/primary/frames/{number}", tag = TAG_RECORDINGS,
    params(
        ("session_id" = String, Path, description = "The session's id."),
        ("number" = String, Path, description = "The picture's number, from 0."),
        TokenParams,
    ),
    responses(
        (status = 200, description = "The picture.", content_type = "image/jpeg", body = [u8]),
        (status = 404, description = "There is no such session, recording or picture, or it has expired.", body = ErrorResponse),
    )
)]
pub async fn fetch_frame(
    State(app): State<App>,
    OpenFile { project, path: FramePath(session, number) }: OpenFile<FramePath>,
) -> Result<impl IntoResponse, Failure> {
    let picture = app.sessions().recording_picture(project, session, number).await?;
    let headers =
        [(CONTENT_TYPE, "image/jpeg"), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (CACHE_CONTROL, "no-store")];
    Ok((headers, picture))
}

/// Watch a recording
///
/// A page that plays it, in any browser, without ffmpeg. With the project's key, or with one of the session's tokens as long as it runs.
/// A browser that comes with neither gets the page all the same, with the status 401: it asks for the key, and holds nothing of the
/// session.
#[utoipa::path(
    get, path = "/sessions/{session_id}/recordings/primary/replay", tag = TAG_RECORDINGS,
    params(("session_id" = String, Path, description = "The session's id."), TokenParams),
    responses(
        (status = 200, description = "The page.", content_type = "text/html", body = String),
        (status = 404, description = "There is no such session or recording, or it has expired.", body = ErrorResponse),
    )
)]
pub async fn replay_recording(
    State(app): State<App>,
    headers: HeaderMap,
    file: Result<OpenFile<SessionPath>, Failure>,
) -> Result<Response, Failure> {
    let OpenFile { project, path: SessionPath(session) } = match file {
        Err(refusal) if refusal.is_unauthenticated() && is_from_a_browser(&headers) => {
            return Ok((StatusCode::UNAUTHORIZED, replay::page()).into_response());
        }
        file => file?,
    };
    app.sessions().recording(project, session).await?.ok_or(RECORDING_NOT_FOUND)?;
    Ok(replay::page().into_response())
}

/// Tells whether somebody looks at the answer in a browser.
fn is_from_a_browser(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// The session and the recording in a path; `None` is the only one that it has.
#[derive(Clone, Copy, Debug)]
pub struct RecordingPath(SessionId, Option<RecordingId>);

impl<S: Send + Sync> FromRequestParts<S> for RecordingPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((session, id)) = path.map_err(|_| SESSION_NOT_FOUND)?;
        let session = session_id(&session)?;
        let id = match id.as_str() {
            PRIMARY => None,
            id => Some(id.parse().map_err(|_| RECORDING_NOT_FOUND)?),
        };
        Ok(Self(session, id))
    }
}

/// The session and the picture's number in a path.
#[derive(Clone, Copy, Debug)]
pub struct FramePath(SessionId, usize);

impl<S: Send + Sync> FromRequestParts<S> for FramePath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((session, number)) = path.map_err(|_| SESSION_NOT_FOUND)?;
        Ok(Self(session_id(&session)?, number.parse().map_err(|_| RECORDING_NOT_FOUND)?))
    }
}

impl FilePath for FramePath {
    fn session(&self) -> SessionId {
        self.0
    }
}

fn shown(origin: &WebSocketOrigin, session: SessionId, recording: Recording) -> RecordingItem {
    RecordingItem {
        id: recording.id,
        is_primary: true,
        status: recording.state.as_str(),
        detail: recording.detail,
        file_link: origin.recording_url(session, "fetch"),
        replay_link: origin.recording_url(session, "replay"),
        suggested_file_name: file_name(recording.id),
        duration: format!("{}.{:03}", recording.duration_ms / 1_000, recording.duration_ms % 1_000),
        size: recording.size,
        frames: recording.frames,
        created_at: recording.created_at,
    }
}

fn file_name(id: RecordingId) -> String {
    format!("recording-{id}.mp4")
}

/// Opens a video piece by piece.
fn pieces(video: Video) -> impl Stream<Item = std::io::Result<Bytes>> {
    try_unfold((Arc::new(video), 0), async |(video, number): (Arc<Video>, usize)| {
        let reading = Arc::clone(&video);
        let piece = tokio::task::spawn_blocking(move || reading.piece(number)).await;
        let piece = piece.map_err(std::io::Error::other)??;
        Ok(piece.map(|piece| (Bytes::from(piece), (video, number + 1))))
    })
}
