//! What the API tells of the audit log.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{ApiKeyId, ProfileName, SessionId};

/// A page of the audit log, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditPage {
    /// The entries.
    pub items: Vec<AuditEntry>,
    /// What to give as `before` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// Who did what, on what, from where, and how it came out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its number; later entries have greater ones.
    pub id: u64,
    /// When (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What was done.
    #[schema(example = "profile.load")]
    pub action: &'static str,
    /// `ok` or `failed`; `started` where another entry tells how it came out.
    #[schema(example = "ok")]
    pub outcome: &'static str,
    /// From where: the client's address, `cli` for a command on the server's machine, `server` for what the server did by itself.
    #[schema(example = "203.0.113.7")]
    pub origin: String,
    /// With which key. Absent for commands, and for whoever came with a session's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<AuditKey>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// On which profile, by the name that it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// On which of its revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// On what else, by id or name: a key, an exit, a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A word or two: why a session ended, what a save was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A key, as the audit log names it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
}
