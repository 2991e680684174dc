//! What a project may spend: nothing is charged here.

use serde::Serialize;
use utoipa::ToSchema;

/// A project's balance, as clients of the published API look for it before they start something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BillingInfo {
    /// What is left, which is always more than anything costs.
    #[schema(example = 1_000_000_000)]
    pub credits: u64,
    /// Always 0.
    pub credits_used: u64,
    /// As `credits`.
    pub included_credits: u64,
    /// The month, as YYYY-MM (UTC).
    #[schema(example = "2026-04")]
    pub billing_period: String,
    /// Always `self_hosted`.
    #[schema(example = "self_hosted")]
    pub tier: &'static str,
    /// Always 0.
    pub gifts_balance: u64,
    /// Always -1: a project has no limit of its own. All projects share the server's places.
    #[schema(example = -1)]
    pub max_concurrent_browsers: i64,
    /// Always null: there is none.
    pub cost_limit: Option<u64>,
}
