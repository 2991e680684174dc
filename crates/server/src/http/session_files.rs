//! `/v1/sessions/{session_id}/{uploads,agent/files}`: files for a session's browser, and for agents that drive it.

use std::path::Path;

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{AgentFile, AgentFiles, Data, ErrorResponse, SessionId, UploadForm, Uploaded};

use super::error::Failure;
use super::params::SessionPath;
use super::upload_body::UploadBody;
use super::{TAG_AGENT, TAG_SESSIONS};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::session::SessionHandle;
use crate::session::files::{Given, Room, Stored};

/// Upload a file
///
/// For the file choosers of the session's pages: the answer has the path to give to `DOM.setFileInputFiles`. A file of the same
/// name is replaced. All of them go with the session.
#[utoipa::path(
    post, path = "/sessions/{session_id}/uploads", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The file is there.", body = Data<Uploaded>),
        (status = 404, description = "There is no such session, or it ended meanwhile.", body = ErrorResponse),
        (status = 409, description = "The session does not run (any more); says why.", body = ErrorResponse),
        (status = 413, description = "The file, or all of the session's files together, are too large.", body = ErrorResponse),
        (status = 415, description = "The body says that it is no form.", body = ErrorResponse),
    )
)]
pub async fn upload_file(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    body: UploadBody,
) -> Result<Json<Data<Uploaded>>, Failure> {
    let incoming = app.sessions().require_running(caller.project, id).await?.receive(Room::Uploads).await?;
    Ok(Json(Data::of(uploaded(body.pour(incoming).await?))))
}

/// Upload a file for agents
///
/// A ZIP file (`.zip`) is unpacked: all that it holds is taken, or nothing. The session's browser can read the files too. All of them go
/// with the session.
#[utoipa::path(
    post, path = "/sessions/{session_id}/agent/files", tag = TAG_AGENT, params(("session_id" = String, Path, description = "The session's id.")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The file is there, or what it held.", body = Data<Uploaded>),
        (status = 400, description = "The session does not run, or the body is no form with a file, or the archive holds what none may; says which.", body = ErrorResponse),
        (status = 404, description = "There is no such session, or it ended meanwhile.", body = ErrorResponse),
        (status = 409, description = "A file would be where a directory is.", body = ErrorResponse),
        (status = 413, description = "The file, or all of the session's files together, are too large, or the archive holds too many.", body = ErrorResponse),
        (status = 415, description = "The body says that it is no form.", body = ErrorResponse),
    )
)]
pub async fn upload_agent_file(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    body: UploadBody,
) -> Result<Json<Data<Uploaded>>, Failure> {
    let incoming = running(&app, &caller, id).await?.receive(Room::Agent).await?;
    Ok(Json(Data::of(uploaded(body.pour(incoming).await?))))
}

/// List files for agents
#[utoipa::path(
    get, path = "/sessions/{session_id}/agent/files", tag = TAG_AGENT, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "They, by name.", body = Data<AgentFiles>),
        (status = 400, description = "The session does not run.", body = ErrorResponse),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
    )
)]
pub async fn list_agent_files(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<Data<AgentFiles>>, Failure> {
    let files = running(&app, &caller, id).await?.given(Room::Agent);
    Ok(Json(Data::of(AgentFiles { files: files.into_iter().map(agent_file).collect() })))
}

/// Finds a running session. One that does not run is a 400 in the published API, here and nowhere else.
async fn running(app: &App, caller: &Caller, id: SessionId) -> Result<SessionHandle> {
    app.sessions().require_running(caller.project, id).await.map_err(|error| match error {
        Error::Conflict(why) => Error::InvalidRequest(format!("Session is not running. {why}")),
        error => error,
    })
}

fn uploaded(stored: Stored) -> Uploaded {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    match stored {
        Stored::File(Given { path, name, size, .. }) => {
            Uploaded::of(format!("File saved at {}", text(&path)), text(&path), name, size)
        }
        Stored::Archive { dir, name, files } => {
            let size = files.iter().map(|file| file.size).sum();
            let message = format!("{} files extracted to {}", files.len(), text(&dir));
            Uploaded::of(message, text(&dir), name.to_string(), size).unpacked(files.len())
        }
    }
}

fn agent_file(given: Given) -> AgentFile {
    AgentFile {
        path: given.path.to_string_lossy().into_owned(),
        name: given.name,
        size: given.size,
        r#type: given.extension,
        last_modified: given.modified,
    }
}
