//! The vault's public face: every operation, its options and its report.
//!
//! Responsible for who may work on a repository at the same time, for how much work runs at once, and for moving it off the
//! asynchronous threads. What the work is stands in `commit`, `checkout`, `check` and `repository`.

use std::{
    fmt,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{ObjectStore, local::LocalFileSystem};
use rustic_core::{jiff::Timestamp, repofile::SnapshotFile};
use tokio::{
    runtime::Handle,
    sync::{OnceCell, Semaphore},
    task::spawn_blocking,
};
use zeroize::Zeroizing;

use crate::{
    Closed, Hold, ObjectCounts, RepositoryId, RootKey, SnapshotId, VaultError,
    cache::ObjectCache,
    check, checkout, commit, counts,
    directory_lock::{DirectoryLock, sync_parent},
    layout,
    locks::{Held, Locks, Share},
    open_lock::OpenLock,
    repository::Access,
    root_keys::RootKeys,
    sealed,
    store::{Bridge, Store},
};

/// Operations that run at once; later ones wait their turn, first come, first served. Each holds up to some 20 MB.
const OPERATIONS: usize = 2;

/// Where revisions' bytes live. Cheap to clone; clones share their cache and their bound on concurrent work.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    objects: Arc<dyn ObjectStore>,
    /// The directory, if the store is one.
    directory: Option<PathBuf>,
    keys: RootKeys,
    cache: Arc<ObjectCache>,
    locks: Locks,
    permits: Arc<Semaphore>,
    /// What [`Vault::seal_lasting`] seals with, once it was needed.
    lasting: OnceCell<RootKey>,
    /// Keeps the root key from being rotated meanwhile.
    _open: Option<OpenLock>,
}

/// What a commit stores, beside the directory itself.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// The snapshot that the directory was checked out from. A file whose size and modification time match it is not read again.
    /// It must have been taken of a directory at rest.
    pub parent: Option<SnapshotId>,
    /// Globs of what to leave out, matched against the whole path relative to the directory: `*` stops at a slash, `**/` spans any
    /// depth, and a directory that matches is left out with all it holds.
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
    /// Files and links in it.
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
    /// What is wrong, at most one problem per snapshot. Empty means sound.
    pub problems: Vec<Problem>,
    /// The snapshots that can be checked out: for certain if all data was read, otherwise as far as names and sizes tell.
    pub sound: Vec<SnapshotId>,
}

/// One thing that is wrong with a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The snapshot that cannot be checked out, or not whole. None where none is known to be affected: whatever a damaged
    /// object means for snapshots is told of each by itself.
    pub snapshot: Option<SnapshotId>,
    /// What is wrong: the first path that is affected, the object and how it is wrong.
    pub what: String,
}

impl Vault {
    /// Keeps repositories in `store`, each below a prefix named by its id. A put must be durable when it returns, as it is
    /// with S3 and its like; for a directory use [`Vault::local`], which sees to it.
    pub fn new(store: Arc<dyn ObjectStore>, root_key: RootKey) -> Self {
        Self::over(store, None, root_key.into(), None)
    }

    /// Keeps repositories in a directory, made when missing (mode 0700). Every write is synced to disk, the file and its
    /// directory both, before it counts.
    pub fn local(directory: &Path, root_key: RootKey) -> Result<Self, VaultError> {
        make_directory(directory)?;
        Ok(Self::over(Arc::new(files(directory)?), Some(directory.to_owned()), root_key.into(), None))
    }

    /// As [`Vault::local`], with the root key in the file `root_key`. While this vault is open the key is not rotated.
    ///
    /// A missing file is made for an empty vault. Over one that holds repositories it is [`VaultError::RootKeyMissing`]: a new
    /// key would open none of them.
    pub fn open(directory: &Path, root_key: &Path) -> Result<Self, VaultError> {
        make_directory(directory)?;
        let open = OpenLock::shared(directory)?;
        let keys = RootKeys::load(root_key, directory)?;
        Ok(Self::over(Arc::new(files(directory)?), Some(directory.to_owned()), keys, Some(open)))
    }

