//! What webhooks are to be told, and what became of it.
//!
//! An event's rows are written in the transaction of the change that it tells of. From then on a row changes only from the state that
//! it is known to be in, so no event is lost, and none is posted twice at once.

use jiff::Timestamp;
use roadstead_api::{BatchId, ProjectId, SessionId, WebhookEventType, WebhookId};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::row::to_json;
use super::{Db, fault, row};
use crate::clock;
use crate::error::{Result, WEBHOOK_NOT_FOUND};
use crate::keys;
use crate::session::record::SessionStatus;
use crate::webhooks::{Attempted, DeliveryQuery, DeliveryRecord, DeliveryStatus, Due};

/// How many events are posted to one webhook at once: one that is slow leaves places to the others.
const MOST_AT_ONE: i64 = 4;
/// How many rows one statement removes: the database is closed to other writers meanwhile.
const PIECE: i64 = 5_000;

/// What is posted. The order of the fields is that of the published form.
#[derive(Serialize)]
struct Envelope<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    event: WebhookEventType,
    created: Timestamp,
    project_id: ProjectId,
    text: &'a str,
    data: &'a Value,
}

impl Db {
    /// Completes when there may be something new to deliver.
    pub async fn outbox_news(&self) {
        self.outbox.notified().await;
    }

    /// Tells that there may be something new to deliver. To be called after the commit.
    pub(super) fn tell_outbox(&self) {
        self.outbox.notify_one();
    }

    /// Takes the delivery that has been due for the longest time, to be tried; `None` when none is due.
    pub async fn claim_delivery(&self, now: Timestamp) -> Result<Option<Due>> {
        let mut tx = self.write().await?;
        let claimed = sqlx::query(
            "UPDATE webhook_deliveries SET status = 'in_flight', attempt = attempt + 1
             WHERE number =
                 (SELECT d.number FROM webhook_deliveries d
                  WHERE d.status = 'pending' AND d.scheduled_at <= ? AND
                      (SELECT count(*) FROM webhook_deliveries o
                       WHERE o.webhook_id = d.webhook_id AND o.status = 'in_flight') < ?
                  ORDER BY d.scheduled_at, d.number LIMIT 1)
             RETURNING number, id, webhook_id, event_type, body, attempt",
        )
        .bind(now.as_millisecond())
        .bind(MOST_AT_ONE)
        .fetch_optional(&mut *tx)
        .await
        .map_err(fault)?;
        let Some(claimed) = claimed else { return Ok(None) };
        let webhook: WebhookId = row::parse(&claimed, "webhook_id")?;
        let found = sqlx::query(
            "SELECT url, secret, iif(old_secret_until > ?, old_secret, NULL) AS old_secret FROM webhooks WHERE id = ?",
        )
        .bind(now.as_millisecond())
        .bind(webhook.to_string())
        .fetch_one(&mut *tx)
        .await
        .map_err(fault)?;
        tx.commit().await.map_err(fault)?;
        let old: Option<Vec<u8>> = row::get(&found, "old_secret")?;
        Ok(Some(Due {
            number: row::count(&claimed, "number")?,
            id: row::get(&claimed, "id")?,
            webhook,
            url: row::get(&found, "url")?,
            secrets: [row::get(&found, "secret")?].into_iter().chain(old).collect(),
            event: row::word(&claimed, "event_type", WebhookEventType::parse)?,
            body: row::get(&claimed, "body")?,
            attempt: row::count(&claimed, "attempt")?,
        }))
    }

    /// Returns when the next delivery will be due that is not yet.
    pub async fn next_delivery(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let next = sqlx::query(
            "SELECT min(scheduled_at) AS next FROM webhook_deliveries WHERE status = 'pending' AND scheduled_at > ?",
        )
        .bind(now.as_millisecond())
        .fetch_one(&self.pool)
        .await
        .map_err(fault)?;
        row::time_optional(&next, "next")
    }

