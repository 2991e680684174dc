//! `/v1/profiles/{name}/revisions/…` and `/v1/profiles/{name}/checkpoint`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use roadstead_api::{
    CheckpointRequest, Data, ErrorResponse, Items, Receipt, Revision, SaveOutcome, SuccessResponse,
};

use super::TAG_PROFILES;
use super::body::JsonBody;
use super::error::Failure;
use super::params::RevisionPath;
use super::save_failed::SaveFailed;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, PROFILE_NOT_FOUND, Result};
use crate::profile::RevisionRecord;

/// List a profile's revisions
///
/// Newest first. A revision that retention or somebody has removed is not in the list, and its number is not used again.
#[utoipa::path(
    get, path = "/profiles/{name}/revisions", tag = TAG_PROFILES,
    params(("name" = String, Path, description = "The profile's name, percent-encoded.")),
    responses(
        (status = 200, description = "The revisions that there are.", body = Data<Items<Revision>>),
        (status = 404, description = "Profile not found.", body = ErrorResponse),
    )
)]
pub async fn list_revisions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Data<Items<Revision>>>, Failure> {
    let revisions = app.profiles().revisions(caller.project, &name).await?;
    Ok(Json(Data::of(revisions.into_iter().map(shown).collect())))
}

/// Show a revision
#[utoipa::path(
    get, path = "/profiles/{name}/revisions/{revision}", tag = TAG_PROFILES,
    params(RevisionPath),
    responses(
        (status = 200, description = "The revision.", body = Data<Revision>),
        (status = 404, description = "There is no such profile or revision.", body = ErrorResponse),
    )
)]
pub async fn get_revision(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RevisionPath { name, revision }: RevisionPath,
) -> Result<Json<Data<Revision>>, Failure> {
    let revision = app.profiles().revision(caller.project, &name, revision).await?;
    Ok(Json(Data::of(shown(revision))))
}

/// Delete a revision
///
/// With the bytes that no other revision needs. The head and pinned revisions are refused.
#[utoipa::path(
    delete, path = "/profiles/{name}/revisions/{revision}", tag = TAG_PROFILES,
    params(RevisionPath),
    responses(
        (status = 200, description = "The revision is gone.", body = Data<SuccessResponse>),
        (status = 404, description = "There is no such profile or revision.", body = ErrorResponse),
        (status = 409, description = "It is the head, pinned, or in use.", body = ErrorResponse),
    )
)]
pub async fn delete_revision(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RevisionPath { name, revision }: RevisionPath,
) -> Result<Json<Data<SuccessResponse>>, Failure> {
    app.profiles().delete_revision(&caller, &name, revision).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

/// Roll back to a revision
///
/// Adds a revision that equals it, and makes that the head. Nothing is overwritten: what was the head is still there.
#[utoipa::path(
    post, path = "/profiles/{name}/revisions/{revision}/rollback", tag = TAG_PROFILES,
    params(RevisionPath),
    responses(
        (status = 200, description = "The revision that was added.", body = Data<Revision>),
        (status = 404, description = "There is no such profile or revision.", body = ErrorResponse),
        (status = 409, description = "A session writes the profile alone.", body = ErrorResponse),
    )
)]
pub async fn roll_back(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RevisionPath { name, revision }: RevisionPath,
) -> Result<Json<Data<Revision>>, Failure> {
    let added = app.profiles().roll_back(&caller, &name, revision).await?;
    Ok(Json(Data::of(shown(added))))
}

/// Promote a revision that was held back
///
/// Makes it the head after all.
#[utoipa::path(
    post, path = "/profiles/{name}/revisions/{revision}/promote", tag = TAG_PROFILES,
    params(RevisionPath),
    responses(
        (status = 200, description = "The revision, which is the head now.", body = Data<Revision>),
        (status = 404, description = "There is no such profile or revision.", body = ErrorResponse),
        (status = 409, description = "It is older than the head, or a session writes the profile alone.", body = ErrorResponse),
    )
)]
pub async fn promote(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RevisionPath { name, revision }: RevisionPath,
) -> Result<Json<Data<Revision>>, Failure> {
    let promoted = app.profiles().promote(&caller, &name, revision).await?;
    Ok(Json(Data::of(shown(promoted))))
}

