//! Batches: what was asked for, and what its owner does with it. What becomes of each item is in `batch_items`.

use roadstead_api::{BatchId, ProjectId};
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::audit::record;
use super::batch_items::{drop_needless_secret, put_back};
use super::row::to_json;
use super::{Db, fault, row};
use crate::audit::{Action, Entry};
use crate::batch::record::{BatchKind, BatchQuery, BatchRecord, BatchStatus, Counts};
use crate::caller::Caller;
use crate::clock;
use crate::error::{BATCH_NOT_FOUND, Error, Result};

/// How many sessions of one project may wait for their start: a few of the largest batches.
pub const MOST_WAITING: u64 = 5_000;

const COLUMNS: &str =
    "id, kind, status, total, pending, processing, completed, failed, cancelled, metadata, created_at,
    last_completed_at";

/// A batch to be put on record.
#[derive(Debug)]
pub struct NewBatch<'a> {
    /// Its id.
    pub id: BatchId,
    /// How it was asked for.
    pub kind: BatchKind,
    /// Who asked.
    pub caller: &'a Caller,
    /// The body of each session's create, without its secrets.
    pub configuration: &'a Value,
    /// The whole body, sealed, where it has secrets.
    pub sealed: Option<&'a [u8]>,
    /// What its owner writes on it.
    pub metadata: Option<&'a Map<String, Value>>,
    /// How many sessions.
    pub count: u64,
}

/// Which items are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOf {
    /// Those that could not be started.
    Failed,
    /// Those, and those that were cancelled.
    FailedAndCancelled,
}

impl Db {
    /// Puts a batch on record, with all of its items. [`Error::TooMuchWaits`] where the project has too many that wait.
    pub async fn create_batch(&self, new: NewBatch<'_>) -> Result<()> {
        let mut tx = self.write().await?;
        refuse_too_many(&mut tx, new.caller.project, new.count).await?;
        sqlx::query(
            "INSERT INTO batches (id, project_id, kind, key_id, key_name, address, configuration, sealed, metadata, total,
                 created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.id.to_string())
        .bind(new.caller.project.to_string())
        .bind(new.kind.as_str())
        .bind(new.caller.key.to_string())
        .bind(&new.caller.key_name)
        .bind(new.caller.address.to_string())
        .bind(new.configuration.to_string())
        .bind(new.sealed)
        .bind(new.metadata.map(to_json))
        .bind(row::to_sql(new.count))
        .bind(clock::now().as_millisecond())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        sqlx::query(
            "WITH RECURSIVE numbers (number) AS (VALUES (0) UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < ?)
             INSERT INTO batch_items (batch_id, number) SELECT ?, number FROM numbers",
        )
        .bind(row::to_sql(new.count))
        .bind(new.id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let entry = Entry::of(Action::BatchCreate).on(new.id).because(format!("{} sessions", new.count));
        record(&mut tx, &new.caller.actor(), &entry).await?;
        tx.commit().await.map_err(fault)
    }

    /// Returns one of a project's batches.
    pub async fn batch(&self, project: ProjectId, id: BatchId) -> Result<BatchRecord> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        find(&mut connection, project, id).await
    }

    /// Lists a project's batches, one page of them, and how many match. Single sessions are in no list.
    pub async fn batches(&self, project: ProjectId, query: &BatchQuery) -> Result<(Vec<BatchRecord>, u64)> {
        let mut counting = QueryBuilder::new("SELECT count(*) AS total FROM batch_overview");
        push_filter(&mut counting, project, query);
        let total = counting.build().fetch_one(&self.pool).await.map_err(fault)?;
        let mut listing = QueryBuilder::new(format!("SELECT {COLUMNS} FROM batch_overview"));
        push_filter(&mut listing, project, query);
        let offset = u64::from(query.page.saturating_sub(1)) * u64::from(query.limit);
        listing.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(i64::from(query.limit));
        listing.push(" OFFSET ").push_bind(row::to_sql(offset));
        let found = listing.build().fetch_all(&self.pool).await.map_err(fault)?;
        Ok((found.iter().map(read).collect::<Result<_>>()?, row::count(&total, "total")?))
    }

