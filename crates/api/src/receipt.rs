//! What a save returns: proof of what was stored, or an honest word on why it was not.

use std::collections::BTreeMap;

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
    Saved(Box<SavedRevision>),
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
    /// Why it was saved: `ended`, `checkpoint` or `recovered`.
    #[serde(default)]
    #[schema(example = "ended")]
    pub cause: String,
    /// The head that this revision does not descend from: somebody else saved it meanwhile, and both are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged_from: Option<u64>,
    /// Why the revision did not become the head, when it did not. `POST /v1/profiles/{name}/revisions/{n}/promote` makes it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBack>,
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
    /// The cookies that were captured, by class. Also part of `captured`.
    pub cookies: CookieCounts,
    /// What was captured, by kind.
    #[serde(default)]
    pub captured: Captured,
    /// Caches that were left out, because the session asked for it or the profile was over `profile.max_bytes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped_caches: Vec<DroppedCache>,
}

/// Why a revision was stored and did not become the head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldBack {
    /// A sentence on why, and what to do.
    pub reason: String,
    /// The cookies of `require_cookies` that the save lacked, as `name@host`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_cookies: Vec<String>,
}

/// What a revision holds, by kind. Bytes are those of a checkout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Captured {
    /// Cookies, by class.
    pub cookies: CookieCounts,
    /// Open tabs whose address and session storage are kept.
    pub tabs: u64,
    /// Origins that keep something in the browser: databases, files, caches of their own, service workers.
    pub origins: u64,
    /// IndexedDB stores, one per origin that has any.
    pub databases: u64,
    /// The size of each kind in bytes: `cookies`, `local_storage`, `session_storage`, `indexed_db`, `cache_storage`,
    /// `service_workers`, `file_system`, `http_cache`, `code_cache`, `other`. A kind of no bytes is absent.
    pub bytes: BTreeMap<String, u64>,
}

/// A cache that a save left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedCache {
    /// Which: `http_cache` or `code_cache`.
    #[schema(example = "http_cache")]
    pub kind: String,
    /// How large it was, in bytes.
    pub bytes: u64,
}

/// How many cookies of each class a save captured; the classes overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CookieCounts {
    /// All of them.
    pub total: u64,
    /// Those without an expiry, which no other peer of a browser's files carries over.
    pub session: u64,
    /// Those with an expiry.
    pub persistent: u64,
    /// Those sent over TLS alone.
    pub secure: u64,
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
