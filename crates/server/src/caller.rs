//! Who calls: an authenticated project and its key.

use std::net::IpAddr;

use roadstead_api::{ApiKeyId, ProjectId};

use crate::audit::{Actor, Origin};

/// The project behind a request, and the key that it came with. The key itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose request it is.
    pub project: ProjectId,
    /// Which key it came with.
    pub key: ApiKeyId,
    /// That key's name, as listings show it.
    pub key_name: String,
    /// Where the request came from.
    pub address: IpAddr,
}

impl Caller {
    /// Names the caller for the audit log.
    pub fn actor(&self) -> Actor {
        Actor {
            project: Some(self.project),
            key: Some((self.key, self.key_name.clone())),
            origin: Origin::Client(self.address),
        }
    }
}
