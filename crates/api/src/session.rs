//! What the API tells about sessions.
//!
//! Each shape is a superset of the published one. Where that one calls the same thing by different names (`id` here,
//! `session_id` there), ours has both everywhere.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{ChangeStatus, ProjectId, Receipt, RestoreReport, SessionId, SessionToken};

/// A session that was just started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionCreated {
    /// Its id.
    pub id: SessionId,
    /// Its id again.
    pub session_id: SessionId,
    /// The WebSocket to give to Playwright or Puppeteer. It carries the session's own token: treat it as a secret.
    #[schema(example = "ws://127.0.0.1:8700/?sessionId=…&token=…")]
    pub cdp_url: String,
}

/// Everything about one session.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionDetails {
    /// Its id.
    pub id: SessionId,
    /// Its id again.
    pub session_id: SessionId,
    /// The project that owns it.
    pub team_id: ProjectId,
    /// `starting`, `running`, `stopping`, `completed` or `failed`.
    #[schema(example = "running")]
    pub status: &'static str,
    /// Why it ended: `requested`, `idle`, `deadline`, `browser_exited`, `out_of_memory`, `node_lost` or `shutdown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// A sentence on how it ended, where a word is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How long it has lived, or lived, in seconds.
    pub duration: u64,
    /// Always 0: there are no credits here.
    pub credits_used: u64,
    /// The body that it was created with.
    #[schema(value_type = Object)]
    pub configuration: Value,
    /// Always false: there is no playground here.
    pub playground: bool,
    /// The bytes that its browser sent and received, over whatever way out.
    pub proxy_bytes: u64,
    /// The requests that its browser made: each plain one, and each tunnel, which may carry any number.
    pub requests: u64,
    /// The hosts that its browser asked for, sorted; at most 1,000.
    pub domains: Vec<String>,
    /// Its way out to the network.
    pub proxy: SessionProxy,
    /// Tokens that an agent used; always empty.
    #[schema(value_type = Object)]
    pub tokens: Map<String, Value>,
    /// Steps that an agent took; always 0.
    pub steps: u64,
    /// Its labels.
    pub tags: Vec<String>,
    /// When it was created (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The WebSocket to its browser, while it runs; absent once it is token-only, since tokens are shown only once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdp_url: Option<String>,
    /// Its scoped tokens, without their secrets, while it runs; absent when it is not token-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_tokens: Option<Vec<SessionToken>>,
    /// Whether its browser has no window.
    pub headless: bool,
    /// Its browser's product and version, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Chrome/156.0.8078.79")]
    pub browser_version: Option<String>,
    /// The profile that it was started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<SessionProfile>,
    /// The name of the key that created it.
    pub api_key_name: String,
    /// What its saves returned.
    pub receipts: Vec<Receipt>,
}

/// A session's way out to the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionProxy {
    /// Whether there is a proxy or an exit; false is the direct way.
    pub active: bool,
    /// How it was chosen: `dedicated_sticky_ip` (the profile's own exit), `anchor_proxy` (by place), `exit` (by name),
    /// `default_exit` (the server's), or `custom` (a proxy of the caller's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<&'static str>,
    /// The exit's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "berlin-1")]
    pub exit: Option<String>,
    /// The address that sites see, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    pub address: Option<IpAddr>,
    /// Why the last request that failed on its way out did. A page of its own shows it too, except where a page over https is
    /// asked for: there Chromium only says that the tunnel failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_problem: Option<String>,
}

/// A session's way out after a change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionProxyChanged {
    /// Always `success`.
    pub status: ChangeStatus,
    /// The session.
    pub session_id: SessionId,
    /// Its way out from now on.
    pub proxy: SessionProxy,
}

/// The profile that a session was started from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionProfile {
    /// Its name when the session was created.
    pub name: String,
    /// The revision that was loaded; absent when the profile held nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Whether the session is saved into it.
    pub persist: bool,
    /// What came back and what did not; absent until the browser is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreReport>,
}

