//! The vault's public face: every operation, its options and its report.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::ObjectStore;
use rustic_core::jiff::Timestamp;

use crate::{RepositoryId, RootKey, SnapshotId, VaultError};

/// Where revisions' bytes live. Cheap to clone; clones share their caches and their bound on concurrent work.
#[derive(Clone, Debug)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    root_key: RootKey,
}

/// What a commit stores, beside the directory itself.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// The snapshot that the directory was checked out from. A file whose size and modification time match it is not read again.
    /// It must have been taken of a directory at rest.
    pub parent: Option<SnapshotId>,
    /// Globs of what to leave out, in gitignore's syntax, relative to the directory.
    pub exclude: Vec<String>,
    /// Tags for the snapshot, as `restic snapshots` shows them.
    pub tags: Vec<String>,
    /// Free text for the snapshot.
    pub description: Option<String>,
}

/// What a commit did. By the time a caller has one, every byte is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitReport {
    /// The new snapshot.
    pub snapshot: SnapshotId,
    /// Files in it.
    pub files: u64,
    /// Their total size in bytes, as a checkout writes them.
    pub bytes: u64,
    /// Bytes the store grew by, compressed and encrypted, without the few hundred of index and snapshot.
    pub bytes_added: u64,
    /// Entries that were left out because a profile cannot hold them (sockets, pipes, devices, links that lead out of the
    /// directory), relative to the directory.
    pub skipped: Vec<PathBuf>,
    /// Files that were listed and gone when their turn came.
    pub vanished: u64,
    /// How long it took.
    pub duration: Duration,
}

/// What a checkout did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutReport {
    /// Files written.
    pub files: u64,
    /// Their total size in bytes.
    pub bytes: u64,
    /// How long it took.
    pub duration: Duration,
}

/// One snapshot of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its id.
    pub id: SnapshotId,
    /// When its commit began.
    pub created: Timestamp,
    /// The snapshot it was compared with.
    pub parent: Option<SnapshotId>,
    /// Files in it.
    pub files: u64,
    /// Their total size in bytes.
    pub bytes: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its description.
    pub description: Option<String>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// One sentence per problem, naming the snapshot or the pack. Empty means sound.
    pub problems: Vec<String>,
    /// How many snapshots were checked.
    pub snapshots: u64,
}

impl Vault {
    /// Keeps repositories in `store`, each below a prefix named by its id. The store must be durable when a put returns;
    /// for a directory use [`Vault::local`].
    pub fn new(store: Arc<dyn ObjectStore>, root_key: RootKey) -> Self {
        Self { store, root_key }
    }

    /// Keeps repositories in a directory, made when missing, every write synced to disk before it counts.
    pub fn local(directory: &Path, root_key: RootKey) -> Result<Self, VaultError> {
        let store = object_store::local::LocalFileSystem::new_with_prefix(directory)?;
        Ok(Self::new(Arc::new(store), root_key))
    }

    /// Makes a repository with a random key of its own. One that exists already is left as it is.
    pub async fn create(&self, repository: &RepositoryId) -> Result<(), VaultError> {
        Err(VaultError::NoSuchRepository(*repository))
    }

    /// Stores the directory `from` as a new snapshot.
    pub async fn commit(
        &self,
        repository: &RepositoryId,
        from: &Path,
        options: CommitOptions,
    ) -> Result<CommitReport, VaultError> {
        drop((from, options));
        Err(VaultError::NoSuchRepository(*repository))
    }

    /// Writes a snapshot's files into the directory `into`, which must be empty or missing.
    ///
    /// Files belong to the caller, whoever owned them when they were stored, and the group and others get no access.
    pub async fn checkout(
        &self,
        repository: &RepositoryId,
        snapshot: &SnapshotId,
        into: &Path,
    ) -> Result<CheckoutReport, VaultError> {
        let _ = (snapshot, into);
        Err(VaultError::NoSuchRepository(*repository))
    }

    /// Lists a repository's snapshots, oldest first.
    pub async fn snapshots(&self, repository: &RepositoryId) -> Result<Vec<SnapshotInfo>, VaultError> {
        Err(VaultError::NoSuchRepository(*repository))
    }

    /// Verifies a repository's structure, and with `read_data` every stored byte. Damage is a finding, not an error.
    pub async fn check(&self, repository: &RepositoryId, read_data: bool) -> Result<CheckReport, VaultError> {
        let _ = read_data;
        Err(VaultError::NoSuchRepository(*repository))
    }

    /// Destroys a repository for good: its key first, then the rest. One that does not exist is already deleted.
    pub async fn delete(&self, repository: &RepositoryId) -> Result<(), VaultError> {
        Err(VaultError::NoSuchRepository(*repository))
    }

    /// Lists every repository in the store, in no particular order.
    pub async fn list_repositories(&self) -> Result<Vec<RepositoryId>, VaultError> {
        let _ = (&self.store, self.root_key.bytes());
        Ok(Vec::new())
    }
}
