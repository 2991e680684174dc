//! What a session's start gave its browser back, and what it could not.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The report on restoring a profile into a session's browser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RestoreReport {
    /// The browser that wrote the revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Chrome/156.0.8078.79")]
    pub saved_with: Option<String>,
    /// The browser that opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Chrome/156.0.8078.79")]
    pub opened_with: Option<String>,
    /// `final` when the state was captured as its browser was closed, `checkpoint` when while it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "final")]
    pub captured: Option<String>,
    /// What came back besides the files themselves.
    pub restored: RestoredCounts,
    /// What was left out on purpose, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<NotRestored>,
    /// What could not come back, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impossible: Vec<NotRestored>,
}

/// How much came back through DevTools. What lies in the user data dir came back with the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RestoredCounts {
    /// Files that were checked out.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Cookies that were set, because the files could not carry them or held an older value.
    pub cookies: u64,
    /// Tabs that were opened.
    pub tabs: u64,
    /// Origins whose local storage was newer in the checkpoint than in the files, and was put back.
    pub local_storage_origins: u64,
}

/// Something that did not come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotRestored {
    /// What it is: `cookie`, `tab`, `local_storage`, `device_bound_session` or `profile`.
    #[schema(example = "cookie")]
    pub kind: String,
    /// Which one: `name@domain` of a cookie, the address of a tab, the origin of a storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why it did not come back.
    pub reason: String,
}
