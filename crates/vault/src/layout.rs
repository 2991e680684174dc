//! Where a repository's objects lie below the store's root: restic's own layout, and one object of ours beside it.

use object_store::path::Path;
use rustic_core::{FileType, Id};

use crate::RepositoryId;

/// The wrapped key. restic ignores names it does not know.
pub(crate) const KEY_OBJECT: &str = "roadstead-key.json";

pub(crate) fn root(repository: RepositoryId) -> Path {
    Path::from(repository.to_string())
}

pub(crate) fn key_object(repository: RepositoryId) -> Path {
    root(repository).join(KEY_OBJECT)
}

/// The prefix that holds every object of one type.
pub(crate) fn directory(repository: RepositoryId, kind: FileType) -> Path {
    root(repository).join(kind.dirname())
}

pub(crate) fn object(repository: RepositoryId, kind: FileType, id: &Id) -> Path {
    let directory = directory(repository, kind);
    match kind {
        FileType::Config => directory,
        FileType::Pack => {
            let name = id.to_hex();
            directory.join(&name.as_str()[..2]).join(name.as_str())
        }
        FileType::Index | FileType::Key | FileType::Snapshot => directory.join(id.to_hex().as_str()),
    }
}
