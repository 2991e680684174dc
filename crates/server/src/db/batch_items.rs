//! The sessions that batches are to have: whose start has begun, and what came of it.
//!
//! An item changes only from the state that it is known to be in. So a cancel and a start that cross each other agree on who
//! was first, and a session is admitted for an item (`admission`) only while it is being started.

use roadstead_api::{BatchId, SessionId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::batches::RetryOf;
use super::{Db, fault, outbox, row};
use crate::batch::record::{BatchItemId, BatchKind, BatchStatus, Claimed, ItemRecord, Waiting};
use crate::caller::Caller;
use crate::clock;
use crate::error::{Error, Result};

impl Db {
    /// Returns a batch's items, in their order.
    pub async fn batch_items(&self, id: BatchId) -> Result<Vec<ItemRecord>> {
        sqlx::query("SELECT * FROM batch_items WHERE batch_id = ? ORDER BY number")
            .bind(id.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?
            .iter()
            .map(read)
            .collect()
    }

    /// Lists the batches that have items which wait, oldest first.
    pub async fn waiting_batches(&self) -> Result<Vec<Waiting>> {
        sqlx::query(
            "SELECT id, kind, project_id FROM batches WHERE id IN
                 (SELECT batch_id FROM batch_items WHERE status = 'pending')
             ORDER BY created_at, id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?
        .iter()
        .map(|found| {
            Ok(Waiting {
                batch: row::parse(found, "id")?,
                kind: row::word(found, "kind", BatchKind::parse)?,
                project: row::parse(found, "project_id")?,
            })
        })
        .collect()
    }

    /// Takes the first item of a batch that waits, to be started; `None` when none does any more.
    pub async fn claim_item(&self, batch: BatchId) -> Result<Option<Claimed>> {
        let mut tx = self.write().await?;
        let claimed = sqlx::query(
            "UPDATE batch_items SET status = 'processing', started_at = ?, session_id = NULL, error = NULL
             WHERE batch_id = ?2 AND number =
                 (SELECT min(number) FROM batch_items WHERE batch_id = ?2 AND status = 'pending')
             RETURNING number",
        )
        .bind(clock::now().as_millisecond())
        .bind(batch.to_string())
        .fetch_optional(&mut *tx)
        .await
        .map_err(fault)?;
        let Some(claimed) = claimed else { return Ok(None) };
        let found = sqlx::query(
            "SELECT b.*, k.revoked_at IS NOT NULL AS revoked
             FROM batches b JOIN api_keys k ON k.id = b.key_id WHERE b.id = ?",
        )
        .bind(batch.to_string())
        .fetch_one(&mut *tx)
        .await
        .map_err(fault)?;
        tx.commit().await.map_err(fault)?;
        Ok(Some(Claimed {
            item: BatchItemId { batch, number: row::count(&claimed, "number")? },
            caller: Caller {
                project: row::parse(&found, "project_id")?,
                key: row::parse(&found, "key_id")?,
                key_name: row::get(&found, "key_name")?,
                address: row::parse(&found, "address")?,
            },
            revoked: row::get(&found, "revoked")?,
            configuration: row::json(&found, "configuration")?,
            sealed: row::get(&found, "sealed")?,
        }))
    }

    /// Notes that an item's session runs. False when it was cancelled meanwhile.
    pub async fn item_started(&self, item: BatchItemId) -> Result<bool> {
        let mut tx = self.write().await?;
        let changed = sqlx::query(
            "UPDATE batch_items SET status = 'completed', completed_at = ?
             WHERE batch_id = ? AND number = ? AND status = 'processing'",
        )
        .bind(clock::now().as_millisecond())
        .bind(item.batch.to_string())
        .bind(row::to_sql(item.number))
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        drop_needless_secret(&mut tx, item.batch).await?;
        if changed.rows_affected() == 1 {
            outbox::batch_settled(&mut tx, item.batch).await?;
        }
        tx.commit().await.map_err(fault)?;
        self.tell_outbox();
        Ok(changed.rows_affected() == 1)
    }

    /// Notes why an item's session could not be started. Returns whether it is tried again.
    pub async fn item_failed(&self, item: BatchItemId, why: &str) -> Result<bool> {
        let mut tx = self.write().await?;
        let changed = sqlx::query(
            "UPDATE batch_items SET error = ?, attempts_left = attempts_left - 1, session_id = NULL,
                 status = iif(attempts_left > 1, 'pending', 'failed'),
                 retries = iif(attempts_left > 1, retries + 1, retries),
                 completed_at = iif(attempts_left > 1, NULL, ?)
             WHERE batch_id = ? AND number = ? AND status = 'processing' RETURNING status",
        )
        .bind(why)
        .bind(clock::now().as_millisecond())
        .bind(item.batch.to_string())
        .bind(row::to_sql(item.number))
        .fetch_optional(&mut *tx)
        .await
        .map_err(fault)?;
        drop_needless_secret(&mut tx, item.batch).await?;
        if changed.is_some() {
            outbox::batch_settled(&mut tx, item.batch).await?;
        }
        tx.commit().await.map_err(fault)?;
        self.tell_outbox();
        let status = changed.map(|changed| row::word(&changed, "status", BatchStatus::parse)).transpose()?;
        Ok(status == Some(BatchStatus::Pending))
    }

    /// Puts an item back whose start was interrupted. One that was cancelled stays so.
    pub async fn release_item(&self, item: BatchItemId) -> Result<()> {
        sqlx::query(
            "UPDATE batch_items SET status = 'pending', started_at = NULL, session_id = NULL
             WHERE batch_id = ? AND number = ? AND status = 'processing'",
        )
        .bind(item.batch.to_string())
        .bind(row::to_sql(item.number))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Puts back what an earlier server had begun to start, and returns how many that are. Their sessions, if they came so far,
    /// were never told of, and are dealt with as any whose server died.
    pub async fn resume_batches(&self) -> Result<u64> {
        let changed = sqlx::query(
            "UPDATE batch_items SET status = 'pending', started_at = NULL, session_id = NULL
             WHERE status = 'processing'",
        )
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(changed.rows_affected())
    }
}

/// Notes which session an item gets, in the transaction that admits it.
pub(super) async fn tie(tx: &mut SqliteConnection, item: BatchItemId, session: SessionId) -> Result<()> {
    let changed = sqlx::query(
        "UPDATE batch_items SET session_id = ? WHERE batch_id = ? AND number = ? AND status = 'processing'",
    )
    .bind(session.to_string())
    .bind(item.batch.to_string())
    .bind(row::to_sql(item.number))
    .execute(tx)
    .await
    .map_err(fault)?;
    if changed.rows_affected() == 0 {
        return Err(Error::Conflict("The batch was cancelled before the session could start.".to_owned()));
    }
    Ok(())
}

/// Lets items be tried again, and returns how many.
pub(super) async fn put_back(
    tx: &mut SqliteConnection,
    batch: BatchId,
    of: RetryOf,
    attempts: u64,
) -> Result<u64> {
    let cancelled_too = of == RetryOf::FailedAndCancelled;
    let changed = sqlx::query(
        "UPDATE batch_items SET status = 'pending', attempts_left = ?, retries = retries + 1, session_id = NULL,
             started_at = NULL, completed_at = NULL
         WHERE batch_id = ? AND (status = 'failed' OR (? AND status = 'cancelled'))",
    )
    .bind(row::to_sql(attempts))
    .bind(batch.to_string())
    .bind(cancelled_too)
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(changed.rows_affected())
}

/// Forgets a batch's secrets once nothing can be started any more that would need them: all of a batch has started, or its single
/// session is settled, which nobody can ask for again.
pub(super) async fn drop_needless_secret(tx: &mut SqliteConnection, batch: BatchId) -> Result<()> {
    sqlx::query(
        "UPDATE batches SET sealed = NULL WHERE id = ? AND sealed IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM batch_items WHERE batch_id = batches.id AND
                 (status IN ('pending', 'processing') OR (batches.kind = 'batch' AND status <> 'completed')))",
    )
    .bind(batch.to_string())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

fn read(found: &SqliteRow) -> Result<ItemRecord> {
    Ok(ItemRecord {
        number: row::count(found, "number")?,
        status: row::word(found, "status", BatchStatus::parse)?,
        session: row::parse_optional(found, "session_id")?,
        error: row::get(found, "error")?,
        retries: row::count(found, "retries")?,
        started_at: row::time_optional(found, "started_at")?,
        completed_at: row::time_optional(found, "completed_at")?,
    })
}
