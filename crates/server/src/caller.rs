//! Who calls: an authenticated project and its key.

use roadstead_api::{ApiKeyId, ProjectId};

/// The project behind a request, and the key that it came with. The key itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose request it is.
    pub project: ProjectId,
    /// Which key it came with.
    pub key: ApiKeyId,
    /// That key's name, as listings show it.
    pub key_name: String,
}
