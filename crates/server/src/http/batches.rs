//! `/v1/batch-sessions/…`: many sessions at once.

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{
    BatchCancelled, BatchCreateRequest, BatchCreated, BatchDeleted, BatchDetails, BatchList, BatchRetried,
    BatchRetryRequest, BatchUpdateRequest, Data, ErrorResponse, Pagination,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::body::{JsonBody, OptionalBody, typed};
use super::error::Failure;
use super::origin::WebSocketOrigin;
use super::params::{BatchPath, Params, moment, positive};
use super::rate_limit::RateLimitFields;
use super::{TAG_BATCHES, batch_view};
use crate::app::App;
use crate::batch::record::{BatchKind, BatchQuery, BatchStatus};
use crate::batch::{Order, Retry};
use crate::caller::Caller;
use crate::db::RetryOf;
use crate::error::{Error, Result};

/// How many sessions a batch may have: the published API's figure.
const MOST_SESSIONS: i64 = 1_000;
/// How many batches a page has when nobody says how many.
const USUAL_LIMIT: u32 = 20;
/// How many one may have.
const MOST_LIMIT: u32 = 100;
/// How often a session may be tried: the published API's figure.
const MOST_RETRIES: i64 = 3;

/// Start many sessions
///
/// All alike. Answers at once; they are started in the background, as many as there are places, and the others as places come free,
/// also after a restart of the server.
#[utoipa::path(
    post, path = "/batch-sessions", tag = TAG_BATCHES, request_body = BatchCreateRequest,
    responses(
        (status = 200, description = "The sessions will be started.", body = Data<BatchCreated>),
        (status = 429, description = "Too much of the project waits to be started; or the key creates too many a minute.", body = ErrorResponse),
        (status = 501, description = "A field asks for what this server does not have.", body = ErrorResponse),
        (status = 503, description = "There is no such browser, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub async fn create_batch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<BatchCreateRequest>,
) -> Result<(RateLimitFields, Json<Data<BatchCreated>>), Failure> {
    let order = read_order(body)?;
    let left = app.limits().create(&caller)?;
    let batch = app.batches().create(&caller, order).await?;
    let created = BatchCreated {
        batch_id: batch.id,
        status: BatchStatus::Pending.as_str(),
        total_requests: batch.counts.total,
        created_at: batch.created_at,
    };
    Ok((RateLimitFields(left), Json(Data::of(created))))
}

/// Which batches.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BatchParams {
    /// `pending`, `processing`, `completed`, `failed` or `cancelled`.
    status: Option<String>,
    /// The page's number, from 1.
    #[param(value_type = Option<u32>, minimum = 1)]
    page: Option<String>,
    /// How many to a page, 20 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// Created after then (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    created_after: Option<String>,
    /// Created before then (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<String>,
}

/// List batches
///
/// A page at a time, newest first.
#[utoipa::path(
    get, path = "/batch-sessions", tag = TAG_BATCHES, params(BatchParams),
    responses((status = 200, description = "One page of the batches that match.", body = Data<BatchList>))
)]
pub async fn list_batches(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<BatchParams>,
) -> Result<Json<Data<BatchList>>, Failure> {
    let query = query(&params)?;
    let (batches, total) = app.batches().list(caller.project, &query).await?;
    Ok(Json(Data::of(BatchList {
        batches: batches.iter().map(batch_view::summary).collect(),
        pagination: Pagination::new(query.page, query.limit, total),
    })))
}

/// Show a batch
///
/// How far it is, and each of its sessions.
#[utoipa::path(
    get, path = "/batch-sessions/{batch_id}", tag = TAG_BATCHES, params(("batch_id" = String, Path, description = "The batch's id.")),
    responses(
        (status = 200, description = "The batch.", body = Data<BatchDetails>),
        (status = 404, description = "Batch not found.", body = ErrorResponse),
    )
)]
pub async fn get_batch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    BatchPath(id): BatchPath,
) -> Result<Json<Data<BatchDetails>>, Failure> {
    let (batch, items) = app.batches().get(caller.project, id).await?;
    let items = items.into_iter().map(|item| {
        let running = item.session.and_then(|session| app.sessions().find(caller.project, session));
        batch_view::item(item, running.as_ref(), &origin)
    });
    Ok(Json(Data::of(batch_view::details(batch, items.collect()))))
}