    fn over(
        objects: Arc<dyn ObjectStore>,
        directory: Option<PathBuf>,
        keys: RootKeys,
        open: Option<OpenLock>,
    ) -> Self {
        let inner = Inner {
            objects,
            directory,
            keys,
            cache: Arc::new(ObjectCache::new()),
            locks: Locks::default(),
            permits: Arc::new(Semaphore::new(OPERATIONS)),
            lasting: OnceCell::new(),
            _open: open,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Seals a small secret that is kept elsewhere, for `purpose` and no other, by the root key. A rotation of that key does not come
    /// to it: what may not be lost belongs into a repository.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        self.inner.keys.seal(purpose, plain)
    }

    /// Opens what [`Vault::seal`] made for `purpose`. [`VaultError::Sealed`] where it does not open, after a rotation for example.
    pub fn unseal(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.inner.keys.unseal(purpose, sealed)
    }

    /// As [`Vault::seal`], by a key of the vault's own that a rotation of the root key comes to: what is sealed opens as long as
    /// the vault does. The key is made when it is first needed.
    pub async fn seal_lasting(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(sealed::seal(self.lasting_key().await?, purpose, plain))
    }

    /// Opens what [`Vault::seal_lasting`] made for `purpose`. [`VaultError::Sealed`] where it does not open.
    pub async fn unseal_lasting(
        &self,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        sealed::unseal(self.lasting_key().await?, purpose, sealed)
    }

    /// The key of what is kept elsewhere. It is an object like the key of a repository, so whatever is done to these is done to it.
    async fn lasting_key(&self) -> Result<&RootKey, VaultError> {
        let make = async || {
            let key =
                self.run(&RepositoryId::OF_SECRETS, Share::Making, |access, _| access.key_or_new()).await?;
            let bytes = <[u8; 32]>::try_from(key.encrypt.as_slice());
            bytes.map(RootKey::from_bytes).map_err(|_| VaultError::Sealed)
        };
        self.inner.lasting.get_or_try_init(make).await
    }

    /// Makes a repository with a random key of its own. One that exists is left as it is; one half made is completed.
    pub async fn create(&self, repository: &RepositoryId) -> Result<(), VaultError> {
        // Each save asks for it. Where there is nothing to make, nobody at work on the repository is waited for.
        match self.run(repository, Share::Together, |access, _| access.exists()).await {
            Ok(true) => return Ok(()),
            Ok(false) | Err(VaultError::NoSuchRepository(_)) => {}
            Err(error) => return Err(error),
        }
        self.run(repository, Share::Making, |access, _| access.create()).await
    }

    /// Stores the directory `from` as a new snapshot. Commits and checkouts of one repository may run side by side.
    ///
    /// Once started the work runs to its end, even when the future is dropped.
    pub async fn commit(
        &self,
        repository: &RepositoryId,
        from: &Path,
        options: CommitOptions,
    ) -> Result<CommitReport, VaultError> {
        let (report, _hold) = self.commit_held(repository, from, options).await?;
        Ok(report)
    }

    /// As [`commit`](Self::commit), and goes on keeping the repository from being closed until the [`Hold`] is dropped, so that
    /// the snapshot can be published before a prune looks for what is not.
    pub async fn commit_held(
        &self,
        repository: &RepositoryId,
        from: &Path,
        options: CommitOptions,
    ) -> Result<(CommitReport, Hold), VaultError> {
        let from = from.to_owned();
        let held = self.hold(*repository, Share::Together).await?;
        let work = move |access: &Access<'_>, _: &Inner| commit::commit(access, &from, &options);
        let report = self.run_held(*repository, held.clone(), work).await?;
        Ok((report, Hold::new(held)))
    }

    /// Waits until nobody is at work on the repository, in this process or, on a local vault, in another one, and keeps
    /// everybody away until the [`Closed`] is dropped. On a shared object store the caller sees to other machines.
    pub async fn close(&self, repository: &RepositoryId) -> Result<Closed, VaultError> {
        let held = self.hold(*repository, Share::Alone).await?;
        Ok(Closed::new(self.clone(), *repository, held))
    }

    /// Counts a repository's objects, by listing them.
    pub async fn object_counts(&self, repository: &RepositoryId) -> Result<ObjectCounts, VaultError> {
        self.run(repository, Share::Together, |access, _| counts::count(access)).await
    }

    /// Writes a snapshot's files into the directory `into`, which must be empty or missing. Its parent must exist.
    ///
    /// Files belong to the caller, whoever owned them when they were stored, with mode 0600 (0700 if the owner could execute
    /// them) and their modification time. After an error the directory may hold some of them. Not synced: it is a copy.
    pub async fn checkout(
        &self,
        repository: &RepositoryId,
        snapshot: &SnapshotId,
        into: &Path,
    ) -> Result<CheckoutReport, VaultError> {
        let (snapshot, into) = (snapshot.clone(), into.to_owned());
        self.run(repository, Share::Together, move |access, _| checkout::checkout(access, &snapshot, &into))
            .await
    }

    /// Lists a repository's snapshots, oldest first.
    pub async fn snapshots(&self, repository: &RepositoryId) -> Result<Vec<SnapshotInfo>, VaultError> {
        self.run(repository, Share::Together, |access, _| {
            let (opened, _end) = access.open(None)?.into_parts();
            let read = opened.get_all_snapshots();
            let read = read.map_err(|error| VaultError::from_rustic("read the snapshots", &error))?;
            let mut snapshots: Vec<_> = read.into_iter().map(SnapshotInfo::from).collect();
            snapshots.sort_unstable_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
            Ok(snapshots)
        })
        .await
    }

    /// Verifies a repository's structure, and with `read_data` every stored byte. Damage is a finding, not an error; a key that
    /// is missing or does not open is one.
    pub async fn check(&self, repository: &RepositoryId, read_data: bool) -> Result<CheckReport, VaultError> {
        self.run(repository, Share::Together, move |access, _| {
            // What is verified is the store, not our memory of it.
            check::check(&access.afresh(), read_data)
        })
        .await
    }

    /// Lets whoever has `password` open the repository with stock restic, on a copy of it or in place.
    ///
    /// The password is good for this repository until the repository is deleted. Without one restic cannot open it. Takes some
    /// 100 ms and 32 MB, which is what makes guessing expensive.
    pub async fn add_password(&self, repository: &RepositoryId, password: &str) -> Result<(), VaultError> {
        let password = zeroize::Zeroizing::new(password.to_owned());
        self.run(repository, Share::Together, move |access, _| access.add_password(&password)).await
    }

    /// Destroys a repository for good: its key first, then the rest. Waits for operations on it that are running.
    ///
    /// One that does not exist is already deleted; one whose deletion was interrupted is deleted further.
    pub async fn delete(&self, repository: &RepositoryId) -> Result<(), VaultError> {
        match self.run(repository, Share::Alone, |access, inner| inner.delete(access)).await {
            Err(VaultError::NoSuchRepository(id)) => {
                self.inner.forget(id);
                Ok(())
            }
            done => done,
        }
    }

    /// Lists every repository in the store, also those whose making or deletion was interrupted, in no particular order.
    pub async fn list_repositories(&self) -> Result<Vec<RepositoryId>, VaultError> {
        let inner = self.inner.clone();
        let store = inner.store();
        let roots = spawn_blocking(move || store.list_roots()).await.map_err(|error| aborted(&error))?;
        let roots = roots.map_err(|source| VaultError::Store { action: "list the repositories", source })?;
        let named = roots.iter().filter_map(|root| root.filename()?.parse().ok());
        Ok(named.filter(|id| *id != RepositoryId::OF_SECRETS).collect())
    }

    async fn run<T: Send + 'static>(
        &self,
        repository: &RepositoryId,
        share: Share,
        work: impl FnOnce(&Access<'_>, &Inner) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let held = self.hold(*repository, share).await?;
        self.run_held(*repository, held, work).await
    }

    /// Takes the repository's lock, waiting without a permit: who is waited for may need one.
    async fn hold(&self, repository: RepositoryId, share: Share) -> Result<Arc<Held>, VaultError> {
        let lock = self.inner.locks.acquire(repository, share).await;
        let Some(directory) = self.inner.directory_of(repository) else {
            return Ok(Arc::new(Held { _directory: None, _lock: lock }));
        };
        let taken = spawn_blocking(move || {
            let taken = DirectoryLock::acquire(&directory, share);
            taken.map_err(|source| VaultError::file("lock", &directory, source))
        });
        match taken.await.map_err(|error| aborted(&error))?? {
            Some(taken) => Ok(Arc::new(Held { _directory: Some(taken), _lock: lock })),
            None => Err(VaultError::NoSuchRepository(repository)),
        }
    }

    /// Runs `work` on a blocking thread. Lock and permit go with it: a dropped future does not release what work still holds.
    pub(crate) async fn run_held<T: Send + 'static>(
        &self,
        id: RepositoryId,
        held: Arc<Held>,
        work: impl FnOnce(&Access<'_>, &Inner) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (inner, store) = (self.inner.clone(), self.inner.store());
        let permit = inner.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let span = tracing::debug_span!("vault", repository.id = %id);
        let done = spawn_blocking(move || {
            let _held = (held, permit);
            let access = Access { store: &store, keys: &inner.keys, id, cache: Some(inner.cache.clone()) };
            span.in_scope(|| work(&access, &inner))
        });
        done.await.map_err(|error| aborted(&error))?
    }
}

#[cfg(test)]
impl Vault {
    /// Whether the cache has the snapshot.
    pub(crate) fn remembers(&self, id: RepositoryId, snapshot: &SnapshotId) -> bool {
        self.inner.cache.get(id, rustic_core::FileType::Snapshot, &snapshot.stored()).is_some()
    }

