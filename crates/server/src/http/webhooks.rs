//! `/v1/webhooks/…`: who is told of what happens. Answers are bare, as the published API has them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use roadstead_api::{
    ErrorResponse, Webhook, WebhookCreateRequest, WebhookDeleted, WebhookDeliveries, WebhookDelivery,
    WebhookEventType, WebhookList, WebhookPagination, WebhookTestRequest, WebhookTested,
    WebhookUpdateRequest, WebhookWithSecret,
};
use serde::Deserialize;
use utoipa::IntoParams;
use zeroize::Zeroizing;

use super::TAG_WEBHOOKS;
use super::body::JsonBody;
use super::error::Failure;
use super::params::{Params, WebhookPath, moment, positive};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::webhooks::{Changes, DeliveryQuery, DeliveryRecord, DeliveryStatus, WebhookRecord};

/// The longest description, in characters: the published API's figure.
const MAX_DESCRIPTION_CHARS: usize = 256;
/// How many deliveries a page has when nobody says how many.
const USUAL_LIMIT: u32 = 25;
/// How many one may have.
const MOST_LIMIT: u32 = 100;

/// Create a webhook
///
/// From now on its events are posted to the URL, signed with the secret that this answer has and no other. A project may have 5.
#[utoipa::path(
    post, path = "/webhooks", tag = TAG_WEBHOOKS, request_body = WebhookCreateRequest,
    responses(
        (status = 201, description = "The webhook, and its secret.", body = WebhookWithSecret),
        (status = 409, description = "The project has as many webhooks as it may.", body = ErrorResponse),
    )
)]
pub async fn create_webhook(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<WebhookCreateRequest>,
) -> Result<(StatusCode, Json<WebhookWithSecret>), Failure> {
    let events = read_events(&body.subscribed_events)?;
    let description = read_description(body.description)?.unwrap_or_default();
    let made = app.webhooks().create(&caller, body.url, description, events).await?;
    Ok((StatusCode::CREATED, Json(with_secret(made))))
}

/// List webhooks
///
/// The project's, oldest first.
#[utoipa::path(
    get, path = "/webhooks", tag = TAG_WEBHOOKS,
    responses((status = 200, description = "The webhooks, without their secrets.", body = WebhookList))
)]
pub async fn list_webhooks(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<WebhookList>, Failure> {
    let webhooks = app.webhooks().list(caller.project).await?;
    Ok(Json(WebhookList { webhooks: webhooks.into_iter().map(shown).collect() }))
}

/// Show a webhook
///
/// Without its secret.
#[utoipa::path(
    get, path = "/webhooks/{webhook_id}", tag = TAG_WEBHOOKS, params(("webhook_id" = String, Path, description = "The webhook's id.")),
    responses(
        (status = 200, description = "The webhook.", body = Webhook),
        (status = 404, description = "Webhook not found.", body = ErrorResponse),
    )
)]
pub async fn get_webhook(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
) -> Result<Json<Webhook>, Failure> {
    Ok(Json(shown(app.webhooks().get(caller.project, id).await?)))
}

/// Change a webhook
///
/// What is left out stays. A webhook that is disabled gets no event that happens from then on.
#[utoipa::path(
    patch, path = "/webhooks/{webhook_id}", tag = TAG_WEBHOOKS, params(("webhook_id" = String, Path, description = "The webhook's id.")),
    request_body = WebhookUpdateRequest,
    responses(
        (status = 200, description = "The webhook, as it is now.", body = Webhook),
        (status = 404, description = "Webhook not found.", body = ErrorResponse),
    )
)]
pub async fn update_webhook(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    JsonBody(body): JsonBody<WebhookUpdateRequest>,
) -> Result<Json<Webhook>, Failure> {
    let changes = Changes {
        url: body.url,
        description: read_description(body.description)?,
        events: body.subscribed_events.as_deref().map(read_events).transpose()?,
        enabled: body.enabled,
    };
    Ok(Json(shown(app.webhooks().update(&caller, id, changes).await?)))
}

