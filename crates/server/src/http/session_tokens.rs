//! `/v1/sessions/{session_id}/tokens`: minting and revoking scoped tokens.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::{Extension, Json};
use roadstead_api::{
    Data, ErrorResponse, SessionId, SessionToken, SessionTokenCreated, SessionTokensCreated,
    SessionTokensRequest, SuccessResponse,
};

use super::TAG_SESSIONS;
use super::body::{OptionalBody, typed};
use super::error::Failure;
use super::origin::WebSocketOrigin;
use super::params::{SessionPath, session_id};
use crate::app::App;
use crate::audit::{Action, Entry};
use crate::caller::Caller;
use crate::error::{Error, Result, SESSION_NOT_FOUND};
use crate::session::access::{NewToken, Scope, TokenInfo};

/// The longest that a token may be asked to live, in seconds: ten years, beyond any session.
const MAX_LIFETIME_SECONDS: u64 = 10 * 366 * 24 * 3600;
/// A token that was never minted, has expired, or is revoked already.
const TOKEN_NOT_FOUND: Error = Error::NotFound("Token not found.");

/// Mint tokens
///
/// One for each scope, with the URL that it opens. From the first one on the session is token-only: the `cdp_url` that it was
/// created with opens nothing any more, while connections that are open stay. A token opens nothing once its session ends.
#[utoipa::path(
    post, path = "/sessions/{session_id}/tokens", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    request_body(content = Option<SessionTokensRequest>),
    responses(
        (status = 200, description = "The tokens; they are shown only now.", body = Data<SessionTokensCreated>),
        (status = 404, description = "There is no such session, or it does not run.", body = ErrorResponse),
        (status = 409, description = "The session has too many tokens.", body = ErrorResponse),
        (status = 501, description = "A scope asks for what this server does not have.", body = ErrorResponse),
    )
)]
pub async fn create_session_tokens(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    SessionPath(id): SessionPath,
    OptionalBody(body): OptionalBody,
) -> Result<Json<Data<SessionTokensCreated>>, Failure> {
    let session = app.sessions().find(caller.project, id).ok_or(SESSION_NOT_FOUND)?;
    let request: SessionTokensRequest = typed(&body)?;
    let lifetime = lifetime(request.expires_in_seconds)?;
    let minted = session.access().mint(&scopes(request.scopes.as_deref().unwrap_or_default())?, lifetime)?;
    for token in &minted {
        // Nobody is told a token that is not on record.
        let entry = Entry::of(Action::TokenMint).in_session(id).on(token.info.id);
        app.db().record(&caller.actor(), &entry.because(token.info.scope.as_str())).await?;
    }
    let cdp = minted.iter().find(|token| token.info.scope == Scope::Cdp);
    Ok(Json(Data::of(SessionTokensCreated {
        cdp_url: cdp.map(|token| origin.cdp_url(id, &token.secret)),
        tokens: minted.into_iter().map(created).collect(),
    })))
}

/// Revoke a token
///
/// It opens nothing from now on. Connections that it opened stay.
#[utoipa::path(
    delete, path = "/sessions/{session_id}/tokens/{token}", tag = TAG_SESSIONS,
    params(
        ("session_id" = String, Path, description = "The session's id."),
        ("token" = String, Path, description = "The token, or its id."),
    ),
    responses(
        (status = 200, description = "The token is revoked.", body = Data<SuccessResponse>),
        (status = 404, description = "There is no such token, or no such session that runs.", body = ErrorResponse),
    )
)]
pub async fn delete_session_token(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    TokenPath(id, token): TokenPath,
) -> Result<Json<Data<SuccessResponse>>, Failure> {
    let session = app.sessions().find(caller.project, id).ok_or(SESSION_NOT_FOUND)?;
    let revoked = session.access().revoke(&token).ok_or(TOKEN_NOT_FOUND)?;
    let entry = Entry::of(Action::TokenRevoke).in_session(id).on(revoked);
    app.db().record(&caller.actor(), &entry).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

/// The session and the token in a path. It holds a secret, so it has no `Debug`.
pub struct TokenPath(SessionId, String);

impl<S: Send + Sync> FromRequestParts<S> for TokenPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, token)) = path.map_err(|_| SESSION_NOT_FOUND)?;
        Ok(Self(session_id(&id)?, token))
    }
}

/// Reads which scopes are asked for. All that a session can serve is DevTools, as long as there is no live view.
fn scopes(words: &[String]) -> Result<Vec<Scope>> {
    if words.is_empty() {
        return Ok(vec![Scope::Cdp]);
    }
    let mut scopes = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let unknown =
            || Error::invalid(&format!("scopes[{index}]"), "must be cdp, live_view or live_view_read_only");
        let scope = Scope::parse(word).ok_or_else(unknown)?;
        if scope != Scope::Cdp {
            return Err(Error::NotImplemented(
                "scopes: there is no live view yet; ask for [\"cdp\"], or leave it out.".to_owned(),
            ));
        }
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

fn lifetime(seconds: Option<u64>) -> Result<Option<Duration>> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=MAX_LIFETIME_SECONDS) => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => Err(Error::invalid(
            "expires_in_seconds",
            format!("must be a whole number from 1 to {MAX_LIFETIME_SECONDS}"),
        )),
    }
}

fn created(token: NewToken) -> SessionTokenCreated {
    SessionTokenCreated { token: token.secret, shown: shown(token.info) }
}

/// Shows a token without its secret.
pub fn shown(token: TokenInfo) -> SessionToken {
    SessionToken { id: token.id, scope: token.scope.as_str(), expires_at: token.expires_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_once_each() {
        let read = |words: &[&str]| scopes(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&[]).unwrap(), [Scope::Cdp]);
        assert_eq!(read(&["cdp", "cdp"]).unwrap(), [Scope::Cdp]);
        for view in ["live_view", "live_view_read_only"] {
            assert!(matches!(read(&["cdp", view]), Err(Error::NotImplemented(_))), "{view}");
        }
        let wrong = read(&["cdp", "everything"]).unwrap_err().to_string();
        assert!(wrong.starts_with("scopes[1]: ") && !wrong.contains("everything"), "{wrong}");
    }
}
