//! Who may work on a repository at the same time, within this process.
//!
//! Commits and checkouts go together. Making, pruning and deleting a repository goes alone, so that nothing is removed that
//! someone is about to use, and a deletion leaves nothing behind that a commit wrote meanwhile. Between processes on one
//! machine `directory_lock` sees to the same; between machines that share an object store the database decides.
//!
//! A waiting `Alone` goes before every later `Together`, so a holder must never wait for a second lock on the same repository.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::{RepositoryId, directory_lock::DirectoryLock};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Together,
    Alone,
    /// Alone, on a repository that need not exist.
    Making,
}

/// Held while an operation runs.
pub(crate) enum Lock {
    Together { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// A repository's lock, within this process and, on a local vault, between processes.
pub(crate) struct Held {
    pub _directory: Option<DirectoryLock>,
    pub _lock: Lock,
}

#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<RepositoryId, Weak<RwLock<()>>>>);

impl Locks {
    pub(crate) async fn acquire(&self, repository: RepositoryId, share: Share) -> Lock {
        let lock = self.lock_of(repository);
        match share {
            Share::Together => Lock::Together { _guard: lock.read_owned().await },
            Share::Alone | Share::Making => Lock::Alone { _guard: lock.write_owned().await },
        }
    }

    fn lock_of(&self, repository: RepositoryId) -> Arc<RwLock<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&repository).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(RwLock::new(()));
        locks.insert(repository, Arc::downgrade(&lock));
        lock
    }
}
