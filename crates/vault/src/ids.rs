//! The two names the vault deals in: repositories and snapshots.
//!
//! Both are checked when they are made, so no path or object key is ever built from unchecked text.

use std::{fmt, str::FromStr};

use rustic_core::repofile;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one repository: the lineage of one profile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepositoryId(Uuid);

impl RepositoryId {
    /// Where the key is of what [`Vault::seal_lasting`](crate::Vault::seal_lasting) seals. No random id is equal to it.
    pub(crate) const OF_SECRETS: Self = Self(Uuid::from_bytes(*b"roadstead secret"));

    /// Makes a new, random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl From<Uuid> for RepositoryId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for RepositoryId {
    type Err = InvalidId;

    /// Accepts the hyphenated lower-case form only, the one that [`fmt::Display`] writes: one id, one spelling.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let id = Uuid::try_parse(text).map_err(|_| InvalidId::Repository)?;
        if id.to_string() != text {
            return Err(InvalidId::Repository);
        }
        Ok(Self(id))
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one snapshot: the SHA-256 of its stored object, as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

impl SnapshotId {
    /// Returns the 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_stored(id: &repofile::SnapshotId) -> Self {
        Self(id.to_hex().as_str().to_owned())
    }

    pub(crate) fn stored(&self) -> repofile::SnapshotId {
        self.0.parse().expect("64 hexadecimal digits are an id")
    }
}

impl FromStr for SnapshotId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(hexadecimal) {
            Ok(Self(text))
        } else {
            Err(InvalidId::Snapshot)
        }
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Not a hyphenated lower-case UUID.
    #[error("a repository id is a UUID in lower case")]
    Repository,
    /// Not 64 lower-case hexadecimal digits.
    #[error("a snapshot id is 64 hexadecimal digits in lower case")]
    Snapshot,
}
