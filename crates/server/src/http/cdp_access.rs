//! Who may talk to a browser: a project by its key, or anyone who holds a token that opens the session.
//!
//! A session that is token-only opens to its minted tokens and no longer to its first one. A project's key opens it in any
//! case: who holds that could mint a token, and the SDKs connect with nothing else. `docs/decisions/0013` has the reasons.

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::auth::{authenticate, header_key, refuse};
use super::client_address::ClientAddress;
use super::error::Failure;
use super::origin::Ticket;
use super::params::session_id;
use crate::app::App;
use crate::caller::Caller;
use crate::error::SESSION_NOT_FOUND;
use crate::session::SessionHandle;
use crate::session::access::Scope;

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
    /// One running session.
    Session(Opened),
    /// A project; no session was named.
    Project(Caller),
}

/// A running session, and how a client came to it.
pub struct Opened {
    /// The session.
    pub session: SessionHandle,
    /// What the URLs of its WebSockets carry for this client.
    pub ticket: Ticket,
    /// Whose key it was shown with; nobody's with a token of the session.
    pub caller: Option<Caller>,
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
            let session = id.and_then(|id| app.sessions().find_by_token(id, token, Scope::Cdp));
            let Some(session) = session else {
                refuse(app, address).await?;
                return Err(wrong_token());
            };
            return Ok(Access::Session(Opened {
                session,
                ticket: Ticket::Token(token.clone()),
                caller: None,
            }));
        }
        let caller = authenticate(app, address, header_key(headers).or(self.api_key.as_deref())).await?;
        let Some(named) = named else {
            return Ok(Access::Project(caller));
        };
        let session = app.sessions().find(caller.project, session_id(named)?).ok_or(SESSION_NOT_FOUND)?;
        let ticket = Ticket::for_key(&session, self.api_key.as_deref());
        Ok(Access::Session(Opened { session, ticket, caller: Some(caller) }))
    }

    /// Like [`Self::check`], where a session must be named.
    pub async fn require_session(
        &self,
        app: &App,
        from: (&HeaderMap, ClientAddress),
        in_path: Option<&str>,
    ) -> Result<Opened, Failure> {
        match self.check(app, from, in_path).await? {
            Access::Session(opened) => Ok(opened),
            Access::Project(_) => {
                Err(Failure::new(StatusCode::BAD_REQUEST, "sessionId: is missing from the URL's query."))
            }
        }
    }
}

/// A session that is over, a token that is wrong, expired, revoked or of another scope look the same: only what lives is kept.
pub fn wrong_token() -> Failure {
    let message = "The token is wrong, has expired or was revoked, or its session does not run any more.";
    Failure::new(StatusCode::UNAUTHORIZED, message)
}
