//! Revisions: what the API tells about the states of a profile, and what may be asked about them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Captured, HeldBack, SessionId};

/// One revision of a profile.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Revision {
    /// Its number within the profile, from 1. Numbers are never used twice.
    pub revision: u64,
    /// The revision that it came from; absent for one that came from nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// Whether it is what a session gets that names the profile alone.
    pub head: bool,
    /// The session that was saved; absent for one that was rolled back or imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// When it was saved (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub saved_at: Timestamp,
    /// The snapshot's digest in the vault: 64 hexadecimal digits of SHA-256. Equal digests are equal states.
    pub digest: String,
    /// Why it was saved: `ended`, `checkpoint`, `recovered`, `imported` or `rolled_back`.
    #[schema(example = "ended")]
    pub cause: String,
    /// What it weighs when it is checked out, in bytes.
    pub size_bytes: u64,
    /// What it added to the vault, in bytes, after deduplication and compression.
    pub added_bytes: u64,
    /// How many files it holds.
    pub files: u64,
    /// What it holds, by kind.
    pub captured: Captured,
    /// The browser that wrote it, product and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Chrome/156.0.8078.79")]
    pub browser_version: Option<String>,
    /// Whether retention leaves it alone.
    pub pinned: bool,
    /// The head that it does not descend from: somebody else saved it meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverged_from: Option<u64>,
    /// Why it did not become the head, when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBack>,
}

/// A running session to be saved now.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct CheckpointRequest {
    /// The session. It goes on, and so do its clients.
    #[schema(format = Uuid)]
    pub session_id: String,
}
