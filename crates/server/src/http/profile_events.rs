//! `GET /v1/profiles/{name}/events`: news of a profile, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use roadstead_api::ProfileId;
use serde_json::json;
use tokio::time::Instant;
use tracing::warn;

use super::error::Failure;
use super::{TAG_PROFILES, revisions};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::profile::ProfileStatus;
use crate::profile::news::Listener;

/// How long a listener waits for news at a time; only news and a gone client end it.
const WAIT: Duration = Duration::from_hours(1);
/// How often a comment is sent when there is no news, so that proxies between keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One event of the stream, by the fields of its lines. It is here for the OpenAPI document.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "its fields are what the document says")]
struct ProfileEvent {
    /// `revision`, `status` or `deleted`.
    #[schema(example = "status")]
    event: String,
    /// A JSON object.
    data: String,
    /// The revision's number, with a `revision`.
    #[schema(nullable = false)]
    id: Option<String>,
}

/// Follow a profile
///
/// Server-sent events, until the client goes: `revision` when one is added (its data is the revision, its id the number),
/// `status` when the status changes, `deleted` at the end of the profile. It begins with the status, and with the revisions
/// after `Last-Event-ID` if that is sent, else with the head.
#[utoipa::path(
    get, path = "/profiles/{name}/events", tag = TAG_PROFILES,
    params(
        ("name" = String, Path, description = "The profile's name, percent-encoded."),
        ("Last-Event-ID" = Option<String>, Header, description = "The number of the last revision that is known."),
    ),
    responses(
        (status = 200, description = "The events.", body = ProfileEvent, content_type = "text/event-stream"),
        (status = 404, description = "Profile not found.", body = roadstead_api::ErrorResponse),
    )
)]
pub async fn follow_profile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let listener = app.profiles().news().listen();
    let profile = app.profiles().get(caller.project, &name).await?;
    // Without a mark of the client's own, the head is the news that it starts with.
    let known = known.unwrap_or_else(|| profile.revision.map_or(0, |head| head - 1));
    let id = profile.id;
    let follower = Follower {
        app,
        caller,
        name,
        id,
        listener,
        known,
        status: None,
        pending: VecDeque::new(),
        over: false,
    };
    let events = unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One client that follows a profile.
struct Follower {
    app: App,
    caller: Caller,
    name: String,
    id: ProfileId,
    listener: Listener,
    /// The latest revision that it was told of.
    known: u64,
    status: Option<ProfileStatus>,
    pending: VecDeque<Event>,
    over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            match self.look().await {
                Ok(()) => {}
                Err(Error::NotFound(_)) => {
                    self.pending.push_back(
                        Event::default().event("deleted").data(json!({"name": self.name}).to_string()),
                    );
                    self.over = true;
                }
                Err(problem) => {
                    warn!(error = ?problem, "failed to follow a profile");
                    return None;
                }
            }
            if self.pending.is_empty() && !self.wait().await {
                return None;
            }
        }
    }

    /// Looks what is new.
    async fn look(&mut self) -> Result<()> {
        let profile = self.app.profiles().get(self.caller.project, &self.name).await?;
        let mut revisions = self.app.profiles().revisions(self.caller.project, &self.name).await?;
        revisions.retain(|revision| revision.number > self.known);
        revisions.sort_unstable_by_key(|revision| revision.number);
        for revision in revisions {
            self.known = revision.number;
            let data = serde_json::to_string(&revisions::shown(revision)).expect("our own types are JSON");
            let event = Event::default().event("revision").id(self.known.to_string()).data(data);
            self.pending.push_back(event);
        }
        if self.status != Some(profile.status) {
            self.status = Some(profile.status);
            let data = json!({
                "name": self.name, "status": profile.status.as_str(), "revision": profile.revision,
                "status_reason": profile.status_reason,
            });
            self.pending.push_back(Event::default().event("status").data(data.to_string()));
        }
        Ok(())
    }

    /// Waits for news; false when the server stops.
    async fn wait(&mut self) -> bool {
        let stopping = self.app.lifecycle().soft();
        tokio::select! {
            () = stopping.cancelled() => false,
            _ = self.listener.wait(Some(self.id), Instant::now() + WAIT) => true,
        }
    }
}