/// Change a webhook, with PUT
///
/// As with PATCH: what is left out stays.
#[utoipa::path(
    put, path = "/webhooks/{webhook_id}", tag = TAG_WEBHOOKS, params(("webhook_id" = String, Path, description = "The webhook's id.")),
    request_body = WebhookUpdateRequest,
    responses(
        (status = 200, description = "The webhook, as it is now.", body = Webhook),
        (status = 404, description = "Webhook not found.", body = ErrorResponse),
    )
)]
pub async fn put_webhook(
    app: State<App>,
    caller: Extension<Caller>,
    path: WebhookPath,
    body: JsonBody<WebhookUpdateRequest>,
) -> Result<Json<Webhook>, Failure> {
    update_webhook(app, caller, path, body).await
}

/// Delete a webhook
///
/// What it has not been told it never is. Its deliveries are shown for another seven days.
#[utoipa::path(
    delete, path = "/webhooks/{webhook_id}", tag = TAG_WEBHOOKS, params(("webhook_id" = String, Path, description = "The webhook's id.")),
    responses(
        (status = 200, description = "The webhook is deleted.", body = WebhookDeleted),
        (status = 404, description = "Webhook not found.", body = ErrorResponse),
    )
)]
pub async fn delete_webhook(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
) -> Result<Json<WebhookDeleted>, Failure> {
    app.webhooks().delete(&caller, id).await?;
    Ok(Json(WebhookDeleted { ok: true }))
}

/// Rotate a webhook's secret
///
/// For 24 hours deliveries are signed with the one before it too: the header then has a `v1` by each.
#[utoipa::path(
    post, path = "/webhooks/{webhook_id}/rotate-secret", tag = TAG_WEBHOOKS, params(("webhook_id" = String, Path, description = "The webhook's id.")),
    responses(
        (status = 200, description = "The webhook, and its new secret.", body = WebhookWithSecret),
        (status = 404, description = "Webhook not found.", body = ErrorResponse),
    )
)]
pub async fn rotate_webhook_secret(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
) -> Result<Json<WebhookWithSecret>, Failure> {
    Ok(Json(with_secret(app.webhooks().rotate(&caller, id).await?)))
}

/// Send a test event
///
/// One that tells of nothing, signed, delivered and retried as any other, whatever the webhook subscribed to.
#[utoipa::path(
    post, path = "/webhooks/{webhook_id}/test", tag = TAG_WEBHOOKS, params(("webhook_id" = String, Path, description = "The webhook's id.")),
    request_body = WebhookTestRequest,
    responses(
        (status = 202, description = "The event will be delivered.", body = WebhookTested),
        (status = 404, description = "Webhook not found.", body = ErrorResponse),
    )
)]
pub async fn send_test_event(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    JsonBody(body): JsonBody<WebhookTestRequest>,
) -> Result<(StatusCode, Json<WebhookTested>), Failure> {
    let event_type = read_event("event_type", &body.event_type)?;
    let external_event_id = app.webhooks().test(&caller, id, event_type).await?;
    Ok((StatusCode::ACCEPTED, Json(WebhookTested { external_event_id, event_type })))
}

/// Which deliveries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParams {
    /// How many at most, 25 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// How many of the newest are passed over.
    #[param(value_type = Option<u32>, minimum = 0)]
    offset: Option<String>,
    /// `pending`, `in_flight`, `succeeded`, `failed` or `dead`.
    status: Option<String>,
    /// Of this event type.
    event_type: Option<String>,
    /// Due then or later (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Due then or earlier (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// List a webhook's deliveries
///
/// What became of its events, newest first. Those that are settled are kept for seven days.
#[utoipa::path(
    get, path = "/webhooks/{webhook_id}/events", tag = TAG_WEBHOOKS,
    params(("webhook_id" = String, Path, description = "The webhook's id."), DeliveryParams),
    responses(
        (status = 200, description = "One page of the deliveries that match.", body = WebhookDeliveries),
        (status = 404, description = "Webhook not found.", body = ErrorResponse),
    )
)]
pub async fn list_webhook_events(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    Params(params): Params<DeliveryParams>,
) -> Result<Json<WebhookDeliveries>, Failure> {
    let query = query(&params)?;
    let (found, total) = app.webhooks().deliveries(caller.project, id, query).await?;
    let pagination = WebhookPagination { limit: query.limit, offset: query.offset, total };
    Ok(Json(WebhookDeliveries { events: found.into_iter().map(delivery).collect(), pagination }))
}

