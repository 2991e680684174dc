//! The repository library's backend traits over our object store: one [`Adapter`] per operation.
//!
//! Responsible for object names, for what is cached, and for the order that durability needs: nothing of an operation is
//! written after it ended, no snapshot is written over unreadable entries, and what names other objects is gone for good before
//! they go.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use bytes::Bytes;
use object_store::{ObjectMeta, PutMode, PutPayload};
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use crate::{RepositoryId, cache::ObjectCache, layout, omissions::Omissions, store::Store};

/// Data is fetched in stretches of this many bytes. A checkout asks for blobs in the order they are stored, so a stretch
/// serves about a hundred small files with one request.
pub(crate) const STRETCH_BYTES: u64 = 1 << 20;

/// One stretch per thread that reads.
const STRETCHES: usize = 4;

pub(crate) struct Adapter {
    store: Store,
    repository: RepositoryId,
    /// Absent where every byte must come from the store: `check`.
    cache: Option<Arc<ObjectCache>>,
    /// What the directory being committed holds and the snapshot will not.
    omissions: Option<Arc<Omissions>>,
    /// Indexes that are not listed, because they cannot be read.
    hidden: BTreeSet<Id>,
    stretches: Mutex<Vec<Stretch>>,
    /// Whether the operation is over. Writers hold it shared, so ending waits for those under way.
    ended: RwLock<bool>,
    /// What was deleted and may come back after a power loss.
    unsynced: Mutex<Unsynced>,
}

/// Kinds of objects that were deleted since their directory was last synced.
#[derive(Clone, Copy, Default)]
struct Unsynced {
    snapshots: bool,
    indexes: bool,
}

struct Stretch {
    pack: Id,
    offset: u64,
    bytes: Bytes,
}

