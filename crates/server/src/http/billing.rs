//! `GET /v1/billing`: nothing is charged here, and clients that look before they start something are told so.

use axum::Json;
use roadstead_api::{BillingInfo, Data};

use super::TAG_BILLING;
use crate::clock;

/// What is left to be spent: more than anything costs. JSON knows no infinity.
const PLENTY: u64 = 1_000_000_000;

/// Show the balance
///
/// Of an unlimited tier: nothing is charged here.
#[utoipa::path(
    get, path = "/billing", tag = TAG_BILLING,
    responses((status = 200, description = "The balance.", body = Data<BillingInfo>))
)]
pub async fn get_billing() -> Json<Data<BillingInfo>> {
    Json(Data::of(BillingInfo {
        credits: PLENTY,
        credits_used: 0,
        included_credits: PLENTY,
        billing_period: clock::now().strftime("%Y-%m").to_string(),
        tier: "self_hosted",
        gifts_balance: 0,
        max_concurrent_browsers: -1,
        cost_limit: None,
    }))
}
