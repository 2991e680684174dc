//! What a save returns: proof of what was stored, or an honest word on why it was not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ProfileName, SessionId};

/// The outcome of saving one session into one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The profile that the session was to be saved into.
    pub profile: String,
    /// The session that was saved.
    pub session_id: SessionId,
    /// How it went.
    #[serde(flatten)]
    pub outcome: SaveOutcome,
    /// When the outcome was known (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How long the save took, in milliseconds.
    pub duration_ms: u64,
}

/// How a save went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum SaveOutcome {
    /// The revision is complete: its bytes and its row are on disk.
    Saved(SavedRevision),
    /// Nothing was stored; the profile keeps the head it had, and the session's files are kept for a later try.
    Failed {
        /// What went wrong, and what to do.
        reason: String,
    },
    /// Nothing was stored because nobody wants it any more: the profile was deleted while the session ran.
    Dropped {
        /// Why.
        reason: String,
    },
}

/// The revision that a save added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedRevision {
    /// The revision's number within its profile, counted from 1.
    pub revision: u64,
    /// The snapshot's digest in the vault: 64 hexadecimal digits of SHA-256.
    pub digest: String,
    /// Always true: a receipt is given only after bytes and row are on disk.
    pub durable: bool,
    /// What the revision weighs when it is checked out, in bytes.
    pub size_bytes: u64,
    /// What the revision added to the vault, in bytes, after deduplication and compression.
    pub added_bytes: u64,
    /// How many files the revision holds.
    pub files: u64,
    /// What was captured through the browser besides the files.
    pub cookies: CookieCounts,
}

/// How many cookies of each class a save captured; the classes overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CookieCounts {
    /// All of them.
    pub total: u64,
    /// Those without an expiry, which no other peer of a browser's files carries over.
    pub session: u64,
    /// Those partitioned by top-level site (CHIPS).
    pub partitioned: u64,
    /// Those hidden from scripts.
    pub http_only: u64,
}

impl Receipt {
    /// Returns the revision that was added, if one was.
    pub fn saved(&self) -> Option<&SavedRevision> {
        match &self.outcome {
            SaveOutcome::Saved(revision) => Some(revision),
            SaveOutcome::Failed { .. } | SaveOutcome::Dropped { .. } => None,
        }
    }

    /// Makes a receipt for a save into `profile`.
    pub fn new(
        profile: &ProfileName,
        session_id: SessionId,
        outcome: SaveOutcome,
        at: Timestamp,
        duration_ms: u64,
    ) -> Self {
        Self { profile: profile.to_string(), session_id, outcome, at, duration_ms }
    }
}
