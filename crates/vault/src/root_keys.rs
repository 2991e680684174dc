//! The root key, and the one before it while a rotation is under way.
//!
//! Beside the root key's file lie, during a rotation alone, `….new` with the key that takes its place and `….old` with the one
//! that it took the place of. Whoever opens the vault meanwhile knows both keys, so it does not matter how far it got.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use rustic_core::repofile::MasterKey;
use zeroize::Zeroizing;

use crate::{RepositoryId, RootKey, VaultError, repository_key, sealed};

/// The keys that open a vault's repositories.
#[derive(Clone)]
pub(crate) struct RootKeys {
    /// What new repositories are wrapped by.
    newest: RootKey,
    /// What those are wrapped by that a rotation has not come to.
    before: Option<RootKey>,
}

impl From<RootKey> for RootKeys {
    fn from(key: RootKey) -> Self {
        Self { newest: key, before: None }
    }
}

impl RootKeys {
    pub(crate) fn new(newest: RootKey, before: RootKey) -> Self {
        Self { newest, before: Some(before) }
    }

    /// Reads the keys of the vault in `directory` from the file `path` and its neighbours. Makes the file for a vault that holds
    /// nothing.
    pub(crate) fn load(path: &Path, directory: &Path) -> Result<Self, VaultError> {
        let current = match require(path) {
            Err(VaultError::RootKeyMissing(_)) if holds_nothing(directory)? => {
                return Ok(RootKey::load_or_create(path)?.into());
            }
            loaded => loaded?,
        };
        match get(&beside(path, ".new"))? {
            Some(new) => Ok(Self::new(new, current)),
            None => Ok(current.into()),
        }
    }

    /// Wraps `key` for `repository`, as the bytes of the key object.
    pub(crate) fn wrap(&self, repository: RepositoryId, key: &MasterKey) -> Vec<u8> {
        repository_key::wrap(&self.newest, repository, key)
    }

    /// Unwraps the key object of `repository`. One that was written over is gone, however much of its file is left.
    pub(crate) fn unwrap(&self, repository: RepositoryId, object: &[u8]) -> Result<MasterKey, VaultError> {
        if object.iter().all(|byte| *byte == 0) {
            return Err(VaultError::NoSuchRepository(repository));
        }
        match (repository_key::unwrap(&self.newest, repository, object), &self.before) {
            (Err(VaultError::WrongKey(_)), Some(before)) => {
                repository_key::unwrap(before, repository, object)
            }
            (unwrapped, _) => unwrapped,
        }
    }

    /// Seals a small secret that is kept elsewhere.
    pub(crate) fn seal(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        sealed::seal(&self.newest, purpose, plain)
    }

    /// Opens what was sealed by either key.
    pub(crate) fn unseal(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match (sealed::unseal(&self.newest, purpose, sealed), &self.before) {
            (Err(VaultError::Sealed), Some(before)) => sealed::unseal(before, purpose, sealed),
            (opened, _) => opened,
        }
    }

    /// Tells whether the newest key opens the key object.
    pub(crate) fn is_newest(&self, repository: RepositoryId, object: &[u8]) -> bool {
        repository_key::unwrap(&self.newest, repository, object).is_ok()
    }
}

/// Tells whether a vault's root key is there and can be used, without making anything. False where it would be made, since the
/// vault holds nothing.
pub fn has_root_key(path: &Path, directory: &Path) -> Result<bool, VaultError> {
    match require(path) {
        Err(VaultError::RootKeyMissing(_)) if holds_nothing(directory)? => Ok(false),
        found => found.map(|_| true),
    }
}

/// Reads a root key's file; `None` when there is none.
pub(crate) fn get(path: &Path) -> Result<Option<RootKey>, VaultError> {
    match RootKey::load(path) {
        Ok(key) => Ok(Some(key)),
        Err(VaultError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the root key's file, which must be there.
pub(crate) fn require(path: &Path) -> Result<RootKey, VaultError> {
    get(path)?.ok_or_else(|| VaultError::RootKeyMissing(path.to_owned()))
}

/// Names a file beside the root key's.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Tells whether there is no repository in the directory, not even one half made: that has a key object too.
fn holds_nothing(directory: &Path) -> Result<bool, VaultError> {
    let failed = |source| VaultError::file("list", directory, source);
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if name.to_str().is_some_and(|name| name.parse::<RepositoryId>().is_ok()) {
            return Ok(false);
        }
    }
    Ok(true)
}
