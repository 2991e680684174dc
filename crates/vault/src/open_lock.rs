//! Who has a local vault open, between processes: any number of them, or one that rotates the root key.
//!
//! A process that holds the old key in memory would go on wrapping new repositories with it. The lock is flock(2) on the
//! vault's directory, which the kernel frees when its holder dies.

use std::{fs::File, io, path::Path};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::VaultError;

/// Held as long as the vault is open, or its root key is being rotated. Closing the descriptor frees it.
pub(crate) struct OpenLock {
    _handle: File,
}

impl OpenLock {
    /// Opens the vault beside others.
    pub(crate) fn shared(directory: &Path) -> Result<Self, VaultError> {
        Self::take(directory, FlockOperation::NonBlockingLockShared, VaultError::Rotating)
    }

    /// Takes the vault alone.
    pub(crate) fn alone(directory: &Path) -> Result<Self, VaultError> {
        Self::take(directory, FlockOperation::NonBlockingLockExclusive, VaultError::InUse)
    }

    fn take(directory: &Path, operation: FlockOperation, taken: VaultError) -> Result<Self, VaultError> {
        let failed = |source: io::Error| VaultError::file("lock", directory, source);
        let handle = File::open(directory).map_err(failed)?;
        match flock(&handle, operation) {
            Ok(()) => Ok(Self { _handle: handle }),
            Err(Errno::WOULDBLOCK) => Err(taken),
            Err(error) => Err(failed(error.into())),
        }
    }
}
