//! Everything the vault can fail with.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use rustic_core::RusticError;

use crate::{RepositoryId, SnapshotId};

/// What went wrong, as far as a caller can act on it. Messages read after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The root key file cannot be used; the reason says how to mend it.
    #[error("use root key {}: {reason}", .path.display())]
    RootKey {
        /// The root key file.
        path: PathBuf,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// The vault holds repositories and their root key is not where it should be. No other key opens them, so none is made.
    #[error(
        "open the vault: there is no root key {}, and no other opens the profiles that are here; restore it from a backup, or say where it is with --root-key-file or ROADSTEAD_ROOT_KEY_FILE",
        .0.display()
    )]
    RootKeyMissing(PathBuf),
    /// The vault is open elsewhere, so its root key cannot be rotated.
    #[error("rotate the root key: a roadstead server or command uses the vault; stop it and try again")]
    InUse,
    /// The root key is being rotated, so the vault cannot be opened.
    #[error("open the vault: its root key is being rotated; try again when that is done")]
    Rotating,
    /// No such repository, or its key is gone: it was deleted.
    #[error("find repository {0}")]
    NoSuchRepository(RepositoryId),
    /// The repository has no such snapshot.
    #[error("find snapshot {1} in repository {0}")]
    NoSuchSnapshot(RepositoryId, SnapshotId),
    /// The repository's key does not unwrap: it was wrapped by another root key, or for another repository.
    #[error(
        "unlock repository {0}: its key was not wrapped for it by this root key; restore the root key file or the repository's key object from a backup"
    )]
    WrongKey(RepositoryId),
    /// What was sealed does not open: by another root key, for another purpose, or it was changed.
    #[error("open what was sealed: it was not sealed for this by this root key")]
    Sealed,
    /// The repository's key object is not one that this version reads.
    #[error("read the key object of repository {repository}: {reason}")]
    KeyObject {
        /// The repository.
        repository: RepositoryId,
        /// What is wrong with it.
        reason: String,
    },
    /// Entries of the directory exist but cannot be read. Nothing was stored: a snapshot without them would pass for a complete one.
    #[error("read {count} entries of the directory, the first: {first}")]
    Unreadable {
        /// How many entries.
        count: usize,
        /// The first one and the reason.
        first: String,
    },
    /// A file or directory of this machine (not of the store) cannot be read or written.
    #[error("{action} {}", .path.display())]
    File {
        /// What was attempted, e.g. "create".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The directory to check out into exists and is not empty.
    #[error("check out into {}: it is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The snapshot holds an entry that must not be created, such as a path that leads out of the directory.
    #[error("check out {}: {reason}", .path.display())]
    Refused {
        /// The entry, relative to the snapshot's root.
        path: PathBuf,
        /// Why it is refused.
        reason: &'static str,
    },
    /// Stored bytes are missing or damaged; `check` says what else that affects.
    #[error("{action}: stored data is missing or damaged: {reason}")]
    Damaged {
        /// What was attempted.
        action: &'static str,
        /// Which snapshot, entry and object, and how it is wrong.
        reason: String,
    },
    /// What is to be kept cannot be read, so nothing was removed.
    #[error(
        "prune repository {repository}: {reason}; nothing was removed: mend that first, `check` says what it affects"
    )]
    Unprunable {
        /// The repository.
        repository: RepositoryId,
        /// What cannot be read, and how it is wrong.
        reason: String,
    },
    /// An exclusion glob does not parse.
    #[error("understand the exclusion: {0}")]
    Glob(#[from] globset::Error),
    /// The object store failed.
    #[error("{action} in the object store")]
    Store {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: object_store::Error,
    },
    /// The repository format's library failed for another reason, such as a store that cannot be reached.
    #[error("{action}: {reason}")]
    Repository {
        /// What was attempted.
        action: &'static str,
        /// The library's own words.
        reason: String,
    },
    /// The work panicked, or the runtime is shutting down.
    #[error("finish the work: {0}")]
    Aborted(String),
}

impl VaultError {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }

    /// Says what the damage is in or of, in front of the reason.
    pub(crate) fn of(self, whole: impl fmt::Display) -> Self {
        let before = |reason| format!("{whole}: {reason}");
        match self {
            Self::Damaged { action, reason } => Self::Damaged { action, reason: before(reason) },
            Self::Repository { action, reason } => Self::Repository { action, reason: before(reason) },
            other => other,
        }
    }

    /// Sorts the library's one error type into "the bytes are bad" and "something else failed".
    pub(crate) fn from_rustic(action: &'static str, error: &RusticError) -> Self {
        let reason = describe(error);
        match store_error(error) {
            None | Some(object_store::Error::NotFound { .. }) => Self::Damaged { action, reason },
            Some(_) => Self::Repository { action, reason },
        }
    }
}

/// Returns the reason of an error that [`VaultError::from_rustic`] made, without what was attempted.
pub(crate) fn reason_of(error: &VaultError) -> String {
    match error {
        VaultError::Damaged { reason, .. } | VaultError::Repository { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// Says a library error in one line, without its advice to report bugs. One that was caused by another of its kind holds all that
/// the other would tell a terminal, on many lines; of those only the message is of use.
pub(crate) fn describe(error: &RusticError) -> String {
    let text = error.display_log();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let first = first.split(" caused by: `rustic_core`").next().unwrap_or(first);
    let first = first.strip_prefix("Error: ").unwrap_or(first).trim_end_matches(':');
    let messages = rest.split("Message:\n").skip(1).filter_map(|rest| rest.lines().next());
    messages.fold(first.to_owned(), |text, message| text + ": " + message)
}

/// Finds the object store's error that a library error was caused by, if any.
pub(crate) fn store_error(error: &RusticError) -> Option<&object_store::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<object_store::Error>() {
            return Some(found);
        }
        if let Some(boxed) = error.downcast_ref::<Box<RusticError>>() {
            return store_error(boxed);
        }
        cause = error.source();
    }
    None
}