/// A session as the paged list has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionListItem {
    /// Its id.
    pub id: SessionId,
    /// Its id again.
    pub session_id: SessionId,
    /// `starting`, `running`, `stopping`, `completed` or `failed`.
    #[schema(example = "completed")]
    pub status: &'static str,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Its labels.
    pub tags: Vec<String>,
    /// Whether its browser has no window.
    pub headless: bool,
    /// Whether it is recorded, or was.
    pub recording: bool,
    /// Always 0: there are no credits here.
    pub used_credits: u64,
    /// The bytes that its browser sent and received, over whatever way out.
    pub proxy_bytes: u64,
    /// The requests that its browser made: each plain one, and each tunnel, which may carry any number.
    pub requests: u64,
    /// How its way out was chosen, as in [`SessionProxy`]; null when it is the direct one.
    pub proxy_type: Option<&'static str>,
    /// Steps that an agent took; always 0.
    pub steps: u64,
    /// How long it has lived, or lived, in seconds.
    pub duration: u64,
    /// When it was created (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The body that it was created with.
    #[schema(value_type = Object)]
    pub user_configuration: Value,
    /// Always false: there are no tasks here.
    pub task_initiated: bool,
    /// Always 0: there are no tasks here.
    pub task_executions_count: u64,
    /// The name of the key that created it.
    pub api_key_name: String,
    /// The address that sites see, where it is known.
    #[schema(value_type = Option<String>)]
    pub browser_ip: Option<IpAddr>,
    /// The hosts that its browser asked for, sorted; at most 1,000.
    pub domains: Vec<String>,
    /// The name of the profile that it was started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_name: Option<String>,
    /// The WebSocket to its browser, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdp_url: Option<String>,
}

/// One page of the list of sessions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The sessions on this page.
    pub sessions: Vec<SessionListItem>,
    /// How many match, on all pages.
    pub total: u64,
    /// This page's number, from 1.
    pub page: u32,
    /// How many pages there are.
    pub total_pages: u64,
}

/// A live session in a word.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionStatusItem {
    /// Its id.
    pub session_id: SessionId,
    /// Its id again.
    pub id: SessionId,
    /// `starting`, `running` or `stopping`.
    #[schema(example = "running")]
    pub status: &'static str,
    /// Its labels.
    pub tags: Vec<String>,
    /// When it was created (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A session that is over.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionEnded {
    /// `success` when everything it owed was saved, `failed` when a save failed: see the receipts.
    pub status: ChangeStatus,
    /// Its id.
    pub id: SessionId,
    /// Its id again.
    pub session_id: SessionId,
    /// `completed` or `failed`.
    #[schema(example = "completed")]
    pub session_status: &'static str,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "requested")]
    pub reason: Option<&'static str>,
    /// A sentence on how it ended, where a word is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// One for every profile that it was to be saved into.
    pub receipts: Vec<Receipt>,
}

/// All of a project's sessions, ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AllSessionsEnded {
    /// `success` when every one is.
    pub status: ChangeStatus,
    /// How many there were.
    pub count: usize,
    /// They.
    pub sessions: Vec<SessionEnded>,
}

/// A page of a session's browser.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionPageItem {
    /// Its DevTools target id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its URL.
    pub url: String,
    /// The WebSocket to this page alone. It carries the session's own token: treat it as a secret. That of a token-only session
    /// carries none: add `&token=`, or send a key.
    pub cdp_url: String,
}

/// A session's labels.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionTags {
    /// The session.
    pub session_id: SessionId,
    /// Its labels.
    pub tags: Vec<String>,
}

/// A session's labels after a change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionTagsChanged {
    /// Always `success`.
    pub status: ChangeStatus,
    /// The session.
    pub session_id: SessionId,
    /// Its labels.
    pub tags: Vec<String>,
}

/// New labels for a session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct SessionTagsRequest {
    /// They replace those that it has.
    #[schema(example = json!(["production", "customer-123"]))]
    pub tags: Vec<String>,
}
