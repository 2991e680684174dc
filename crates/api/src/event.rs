//! Events: one client waits for a name, and another signals it.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A signal. What it carries may be a secret, so it has no `Debug`.
#[derive(Clone, Deserialize, ToSchema)]
pub struct EventSignalRequest {
    /// What whoever waits gets.
    #[schema(value_type = Object, example = json!({"code": "123456"}))]
    pub data: Map<String, Value>,
}

/// How long to wait. Everything in it is optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventWaitRequest {
    /// In milliseconds; 60000 by default, 3600000 at most.
    #[serde(alias = "timeout_ms")]
    #[schema(minimum = 0, maximum = 3_600_000, example = 60_000)]
    pub timeout_ms: Option<f64>,
}
