//! Batches: many sessions that are asked for at once, and single ones that nobody waits for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{BatchId, Pagination, SessionCreateRequest, SessionId};

/// Many sessions alike. The configuration may hold a proxy's password, so it has no `Debug`.
#[derive(Clone, Deserialize, ToSchema)]
pub struct BatchCreateRequest {
    /// How many.
    #[schema(minimum = 1, maximum = 1000, example = 10)]
    pub count: i64,
    /// What each of them is to be: the body of `POST /v1/sessions`.
    #[schema(value_type = Option<SessionCreateRequest>)]
    pub configuration: Option<Value>,
    /// Whatever helps to know the batch again; it is shown with it.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// A batch that was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchCreated {
    /// Its id.
    pub batch_id: BatchId,
    /// Always `pending`.
    #[schema(example = "pending")]
    pub status: &'static str,
    /// How many sessions were asked for.
    pub total_requests: u64,
    /// When it was accepted (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// One session of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchItem {
    /// Its place in the batch, from 0.
    pub item_index: u64,
    /// `pending`, `processing`, `completed` once the session was started, `failed`, or `cancelled`.
    #[schema(example = "completed")]
    pub status: &'static str,
    /// The session, once it was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The WebSocket to its browser, while it runs. It carries the session's own token: treat it as a secret. A token-only session
    /// has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdp_url: Option<String>,
    /// Why it could not be started, the last time that it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it was tried again.
    pub retry_count: u64,
    /// When it was tried last (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it was started, given up or cancelled (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct BatchProgress {
    /// How many of its sessions were started, given up or cancelled, in percent.
    #[schema(minimum = 0, maximum = 100)]
    pub percentage: f64,
    /// `queued` before the first start, `provisioning` while some are to be started, `ready` once one was and none is left.
    #[schema(example = "provisioning")]
    pub current_phase: &'static str,
}

/// Everything about a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchDetails {
    /// What the list has too.
    #[serde(flatten)]
    pub summary: BatchSummary,
    /// How many are being started.
    pub processing_requests: u64,
    /// How many wait for their turn.
    pub pending_requests: u64,
    /// How many were cancelled before they were started.
    pub cancelled_requests: u64,
    /// Why all of them failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it was created with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// One for each session that was asked for.
    pub sessions: Vec<BatchItem>,
    /// How far it is.
    pub progress: BatchProgress,
}

/// A batch in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchSummary {
    /// Its id.
    pub batch_id: BatchId,
    /// `pending`, `processing`, `completed` once none is left and at least one was started, `failed` when none was, or `cancelled`.
    #[schema(example = "processing")]
    pub status: &'static str,
    /// How many sessions were asked for.
    pub total_requests: u64,
    /// How many were started; they may be over since.
    pub completed_requests: u64,
    /// How many could not be started.
    pub failed_requests: u64,
    /// When it was accepted (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When none was left (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub actual_completion_time: Option<Timestamp>,
}

/// One page of a project's batches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchList {
    /// The batches on this page, newest first.
    pub batches: Vec<BatchSummary>,
    /// Which page it is.
    pub pagination: Pagination,
}

/// A change to a batch.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct BatchUpdateRequest {
    /// `cancelled`; there is no other.
    #[schema(example = "cancelled")]
    pub status: String,
}

/// A batch that was cancelled.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchCancelled {
    /// Its id.
    pub batch_id: BatchId,
    /// Always `cancelled`.
    #[schema(example = "cancelled")]
    pub status: &'static str,
    /// How many running sessions were ended, and saved.
    pub cancelled_sessions: u64,
    /// What happened, in a sentence.
    pub message: String,
}

/// A batch that is deleted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchDeleted {
    /// The id that it had.
    pub batch_id: BatchId,
    /// How many of its sessions are over, and saved.
    pub deleted_sessions: u64,
    /// How many are over, but with a profile that could not be saved.
    pub failed_deletions: u64,
    /// Which those are; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<BatchDeletionError>,
    /// What happened, in a sentence.
    pub message: String,
}

/// A session whose end lost a save.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchDeletionError {
    /// The session.
    pub session_id: SessionId,
    /// What could not be saved.
    pub error: String,
}

/// What is to be tried again. Everything in it is optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct BatchRetryRequest {
    /// Whether those that failed are all; false takes those that were cancelled, too. True by default.
    pub retry_failed_only: Option<bool>,
    /// How often each is tried until it starts; 1 by default.
    #[schema(minimum = 1, maximum = 3, example = 1)]
    pub max_retries: Option<i64>,
}

/// A batch whose sessions are tried again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchRetried {
    /// Its id.
    pub batch_id: BatchId,
    /// `processing`.
    #[schema(example = "processing")]
    pub status: &'static str,
    /// How many are tried again.
    pub retried_sessions: u64,
    /// What happens, in a sentence.
    pub message: String,
}

/// A session that was asked for, and is started in the background.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AsyncSessionCreated {
    /// What to ask for it by: `GET /v1/sessions/async/{request_id}/status`.
    pub request_id: BatchId,
    /// Always `pending`.
    #[schema(example = "pending")]
    pub status: &'static str,
    /// Always null: the status has it once the session runs.
    pub session_id: Option<SessionId>,
}

/// How far a session is that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AsyncSessionStatus {
    /// The id from `POST /v1/sessions/async`.
    pub request_id: BatchId,
    /// `pending`, `processing`, `ready` while the session runs, `completed` once that is over, `failed`, or `cancelled`.
    #[schema(example = "ready")]
    pub status: &'static str,
    /// When it was asked for (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The session; absent until it was started, or could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<BatchItem>,
    /// How far its start is.
    pub progress: AsyncProgress,
}

/// How far a start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AsyncProgress {
    /// `queued`, `provisioning` or `ready`: for one that failed or was cancelled, how far it came.
    #[schema(example = "ready")]
    pub current_phase: &'static str,
}
