//! Making and opening one repository with its own key, without the password that the format would ask a person for.
//!
//! Deriving a key from a password takes 100 ms by design. Ours is 64 random bytes, so there is nothing to derive.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use object_store::{PutMode, PutPayload};
use rustic_core::{
    ConfigOptions, Credentials, FileType, Id, KeyOptions, OpenStatus, Repository, RepositoryBackends,
    RepositoryOptions, RusticError, RusticResult,
    repofile::{Chunker, IndexFile, IndexId, MasterKey},
};

use crate::{
    RepositoryId, SnapshotId, VaultError, adapter::Adapter, cache::ObjectCache, layout, omissions::Omissions,
    root_keys::RootKeys, store::Store,
};

/// Sizes are chosen for a small server: a commit holds a handful of chunks and packs in memory at once. They are written into
/// the repository's configuration when it is made; restic reads any.
mod sizes {
    /// One chunk; most files of a profile are one. Cut at fixed places, not by content: databases change in place, logs grow
    /// at their end and cached files not at all, so cuts that survive an insertion are never needed, and looking for them
    /// costs every file 0.1 ms, however small.
    pub const CHUNK: &str = "128KiB";
    /// Objects of file contents.
    pub const DATA_PACK: &str = "2MiB";
    /// Objects of directory trees, each read whole.
    pub const TREE_PACK: &str = "256KiB";
}

/// zstd's level. The library compresses each chunk as a stream of unknown length, so a level's tables are made and cleared for
/// the smallest file too: 0.8 MB of them at the usual level 3 and a tenth at this one, for a few per cent of the size.
const COMPRESSION: i32 = 1;

/// Everything an operation needs to reach one repository.
pub(crate) struct Access<'a> {
    pub store: &'a Store,
    pub keys: &'a RootKeys,
    pub id: RepositoryId,
    pub cache: Option<Arc<ObjectCache>>,
}

/// An open repository. Dropping it ends the operation: nothing is written afterwards.
pub(crate) struct Opened {
    pub repository: Repository<OpenStatus>,
    end: EndOnDrop,
}