    /// What the library needs to open a repository, for tests that store what a commit never would.
    pub(crate) fn adapter_and_key(
        &self,
        id: RepositoryId,
    ) -> (Arc<crate::adapter::Adapter>, rustic_core::repofile::MasterKey) {
        let store = self.inner.store();
        let object = store.get(&layout::key_object(id)).unwrap();
        let key = self.inner.keys.unwrap(id, &object).unwrap();
        (Arc::new(crate::adapter::Adapter::new(store, id, None, None)), key)
    }
}

impl Inner {
    /// Must be called on a runtime's thread.
    fn store(&self) -> Store {
        let bridge = match self.directory {
            Some(_) => Bridge::Direct,
            None => Bridge::Runtime(Handle::current()),
        };
        Store::new(self.objects.clone(), bridge).in_directory(self.directory.clone())
    }

    fn directory_of(&self, repository: RepositoryId) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(repository.to_string()))
    }

    /// Drops what is remembered of a repository: its objects went, or may have gone.
    pub(crate) fn forget(&self, repository: RepositoryId) {
        self.cache.forget(repository);
    }

    fn delete(&self, access: &Access<'_>) -> Result<(), VaultError> {
        self.forget(access.id);
        match access.store.destroy(&layout::key_object(access.id)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(source) => return Err(VaultError::Store { action: "delete the key object", source }),
        }
        let deleted = access.store.delete_below(&layout::root(access.id));
        deleted.map_err(|source| VaultError::Store { action: "delete the repository", source })
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("store", &self.inner.objects).finish_non_exhaustive()
    }
}

impl From<SnapshotFile> for SnapshotInfo {
    fn from(snapshot: SnapshotFile) -> Self {
        let summary = snapshot.summary.unwrap_or_default();
        Self {
            id: SnapshotId::from_stored(&snapshot.id),
            created: snapshot.time.timestamp(),
            parent: snapshot.parent.as_ref().map(SnapshotId::from_stored),
            files: summary.total_files_processed,
            bytes: summary.total_bytes_processed,
            tags: snapshot.tags.iter().cloned().collect(),
            description: snapshot.description,
        }
    }
}

/// Opens a directory as an object store whose writes are on disk when they return.
pub(crate) fn files(directory: &Path) -> Result<LocalFileSystem, VaultError> {
    let store = LocalFileSystem::new_with_prefix(directory);
    let store = store.map_err(|source| VaultError::Store { action: "open the vault", source })?;
    Ok(store.with_fsync(true))
}

fn make_directory(directory: &Path) -> Result<(), VaultError> {
    let failed = |source| VaultError::file("create", directory, source);
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => sync_parent(directory).map_err(failed),
    }
}

fn aborted(error: &tokio::task::JoinError) -> VaultError {
    VaultError::Aborted(error.to_string())
}
