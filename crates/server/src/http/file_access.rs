//! Who may fetch a file of a session, a download or its recording: its project by a key, or whoever holds a token that opens it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use roadstead_api::{ProjectId, SessionId};
use serde::Deserialize;

use super::auth::{authenticate, header_key, refuse};
use super::cdp_access::wrong_token;
use super::client_address::ClientAddress;
use super::error::Failure;
use super::params::{Params, SessionPath};
use crate::app::App;
use crate::session::access::{Access, Scope};

/// What opens a file besides a key. It holds a secret, so it has no `Debug`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TokenParams {
    /// A token of the session, instead of a key. A key in the header counts before it.
    token: Option<String>,
}

/// What the path of a file names.
pub trait FilePath {
    /// Returns the session that it is of.
    fn session(&self) -> SessionId;

    /// Tells whether a token opens it: as here, every one that opens DevTools.
    fn is_opened_by(&self, access: &Access, token: &str) -> bool {
        access.opens(token, Scope::Cdp)
    }
}

impl FilePath for SessionPath {
    fn session(&self) -> SessionId {
        self.0
    }
}

/// A file that a caller may fetch, if it exists: whose it is, and what the path names.
///
/// Who calls is known before it is told what there is, so whatever else is wrong comes after a 401. A key that was typed counts before a
/// token: a link that carries an old one works for whoever has the key.
pub struct OpenFile<P> {
    /// Whose it is.
    pub project: ProjectId,
    /// What the path names.
    pub path: P,
}

impl<P> FromRequestParts<App> for OpenFile<P>
where
    P: FilePath + FromRequestParts<App, Rejection = Failure> + Send,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let params = Params::<TokenParams>::from_request_parts(parts, app).await;
        let path = P::from_request_parts(parts, app).await;
        let address = ClientAddress::of(&parts.extensions);
        let key = header_key(&parts.headers);
        let token = params.as_ref().ok().and_then(|Params(params)| params.token.as_deref());
        let project = match (key, token) {
            (None, Some(token)) => {
                let opened = path.as_ref().ok().and_then(|path| opened(app, path, token));
                let Some(project) = opened else {
                    refuse(app, address).await?;
                    return Err(wrong_token());
                };
                project
            }
            (key, _) => authenticate(app, address, key).await?.project,
        };
        params?;
        Ok(Self { project, path: path? })
    }
}

/// Finds out whose the running session is in which a token opens a file.
fn opened(app: &App, path: &impl FilePath, token: &str) -> Option<ProjectId> {
    let opens = |access: &Access| path.is_opened_by(access, token);
    app.sessions().find_open(path.session(), opens).map(|session| session.project())
}
