//! What a directory holds and its snapshot does not, kept while a commit walks and reads it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::VaultError;

/// Three kinds, three outcomes: an unreadable entry fails the commit, a skipped one is reported, a vanished one is counted.
#[derive(Default)]
pub(crate) struct Omissions {
    unreadable: Mutex<Unreadable>,
    skipped: Mutex<Vec<PathBuf>>,
    vanished: AtomicU64,
}

#[derive(Default)]
struct Unreadable {
    count: usize,
    first: String,
}

impl Omissions {
    /// Notes an entry that exists and cannot be read.
    pub(crate) fn unreadable(&self, path: &Path, error: &io::Error) {
        let mut unreadable = locked(&self.unreadable);
        if unreadable.count == 0 {
            unreadable.first = format!("{}: {error}", path.display());
        }
        unreadable.count += 1;
    }

    /// Notes an entry that no snapshot can hold.
    pub(crate) fn skipped(&self, path: PathBuf) {
        locked(&self.skipped).push(path);
    }

    /// Notes an entry that was listed and then gone, or replaced by something else: a browser that died may leave a
    /// process tidying up, and what it removes is not part of the profile.
    pub(crate) fn vanished(&self) {
        self.vanished.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a failure to reach an entry as what it means: gone, or unreadable.
    pub(crate) fn failed(&self, path: &Path, error: &io::Error) {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
        match error.kind() {
            NotFound | NotADirectory | IsADirectory => self.vanished(),
            // A link where there was a file or directory a moment ago; never followed.
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => self.vanished(),
            _ => self.unreadable(path, error),
        }
    }

    pub(crate) fn any_unreadable(&self) -> bool {
        locked(&self.unreadable).count > 0
    }

    /// The error that unreadable entries make, if there are any.
    pub(crate) fn check(&self) -> Result<(), VaultError> {
        let unreadable = locked(&self.unreadable);
        if unreadable.count == 0 {
            return Ok(());
        }
        Err(VaultError::Unreadable { count: unreadable.count, first: unreadable.first.clone() })
    }

    pub(crate) fn take_skipped(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *locked(&self.skipped))
    }

    pub(crate) fn count_vanished(&self) -> u64 {
        self.vanished.load(Ordering::Relaxed)
    }
}

/// A panic while noting leaves at worst a note missing, and the panic itself fails the commit.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
