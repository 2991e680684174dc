//! Webhooks: a project's receivers, and the events that are posted to them.
//!
//! An event is put on record for each webhook that wants it in the same transaction as the change that it tells of (`db::outbox`), so
//! neither exists without the other, and it stays there until a receiver has answered or six attempts have failed. A server that dies
//! in the middle of an attempt makes it again: a receiver gets each event at least once, and knows a repetition by its id.
//!
//! What is here: what a project does with its webhooks, and the delivery ([`Webhooks::run`]). Where events may go is the
//! policy of `roadstead-egress`, with ranges of its own; names are looked up once an attempt, and only what passed is connected to.

pub mod record;

mod post;
mod signature;
mod target;
mod worker;

use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use roadstead_api::{ProjectId, WebhookEventType, WebhookId};
use roadstead_egress::Egress;
use roadstead_vault::Vault;
use tokio::sync::{Notify, Semaphore};
use zeroize::Zeroizing;

pub use self::record::{
    Attempted, Changes, DeliveryQuery, DeliveryRecord, DeliveryStatus, Due, WebhookRecord,
};

use self::target::Target;
use crate::caller::Caller;
use crate::clock;
use crate::config::WebhooksConfig;
use crate::db::{Db, NewSecret, NewWebhook};
use crate::error::{Error, Result};
use crate::keys;
use crate::lifecycle::Lifecycle;

/// How many events are posted at once, over all projects.
const MOST_AT_ONCE: usize = 32;
/// How long a secret that was replaced goes on signing: the published API's figure.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// All webhooks of a server; clones share them.
#[derive(Clone)]
pub struct Webhooks(Arc<Parts>);

struct Parts {
    db: Db,
    vault: Vault,
    egress: Egress,
    config: WebhooksConfig,
    lifecycle: Lifecycle,
    places: Arc<Semaphore>,
    /// Told when an attempt is over.
    settled: Notify,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Webhooks {
    /// Makes the room, and takes up what an earlier server was posting when it ended. `egress` has the policy of webhooks.
    pub async fn open(
        db: Db,
        vault: Vault,
        egress: Egress,
        config: WebhooksConfig,
        lifecycle: Lifecycle,
    ) -> Result<Self> {
        db.resume_deliveries().await?;
        let (places, settled) = (Arc::new(Semaphore::new(MOST_AT_ONCE)), Notify::new());
        Ok(Self(Arc::new(Parts { db, vault, egress, config, lifecycle, places, settled })))
    }

    /// Makes a webhook, and returns it with its secret. [`Error::Conflict`] where the project has as many as it may.
    pub async fn create(
        &self,
        caller: &Caller,
        url: String,
        description: String,
        events: Vec<WebhookEventType>,
    ) -> Result<(WebhookRecord, Zeroizing<String>)> {
        self.check(&url)?;
        let id = WebhookId::random();
        let (secret, sealed) = self.new_secret(id).await?;
        let new = NewWebhook { id, url, description, events, secret: sealed };
        Ok((self.0.db.create_webhook(caller, new).await?, secret))
    }

    /// Changes a webhook.
    pub async fn update(&self, caller: &Caller, id: WebhookId, changes: Changes) -> Result<WebhookRecord> {
        if let Some(url) = &changes.url {
            self.check(url)?;
        }
        self.0.db.update_webhook(caller, id, &changes).await
    }

    /// Gives a webhook a new secret, and returns it. The one before it signs too for a day.
    pub async fn rotate(&self, caller: &Caller, id: WebhookId) -> Result<(WebhookRecord, Zeroizing<String>)> {
        let (secret, sealed) = self.new_secret(id).await?;
        let new = NewSecret { sealed, old_until: clock::now() + OVERLAP };
        Ok((self.0.db.rotate_webhook_secret(caller, id, new).await?, secret))
    }

    /// Deletes a webhook. What it has not been told it never is.
    pub async fn delete(&self, caller: &Caller, id: WebhookId) -> Result<()> {
        self.0.db.delete_webhook(caller, id).await
    }

    /// Lists a project's webhooks, oldest first.
    pub async fn list(&self, project: ProjectId) -> Result<Vec<WebhookRecord>> {
        self.0.db.webhooks(project).await
    }

    /// Returns one of a project's webhooks.
    pub async fn get(&self, project: ProjectId, id: WebhookId) -> Result<WebhookRecord> {
        self.0.db.webhook(project, id).await
    }

    /// Sends a webhook an event that tells of nothing, and returns the event's id.
    pub async fn test(&self, caller: &Caller, id: WebhookId, event: WebhookEventType) -> Result<String> {
        self.0.db.test_webhook(caller, id, event).await
    }

    /// Lists what became of a webhook's events, newest first, and how many match. Those of a deleted one are still shown.
    pub async fn deliveries(
        &self,
        project: ProjectId,
        id: WebhookId,
        query: DeliveryQuery,
    ) -> Result<(Vec<DeliveryRecord>, u64)> {
        self.0.db.webhook_deliveries(project, id, query).await
    }

    /// Refuses a URL that can be told to be wrong without looking its name up.
    fn check(&self, url: &str) -> Result<()> {
        let target = Target::read(url, self.0.config.allow_private)?;
        let checked = self.0.egress.check_destination(target.destination());
        checked.map_err(|refusal| Error::invalid("url", post::refused(refusal.rule())))
    }

    async fn new_secret(&self, id: WebhookId) -> Result<(Zeroizing<String>, Vec<u8>)> {
        let secret = Zeroizing::new(keys::random_hex::<32>());
        let sealed = self.0.vault.seal_lasting(&purpose(id), secret.as_bytes()).await;
        let sealed = sealed.map_err(|error| Error::internal("The secret could not be sealed.", error))?;
        Ok((secret, sealed))
    }
}

/// What a webhook's secrets are sealed for.
fn purpose(id: WebhookId) -> String {
    format!("the secret of webhook {id}")
}
