//! Webhooks: who is told of what. What they are told is in `outbox`.

use jiff::Timestamp;
use roadstead_api::{ProjectId, WebhookEventType, WebhookId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::audit::record;
use super::row::to_json;
use super::{Db, fault, outbox, row};
use crate::audit::{Action, Entry};
use crate::caller::Caller;
use crate::clock;
use crate::error::{Error, Result, WEBHOOK_NOT_FOUND};
use crate::webhooks::{Changes, WebhookRecord};

/// How many a project may have: the published API's figure.
const MOST: u64 = 5;

/// A webhook to be made.
#[derive(Debug)]
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Where events are posted to.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Which events it gets.
    pub events: Vec<WebhookEventType>,
    /// What deliveries are signed with, sealed.
    pub secret: Vec<u8>,
}

/// A secret that takes the place of another.
#[derive(Debug)]
pub struct NewSecret {
    /// It, sealed.
    pub sealed: Vec<u8>,
    /// Until when the one before it signs too.
    pub old_until: Timestamp,
}

impl Db {
    /// Makes a webhook. [`Error::Conflict`] where the project has as many as it may.
    pub async fn create_webhook(&self, caller: &Caller, new: NewWebhook) -> Result<WebhookRecord> {
        let mut tx = self.write().await?;
        let have =
            sqlx::query("SELECT count(*) AS count FROM webhooks WHERE project_id = ? AND deleted_at IS NULL")
                .bind(caller.project.to_string())
                .fetch_one(&mut *tx)
                .await
                .map_err(fault)?;
        if row::count(&have, "count")? >= MOST {
            return Err(Error::Conflict(format!(
                "The project has {MOST} webhooks, which is as many as it may. Delete one first, or add events to one."
            )));
        }
        sqlx::query(
            "INSERT INTO webhooks (id, project_id, url, description, subscribed_events, secret, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )
        .bind(new.id.to_string())
        .bind(caller.project.to_string())
        .bind(&new.url)
        .bind(&new.description)
        .bind(to_json(&new.events))
        .bind(&new.secret)
        .bind(clock::now().as_millisecond())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let made = find(&mut tx, caller.project, new.id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::WebhookCreate).on(new.id)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(made)
    }

    /// Changes a webhook.
    pub async fn update_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        changes: &Changes,
    ) -> Result<WebhookRecord> {
        let mut tx = self.write().await?;
        find(&mut tx, caller.project, id).await?;
        sqlx::query(
            "UPDATE webhooks SET url = coalesce(?, url), description = coalesce(?, description),
                 subscribed_events = coalesce(?, subscribed_events), enabled = coalesce(?, enabled), updated_at = ?
             WHERE id = ?",
        )
        .bind(&changes.url)
        .bind(&changes.description)
        .bind(changes.events.as_ref().map(to_json))
        .bind(changes.enabled)
        .bind(clock::now().as_millisecond())
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let now = find(&mut tx, caller.project, id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::WebhookUpdate).on(id)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(now)
    }

    /// Gives a webhook a new secret. The one that it has becomes the old one; what was the old one is gone.
    pub async fn rotate_webhook_secret(
        &self,
        caller: &Caller,
        id: WebhookId,
        new: NewSecret,
    ) -> Result<WebhookRecord> {
        let mut tx = self.write().await?;
        find(&mut tx, caller.project, id).await?;
        sqlx::query(
            "UPDATE webhooks SET old_secret = secret, old_secret_until = ?, secret = ?, updated_at = ? WHERE id = ?",
        )
        .bind(new.old_until.as_millisecond())
        .bind(&new.sealed)
        .bind(clock::now().as_millisecond())
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let rotated = find(&mut tx, caller.project, id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::WebhookRotate).on(id)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(rotated)
    }

    /// Deletes a webhook and its secrets, and gives up what it has not been told.
    pub async fn delete_webhook(&self, caller: &Caller, id: WebhookId) -> Result<()> {
        let mut tx = self.write().await?;
        find(&mut tx, caller.project, id).await?;
        let now = clock::now();
        sqlx::query("UPDATE webhooks SET deleted_at = ?, secret = x'', old_secret = NULL WHERE id = ?")
            .bind(now.as_millisecond())
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        outbox::give_up(&mut tx, id, "the webhook was deleted", now).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::WebhookDelete).on(id)).await?;
        tx.commit().await.map_err(fault)
    }

    /// Lists a project's webhooks, oldest first.
    pub async fn webhooks(&self, project: ProjectId) -> Result<Vec<WebhookRecord>> {
        let found = sqlx::query(
            "SELECT * FROM webhooks WHERE project_id = ? AND deleted_at IS NULL ORDER BY created_at, id",
        )
        .bind(project.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        found.iter().map(read).collect()
    }

    /// Returns one of a project's webhooks.
    pub async fn webhook(&self, project: ProjectId, id: WebhookId) -> Result<WebhookRecord> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        find(&mut connection, project, id).await
    }

    /// Puts an event that tells of nothing on record for a webhook, whatever it subscribed to, and returns the event's id.
    pub async fn test_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        event: WebhookEventType,
    ) -> Result<String> {
        let mut tx = self.write().await?;
        find(&mut tx, caller.project, id).await?;
        let sent = outbox::send_test(&mut tx, caller.project, id, event).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::WebhookTest).on(id)).await?;
        tx.commit().await.map_err(fault)?;
        self.tell_outbox();
        Ok(sent)
    }
}

async fn find(tx: &mut SqliteConnection, project: ProjectId, id: WebhookId) -> Result<WebhookRecord> {
    let found = sqlx::query("SELECT * FROM webhooks WHERE id = ? AND project_id = ? AND deleted_at IS NULL")
        .bind(id.to_string())
        .bind(project.to_string())
        .fetch_optional(tx)
        .await
        .map_err(fault)?
        .ok_or(WEBHOOK_NOT_FOUND)?;
    read(&found)
}

fn read(found: &SqliteRow) -> Result<WebhookRecord> {
    Ok(WebhookRecord {
        id: row::parse(found, "id")?,
        project: row::parse(found, "project_id")?,
        url: row::get(found, "url")?,
        description: row::get(found, "description")?,
        events: row::json(found, "subscribed_events")?,
        enabled: row::get(found, "enabled")?,
        created_at: row::time(found, "created_at")?,
        updated_at: row::time(found, "updated_at")?,
    })
}