impl Stretch {
    fn part(&self, pack: &Id, offset: u64, length: u64) -> Option<Bytes> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        (self.pack == *pack && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

impl Adapter {
    pub(crate) fn new(
        store: Store,
        repository: RepositoryId,
        cache: Option<Arc<ObjectCache>>,
        omissions: Option<Arc<Omissions>>,
    ) -> Self {
        Self {
            store,
            repository,
            cache,
            omissions,
            hidden: BTreeSet::new(),
            stretches: Mutex::new(Vec::new()),
            ended: RwLock::new(false),
            unsynced: Mutex::default(),
        }
    }

    pub(crate) fn hiding(self, hidden: BTreeSet<Id>) -> Self {
        Self { hidden, ..self }
    }

    /// Waits for writes under way and refuses later ones: the library's threads may outlive a failed commit.
    pub(crate) fn end(&self) {
        *self.ended.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn fetch(&self, kind: FileType, id: &Id) -> object_store::Result<Bytes> {
        if let Some(bytes) = self.cache.as_ref().and_then(|cache| cache.get(self.repository, kind, id)) {
            return Ok(bytes);
        }
        let bytes = self.store.get(&layout::object(self.repository, kind, id))?;
        self.remember(kind, id, &bytes);
        Ok(bytes)
    }

    /// Keeps a copy of its own: the bytes may be a slice of something bigger.
    fn remember(&self, kind: FileType, id: &Id, bytes: &Bytes) {
        if let Some(cache) = &self.cache {
            cache.insert(self.repository, kind, id, bytes);
        }
    }

    fn fetch_part(&self, pack: &Id, offset: u64, length: u64) -> object_store::Result<Bytes> {
        let locked = || self.stretches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = locked().iter().find_map(|stretch| stretch.part(pack, offset, length)) {
            return Ok(part);
        }
        let path = layout::object(self.repository, FileType::Pack, pack);
        let bytes = self.store.get_range(&path, offset, length.max(STRETCH_BYTES))?;
        let stretch = Stretch { pack: *pack, offset, bytes };
        let part = stretch.part(pack, offset, length).ok_or_else(|| object_store::Error::NotFound {
            path: path.to_string(),
            source: format!("it ends before byte {}", offset + length).into(),
        })?;
        let mut stretches = locked();
        if stretches.len() == STRETCHES {
            stretches.remove(0);
        }
        stretches.push(stretch);
        Ok(part)
    }

    /// Sees to it that snapshots are gone for good before what they need goes, and indexes before packs. Holds the others up
    /// meanwhile: the library deletes from several threads.
    fn sync_deletions_before(&self, kind: FileType) -> object_store::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        let sync = |kind| self.store.sync_deletions(&layout::directory(self.repository, kind));
        match kind {
            FileType::Snapshot => unsynced.snapshots = true,
            _ if unsynced.snapshots => {
                sync(FileType::Snapshot)?;
                unsynced.snapshots = false;
            }
            _ => {}
        }
        match kind {
            FileType::Index => unsynced.indexes = true,
            FileType::Pack if unsynced.indexes => {
                sync(FileType::Index)?;
                unsynced.indexes = false;
            }
            _ => {}
        }
        Ok(())
    }

    fn failed(
        &self,
        action: &'static str,
        kind: FileType,
        id: &Id,
        error: object_store::Error,
    ) -> Box<RusticError> {
        let object = layout::object(self.repository, kind, id);
        RusticError::with_source(ErrorKind::Backend, "cannot {action} object {object}", error)
            .attach_context("action", action)
            .attach_context("object", object.to_string())
    }
}

impl ReadBackend for Adapter {
    fn location(&self) -> String {
        format!("vault:{}", self.repository)
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let id = Id::default();
        if kind == FileType::Config {
            return match self.fetch(kind, &id) {
                Ok(bytes) => Ok(vec![(id, stored_size(bytes.len() as u64))]),
                Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                Err(error) => Err(self.failed("read", kind, &id, error)),
            };
        }
        let directory = layout::directory(self.repository, kind);
        let listed = self.store.list(&directory).map_err(|error| {
            RusticError::with_source(ErrorKind::Backend, "cannot list {directory}", error)
                .attach_context("directory", directory.to_string())
        })?;
        Ok(listed.iter().filter_map(named_by_content).filter(|(id, _)| !self.hidden.contains(id)).collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.fetch(kind, id).map_err(|error| self.failed("read", kind, id, error))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let (offset, length) = (u64::from(offset), u64::from(length));
        // Packs of directory trees: a walk needs all of one, and the next operation needs them again.
        let bytes = if cacheable && self.cache.is_some() {
            self.fetch(kind, id).and_then(|bytes| {
                let whole = Stretch { pack: *id, offset: 0, bytes };
                whole.part(id, offset, length).ok_or_else(|| object_store::Error::NotFound {
                    path: layout::object(self.repository, kind, id).to_string(),
                    source: format!("it ends before byte {}", offset + length).into(),
                })
            })
        } else {
            self.fetch_part(id, offset, length)
        };
        bytes.map_err(|error| self.failed("read", kind, id, error))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        layout::object(self.repository, kind, id).to_string()
    }
}

impl WriteBackend for Adapter {
    fn write_bytes(&self, kind: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return Err(RusticError::new(ErrorKind::Backend, "the operation has ended"));
        }
        let unreadable = self.omissions.as_ref().is_some_and(|omissions| omissions.any_unreadable());
        if kind == FileType::Snapshot && unreadable {
            return Err(RusticError::new(ErrorKind::InputOutput, "some entries cannot be read"));
        }
        // Every other object is named by its content, so writing it twice is harmless.
        let mode = if kind == FileType::Config { PutMode::Create } else { PutMode::Overwrite };
        let pieces = content.into_vec();
        let small = (cacheable || kind != FileType::Pack).then(|| Bytes::from(pieces.concat()));
        let payload = small.clone().map_or_else(|| PutPayload::from_iter(pieces), PutPayload::from);
        let path = layout::object(self.repository, kind, id);
        self.store.put(&path, payload, mode).map_err(|error| self.failed("write", kind, id, error))?;
        if let Some(bytes) = small {
            self.remember(kind, id, &bytes);
        }
        Ok(())
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        let path = layout::object(self.repository, kind, id);
        let deleted = self.sync_deletions_before(kind).and_then(|()| self.store.delete(&path));
        if let Some(cache) = &self.cache {
            cache.remove(self.repository, kind, id);
        }
        deleted.map_err(|error| self.failed("delete", kind, id, error))
    }
}

/// Objects with other names (a leftover of a crashed write) are not the repository's.
pub(crate) fn named_by_content(meta: &ObjectMeta) -> Option<(Id, u32)> {
    let id = meta.location.filename()?.parse().ok()?;
    Some((id, stored_size(meta.size)))
}

/// The format counts in 32 bits; an object beyond that is damaged, and the largest number says so.
fn stored_size(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::store::Bridge;

    fn adapter() -> Adapter {
        let store = Store::new(Arc::new(InMemory::new()), Bridge::Direct);
        Adapter::new(store, RepositoryId::random(), Some(Arc::new(ObjectCache::new())), None)
    }

    #[test]
    fn nothing_is_written_after_the_end() {
        let adapter = adapter();
        let write = |id: &Id| adapter.write_bytes(FileType::Pack, id, false, vec![1].into());
        let (before, after) = (Id::random(), Id::random());
        write(&before).unwrap();
        adapter.end();
        assert!(write(&after).is_err());
        assert_eq!(adapter.list(FileType::Pack).unwrap(), [before]);
    }

    #[test]
    fn what_was_removed_is_not_remembered() {
        let adapter = adapter();
        let id = Id::random();
        adapter.write_bytes(FileType::Index, &id, true, vec![1].into()).unwrap();
        assert_eq!(adapter.read_full(FileType::Index, &id).unwrap(), [1].as_slice());
        adapter.remove(FileType::Index, &id, true).unwrap();
        assert!(adapter.read_full(FileType::Index, &id).is_err());
    }

    #[test]
    fn a_part_is_cut_out_wherever_it_lies() {
        let adapter = adapter();
        let length = usize::try_from(2 * STRETCH_BYTES + 100).unwrap();
        let bytes: Vec<u8> = (0..length).map(|at| (at >> 8).to_le_bytes()[0] ^ at.to_le_bytes()[0]).collect();
        let id = Id::random();
        adapter.write_bytes(FileType::Pack, &id, false, bytes.clone().into()).unwrap();
        // Backwards, so that stretches overlap, and back and forth, so that they are used again.
        let starts = [2_097_100, 1_048_000, 0, 5, 1_048_570, 2_097_151, 7, length - 10];
        for cacheable in [false, true] {
            for start in starts {
                let offset = u32::try_from(start).unwrap();
                let part = adapter.read_partial(FileType::Pack, &id, cacheable, offset, 10).unwrap();
                assert_eq!(part, bytes[start..start + 10], "{start}");
            }
            let beyond = u32::try_from(length - 5).unwrap();
            let error = adapter.read_partial(FileType::Pack, &id, cacheable, beyond, 10).unwrap_err();
            assert!(error.display_log().contains("ends before"), "{}", error.display_log());
        }
    }
}
