//! Webhooks: who is told of what happens, and what became of each telling.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ProjectId;

/// Names one webhook: `wh_` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ToSchema)]
#[schema(value_type = String, example = "wh_0d6c2f31ab7e481ab6fd8b4a96a4e197")]
pub struct WebhookId(Uuid);

/// The text is not a webhook's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's id is wh_ and 32 hexadecimal digits")]
pub struct InvalidWebhookId;

impl WebhookId {
    const PREFIX: &str = "wh_";

    /// Makes a new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0.simple())
    }
}

impl FromStr for WebhookId {
    type Err = InvalidWebhookId;

    /// Accepts the form that is shown, and no other: one id, one spelling.
    fn from_str(text: &str) -> Result<Self, InvalidWebhookId> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(InvalidWebhookId)?;
        let id = Self(Uuid::try_parse(digits).map_err(|_| InvalidWebhookId)?);
        if id.to_string() == text { Ok(id) } else { Err(InvalidWebhookId) }
    }
}

impl Serialize for WebhookId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $word:tt,)*) => {
        /// What can be told of. All of the published types may be subscribed to; those of what is not built here never come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum WebhookEventType {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl WebhookEventType {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the wire's word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

event_types! {
    /// An agent's task is done.
    TaskCompleted = "task.completed",
    /// An agent's task is not.
    TaskFailed = "task.failed",
    /// An agent's task was cancelled.
    TaskCancelled = "task.cancelled",
    /// An agent's task was repaired.
    TaskHealed = "task.healed",
    /// A session is over, and what it owed is saved.
    SessionCompleted = "session.completed",
    /// A session is over in a way nobody asked for, or with a save that failed.
    SessionFailed = "session.failed",
    /// A session's recording can be fetched.
    RecordingReady = "session.recording.ready",
    /// All of a batch is started or given up, and something of it was started.
    BatchCompleted = "batch.completed",
    /// Nothing of a batch could be started.
    BatchFailed = "batch.failed",
    /// An agent asks for a person.
    InterventionRequested = "intervention.requested",
    /// A person has answered an agent.
    InterventionResolved = "intervention.resolved",
    /// An identity was logged in.
    IdentityAuthenticated = "identity.authenticated",
    /// An identity could not be logged in.
    IdentityAuthenticationFailed = "identity.authentication_failed",
}

impl WebhookEventType {
    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == word)
    }
}

/// A webhook to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct WebhookCreateRequest {
    /// Where events are posted to: https, and not on a private network unless the server allows it. No user name or password.
    #[schema(
        format = "uri",
        min_length = 1,
        max_length = 2048,
        example = "https://app.example.com/anchor/webhooks"
    )]
    pub url: String,
    /// What it is for; empty by default.
    #[schema(max_length = 256)]
    pub description: Option<String>,
    /// Which events.
    #[schema(min_items = 1, value_type = Vec<WebhookEventType>)]
    pub subscribed_events: Vec<String>,
}

/// A webhook's changes: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct WebhookUpdateRequest {
    /// Where events are posted to, from the next attempt on.
    #[schema(format = "uri", min_length = 1, max_length = 2048)]
    pub url: Option<String>,
    /// What it is for.
    #[schema(max_length = 256)]
    pub description: Option<String>,
    /// Which events, from now on.
    #[schema(min_items = 1, value_type = Option<Vec<WebhookEventType>>)]
    pub subscribed_events: Option<Vec<String>>,
    /// Whether it gets events that happen from now on. What has happened is delivered either way.
    pub enabled: Option<bool>,
}

/// A synthetic event to be sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct WebhookTestRequest {
    /// Of which type.
    #[schema(value_type = WebhookEventType)]
    pub event_type: String,
}

/// A webhook.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub project_id: ProjectId,
    /// Where events are posted to.
    #[schema(format = "uri")]
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Which events it gets.
    pub subscribed_events: Vec<WebhookEventType>,
    /// Whether it gets any.
    pub enabled: bool,
    /// When it was made (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was changed last (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A webhook with its new secret, which has no `Debug`.
#[derive(Clone, Serialize, ToSchema)]
pub struct WebhookWithSecret {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// What deliveries are signed with. It is shown now and never again.
    #[schema(example = "36da51b166a69268a59a8d5ee0b32c9f5e5aaee7d301c7a5a36844318e116fc6")]
    pub secret: String,
}

/// A project's webhooks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookList {
    /// They, oldest first.
    pub webhooks: Vec<Webhook>,
}

/// A webhook is deleted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct WebhookDeleted {
    /// Always true.
    pub ok: bool,
}

/// A synthetic event was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookTested {
    /// The event's id, which the receiver sees as `id`.
    #[schema(example = "evt_56a4c6e7f11e4b44eafce28a")]
    pub external_event_id: String,
    /// Its type.
    pub event_type: WebhookEventType,
}

/// One event's way to one webhook.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookDelivery {
    /// Its id: `Anchor-Delivery-Id` of every attempt.
    pub id: String,
    /// The event's id, which the receiver sees as `id`.
    pub external_event_id: String,
    /// The event's type.
    pub event_type: WebhookEventType,
    /// `pending` until its next attempt, `in_flight` while it is posted, `succeeded` when the receiver answered 2xx, `failed` when it
    /// answered with a 4xx that a repetition would not change, `dead` when no attempt is left.
    #[schema(example = "succeeded")]
    pub status: &'static str,
    /// How often it was tried.
    #[schema(minimum = 0, maximum = 6)]
    pub attempt: u64,
    /// What the receiver answered last, if it did.
    pub response_status: Option<u16>,
    /// Why the last attempt failed.
    pub error_message: Option<String>,
    /// When it is tried next, or was due last (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub scheduled_at: Timestamp,
    /// When it was settled (RFC 3339, UTC).
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
}

/// Which part of a list an answer is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct WebhookPagination {
    /// How many rows there may be in an answer.
    pub limit: u32,
    /// How many rows come before this answer's.
    pub offset: u32,
    /// How many match.
    pub total: u64,
}

/// What became of a webhook's events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookDeliveries {
    /// Its deliveries, newest first.
    pub events: Vec<WebhookDelivery>,
    /// Which of them.
    pub pagination: WebhookPagination,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = WebhookId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = id.to_string().to_uppercase();
        for wrong in
            ["", "wh_", "wh_1", &upper, &id.0.to_string(), &format!("wh_{}", id.0), &format!("{id}0")]
        {
            assert_eq!(wrong.parse::<WebhookId>(), Err(InvalidWebhookId), "{wrong}");
        }
    }

    #[test]
    fn every_event_type_is_read_back() {
        for event in WebhookEventType::ALL {
            assert_eq!(WebhookEventType::parse(event.as_str()), Some(*event));
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
        assert_eq!(WebhookEventType::parse("session.started"), None);
        // The document has the same words.
        let words: Vec<_> = WebhookEventType::ALL.iter().map(|event| event.as_str()).collect();
        let schema = serde_json::to_value(<WebhookEventType as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(schema["enum"], serde_json::json!(words));
    }
}
