//! The server's root key: the one secret that every repository's key is wrapped by.
//!
//! Responsible for the file it lives in. Not for wrapping.

use std::{fmt, path::Path};

use crate::VaultError;

/// Thirty-two secret bytes. Whoever loses them loses every repository.
#[derive(Clone)]
pub struct RootKey([u8; 32]);

impl RootKey {
    /// Wraps bytes that the caller keeps elsewhere, such as a secrets manager.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the key from `path`, or makes one there (mode 0600, synced to disk) when the file does not exist.
    ///
    /// Refuses a file that the group or others may touch.
    pub fn load_or_create(path: &Path) -> Result<Self, VaultError> {
        Err(VaultError::RootKey { path: path.to_owned(), reason: "not yet".to_owned() })
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(redacted)")
    }
}
