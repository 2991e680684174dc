//! Who may work on a repository at the same time, between processes that share a local vault.
//!
//! The lock is flock(2) on the repository's directory: no file to leave behind, and the kernel frees it when its holder dies,
//! however that happens. It is always taken after this process's own lock, so there is one order, and nobody waits in a circle.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::{layout, locks::Share};

/// Held while an operation runs. Closing the descriptor frees it.
pub(crate) struct DirectoryLock {
    _handle: File,
}

impl DirectoryLock {
    /// Blocks until nobody is in the way; returns nothing if there is no such repository.
    pub(crate) fn acquire(directory: &Path, share: Share) -> io::Result<Option<Self>> {
        let operation = match share {
            Share::Together => FlockOperation::LockShared,
            Share::Alone | Share::Making => FlockOperation::LockExclusive,
        };
        loop {
            if share == Share::Making {
                make(directory)?;
            }
            let handle = match File::open(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && share != Share::Making => {
                    return Ok(None);
                }
                // Deleted by another process a moment ago.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            wait(&handle, operation)?;
            // While this one waited the repository may have been deleted, and even made again: then the lock is on nothing.
            if is_at(&handle, directory)? {
                return Ok(Some(Self { _handle: handle }));
            }
        }
    }
}

fn wait(handle: &File, operation: FlockOperation) -> io::Result<()> {
    loop {
        match flock(handle, operation) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

fn is_at(handle: &File, path: &Path) -> io::Result<bool> {
    let held = handle.metadata()?;
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found.map(|found| (found.dev(), found.ino()) == (held.dev(), held.ino())),
    }
}

/// Makes the directory, on disk before anything is put into it. A process that died in between left it without a key.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ if directory.join(layout::KEY_OBJECT).exists() => Ok(()),
        _ => sync_parent(directory),
    }
}

pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
