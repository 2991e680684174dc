//! How many objects a repository is made of.

use rustic_core::FileType;

use crate::{VaultError, adapter::named_by_content, layout, repository::Access};

/// What a repository takes up in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Snapshots.
    pub snapshots: u64,
    /// Index files. A commit that adds bytes adds one, every opening reads all, and a prune merges them.
    pub indexes: u64,
    /// Packs: objects of file contents or directories.
    pub packs: u64,
    /// Bytes of all objects, keys and configuration included.
    pub bytes: u64,
}

/// Counts by listing; reads no object but the key.
pub(crate) fn count(access: &Access<'_>) -> Result<ObjectCounts, VaultError> {
    access.require_key()?;
    let listed = access.store.list(&layout::root(access.id));
    let listed = listed.map_err(|source| VaultError::Store { action: "list the repository", source })?;
    let number = |kind| {
        let directory = layout::directory(access.id, kind);
        let of_kind = listed.iter().filter(|meta| meta.location.prefix_matches(&directory));
        of_kind.filter(|meta| named_by_content(meta).is_some()).count() as u64
    };
    Ok(ObjectCounts {
        snapshots: number(FileType::Snapshot),
        indexes: number(FileType::Index),
        packs: number(FileType::Pack),
        bytes: listed.iter().map(|meta| meta.size).sum(),
    })
}