/// Pin a revision
///
/// Retention leaves it alone, and it cannot be deleted.
#[utoipa::path(
    post, path = "/profiles/{name}/revisions/{revision}/pin", tag = TAG_PROFILES,
    params(RevisionPath),
    responses(
        (status = 200, description = "The revision, pinned.", body = Data<Revision>),
        (status = 404, description = "There is no such profile or revision.", body = ErrorResponse),
    )
)]
pub async fn pin(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RevisionPath { name, revision }: RevisionPath,
) -> Result<Json<Data<Revision>>, Failure> {
    let pinned = app.profiles().pin(&caller, &name, revision, true).await?;
    Ok(Json(Data::of(shown(pinned))))
}

/// Unpin a revision
#[utoipa::path(
    delete, path = "/profiles/{name}/revisions/{revision}/pin", tag = TAG_PROFILES,
    params(RevisionPath),
    responses(
        (status = 200, description = "The revision, no longer pinned.", body = Data<Revision>),
        (status = 404, description = "There is no such profile or revision.", body = ErrorResponse),
    )
)]
pub async fn unpin(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RevisionPath { name, revision }: RevisionPath,
) -> Result<Json<Data<Revision>>, Failure> {
    let unpinned = app.profiles().pin(&caller, &name, revision, false).await?;
    Ok(Json(Data::of(shown(unpinned))))
}

/// Save a running session now
///
/// Adds a revision without ending the session, restarting its browser or disconnecting anybody: the browser pauses while
/// its files are copied, some ten milliseconds for an ordinary profile. Answers once the revision is durable.
#[utoipa::path(
    post, path = "/profiles/{name}/checkpoint", tag = TAG_PROFILES,
    params(("name" = String, Path, description = "The profile's name, percent-encoded.")),
    request_body = CheckpointRequest,
    responses(
        (status = 200, description = "The receipt: the session is saved.", body = Data<Receipt>),
        (status = 404, description = "There is no such profile, or no such running session.", body = ErrorResponse),
        (status = 409, description = "Another session writes the profile alone.", body = ErrorResponse),
        (status = 500, description = "The revision could not be stored; the session goes on.", body = SaveFailed<Receipt>),
        (status = 503, description = "The browser could not be held still.", body = ErrorResponse),
    )
)]
pub async fn checkpoint(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<CheckpointRequest>,
) -> Result<Response, Failure> {
    let session = body.session_id.parse();
    let session =
        session.map_err(|_| Error::invalid("session_id", "must be a session's id, which is a UUID"))?;
    let receipt = app.sessions().checkpoint(caller.project, session, &name).await?;
    match &receipt.outcome {
        SaveOutcome::Saved(_) => Ok(Json(Data::of(receipt)).into_response()),
        SaveOutcome::Dropped { .. } => Err(PROFILE_NOT_FOUND.into()),
        SaveOutcome::Failed { reason } => Ok(SaveFailed::of(reason.clone(), receipt)),
    }
}

/// Shows a revision.
pub fn shown(record: RevisionRecord) -> Revision {
    Revision {
        revision: record.number,
        parent: record.parent,
        head: record.head,
        session_id: record.session,
        saved_at: record.saved_at,
        digest: record.digest,
        cause: record.cause.as_str().to_owned(),
        size_bytes: record.size_bytes,
        added_bytes: record.added_bytes,
        files: record.files,
        captured: record.captured,
        browser_version: record.browser_version,
        pinned: record.pinned,
        diverged_from: record.diverged_from,
        held_back: record.held_back,
    }
}
