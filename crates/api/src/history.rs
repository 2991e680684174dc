//! What sessions used, by hour, day, week or month.

use serde::Serialize;
use utoipa::ToSchema;

use crate::Pagination;

/// What a project's sessions used.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionHistory {
    /// One for each period that a session was created in, oldest first.
    pub data: Vec<HistoryPoint>,
    /// The same over the whole time, on all pages.
    pub summary: HistorySummary,
    /// Which page of the periods it is.
    pub pagination: Pagination,
}

/// What the sessions used that were created in one period. It has the metrics that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct HistoryPoint {
    /// The period's first moment, in UTC: an hour as `2026-01-31T12:00:00Z`, a day, a week (from Monday) or a month as
    /// `2026-01-31`.
    #[schema(example = "2026-01-31")]
    pub date: String,
    /// How many there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_count: Option<u64>,
    /// The bytes that their browsers sent and received, over whatever way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_bytes: Option<u64>,
    /// Always 0: there are no agents here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ai_steps: Option<u64>,
    /// How long they lived, or have lived so far, in hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_hours: Option<f64>,
    /// Always 0: there are no credits here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits_used: Option<u64>,
    /// How many screenshots were taken over the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screenshots: Option<u64>,
    /// As `proxy_bytes`: everything goes over the server's own proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_bytes_total: Option<u64>,
}

/// What all sessions used that match. It has the metrics that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct HistorySummary {
    /// How many there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_sessions: Option<u64>,
    /// The bytes that their browsers sent and received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_proxy_bytes: Option<u64>,
    /// Always 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ai_steps: Option<u64>,
    /// How long they lived, in hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_session_hours: Option<f64>,
    /// Always 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_credits_used: Option<u64>,
    /// How many screenshots were taken over the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_screenshots: Option<u64>,
    /// As `total_proxy_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_network_bytes_total: Option<u64>,
}
