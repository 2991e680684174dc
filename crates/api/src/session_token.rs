//! Scoped tokens: each opens one kind of access to one session.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What tokens are asked for. Everything in it is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct SessionTokensRequest {
    /// One token for each of `cdp`, `live_view` and `live_view_read_only`; empty or absent is all that the session can serve. The
    /// live view is not implemented: asking for it by name is a 501.
    #[schema(example = json!(["cdp"]))]
    pub scopes: Option<Vec<String>>,
    /// How long they open anything, in seconds; the session's life when absent.
    #[schema(minimum = 1, maximum = 316_224_000)]
    pub expires_in_seconds: Option<u64>,
}

/// New tokens: one URL per scope.
#[derive(Clone, Serialize, ToSchema)]
pub struct SessionTokensCreated {
    /// The WebSocket to give to Playwright or Puppeteer. It carries its token: treat it as a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ws://127.0.0.1:8700/?sessionId=…&token=…")]
    pub cdp_url: Option<String>,
    /// The same tokens by themselves, to revoke them by. They are shown only now.
    pub tokens: Vec<SessionTokenCreated>,
}

/// A new token.
#[derive(Clone, Serialize, ToSchema)]
pub struct SessionTokenCreated {
    /// The token: a secret.
    pub token: String,
    /// What is shown of it later.
    #[serde(flatten)]
    pub shown: SessionToken,
}

/// A token as it is shown: never the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionToken {
    /// Its id, by which it can be revoked too.
    pub id: Uuid,
    /// `cdp`, `live_view` or `live_view_read_only`.
    #[schema(example = "cdp")]
    pub scope: &'static str,
    /// When it expires (RFC 3339, UTC); absent when it lives as long as the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}
