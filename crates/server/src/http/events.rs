//! `/v1/events/…`: one client waits, and another signals.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use roadstead_api::{Data, ErrorResponse, EventSignalRequest, EventWaitRequest, SuccessResponse};
use serde_json::{Map, Value};

use super::TAG_EVENTS;
use super::body::{JsonBody, OptionalBody, typed};
use super::error::Failure;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};

/// How long a client waits that does not say how long: the published API's figure.
const DEFAULT_PATIENCE: Duration = Duration::from_mins(1);
/// The longest that one may wait with one request.
const MAX_PATIENCE: Duration = Duration::from_hours(1);

/// Signal an event
///
/// Everybody in the project who waits for it goes on. If nobody does, the first who waits later does at once.
#[utoipa::path(
    post, path = "/events/{event_name}", tag = TAG_EVENTS, params(("event_name" = String, Path, description = "The event's name, percent-encoded.")),
    request_body = EventSignalRequest,
    responses(
        (status = 200, description = "The event is signaled.", body = Data<SuccessResponse>),
        (status = 409, description = "Too many signals are kept that nobody has waited for.", body = ErrorResponse),
    )
)]
pub async fn signal_event(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<EventSignalRequest>,
) -> Result<Json<Data<SuccessResponse>>, Failure> {
    app.events().signal(caller.project, name.parse()?, body.data).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

/// Wait for an event
///
/// Answers with what its signal carries. The body is optional.
#[utoipa::path(
    post, path = "/events/{event_name}/wait", tag = TAG_EVENTS, params(("event_name" = String, Path, description = "The event's name, percent-encoded.")),
    request_body(content = Option<EventWaitRequest>),
    responses(
        (status = 200, description = "The event was signaled.", body = Data<Object>),
        (status = 408, description = "It was not, within that time.", body = ErrorResponse),
        (status = 503, description = "The server is shutting down.", body = ErrorResponse),
    )
)]
pub async fn wait_for_event(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    OptionalBody(body): OptionalBody,
) -> Result<Json<Data<Map<String, Value>>>, Failure> {
    let patience = patience(typed(&body)?)?;
    Ok(Json(Data::of(app.events().wait(caller.project, name.parse()?, patience).await?)))
}

fn patience(body: EventWaitRequest) -> Result<Duration> {
    let Some(millis) = body.timeout_ms else { return Ok(DEFAULT_PATIENCE) };
    let found = Duration::try_from_secs_f64(millis / 1000.0).ok().filter(|found| *found <= MAX_PATIENCE);
    found.ok_or_else(|| {
        let most = MAX_PATIENCE.as_millis();
        Error::invalid("timeoutMs", format!("must be a number of milliseconds from 0 to {most}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_is_a_minute_unless_asked_otherwise_and_an_hour_at_most() {
        let read = |body: Value| patience(typed(&body)?);
        assert_eq!(read(json!({})).unwrap(), Duration::from_mins(1));
        for name in ["timeoutMs", "timeout_ms"] {
            assert_eq!(read(json!({name: 1500})).unwrap(), Duration::from_millis(1500));
        }
        assert_eq!(read(json!({"timeoutMs": 3_600_000})).unwrap(), MAX_PATIENCE);
        for wrong in [json!(-1), json!(3_600_001), json!("1")] {
            assert!(read(json!({"timeoutMs": wrong})).is_err(), "{wrong}");
        }
    }
}
