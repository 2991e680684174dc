//! `/v1/sessions/…`: starting, showing and ending them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use roadstead_api::{
    AllSessionsEnded, ChangeStatus, Data, ErrorResponse, Items, SessionCreateRequest, SessionCreated,
    SessionDetails, SessionEnded, SessionPageItem,
};
use serde::Serialize;

use super::body::OptionalBody;
use super::error::Failure;
use super::origin::{Ticket, WebSocketOrigin};
use super::params::SessionPath;
use super::rate_limit::RateLimitFields;
use super::save_failed::SaveFailed;
use super::{TAG_SESSIONS, session_request, session_tokens, session_view};
use crate::app::App;
use crate::caller::Caller;
use crate::clock;
use crate::error::{Result, SESSION_NOT_FOUND};
use crate::session::SessionHandle;
use crate::session::access::Scope;

/// Start a session
///
/// Answers once the browser is ready, with the profile in it. The body is optional.
#[utoipa::path(
    post, path = "/sessions", tag = TAG_SESSIONS, request_body(content = Option<SessionCreateRequest>),
    responses(
        (status = 200, description = "The browser is ready.", body = Data<SessionCreated>, headers(
            ("RateLimit" = String, description = "IETF draft 8: how many more the key may create now."),
            ("RateLimit-Policy" = String, description = "IETF draft 8: how many a key may create in a minute."),
        )),
        (status = 404, description = "The profile does not exist, and persist is not set.", body = ErrorResponse),
        (status = 409, description = "The profile has not reached `min_revision` in time, or another session writes it alone.", body = ErrorResponse),
        (status = 429, description = "All places are taken, and none came free in time; or the key creates too many a minute.", body = ErrorResponse, headers(
            ("Retry-After" = u64, description = "When to try again, in seconds."),
            ("RateLimit" = String, description = "IETF draft 8: what is left of the quota."),
            ("RateLimit-Policy" = String, description = "IETF draft 8: the quota."),
        )),
        (status = 501, description = "A field asks for what this server does not have.", body = ErrorResponse),
        (status = 502, description = "The way out to the network does not work, or shows another address than it should.", body = ErrorResponse),
        (status = 503, description = "The browser did not start, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub async fn create_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    OptionalBody(body): OptionalBody,
) -> Result<(RateLimitFields, Json<Data<SessionCreated>>), Failure> {
    let left = app.limits().create(&caller)?;
    let request = session_request::read(body)?;
    let session = app.sessions().create(&caller, request).await?;
    let (id, token) = (session.id(), first_token(&session)?);
    let cdp_url = origin.cdp_url(id, &token);
    Ok((RateLimitFields(left), Json(Data::of(SessionCreated { id, session_id: id, cdp_url }))))
}

/// Returns the token of a new session's `cdp_url`: its first one, or one that is minted for it when it is token-only.
fn first_token(session: &SessionHandle) -> Result<String> {
    match session.access().first() {
        Some(token) => Ok(token),
        None => Ok(session.access().mint(&[Scope::Cdp], None)?.remove(0).secret),
    }
}

/// Show a session
///
/// Whether it runs or is over.
#[utoipa::path(
    get, path = "/sessions/{session_id}", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "The session.", body = Data<SessionDetails>),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
    )
)]
pub async fn get_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    SessionPath(id): SessionPath,
) -> Result<Json<Data<SessionDetails>>, Failure> {
    let record = app.sessions().record(caller.project, id).await?;
    let running = app.sessions().find(caller.project, id);
    let first = running.as_ref().and_then(|session| session.access().first());
    let cdp_url = first.map(|token| origin.cdp_url(id, &token));
    let tokens = running.and_then(|session| session.access().list());
    let tokens = tokens.map(|tokens| tokens.into_iter().map(session_tokens::shown).collect());
    Ok(Json(Data::of(session_view::details(record, cdp_url, tokens, clock::now()))))
}

/// End a session
///
/// Answers once its browser is gone and everything it owed is saved. Ending one that is over tells how it ended.
#[utoipa::path(
    delete, path = "/sessions/{session_id}", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "The session is over, and saved.", body = Data<SessionEnded>),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
        (status = 500, description = "The session is over, but a profile could not be saved.", body = SaveFailed<SessionEnded>),
    )
)]
pub async fn end_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Response, Failure> {
    let ended = session_view::ended(app.sessions().end(&caller, id).await?);
    Ok(answer_end(ended.status, ended.detail.clone(), ended))
}

/// End all sessions
///
/// Answers once every browser is gone and everything they owed is saved.
#[utoipa::path(
    delete, path = "/sessions/all", tag = TAG_SESSIONS,
    responses(
        (status = 200, description = "All sessions are over, and saved.", body = Data<AllSessionsEnded>),
        (status = 500, description = "All sessions are over, but a profile could not be saved.", body = SaveFailed<AllSessionsEnded>),
    )
)]
pub async fn end_all_sessions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Failure> {
    let records = app.sessions().end_all(&caller).await?;
    let sessions: Vec<_> = records.into_iter().map(session_view::ended).collect();
    let lost = sessions.iter().find(|session| session.status == ChangeStatus::Failed);
    let status = lost.map_or(ChangeStatus::Success, |session| session.status);
    let detail = lost.and_then(|session| session.detail.clone());
    Ok(answer_end(status, detail, AllSessionsEnded { status, count: sessions.len(), sessions }))
}

/// List a session's pages
#[utoipa::path(
    get, path = "/sessions/{session_id}/pages", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "The pages that are open.", body = Data<Items<SessionPageItem>>),
        (status = 404, description = "There is no such session, or it does not run.", body = ErrorResponse),
    )
)]
pub async fn list_pages(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    SessionPath(id): SessionPath,
) -> Result<Json<Data<Items<SessionPageItem>>>, Failure> {
    let session = app.sessions().find(caller.project, id).ok_or(SESSION_NOT_FOUND)?;
    let ticket = Ticket::for_key(&session, None);
    let pages = session.pages().await?.into_iter().map(|page| SessionPageItem {
        cdp_url: origin.page_url(id, &page.id, &ticket),
        id: page.id,
        title: page.title,
        url: page.url,
    });
    Ok(Json(Data::of(pages.collect())))
}

/// Answers an end. One that lost a save is a failure, since SDKs look at nothing but the status.
fn answer_end<T: Serialize>(status: ChangeStatus, detail: Option<String>, data: T) -> Response {
    match status {
        ChangeStatus::Success => Json(Data::of(data)).into_response(),
        ChangeStatus::Failed => {
            let what = detail.unwrap_or_else(|| "A profile could not be saved.".to_owned());
            let message = format!(
                "The session has ended. {what} Its head is what it was before; the server tries again when it starts next."
            );
            SaveFailed::of(message, data)
        }
    }
}
