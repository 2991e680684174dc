//! What is known of a batch and of the sessions that it is to have: rows of the database.

use jiff::Timestamp;
use roadstead_api::{BatchId, ProjectId, SessionId};
use serde_json::Value;

use crate::caller::Caller;

/// How somebody asked for sessions that are started later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// As a batch of them.
    Batch,
    /// For a single one.
    Async,
}

impl BatchKind {
    /// Returns the word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Async => "async",
        }
    }

    /// Reads the word in the database.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Batch, Self::Async].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where a batch, or one of its items, is.
///
/// ```text
/// pending → processing → completed
///    ↑ ↓        ↓  └───→ failed ──┐
///    │ └────────┴──────→ cancelled │   retry
///    └─────────────────────────────┘
/// ```
///
/// An item is completed once its session runs; what becomes of that is the session's own story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchStatus {
    /// Nothing has been tried yet.
    Pending,
    /// It is being started; a batch, that some of its items are not settled.
    Processing,
    /// Its session was started; a batch, that at least one was.
    Completed,
    /// Its session could not be started; a batch, that none could.
    Failed,
    /// Its owner changed his mind before it was started.
    Cancelled,
}

impl BatchStatus {
    const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled];

    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Tells whether nothing more will be started, unless somebody asks for it.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Names one session that a batch is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchItemId {
    /// The batch.
    pub batch: BatchId,
    /// Its place there, from 0.
    pub number: u64,
}

/// A batch as the database knows it.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    /// Its id.
    pub id: BatchId,
    /// How it was asked for.
    pub kind: BatchKind,
    /// Where it is.
    pub status: BatchStatus,
    /// How many of its items are where.
    pub counts: Counts,
    /// What its owner wrote on it.
    pub metadata: Option<Value>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the last of its items was settled so far.
    pub last_settled_at: Option<Timestamp>,
}

/// How many of a batch's items are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// Those that wait.
    pub pending: u64,
    /// Those that are being started.
    pub processing: u64,
    /// Those that were started.
    pub completed: u64,
    /// Those that could not be.
    pub failed: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
}

impl Counts {
    /// Tells how many are settled, in percent.
    pub fn percentage(&self) -> f64 {
        let settled = self.completed + self.failed + self.cancelled;
        // In tenths, so that a third is not a row of threes; a batch of nothing is done.
        let tenths = (settled * 1000).checked_div(self.total).unwrap_or(1000);
        f64::from(u16::try_from(tenths).unwrap_or(1000)) / 10.0
    }

    /// Tells how far it is, in the wire's word.
    pub const fn phase(&self) -> &'static str {
        let open = self.pending + self.processing;
        match self {
            Self { completed: 1.., .. } if open == 0 => "ready",
            Self { processing: 0, completed: 0, failed: 0, .. } => "queued",
            _ => "provisioning",
        }
    }
}

/// One session that a batch is to have.
#[derive(Clone, Debug)]
pub struct ItemRecord {
    /// Its place in the batch, from 0.
    pub number: u64,
    /// Where it is.
    pub status: BatchStatus,
    /// The session of the latest attempt, if it came so far.
    pub session: Option<SessionId>,
    /// Why the latest attempt failed.
    pub error: Option<String>,
    /// How often it was tried again.
    pub retries: u64,
    /// When it was tried last.
    pub started_at: Option<Timestamp>,
    /// When it was settled.
    pub completed_at: Option<Timestamp>,
}

/// One page of the list of batches. Newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchQuery {
    /// Where they are.
    pub status: Option<BatchStatus>,
    /// Created after this moment.
    pub created_after: Option<Timestamp>,
    /// Created before this moment.
    pub created_before: Option<Timestamp>,
    /// How many to a page.
    pub limit: u32,
    /// Which page, from 1.
    pub page: u32,
}

/// A batch that has items which wait for their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The batch.
    pub batch: BatchId,
    /// How it was asked for.
    pub kind: BatchKind,
    /// Whose it is.
    pub project: ProjectId,
}

/// An item whose turn it is, and all that its start needs.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Which one.
    pub item: BatchItemId,
    /// In whose name it is started.
    pub caller: Caller,
    /// Whether that key was revoked since.
    pub revoked: bool,
    /// The body of the session's create, without its secrets.
    pub configuration: Value,
    /// The whole body, sealed, where it has secrets.
    pub sealed: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for status in BatchStatus::ALL {
            assert_eq!(BatchStatus::parse(status.as_str()), Some(status));
        }
        for kind in [BatchKind::Batch, BatchKind::Async] {
            assert_eq!(BatchKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(BatchStatus::parse("ready"), None);
    }

    #[test]
    fn progress_is_what_is_settled() {
        let counts = |pending, processing, completed, failed, cancelled| {
            let total = pending + processing + completed + failed + cancelled;
            let counts = Counts { total, pending, processing, completed, failed, cancelled };
            (counts.percentage(), counts.phase())
        };
        assert_eq!(counts(3, 0, 0, 0, 0), (0.0, "queued"));
        assert_eq!(counts(2, 1, 0, 0, 0), (0.0, "provisioning"));
        assert_eq!(counts(2, 0, 1, 0, 0), (33.3, "provisioning"));
        assert_eq!(counts(0, 0, 2, 1, 0), (100.0, "ready"));
        assert_eq!(counts(0, 0, 0, 3, 0), (100.0, "provisioning"));
        assert_eq!(counts(0, 0, 0, 0, 3), (100.0, "queued"));
        assert_eq!(counts(0, 0, 1, 0, 2), (100.0, "ready"));
    }
}