fn query(params: &DeliveryParams) -> Result<DeliveryQuery> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let limit = positive("limit", params.limit.as_deref())?.map_or(USUAL_LIMIT, i32::unsigned_abs);
    if limit > MOST_LIMIT {
        return Err(Error::invalid("limit", format!("must be at most {MOST_LIMIT}")));
    }
    let offset = given(&params.offset).map(|text| text.parse::<i32>().ok().filter(|offset| *offset >= 0));
    let offset =
        offset.map(|offset| offset.ok_or_else(|| Error::invalid("offset", "must be a whole number from 0")));
    let status = given(&params.status).map(|word| {
        let unknown = || Error::invalid("status", "must be pending, in_flight, succeeded, failed or dead");
        DeliveryStatus::parse(&word).ok_or_else(unknown)
    });
    let event = given(&params.event_type).map(|word| read_event("event_type", &word));
    Ok(DeliveryQuery {
        status: status.transpose()?,
        event: event.transpose()?,
        since: moment("since", params.since.as_deref())?,
        until: moment("until", params.until.as_deref())?,
        limit,
        offset: offset.transpose()?.map_or(0, i32::unsigned_abs),
    })
}

/// Reads event types, each once.
fn read_events(words: &[String]) -> Result<Vec<WebhookEventType>> {
    if words.is_empty() {
        return Err(Error::invalid("subscribed_events", "must have at least one event type"));
    }
    let mut events = Vec::new();
    for word in words {
        let event = read_event("subscribed_events", word)?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

fn read_event(field: &str, word: &str) -> Result<WebhookEventType> {
    WebhookEventType::parse(word).ok_or_else(|| {
        let known: Vec<_> = WebhookEventType::ALL.iter().map(|event| event.as_str()).collect();
        Error::invalid(field, format!("an event type is one of {}", known.join(", ")))
    })
}

fn read_description(text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.chars().count() > MAX_DESCRIPTION_CHARS => Err(Error::invalid(
            "description",
            format!("must have at most {MAX_DESCRIPTION_CHARS} characters"),
        )),
        text => Ok(text),
    }
}

fn shown(webhook: WebhookRecord) -> Webhook {
    Webhook {
        id: webhook.id,
        project_id: webhook.project,
        url: webhook.url,
        description: webhook.description,
        subscribed_events: webhook.events,
        enabled: webhook.enabled,
        created_at: webhook.created_at,
        updated_at: webhook.updated_at,
    }
}

fn with_secret((webhook, secret): (WebhookRecord, Zeroizing<String>)) -> WebhookWithSecret {
    WebhookWithSecret { webhook: shown(webhook), secret: String::clone(&secret) }
}

fn delivery(record: DeliveryRecord) -> WebhookDelivery {
    WebhookDelivery {
        id: record.id,
        external_event_id: record.event_id,
        event_type: record.event,
        status: record.status.as_str(),
        attempt: record.attempt,
        response_status: record.response_status,
        error_message: record.error,
        scheduled_at: record.scheduled_at,
        completed_at: record.completed_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_known_and_each_is_kept_once() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let read = read_events(&words(&["session.failed", "task.healed", "session.failed"])).unwrap();
        assert_eq!(read, [WebhookEventType::SessionFailed, WebhookEventType::TaskHealed]);
        for wrong in [&[][..], &["session.started"], &["session.failed", ""]] {
            assert!(read_events(&words(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_page_has_twenty_five_unless_asked_otherwise_and_a_hundred_at_most() {
        let read = |change: fn(&mut DeliveryParams)| {
            let mut params = DeliveryParams::default();
            change(&mut params);
            query(&params)
        };
        let usual = read(|_| {}).unwrap();
        assert_eq!((usual.limit, usual.offset), (25, 0));
        assert_eq!(read(|params| params.offset = Some("0".to_owned())).unwrap().offset, 0);
        assert!(read(|params| params.limit = Some("101".to_owned())).is_err());
        assert!(read(|params| params.offset = Some("-1".to_owned())).is_err());
        assert!(read(|params| params.status = Some("lost".to_owned())).is_err());
        assert!(read(|params| params.event_type = Some("lost".to_owned())).is_err());
        assert!(read(|params| params.since = Some("lost".to_owned())).is_err());
    }
}
