//! Small immutable objects kept in memory, as stored (encrypted), so that opening a repository again costs one read.
//!
//! Objects are named by their content, so an entry can never be stale; it can only be of a repository since deleted.

use bytes::Bytes;
use quick_cache::{Weighter, sync};
use rustic_core::{FileType, Id};

use crate::RepositoryId;

/// Room for the configurations, indexes, snapshots and directory trees of a few dozen ordinary profiles (about 50 KB each).
const CAPACITY_BYTES: u64 = 4 << 20;

/// A bigger object would push out too many others.
pub(crate) const MAX_OBJECT_BYTES: usize = 512 << 10;

const EXPECTED_OBJECTS: usize = 512;

/// What an entry costs beside its bytes.
const ENTRY_BYTES: u64 = 128;

type Key = (RepositoryId, u8, Id);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + ENTRY_BYTES
    }
}

pub(crate) struct ObjectCache(sync::Cache<Key, Bytes, ByBytes>);

impl ObjectCache {
    pub(crate) fn new() -> Self {
        Self(sync::Cache::with_weighter(EXPECTED_OBJECTS, CAPACITY_BYTES, ByBytes))
    }

    pub(crate) fn get(&self, repository: RepositoryId, kind: FileType, id: &Id) -> Option<Bytes> {
        self.0.get(&(repository, kind as u8, *id))
    }

    pub(crate) fn insert(&self, repository: RepositoryId, kind: FileType, id: &Id, bytes: &Bytes) {
        if bytes.len() <= MAX_OBJECT_BYTES {
            self.0.insert((repository, kind as u8, *id), bytes.clone());
        }
    }

    pub(crate) fn remove(&self, repository: RepositoryId, kind: FileType, id: &Id) {
        self.0.remove(&(repository, kind as u8, *id));
    }

    pub(crate) fn forget(&self, repository: RepositoryId) {
        self.0.retain(|(of, _, _), _| *of != repository);
    }
}
