//! Who may work on a repository at the same time, within this process.
//!
//! Commits and checkouts go together. Making and deleting a repository goes alone, so that a deletion leaves nothing behind
//! that a commit wrote meanwhile, and a prune takes nothing that one is about to need. Between processes see
//! [`crate::process_lock`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::RepositoryId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Together,
    Alone,
}

/// Held while an operation runs.
pub(crate) enum Lock {
    Together { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

#[derive(Default)]
pub(crate) struct Locks(Mutex<HashMap<RepositoryId, Weak<RwLock<()>>>>);

impl Locks {
    pub(crate) async fn acquire(&self, repository: RepositoryId, share: Share) -> Lock {
        let lock = self.lock_of(repository);
        match share {
            Share::Together => Lock::Together { _guard: lock.read_owned().await },
            Share::Alone => Lock::Alone { _guard: lock.write_owned().await },
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
