//! Webhooks and deliveries, as the database knows them.

use jiff::Timestamp;
use roadstead_api::{ProjectId, WebhookEventType, WebhookId};

/// A webhook, without its secrets.
#[derive(Clone, Debug)]
pub struct WebhookRecord {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub project: ProjectId,
    /// Where events are posted to.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Which events it gets.
    pub events: Vec<WebhookEventType>,
    /// Whether it gets any.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What of a webhook is changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Where events are posted to.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Which events it gets.
    pub events: Option<Vec<WebhookEventType>>,
    /// Whether it gets any.
    pub enabled: Option<bool>,
}

/// Where a delivery is.
///
/// ```text
/// pending ⇄ in_flight → succeeded | failed | dead
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It waits for its next attempt.
    Pending,
    /// It is being posted.
    InFlight,
    /// The receiver has it.
    Succeeded,
    /// The receiver does not want it.
    Failed,
    /// No attempt is left.
    Dead,
}

impl DeliveryStatus {
    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in_flight",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::InFlight, Self::Succeeded, Self::Failed, Self::Dead]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct DeliveryRecord {
    /// What the receiver knows it by.
    pub id: String,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event: WebhookEventType,
    /// Where it is.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempt: u64,
    /// What the receiver answered last.
    pub response_status: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When it is tried next, or was due last.
    pub scheduled_at: Timestamp,
    /// When it was settled.
    pub completed_at: Option<Timestamp>,
}

/// Which deliveries of a webhook, newest first.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryQuery {
    /// In this status.
    pub status: Option<DeliveryStatus>,
    /// Of this event type.
    pub event: Option<WebhookEventType>,
    /// Due then or later.
    pub since: Option<Timestamp>,
    /// Due then or earlier.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
    /// After so many.
    pub offset: u32,
}

/// A delivery that is to be tried now.
#[derive(Clone, Debug)]
pub struct Due {
    /// Its number in the database.
    pub number: u64,
    /// What the receiver knows it by.
    pub id: String,
    /// Whose it is.
    pub webhook: WebhookId,
    /// Where to.
    pub url: String,
    /// What it is signed with, sealed: the secret, and the one before it while that is valid.
    pub secrets: Vec<Vec<u8>>,
    /// The event's type.
    pub event: WebhookEventType,
    /// What is posted.
    pub body: String,
    /// Which attempt this is, from 1.
    pub attempt: u64,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Where the delivery is now.
    pub status: DeliveryStatus,
    /// What the receiver answered, if it did.
    pub response_status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it is tried next, if it is.
    pub next: Option<Timestamp>,
}