    /// Notes what an attempt came to.
    pub async fn delivery_attempted(&self, number: u64, attempted: &Attempted) -> Result<()> {
        let settled = attempted.next.is_none().then(|| clock::now().as_millisecond());
        sqlx::query(
            "UPDATE webhook_deliveries SET status = ?, response_status = ?, error = ?,
                 scheduled_at = coalesce(?, scheduled_at), completed_at = ?
             WHERE number = ? AND status = 'in_flight'",
        )
        .bind(attempted.status.as_str())
        .bind(attempted.response_status)
        .bind(&attempted.error)
        .bind(attempted.next.map(Timestamp::as_millisecond))
        .bind(settled)
        .bind(row::to_sql(number))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Puts back what an earlier server was posting when it ended: whether the receiver has it, nobody knows. The attempt counts for
    /// nothing.
    pub async fn resume_deliveries(&self) -> Result<()> {
        sqlx::query(
            "UPDATE webhook_deliveries SET status = 'pending', attempt = max(attempt - 1, 0)
             WHERE status = 'in_flight'",
        )
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Removes deliveries that were settled before a moment, and deleted webhooks that have none left. Returns how many deliveries.
    pub async fn prune_deliveries(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        loop {
            let piece = sqlx::query(
                "DELETE FROM webhook_deliveries WHERE number IN
                     (SELECT number FROM webhook_deliveries WHERE completed_at < ? LIMIT ?)",
            )
            .bind(before.as_millisecond())
            .bind(PIECE)
            .execute(&self.pool)
            .await
            .map_err(fault)?
            .rows_affected();
            removed += piece;
            if piece == 0 {
                break;
            }
        }
        sqlx::query(
            "DELETE FROM webhooks WHERE deleted_at IS NOT NULL AND NOT EXISTS
                 (SELECT 1 FROM webhook_deliveries WHERE webhook_id = webhooks.id)",
        )
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(removed)
    }

    /// Lists what became of a webhook's events, newest first, and how many match.
    pub async fn webhook_deliveries(
        &self,
        project: ProjectId,
        id: WebhookId,
        query: DeliveryQuery,
    ) -> Result<(Vec<DeliveryRecord>, u64)> {
        sqlx::query("SELECT 1 FROM webhooks WHERE id = ? AND project_id = ?")
            .bind(id.to_string())
            .bind(project.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?
            .ok_or(WEBHOOK_NOT_FOUND)?;
        let mut counting = QueryBuilder::new("SELECT count(*) AS total FROM webhook_deliveries");
        push_filter(&mut counting, id, query);
        let total = counting.build().fetch_one(&self.pool).await.map_err(fault)?;
        let mut listing = QueryBuilder::new("SELECT * FROM webhook_deliveries");
        push_filter(&mut listing, id, query);
        listing.push(" ORDER BY number DESC LIMIT ").push_bind(i64::from(query.limit));
        listing.push(" OFFSET ").push_bind(i64::from(query.offset));
        let found = listing.build().fetch_all(&self.pool).await.map_err(fault)?;
        Ok((found.iter().map(read).collect::<Result<_>>()?, row::count(&total, "total")?))
    }
}

/// Puts on record, for each webhook that wants it, that a session is over.
pub(super) async fn session_over(
    tx: &mut SqliteConnection,
    id: SessionId,
    status: SessionStatus,
) -> Result<()> {
    let found = sqlx::query(
        "SELECT project_id, reason, detail, tags, profile_name, profile_revision, created_at, ended_at, proxy_bytes, requests,
             (SELECT json_group_array(json_object('name', json_extract(receipt, '$.profile'),
                  'revision', json_extract(receipt, '$.revision')))
              FROM sinks WHERE session_id = sessions.id AND state = 'saved') AS saved
         FROM sessions WHERE id = ?",
    )
    .bind(id.to_string())
    .fetch_optional(&mut *tx)
    .await
    .map_err(fault)?;
    let Some(found) = found else { return Ok(()) };
    let (created, ended) = (row::time(&found, "created_at")?, row::time_optional(&found, "ended_at")?);
    let seconds = ended.unwrap_or(created).duration_since(created).as_secs_f64();
    let (reason, detail): (Option<String>, Option<String>) =
        (row::get(&found, "reason")?, row::get(&found, "detail")?);
    let (saved, tags): (Value, Value) = (row::json(&found, "saved")?, row::json(&found, "tags")?);
    let profile: Option<String> = row::get(&found, "profile_name")?;
    let profile = match profile {
        Some(name) => json!({"name": name, "revision": row::count_optional(&found, "profile_revision")?}),
        None => Value::Null,
    };
    let data = json!({
        "session_id": id,
        "status": status.as_str(),
        "reason": reason,
        "error": detail.filter(|_| status == SessionStatus::Failed),
        "duration": seconds,
        "tags": tags,
        "profile": profile,
        "saved_profiles": saved,
        "proxy_bytes": row::count(&found, "proxy_bytes")?,
        "requests": row::count(&found, "requests")?,
        "created_at": created,
        "ended_at": ended,
    });
    let why = reason.unwrap_or_default();
    let (event, text) = match status {
        SessionStatus::Failed => {
            (WebhookEventType::SessionFailed, format!("Session {id} failed after {seconds:.1} s ({why})"))
        }
        _ => (
            WebhookEventType::SessionCompleted,
            format!("Session {id} completed after {seconds:.1} s ({why})"),
        ),
    };
    announce(tx, row::parse(&found, "project_id")?, event, &text, &data).await
}

/// Puts on record, for each webhook that wants it, that a batch is settled, if it is. To be called when one of its items has been.
pub(super) async fn batch_settled(tx: &mut SqliteConnection, id: BatchId) -> Result<()> {
    let found = sqlx::query(
        "SELECT project_id, status, total, completed, failed, created_at FROM batch_overview
         WHERE id = ? AND kind = 'batch' AND status IN ('completed', 'failed')",
    )
    .bind(id.to_string())
    .fetch_optional(&mut *tx)
    .await
    .map_err(fault)?;
    let Some(found) = found else { return Ok(()) };
    let status: String = row::get(&found, "status")?;
    let (total, started) = (row::count(&found, "total")?, row::count(&found, "completed")?);
    let data = json!({
        "batch_id": id,
        "status": status,
        "total_requests": total,
        "completed_requests": started,
        "failed_requests": row::count(&found, "failed")?,
        "created_at": row::time(&found, "created_at")?,
    });
    let event = match status.as_str() {
        "failed" => WebhookEventType::BatchFailed,
        _ => WebhookEventType::BatchCompleted,
    };
    let text = format!("Batch {id} {status}: {started} of {total} sessions were started");
    announce(tx, row::parse(&found, "project_id")?, event, &text, &data).await
}

/// Puts an event on record for each webhook of a project that wants it.
async fn announce(
    tx: &mut SqliteConnection,
    project: ProjectId,
    event: WebhookEventType,
    text: &str,
    data: &Value,
) -> Result<()> {
    let wanted = sqlx::query(
        "SELECT id FROM webhooks WHERE project_id = ? AND enabled AND deleted_at IS NULL AND
             EXISTS (SELECT 1 FROM json_each(subscribed_events) WHERE value = ?)",
    )
    .bind(project.to_string())
    .bind(event.as_str())
    .fetch_all(&mut *tx)
    .await
    .map_err(fault)?;
    let id = event_id();
    for webhook in &wanted {
        let created = clock::now();
        let envelope = Envelope { id: &id, event, created, project_id: project, text, data };
        insert(tx, row::parse(webhook, "id")?, &envelope).await?;
    }
    Ok(())
}

/// Puts an event that tells of nothing on record for one webhook, and returns its id.
pub(super) async fn send_test(
    tx: &mut SqliteConnection,
    project: ProjectId,
    webhook: WebhookId,
    event: WebhookEventType,
) -> Result<String> {
    let (id, created) = (event_id(), clock::now());
    let text = format!("Test of {}: nothing has happened", event.as_str());
    let data = json!({"test": true});
    let envelope = Envelope { id: &id, event, created, project_id: project, text: &text, data: &data };
    insert(tx, webhook, &envelope).await?;
    Ok(id)
}

/// Gives up whatever waits to be delivered to a webhook.
pub(super) async fn give_up(
    tx: &mut SqliteConnection,
    webhook: WebhookId,
    why: &str,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "UPDATE webhook_deliveries SET status = 'dead', error = ?, completed_at = ?
         WHERE webhook_id = ? AND status IN ('pending', 'in_flight')",
    )
    .bind(why)
    .bind(now.as_millisecond())
    .bind(webhook.to_string())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

async fn insert(tx: &mut SqliteConnection, webhook: WebhookId, envelope: &Envelope<'_>) -> Result<()> {
    sqlx::query(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, body, scheduled_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(webhook.to_string())
    .bind(envelope.id)
    .bind(envelope.event.as_str())
    .bind(to_json(envelope))
    .bind(envelope.created.as_millisecond())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

fn event_id() -> String {
    format!("evt_{}", keys::random_hex::<12>())
}

fn push_filter(listing: &mut QueryBuilder<Sqlite>, id: WebhookId, query: DeliveryQuery) {
    listing.push(" WHERE webhook_id = ").push_bind(id.to_string());
    if let Some(status) = query.status {
        listing.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(event) = query.event {
        listing.push(" AND event_type = ").push_bind(event.as_str());
    }
    if let Some(since) = query.since {
        listing.push(" AND scheduled_at >= ").push_bind(since.as_millisecond());
    }
    if let Some(until) = query.until {
        listing.push(" AND scheduled_at <= ").push_bind(until.as_millisecond());
    }
}

fn read(found: &SqliteRow) -> Result<DeliveryRecord> {
    Ok(DeliveryRecord {
        id: row::get(found, "id")?,
        event_id: row::get(found, "event_id")?,
        event: row::word(found, "event_type", WebhookEventType::parse)?,
        status: row::word(found, "status", DeliveryStatus::parse)?,
        attempt: row::count(found, "attempt")?,
        response_status: row::get(found, "response_status")?,
        error: row::get(found, "error")?,
        scheduled_at: row::time(found, "scheduled_at")?,
        completed_at: row::time_optional(found, "completed_at")?,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use jiff::SignedDuration;
    use roadstead_api::ApiKeyId;

    use super::*;
    use crate::audit::Origin;
    use crate::caller::Caller;
    use crate::db::{NewKey, NewSecret, NewWebhook};
    use crate::session::record::EndReason;

    /// A database with a project that has a webhook for sessions that end well.
    async fn ground() -> (Db, Caller, WebhookId, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("db")).await.unwrap();
        let key = NewKey { project: "p", name: "k", key: "sk-0123456789abcdef" };
        db.add_key(key, Origin::CommandLine).await.unwrap();
        let project = db.project("p").await.unwrap().unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let caller = Caller { project, key: ApiKeyId::random(), key_name: "k".to_owned(), address };
        let id = WebhookId::random();
        let new = NewWebhook {
            id,
            url: "https://a.test".to_owned(),
            description: String::new(),
            events: vec![WebhookEventType::SessionCompleted],
            secret: vec![1],
        };
        db.create_webhook(&caller, new).await.unwrap();
        (db, caller, id, dir)
    }

    async fn count(db: &Db, caller: &Caller, id: WebhookId) -> u64 {
        let query =
            DeliveryQuery { status: None, event: None, since: None, until: None, limit: 1, offset: 0 };
        db.webhook_deliveries(caller.project, id, query).await.unwrap().1
    }

    #[tokio::test]
    async fn a_session_ends_once_however_often_its_end_is_recorded() {
        let (db, caller, id, _dir) = ground().await;
        let session = SessionId::random();
        let insert =
            "INSERT INTO sessions (id, project_id, status, configuration, tags, headless, profile_persist, api_key_name,
                 created_at)
             VALUES (?, ?, 'running', '{}', '[]', 1, 0, 'k', 0)";
        let inserted = sqlx::query(insert).bind(session.to_string()).bind(caller.project.to_string());
        inserted.execute(&db.pool).await.unwrap();
        for _ in 0..2 {
            let end = (SessionStatus::Completed, EndReason::Requested);
            db.finish_session(session, end.0, end.1, None, None).await.unwrap();
        }
        assert_eq!(count(&db, &caller, id).await, 1);
        // It failed nobody who asked for sessions that end well.
        let failed = SessionStatus::Failed;
        db.finish_session(session, failed, EndReason::NodeLost, None, None).await.unwrap();
        assert_eq!(count(&db, &caller, id).await, 1);
    }

    #[tokio::test]
    async fn the_old_secret_signs_until_its_time_is_over() {
        let (db, caller, id, _dir) = ground().await;
        let hour = SignedDuration::from_hours(1);
        let secrets = async || {
            db.test_webhook(&caller, id, WebhookEventType::TaskFailed).await.unwrap();
            let due = db.claim_delivery(clock::now()).await.unwrap().unwrap();
            let done = Attempted {
                status: DeliveryStatus::Succeeded,
                response_status: Some(200),
                error: None,
                next: None,
            };
            db.delivery_attempted(due.number, &done).await.unwrap();
            due.secrets
        };
        assert_eq!(secrets().await, [vec![1]]);
        let rotate = async |sealed: u8, old_until| {
            let new = NewSecret { sealed: vec![sealed], old_until };
            db.rotate_webhook_secret(&caller, id, new).await.unwrap();
        };
        rotate(2, clock::now() + hour).await;
        assert_eq!(secrets().await, [vec![2], vec![1]]);
        rotate(3, clock::now() - hour).await;
        assert_eq!(secrets().await, [vec![3]]);
    }

    #[tokio::test]
    async fn a_slow_receiver_holds_few_places_and_an_attempt_that_was_cut_off_counts_for_nothing() {
        let (db, caller, id, _dir) = ground().await;
        for _ in 0..6 {
            db.test_webhook(&caller, id, WebhookEventType::TaskFailed).await.unwrap();
        }
        for _ in 0..MOST_AT_ONE {
            assert_eq!(db.claim_delivery(clock::now()).await.unwrap().unwrap().attempt, 1);
        }
        assert!(db.claim_delivery(clock::now()).await.unwrap().is_none());
        db.resume_deliveries().await.unwrap();
        assert_eq!(db.claim_delivery(clock::now()).await.unwrap().unwrap().attempt, 1);
        // What is settled goes with time, and a webhook that is deleted with the last of its deliveries.
        let later = clock::now() + SignedDuration::from_hours(1);
        assert_eq!(db.prune_deliveries(later).await.unwrap(), 0);
        db.delete_webhook(&caller, id).await.unwrap();
        assert!(db.claim_delivery(clock::now()).await.unwrap().is_none());
        assert_eq!(db.prune_deliveries(clock::now() - SignedDuration::from_hours(1)).await.unwrap(), 0);
        assert_eq!(count(&db, &caller, id).await, 6);
        assert_eq!(db.prune_deliveries(later).await.unwrap(), 6);
        let query =
            DeliveryQuery { status: None, event: None, since: None, until: None, limit: 1, offset: 0 };
        db.webhook_deliveries(caller.project, id, query).await.unwrap_err();
    }
}
