//! What an operator asks: alive, ready, how busy.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use roadstead_api::{Data, ErrorResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG_SYSTEM;
use super::error::Failure;
use crate::app::App;

/// A word on how the server is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `ready`.
    status: &'static str,
}

/// Alive?
#[utoipa::path(
    get, path = "/healthz", tag = TAG_SYSTEM,
    responses((status = 200, description = "The server answers.", body = Data<Health>))
)]
pub async fn healthz() -> Json<Data<Health>> {
    Json(Data::of(Health { status: "ok" }))
}

/// Ready?
///
/// Whether a session can be started.
#[utoipa::path(
    get, path = "/readyz", tag = TAG_SYSTEM,
    responses(
        (status = 200, description = "A session can be started.", body = Data<Health>),
        (status = 503, description = "It cannot; says why.", body = ErrorResponse),
    )
)]
pub async fn readyz(State(app): State<App>) -> Result<Json<Data<Health>>, Failure> {
    let reasons = app.unready().await;
    if reasons.is_empty() {
        return Ok(Json(Data::of(Health { status: "ready" })));
    }
    Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, format!("Not ready: {}.", reasons.join("; "))))
}

/// Metrics
///
/// In the Prometheus text format.
#[utoipa::path(
    get, path = "/metrics", tag = TAG_SYSTEM,
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"))
)]
pub async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, app.metrics().render())
}
