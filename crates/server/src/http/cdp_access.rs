//! Who may talk to a browser: a project by its key, or anyone who holds the session's own token.

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::auth::{authenticate, header_key, refuse};
use super::client_address::ClientAddress;
use super::error::Failure;
use super::params::session_id;
use crate::app::App;
use crate::caller::Caller;
use crate::error::SESSION_NOT_FOUND;
use crate::session::SessionHandle;

/// What a DevTools URL says in its query. It holds secrets, so it has no `Debug`.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccessParams {
    /// A project's key; the `anchor-api-key` header does as well.
    #[serde(rename = "apiKey")]
    pub api_key: Option<String>,
    /// The session.
    #[serde(rename = "sessionId")]
    pub session_id: Option<String>,
    /// The session's token, instead of a key.
    pub token: Option<String>,
}

/// What a client has shown to be its own.
pub enum Access {
    /// One running session, and whose key it was shown with; none with the session's token.
    Session(SessionHandle, Option<Caller>),
    /// A project; no session was named.
    Project(Caller),
}

impl AccessParams {
    /// Finds out what the client may talk to. `in_path` is the session that the path names, if it does.
    ///
    /// Without a credential that opens something it is 401. A session that does not run, or is another project's, is 404.
    pub async fn check(
        &self,
        app: &App,
        (headers, address): (&HeaderMap, ClientAddress),
        in_path: Option<&str>,
    ) -> Result<Access, Failure> {
        let named = in_path.or(self.session_id.as_deref()).filter(|id| !id.is_empty());
        if let Some(token) = &self.token {
            let id = named.and_then(|id| session_id(id).ok());
            let session = id.and_then(|id| app.sessions().find_by_token(id, token));
            let Some(session) = session else {
                refuse(app, address).await?;
                return Err(wrong_token());
            };
            return Ok(Access::Session(session, None));
        }
        let caller = authenticate(app, address, header_key(headers).or(self.api_key.as_deref())).await?;
        let Some(named) = named else {
            return Ok(Access::Project(caller));
        };
        let session = app.sessions().find(caller.project, session_id(named)?);
        Ok(Access::Session(session.ok_or(SESSION_NOT_FOUND)?, Some(caller)))
    }

    /// Like [`Self::check`], where a session must be named.
    pub async fn require_session(
        &self,
        app: &App,
        from: (&HeaderMap, ClientAddress),
        in_path: Option<&str>,
    ) -> Result<(SessionHandle, Option<Caller>), Failure> {
        match self.check(app, from, in_path).await? {
            Access::Session(session, caller) => Ok((session, caller)),
            Access::Project(_) => {
                Err(Failure::new(StatusCode::BAD_REQUEST, "sessionId: is missing from the URL's query."))
            }
        }
    }
}

/// A session that is over and a token that is wrong look the same: tokens are not kept beyond their session.
fn wrong_token() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "The token is wrong, or its session does not run any more.")
}
