//! The answer to a request whose save failed: an error, since SDKs look at nothing but the status, and beside it all that
//! there is to tell, receipts included.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use roadstead_api::ErrorResponse;
use serde::Serialize;

/// A failure, and what is to be told besides.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SaveFailed<T> {
    #[serde(flatten)]
    failure: ErrorResponse,
    /// What happened, receipts included.
    data: T,
}

impl<T: Serialize> SaveFailed<T> {
    /// Answers with 500.
    pub fn of(message: String, data: T) -> Response {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let failure = ErrorResponse::new(status.as_u16(), message);
        (status, Json(Self { failure, data })).into_response()
    }
}