/// Cancel a batch
///
/// What has not been started is not, and what runs is ended. Answers once every browser is gone and what they owed is saved.
#[utoipa::path(
    patch, path = "/batch-sessions/{batch_id}", tag = TAG_BATCHES, params(("batch_id" = String, Path, description = "The batch's id.")),
    request_body = BatchUpdateRequest,
    responses(
        (status = 200, description = "The batch is cancelled.", body = Data<BatchCancelled>),
        (status = 404, description = "Batch not found.", body = ErrorResponse),
        (status = 409, description = "There is nothing to cancel: all of it is started, given up or cancelled.", body = ErrorResponse),
    )
)]
pub async fn update_batch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    BatchPath(batch_id): BatchPath,
    JsonBody(body): JsonBody<BatchUpdateRequest>,
) -> Result<Json<Data<BatchCancelled>>, Failure> {
    if body.status != BatchStatus::Cancelled.as_str() {
        return Err(Error::invalid("status", "must be cancelled").into());
    }
    let ended = app.batches().cancel(&caller, batch_id).await?.len();
    Ok(Json(Data::of(BatchCancelled {
        batch_id,
        status: BatchStatus::Cancelled.as_str(),
        cancelled_sessions: u64::try_from(ended).unwrap_or(u64::MAX),
        message: format!("The batch is cancelled, and {ended} running sessions are ended."),
    })))
}

/// Delete a batch
///
/// What has not been started is not, what runs is ended, and the batch is forgotten. Its sessions' own records stay.
#[utoipa::path(
    delete, path = "/batch-sessions/{batch_id}", tag = TAG_BATCHES, params(("batch_id" = String, Path, description = "The batch's id.")),
    responses(
        (status = 200, description = "The batch is deleted. Saves that failed are told.", body = Data<BatchDeleted>),
        (status = 404, description = "Batch not found.", body = ErrorResponse),
    )
)]
pub async fn delete_batch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    BatchPath(id): BatchPath,
) -> Result<Json<Data<BatchDeleted>>, Failure> {
    let deleted = app.batches().delete(&caller, id).await?;
    Ok(Json(Data::of(batch_view::deleted(id, deleted))))
}

/// Try failed sessions again
///
/// Those of a batch that could not be started, in the background. The body is optional.
#[utoipa::path(
    post, path = "/batch-sessions/{batch_id}/retry", tag = TAG_BATCHES, params(("batch_id" = String, Path, description = "The batch's id.")),
    request_body(content = Option<BatchRetryRequest>),
    responses(
        (status = 200, description = "They are tried again.", body = Data<BatchRetried>),
        (status = 400, description = "No failed sessions to retry, or a malformed request.", body = ErrorResponse),
        (status = 404, description = "Batch not found.", body = ErrorResponse),
        (status = 429, description = "Too much of the project waits to be started.", body = ErrorResponse),
    )
)]
pub async fn retry_batch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    BatchPath(id): BatchPath,
    OptionalBody(body): OptionalBody,
) -> Result<Json<Data<BatchRetried>>, Failure> {
    let retry = read_retry(typed(&body)?)?;
    let (batch, again) = app.batches().retry(&caller, id, retry).await?;
    Ok(Json(Data::of(BatchRetried {
        batch_id: id,
        status: batch.status.as_str(),
        retried_sessions: again,
        message: format!("{again} sessions are tried again."),
    })))
}

