//! Sessions that are asked for now and started when there is room: batches, and single ones that nobody waits for.
//!
//! Everything is on record before it is acknowledged: a server that is stopped or killed starts what was not started when it
//! starts next. One task ([`runner`]) starts them, as many as there are places, one in line at a time, so that whoever creates a session
//! and waits for it is not pushed aside. A batch's secrets (a proxy's password) are sealed by the root key while they may be needed.
//!
//! What is here: what may be asked of batches ([`Batches`]), what is known of them ([`record`]), whose turn it is ([`turn`]), and what is
//! being started ([`flights`]). What is not: how a session starts, which is `session`'s, and who wins a race, which is the database's.

mod flights;
pub mod record;
mod runner;
mod turn;

use std::sync::Arc;

use roadstead_api::{BatchId, ProjectId};
use roadstead_vault::Vault;
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tracing::Instrument as _;

use self::flights::Flights;
use self::record::{BatchKind, BatchQuery, BatchRecord, BatchStatus, ItemRecord};
use crate::caller::Caller;
use crate::db::{Db, NewBatch, RetryOf};
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;
use crate::session::Sessions;
use crate::session::record::{SessionRecord, SessionStatus};
use crate::session::request::SessionRequest;

/// Reads the body of a session's create: the edge's to know, and passed in, since it is needed again when the session starts.
pub type ReadBody = fn(Value) -> Result<SessionRequest>;

/// What may be done with batches; clones share it.
#[derive(Clone)]
pub struct Batches(Arc<Parts>);

struct Parts {
    db: Db,
    sessions: Sessions,
    vault: Vault,
    lifecycle: Lifecycle,
    read: ReadBody,
    /// There may be something to start.
    news: Notify,
    flights: Flights,
}

/// A batch to be made. Its body may hold secrets, so it has no `Debug`.
pub struct Order {
    /// How it is asked for.
    pub kind: BatchKind,
    /// How many sessions.
    pub count: u64,
    /// The body of each one's create, secrets and all.
    pub body: Value,
    /// What its owner writes on it.
    pub metadata: Option<Map<String, Value>>,
}

/// What a retry takes, and how often it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Which items.
    pub of: RetryOf,
    /// How often each is tried until it starts.
    pub attempts: u64,
}

/// What became of a batch's sessions when it was deleted.
#[derive(Debug)]
pub struct Deleted {
    /// How many there were, over or not.
    pub sessions: u64,
    /// Those that ended just now, and lost a save by it.
    pub lost: Vec<SessionRecord>,
}

impl Batches {
    /// Makes the room, and takes up what an earlier server did not come to. Nothing is started before [`Self::run`].
    pub async fn open(
        db: Db,
        sessions: Sessions,
        vault: Vault,
        lifecycle: Lifecycle,
        read: ReadBody,
    ) -> Result<Self> {
        let again = db.resume_batches().await?;
        if again > 0 {
            tracing::info!(items = again, "sessions whose start was interrupted are started again");
        }
        let (news, flights) = (Notify::new(), Flights::default());
        Ok(Self(Arc::new(Parts { db, sessions, vault, lifecycle, read, news, flights })))
    }

    /// Takes an order, and returns its record. Its sessions are started in the background.
    ///
    /// Errors: a body that no session could be started with; too much waits already ([`Error::TooMuchWaits`]); a server that is
    /// shutting down.
    pub async fn create(&self, caller: &Caller, order: Order) -> Result<BatchRecord> {
        let request = (self.0.read)(order.body.clone())?;
        self.0.sessions.require_possible(&request)?;
        self.0.sessions.require_belongings(caller.project, &request).await?;
        let id = BatchId::random();
        let has_secrets = request.configuration != order.body;
        let sealed = has_secrets.then(|| self.0.vault.seal(&purpose(id), order.body.to_string().as_bytes()));
        let new = NewBatch {
            id,
            kind: order.kind,
            caller,
            configuration: &request.configuration,
            sealed: sealed.as_deref(),
            metadata: order.metadata.as_ref(),
            count: order.count,
        };
        self.0.db.create_batch(new).await?;
        self.0.news.notify_one();
        self.0.db.batch(caller.project, id).await
    }

    /// Returns one of a project's batches with its items.
    pub async fn get(&self, project: ProjectId, id: BatchId) -> Result<(BatchRecord, Vec<ItemRecord>)> {
        let batch = self.0.db.batch(project, id).await?;
        Ok((batch, self.0.db.batch_items(id).await?))
    }

    /// Lists a project's batches, one page of them, and how many match in all.
    pub async fn list(&self, project: ProjectId, query: &BatchQuery) -> Result<(Vec<BatchRecord>, u64)> {
        self.0.db.batches(project, query).await
    }

    /// Cancels what has not been started, ends what runs, and returns the sessions that ended. [`Error::Conflict`] for a batch
    /// that is settled.
    ///
    /// A caller who hangs up meanwhile changes nothing about it.
    pub async fn cancel(&self, caller: &Caller, id: BatchId) -> Result<Vec<SessionRecord>> {
        let (this, caller) = (self.clone(), caller.clone());
        self.carry_out(async move {
            this.0.db.cancel_batch(&caller, id).await?;
            this.end_sessions(&caller, id).await
        })
        .await
    }

    /// Cancels what has not been started, ends what runs, and forgets the batch. As [`Self::cancel`] otherwise, and no state of a
    /// batch is too late for it.
    pub async fn delete(&self, caller: &Caller, id: BatchId) -> Result<Deleted> {
        let (this, caller) = (self.clone(), caller.clone());
        self.carry_out(async move {
            match this.0.db.cancel_batch(&caller, id).await {
                Ok(()) | Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
            let ended = this.end_sessions(&caller, id).await?;
            let sessions = this.0.db.delete_batch(&caller, id).await?;
            let lost = |record: &SessionRecord| record.status == SessionStatus::Failed;
            Ok(Deleted { sessions, lost: ended.into_iter().filter(lost).collect() })
        })
        .await
    }

    /// Tries again what could not be started, and returns the batch and how many of its items that is. Nothing to try is
    /// [`Error::InvalidRequest`].
    pub async fn retry(&self, caller: &Caller, id: BatchId, retry: Retry) -> Result<(BatchRecord, u64)> {
        let again = self.0.db.retry_batch(caller, id, retry.of, retry.attempts).await?;
        self.0.news.notify_one();
        Ok((self.0.db.batch(caller.project, id).await?, again))
    }

    /// Stops a batch's starts and ends its sessions. Returns those that ran and that somebody may have been told of.
    async fn end_sessions(&self, caller: &Caller, id: BatchId) -> Result<Vec<SessionRecord>> {
        self.0.flights.stop(id).await;
        // Also a session that came up just when its start was stopped: it is on record with its item since its admission.
        let items = self.0.db.batch_items(id).await?;
        let sessions: Vec<_> = items.iter().filter_map(|item| item.session).collect();
        let ended = self.0.sessions.end_these(caller, &sessions).await?;
        let was_told = |record: &SessionRecord| {
            items.iter().any(|item| item.session == Some(record.id) && item.status == BatchStatus::Completed)
        };
        Ok(ended.into_iter().filter(was_told).collect())
    }

    /// Does something to its end, whoever waits for it.
    async fn carry_out<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let done = self.0.lifecycle.tracker().spawn(work.in_current_span()).await;
        done.expect("changing a batch does not panic")
    }
}

/// What a batch's secrets are sealed for.
fn purpose(id: BatchId) -> String {
    format!("the body of batch {id}")
}