pub(crate) struct EndOnDrop(Arc<Adapter>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Opened {
    /// Splits off what must outlive the repository's further states.
    pub(crate) fn into_parts(self) -> (Repository<OpenStatus>, EndOnDrop) {
        (self.repository, self.end)
    }
}

impl Access<'_> {
    /// The same repository as the store has it and not as memory has it; each object is read once.
    pub(crate) fn afresh(&self) -> Self {
        Self { cache: Some(Arc::new(ObjectCache::new())), ..*self }
    }

    /// Tells whether the repository has been made to the end.
    pub(crate) fn exists(&self) -> Result<bool, VaultError> {
        self.require_key()?;
        let config = layout::object(self.id, FileType::Config, &Id::default());
        self.store
            .exists(&config)
            .map_err(|source| VaultError::Store { action: "find the repository", source })
    }

    /// Makes the repository, or completes one whose making was interrupted. One that exists is left as it is.
    pub(crate) fn create(&self) -> Result<(), VaultError> {
        const ACTION: &str = "create the repository";
        let key = self.key_or_new()?;
        let (repository, adapter) = self.unopened(BTreeSet::new(), None)?;
        let _end = EndOnDrop(adapter);
        let failed = |error: Box<RusticError>| VaultError::from_rustic(ACTION, &error);
        if repository.config_id().map_err(failed)?.is_some() {
            return Ok(());
        }
        let config = ConfigOptions::default()
            .set_chunker(Chunker::FixedSize)
            .set_chunk_size(sizes::CHUNK.parse().ok())
            .set_datapack_size(sizes::DATA_PACK.parse().ok())
            .set_datapack_growfactor(0)
            .set_treepack_size(sizes::TREE_PACK.parse().ok())
            .set_treepack_growfactor(0)
            .set_compression(COMPRESSION);
        repository.init(&Credentials::Masterkey(key), &KeyOptions::default(), &config).map_err(failed)?;
        Ok(())
    }

    /// Returns the key, which is made where there is none.
    pub(crate) fn key_or_new(&self) -> Result<MasterKey, VaultError> {
        match self.require_key() {
            Err(VaultError::NoSuchRepository(_)) => self.create_key(),
            found => found,
        }
    }

    /// Opens the repository for one operation.
    pub(crate) fn open(&self, omissions: Option<Arc<Omissions>>) -> Result<Opened, VaultError> {
        self.open_without(BTreeSet::new(), omissions)
    }

    /// Opens the repository with what those of its indexes say that can be read, so that one that is damaged costs only the
    /// snapshots that need it. `index` makes of the repository what the operation needs.
    pub(crate) fn open_indexed<S>(
        &self,
        omissions: Option<Arc<Omissions>>,
        index: impl Fn(Repository<OpenStatus>) -> RusticResult<Repository<S>>,
    ) -> Result<(Repository<S>, EndOnDrop), VaultError> {
        let failed = |error: Box<RusticError>| VaultError::from_rustic("read the indexes", &error);
        let (repository, end) = self.open(omissions.clone())?.into_parts();
        match index(repository).map_err(failed) {
            Err(VaultError::Damaged { .. }) => drop(end),
            indexed => return indexed.map(|repository| (repository, end)),
        }
        let unreadable = self.unreadable_indexes()?.into_keys().collect();
        let (repository, end) = self.open_without(unreadable, omissions)?.into_parts();
        Ok((index(repository).map_err(failed)?, end))
    }

    /// Reads every index, and returns those that are damaged, with the reason.
    pub(crate) fn unreadable_indexes(&self) -> Result<BTreeMap<Id, String>, VaultError> {
        let (repository, _end) = self.open(None)?.into_parts();
        let failed = |error: Box<RusticError>| VaultError::from_rustic("read the indexes", &error);
        let mut unreadable = BTreeMap::new();
        for id in repository.list::<IndexId>().map_err(failed)? {
            match repository.get_file::<IndexFile>(&id).map_err(failed) {
                Ok(_) => {}
                Err(VaultError::Damaged { reason, .. }) => {
                    unreadable.insert(*id, reason);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(unreadable)
    }

    /// Opens the repository as if it had not these indexes.
    pub(crate) fn open_without(
        &self,
        indexes: BTreeSet<Id>,
        omissions: Option<Arc<Omissions>>,
    ) -> Result<Opened, VaultError> {
        let key = self.require_key()?;
        let (repository, adapter) = self.unopened(indexes, omissions)?;
        let end = EndOnDrop(adapter);
        let failed = |error: Box<RusticError>| VaultError::from_rustic("open the repository", &error);
        let repository = repository.open(&Credentials::Masterkey(key)).map_err(failed)?;
        Ok(Opened { repository, end })
    }

    /// Stores the key once more, locked with a password.
    pub(crate) fn add_password(&self, password: &str) -> Result<(), VaultError> {
        let added = self.open(None)?.repository.add_key(password, &KeyOptions::default());
        added.map(drop).map_err(|error| VaultError::from_rustic("add the password", &error))
    }

    /// Asks the store, not memory, whether it has a snapshot.
    pub(crate) fn has_snapshot(&self, snapshot: &SnapshotId) -> Result<bool, VaultError> {
        let path = layout::object(self.id, FileType::Snapshot, &snapshot.stored());
        let found = self.store.exists(&path);
        found.map_err(|source| VaultError::Store { action: "look for the snapshot", source })
    }

    fn unopened(
        &self,
        hidden: BTreeSet<Id>,
        omissions: Option<Arc<Omissions>>,
    ) -> Result<(Repository<()>, Arc<Adapter>), VaultError> {
        let adapter = Adapter::new(self.store.clone(), self.id, self.cache.clone(), omissions).hiding(hidden);
        let adapter = Arc::new(adapter);
        let backends = RepositoryBackends::new(adapter.clone(), None);
        let options = RepositoryOptions::default().no_cache(true);
        let repository = Repository::new(&options, &backends)
            .map_err(|error| VaultError::from_rustic("open the repository", &error))?;
        Ok((repository, adapter))
    }

    /// Reads the key object each time, so that a repository deleted elsewhere is gone here too.
    pub(crate) fn require_key(&self) -> Result<MasterKey, VaultError> {
        match self.store.get(&layout::key_object(self.id)) {
            Ok(object) => self.keys.unwrap(self.id, &object),
            Err(object_store::Error::NotFound { .. }) => Err(VaultError::NoSuchRepository(self.id)),
            Err(source) => Err(VaultError::Store { action: "read the key object", source }),
        }
    }

    /// Writes the key before anything that is encrypted with it. Of two makers at once the first one's key counts.
    fn create_key(&self) -> Result<MasterKey, VaultError> {
        let key = MasterKey::new();
        let object = Bytes::from(self.keys.wrap(self.id, &key));
        match self.store.put(&layout::key_object(self.id), PutPayload::from(object), PutMode::Create) {
            Ok(()) => Ok(key),
            Err(object_store::Error::AlreadyExists { .. }) => self.require_key(),
            Err(source) => Err(VaultError::Store { action: "write the key object", source }),
        }
    }
}