    /// Cancels whatever of a batch has not been started. From now on none of it is. [`Error::Conflict`] where nothing is left.
    pub async fn cancel_batch(&self, caller: &Caller, id: BatchId) -> Result<()> {
        let mut tx = self.write().await?;
        let found = find(&mut tx, caller.project, id).await?;
        if found.status.is_settled() {
            let status = found.status.as_str();
            return Err(Error::Conflict(format!(
                "The batch is {status} already, so there is nothing to cancel. DELETE ends the sessions that it started."
            )));
        }
        let now = clock::now().as_millisecond();
        sqlx::query("UPDATE batches SET cancelled_at = ? WHERE id = ?")
            .bind(now)
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        sqlx::query(
            "UPDATE batch_items SET status = 'cancelled', completed_at = ?
             WHERE batch_id = ? AND status IN ('pending', 'processing')",
        )
        .bind(now)
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        drop_needless_secret(&mut tx, id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::BatchCancel).on(id)).await?;
        tx.commit().await.map_err(fault)
    }

    /// Lets items of a batch be tried again, up to `attempts` times each, and returns how many.
    pub async fn retry_batch(&self, caller: &Caller, id: BatchId, of: RetryOf, attempts: u64) -> Result<u64> {
        let mut tx = self.write().await?;
        find(&mut tx, caller.project, id).await?;
        let again = put_back(&mut tx, id, of, attempts).await?;
        if again == 0 {
            return Err(Error::InvalidRequest("No failed sessions to retry".to_owned()));
        }
        refuse_too_many(&mut tx, caller.project, 0).await?;
        sqlx::query("UPDATE batches SET cancelled_at = NULL WHERE id = ?")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        let entry = Entry::of(Action::BatchRetry).on(id).because(format!("{again} sessions"));
        record(&mut tx, &caller.actor(), &entry).await?;
        tx.commit().await.map_err(fault)?;
        Ok(again)
    }

    /// Forgets a batch, its items and its secrets, and returns how many sessions it had. Their own records stay: receipts and the
    /// audit log refer to them.
    pub async fn delete_batch(&self, caller: &Caller, id: BatchId) -> Result<u64> {
        let mut tx = self.write().await?;
        find(&mut tx, caller.project, id).await?;
        let sessions = sqlx::query("SELECT count(*) AS count FROM sessions WHERE batch_id = ?")
            .bind(id.to_string())
            .fetch_one(&mut *tx)
            .await
            .map_err(fault)?;
        sqlx::query("DELETE FROM batches WHERE id = ?")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::BatchDelete).on(id)).await?;
        tx.commit().await.map_err(fault)?;
        row::count(&sessions, "count")
    }
}

/// Refuses more than a project may have waiting.
async fn refuse_too_many(tx: &mut SqliteConnection, project: ProjectId, more: u64) -> Result<()> {
    let waiting = sqlx::query(
        "SELECT count(*) AS count FROM batch_items i JOIN batches b ON b.id = i.batch_id
         WHERE i.status IN ('pending', 'processing') AND b.project_id = ?",
    )
    .bind(project.to_string())
    .fetch_one(tx)
    .await
    .map_err(fault)?;
    if row::count(&waiting, "count")? + more > MOST_WAITING {
        return Err(Error::TooMuchWaits { limit: MOST_WAITING });
    }
    Ok(())
}

async fn find(connection: &mut SqliteConnection, project: ProjectId, id: BatchId) -> Result<BatchRecord> {
    let found = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM batch_overview WHERE id = ? AND project_id = ?"
    )))
    .bind(id.to_string())
    .bind(project.to_string())
    .fetch_optional(connection)
    .await
    .map_err(fault)?
    .ok_or(BATCH_NOT_FOUND)?;
    read(&found)
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, project: ProjectId, wanted: &BatchQuery) {
    query.push(" WHERE project_id = ").push_bind(project.to_string());
    query.push(" AND kind = ").push_bind(BatchKind::Batch.as_str());
    if let Some(status) = wanted.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(after) = wanted.created_after {
        query.push(" AND created_at > ").push_bind(after.as_millisecond());
    }
    if let Some(before) = wanted.created_before {
        query.push(" AND created_at < ").push_bind(before.as_millisecond());
    }
}

fn read(found: &SqliteRow) -> Result<BatchRecord> {
    Ok(BatchRecord {
        id: row::parse(found, "id")?,
        kind: row::word(found, "kind", BatchKind::parse)?,
        status: row::word(found, "status", BatchStatus::parse)?,
        counts: Counts {
            total: row::count(found, "total")?,
            pending: row::count(found, "pending")?,
            processing: row::count(found, "processing")?,
            completed: row::count(found, "completed")?,
            failed: row::count(found, "failed")?,
            cancelled: row::count(found, "cancelled")?,
        },
        metadata: row::json_optional(found, "metadata")?,
        created_at: row::time(found, "created_at")?,
        last_settled_at: row::time_optional(found, "last_completed_at")?,
    })
}