fn read_order(body: BatchCreateRequest) -> Result<Order> {
    let count = u64::try_from(body.count).ok().filter(|_| (1..=MOST_SESSIONS).contains(&body.count));
    let count = count.ok_or_else(|| {
        Error::InvalidRequest(format!("Session count must be between 1 and {MOST_SESSIONS}"))
    })?;
    let body_of_each = match body.configuration {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(configuration @ Value::Object(_)) => configuration,
        Some(_) => return Err(Error::invalid("configuration", "must be an object")),
    };
    Ok(Order { kind: BatchKind::Batch, count, body: body_of_each, metadata: body.metadata })
}

fn read_retry(body: BatchRetryRequest) -> Result<Retry> {
    let wanted = body.max_retries.unwrap_or(1);
    let attempts = u64::try_from(wanted).ok().filter(|_| (1..=MOST_RETRIES).contains(&wanted));
    Ok(Retry {
        of: match body.retry_failed_only {
            None | Some(true) => RetryOf::Failed,
            Some(false) => RetryOf::FailedAndCancelled,
        },
        attempts: attempts
            .ok_or_else(|| Error::invalid("max_retries", format!("must be between 1 and {MOST_RETRIES}")))?,
    })
}

fn query(params: &BatchParams) -> Result<BatchQuery> {
    let limit = positive("limit", params.limit.as_deref())?.map_or(USUAL_LIMIT, i32::unsigned_abs);
    if limit > MOST_LIMIT {
        return Err(Error::invalid("limit", format!("must be at most {MOST_LIMIT}")));
    }
    Ok(BatchQuery {
        status: read_status(params.status.as_deref())?,
        created_after: moment("created_after", params.created_after.as_deref())?,
        created_before: moment("created_before", params.created_before.as_deref())?,
        limit,
        page: positive("page", params.page.as_deref())?.map_or(1, i32::unsigned_abs),
    })
}

fn read_status(word: Option<&str>) -> Result<Option<BatchStatus>> {
    let Some(word) = word.filter(|word| !word.is_empty()) else { return Ok(None) };
    let unknown = || Error::invalid("status", "must be pending, processing, completed, failed or cancelled");
    BatchStatus::parse(word).map(Some).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_has_a_count_and_an_object() {
        let read = |body: Value| read_order(typed(&body)?);
        let order = read(json!({"count": 1000, "configuration": null, "metadata": {"a": 1}}));
        let order = order.ok().unwrap();
        assert_eq!((order.count, order.body), (1000, json!({})));
        for (body, why) in [
            (json!({}), "missing field `count`"),
            (json!({"count": 0}), "Session count must be between 1 and 1000"),
            (json!({"count": 1001}), "Session count must be between 1 and 1000"),
            (json!({"count": -1}), "Session count must be between 1 and 1000"),
            (json!({"count": 1, "configuration": []}), "configuration: must be an object"),
        ] {
            assert_eq!(read(body.clone()).err().unwrap().to_string(), why, "{body}");
        }
        assert!(read(json!({"count": 1, "metadata": []})).is_err());
    }

    #[test]
    fn a_retry_is_of_what_failed_and_once_unless_asked_otherwise() {
        let read = |body: Value| read_retry(typed(&body)?);
        assert_eq!(read(json!({})).unwrap(), Retry { of: RetryOf::Failed, attempts: 1 });
        let all = read(json!({"retry_failed_only": false, "max_retries": 3})).unwrap();
        assert_eq!(all, Retry { of: RetryOf::FailedAndCancelled, attempts: 3 });
        for wrong in [0, 4, -1] {
            assert!(read(json!({"max_retries": wrong})).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_has_twenty_unless_asked_otherwise_and_a_hundred_at_most() {
        let read = |limit: Option<&str>| {
            query(&BatchParams { limit: limit.map(str::to_owned), ..BatchParams::default() })
        };
        assert_eq!(read(None).unwrap().limit, 20);
        assert_eq!(read(Some("100")).unwrap().limit, 100);
        assert!(read(Some("101")).is_err());
        let status = BatchParams { status: Some("ready".to_owned()), ..BatchParams::default() };
        assert!(query(&status).is_err());
    }
}
