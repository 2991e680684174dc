//! Everything the vault can fail with.

use std::path::PathBuf;

use crate::{RepositoryId, SnapshotId};

/// What went wrong, as far as a caller can act on it. Messages read after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The root key file cannot be used; the message says how to mend it.
    #[error("use the root key {path}: {reason}")]
    RootKey {
        /// The root key file.
        path: PathBuf,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// No such repository, or its key is gone: it was deleted.
    #[error("find repository {0}")]
    NoSuchRepository(RepositoryId),
    /// The repository has no such snapshot.
    #[error("find snapshot {1} in repository {0}")]
    NoSuchSnapshot(RepositoryId, SnapshotId),
    /// The repository's key does not open with this root key: another root key, or another repository's key object.
    #[error(
        "unlock repository {0}: its key was not wrapped for it by this root key (was root.key replaced, or the repository's key object?)"
    )]
    WrongKey(RepositoryId),
    /// The repository's key object is not one that this version reads.
    #[error("read the key object of repository {repository}: {reason}")]
    KeyObject {
        /// The repository.
        repository: RepositoryId,
        /// What is wrong with it.
        reason: String,
    },
    /// Entries of the directory exist but could not be read, so nothing was stored: a snapshot without them would look complete.
    #[error("read {} of the directory's entries, first {first}", .count)]
    Unreadable {
        /// How many entries.
        count: usize,
        /// The first one, with the reason.
        first: String,
    },
    /// A file or directory of the machine (not of the store) could not be read or written.
    #[error("{action} {}", .path.display())]
    File {
        /// What was attempted, e.g. "create".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The directory to check out into exists and is not empty.
    #[error("check out into {}: it is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The snapshot holds an entry that must not be created, such as a path that leads out of the directory.
    #[error("check out {path}: {reason}")]
    Refused {
        /// The entry, relative to the snapshot's root.
        path: PathBuf,
        /// Why it is refused.
        reason: &'static str,
    },
    /// Stored bytes are missing or damaged; `check` says which.
    #[error("read stored data: {0}")]
    Damaged(String),
    /// An exclusion glob does not parse.
    #[error("understand the exclusion {0:?}")]
    Glob(String),
    /// The object store failed.
    #[error("reach the object store")]
    Store(#[from] object_store::Error),
    /// The repository format's library failed for another reason.
    #[error("{action}: {reason}")]
    Repository {
        /// What was attempted.
        action: &'static str,
        /// The library's own message.
        reason: String,
    },
    /// The server is shutting down, or the work panicked.
    #[error("finish the work: {0}")]
    Aborted(String),
}
