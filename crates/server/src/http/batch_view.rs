//! How batches look over the wire. Pure.

use roadstead_api::{
    BatchDeleted, BatchDeletionError, BatchDetails, BatchId, BatchItem, BatchProgress, BatchSummary,
};

use super::origin::WebSocketOrigin;
use crate::batch::Deleted;
use crate::batch::record::{BatchRecord, BatchStatus, ItemRecord};
use crate::session::SessionHandle;

/// Shows one session of a batch. `running` is its handle while it runs.
pub fn item(item: ItemRecord, running: Option<&SessionHandle>, origin: &WebSocketOrigin) -> BatchItem {
    let is_started = item.status == BatchStatus::Completed;
    let running = running.filter(|_| is_started);
    let token = running.and_then(|session| Some((session.id(), session.access().first()?)));
    BatchItem {
        item_index: item.number,
        status: item.status.as_str(),
        session_id: item.session.filter(|_| is_started),
        cdp_url: token.map(|(session, token)| origin.cdp_url(session, &token)),
        error: item.error.filter(|_| !is_started),
        retry_count: item.retries,
        started_at: item.started_at,
        completed_at: item.completed_at,
    }
}

/// Shows a batch in a list.
pub fn summary(batch: &BatchRecord) -> BatchSummary {
    BatchSummary {
        batch_id: batch.id,
        status: batch.status.as_str(),
        total_requests: batch.counts.total,
        completed_requests: batch.counts.completed,
        failed_requests: batch.counts.failed,
        created_at: batch.created_at,
        actual_completion_time: batch.last_settled_at.filter(|_| batch.status.is_settled()),
    }
}

/// Shows everything about a batch.
pub fn details(batch: BatchRecord, sessions: Vec<BatchItem>) -> BatchDetails {
    let counts = batch.counts;
    let first_error = sessions.iter().find_map(|item| item.error.as_ref());
    let error = first_error.filter(|_| batch.status == BatchStatus::Failed);
    BatchDetails {
        summary: summary(&batch),
        processing_requests: counts.processing,
        pending_requests: counts.pending,
        cancelled_requests: counts.cancelled,
        error: error.map(|first| format!("None of the sessions could be started. The first one: {first}")),
        metadata: batch.metadata,
        sessions,
        progress: BatchProgress { percentage: counts.percentage(), current_phase: counts.phase() },
    }
}

/// Shows what became of a batch that is deleted.
pub fn deleted(batch_id: BatchId, deleted: Deleted) -> BatchDeleted {
    let Deleted { sessions, lost } = deleted;
    let errors: Vec<_> = lost
        .into_iter()
        .map(|record| BatchDeletionError {
            session_id: record.id,
            error: record.detail.unwrap_or_else(|| "The session failed.".to_owned()),
        })
        .collect();
    let failed = u64::try_from(errors.len()).unwrap_or(u64::MAX);
    let deleted = sessions.saturating_sub(failed);
    BatchDeleted {
        batch_id,
        deleted_sessions: deleted,
        failed_deletions: failed,
        errors,
        message: format!(
            "The batch is deleted. {deleted} of its sessions are over and saved, {failed} are over and failed."
        ),
    }
}
