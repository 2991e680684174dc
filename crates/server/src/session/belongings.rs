//! What a session names of what its project has uploaded: looked up before it starts, and again for its browser.

use roadstead_api::ProjectId;

use super::certificates::{self, Authority};
use super::extensions::{self, Extension};
use super::request::BrowserRequest;
use crate::db::Db;
use crate::error::{Error, Result};

/// What a session's browser is given.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    pub(super) extensions: Vec<Extension>,
    pub(super) authorities: Vec<Authority>,
}

impl Belongings {
    /// Looks up what a request names. Errors: [`Error::InvalidRequest`] for what its project does not have, and for two extensions that
    /// Chromium takes for one.
    pub(super) async fn find(db: &Db, project: ProjectId, request: &BrowserRequest) -> Result<Self> {
        let mut this = Self::default();
        for id in &request.extensions {
            let found = db.extension(project, *id).await.map_err(|error| match error {
                Error::NotFound(_) => extensions::gone(*id),
                error => error,
            })?;
            if let Some(twin) = this.extensions.iter().find(|known| known.chromium_id == found.chromium_id) {
                return Err(Error::invalid(
                    "browser.extensions",
                    format!(
                        "{} and {} have the same key, so Chromium would load one of them only",
                        twin.id, found.id
                    ),
                ));
            }
            this.extensions.push(found);
        }
        if request.ca_certificates.is_empty() {
            return Ok(this);
        }
        let known = db.certificates(project).await?;
        for name in &request.ca_certificates {
            let found = known.iter().find(|known| known.name == *name);
            let authority = Authority::from_der(&found.ok_or_else(|| certificates::gone(name))?.der)?;
            // One authority under two names is one.
            if !this.authorities.contains(&authority) {
                this.authorities.push(authority);
            }
        }
        Ok(this)
    }
}
