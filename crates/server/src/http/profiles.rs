//! `/v1/profiles/…`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use roadstead_api::{
    ChangeStatus, Data, ErrorResponse, Items, Profile, ProfileChanged, ProfileCreateRequest, ProfileExit,
    ProfileFacts, ProfileUpdateRequest, SessionId, SuccessResponse,
};

use serde::Deserialize;
use tokio::time::Instant;

use super::body::JsonBody;
use super::error::Failure;
use super::params::Params;
use super::{TAG_PROFILES, params};
use crate::app::App;
use crate::caller::Caller;
use crate::config::{EgressConfig, ExitConfig};
use crate::error::{Error, Result};
use crate::exits::choice::{self, Reserve};
use crate::profile::{NewProfile, ProfileChange, ProfileRecord, ReservedExit};

/// Create a profile
///
/// With a running session it is pending, and filled when that session ends; without one it is empty, and active. With
/// `dedicated_sticky_ip` it gets an exit that no other profile has, and that all its sessions use.
#[utoipa::path(
    post, path = "/profiles", tag = TAG_PROFILES, request_body = ProfileCreateRequest,
    responses(
        (status = 200, description = "The profile exists now.", body = Data<ProfileChanged>),
        (status = 404, description = "Session not found or unreachable.", body = ErrorResponse),
        (status = 409, description = "Profile name already exists, or the exit is taken.", body = ErrorResponse, headers(
            ("x-should-retry" = bool, description = "Always false."),
        )),
        (status = 501, description = "Feature not implemented, or no exits to reserve.", body = ErrorResponse),
        (status = 503, description = "All exits are taken.", body = ErrorResponse),
    )
)]
pub async fn create_profile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<ProfileCreateRequest>,
) -> Result<Json<Data<ProfileChanged>>, Failure> {
    let record = app.profiles().create(&caller, new_profile(&app.config().egress, body)?).await?;
    Ok(Json(Data::of(changed(record, &app.config().egress))))
}

/// List profiles
#[utoipa::path(
    get, path = "/profiles", tag = TAG_PROFILES,
    responses((status = 200, description = "All profiles of the project, oldest first.", body = Data<Items<Profile>>))
)]
pub async fn list_profiles(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Data<Items<Profile>>>, Failure> {
    let records = app.profiles().list(caller.project).await?;
    Ok(Json(Data::of(records.into_iter().map(|record| shown(record, &app.config().egress)).collect())))
}

/// Show a profile
///
/// With `min_revision` it answers once the head is that revision or a later one.
#[utoipa::path(
    get, path = "/profiles/{name}", tag = TAG_PROFILES,
    params(
        ("name" = String, Path, description = "The profile's name, percent-encoded."),
        ("min_revision" = Option<u64>, Query, minimum = 1, description = "Waits until the head is this revision or a later one."),
        ("timeout" = Option<f64>, Query, minimum = 0, maximum = 600, description = "How long to wait, in seconds: 30 by default, at most 600."),
    ),
    responses(
        (status = 200, description = "The profile.", body = Data<Profile>),
        (status = 404, description = "Profile not found.", body = ErrorResponse),
        (status = 408, description = "The head has not become that revision in time.", body = ErrorResponse),
    )
)]
pub async fn get_profile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Params(query): Params<GetProfileQuery>,
) -> Result<Json<Data<Profile>>, Failure> {
    let wanted = params::positive("min_revision", query.min_revision.as_deref())?.map(i64::unsigned_abs);
    let patience = params::seconds("timeout", query.timeout.as_deref(), DEFAULT_PATIENCE, MAX_PATIENCE)?;
    let profile = match wanted {
        None => app.profiles().get(caller.project, &name).await?,
        Some(wanted) => {
            let deadline = Instant::now() + patience;
            app.profiles().wait_for_revision(caller.project, &name, wanted, deadline).await?
        }
    };
    Ok(Json(Data::of(shown(profile, &app.config().egress))))
}

/// What a client may ask to wait for.
#[derive(Debug, Deserialize)]
pub struct GetProfileQuery {
    min_revision: Option<String>,
    timeout: Option<String>,
}

/// How long a client waits that does not say how long.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);
/// The longest that one may wait with one request.
const MAX_PATIENCE: Duration = Duration::from_mins(10);

/// Change a profile
///
/// Its description, a running session to save into it as well, or an exit of its own if it has none.
#[utoipa::path(
    put, path = "/profiles/{name}", tag = TAG_PROFILES, params(("name" = String, Path, description = "The profile's name, percent-encoded.")),
    request_body = ProfileUpdateRequest,
    responses(
        (status = 200, description = "The profile is changed.", body = Data<ProfileChanged>),
        (status = 404, description = "There is no such profile, or no such running session.", body = ErrorResponse),
        (status = 409, description = "The exit is taken, or the profile has another.", body = ErrorResponse),
        (status = 501, description = "Feature not implemented, or no exits to reserve.", body = ErrorResponse),
        (status = 503, description = "All exits are taken.", body = ErrorResponse),
    )
)]
pub async fn update_profile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<ProfileUpdateRequest>,
) -> Result<Json<Data<ProfileChanged>>, Failure> {
    let record = app.profiles().update(&caller, &name, profile_change(&app.config().egress, body)?).await?;
    Ok(Json(Data::of(changed(record, &app.config().egress))))
}

/// Delete a profile
///
/// With all its revisions, for good. Sessions that use it go on; what they would have saved is dropped.
#[utoipa::path(
    delete, path = "/profiles/{name}", tag = TAG_PROFILES, params(("name" = String, Path, description = "The profile's name, percent-encoded.")),
    responses(
        (status = 200, description = "The profile is gone.", body = Data<SuccessResponse>),
        (status = 404, description = "Profile not found.", body = ErrorResponse),
    )
)]
pub async fn delete_profile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Data<SuccessResponse>>, Failure> {
    app.profiles().delete((caller.project, &caller.actor()), &name).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

pub(super) fn new_profile(egress: &EgressConfig, body: ProfileCreateRequest) -> Result<NewProfile> {
    let name = body.name.parse().map_err(|why| Error::invalid("name", why))?;
    let session = source_session(body.source.as_deref(), body.session_id.as_deref())?;
    let reserve = reserve(egress, body.dedicated_sticky_ip, body.exit.as_deref())?;
    Ok(NewProfile { name, description: body.description, session, reserve })
}

pub(super) fn profile_change(egress: &EgressConfig, body: ProfileUpdateRequest) -> Result<ProfileChange> {
    let session = source_session(body.source.as_deref(), body.session_id.as_deref())?;
    let reserve = reserve(egress, body.dedicated_sticky_ip, body.exit.as_deref())?;
    Ok(ProfileChange { description: body.description, session, reserve })
}

/// Reads where a profile's content comes from. A `session_id` alone is enough.
fn source_session(source: Option<&str>, session_id: Option<&str>) -> Result<Option<SessionId>> {
    let session = session_id
        .map(|id| {
            id.parse().map_err(|_| Error::invalid("session_id", "must be a session's id, which is a UUID"))
        })
        .transpose()?;
    match source {
        None => Ok(session),
        Some("session") if session.is_some() => Ok(session),
        Some("session") => Err(Error::invalid("session_id", "is required, since source is \"session\"")),
        Some(_) => Err(Error::NotImplemented("source: only \"session\" is implemented.".to_owned())),
    }
}

/// Reads whether a profile is to have an exit of its own, and which.
fn reserve(egress: &EgressConfig, sticky: Option<bool>, exit: Option<&str>) -> Result<Option<Reserve>> {
    match (sticky, exit) {
        (Some(true), exit) => choice::reserve(exit, egress).map(Some),
        (_, Some(_)) => Err(Error::invalid("exit", "means something only when dedicated_sticky_ip is true")),
        (_, None) => Ok(None),
    }
}

fn changed(record: ProfileRecord, egress: &EgressConfig) -> ProfileChanged {
    let profile_status = record.status.as_str();
    ProfileChanged { status: ChangeStatus::Success, profile_status, facts: facts(record, egress) }
}

fn shown(record: ProfileRecord, egress: &EgressConfig) -> Profile {
    Profile { status: record.status.as_str(), facts: facts(record, egress) }
}

fn shown_exit(exit: &ReservedExit, egress: &EgressConfig) -> ProfileExit {
    let configured = egress.exits.iter().find(|configured| *configured.name() == exit.name);
    let presumed = configured.and_then(ExitConfig::presumed_address);
    ProfileExit { name: exit.name.to_string(), address: exit.address.or(presumed) }
}

fn facts(record: ProfileRecord, egress: &EgressConfig) -> ProfileFacts {
    ProfileFacts {
        name: record.name.to_string(),
        description: record.description,
        source: record.session_id.map(|_| "session"),
        session_id: record.session_id,
        status_reason: record.status_reason,
        dedicated_sticky_ip: record.exit.is_some(),
        exit: record.exit.map(|exit| shown_exit(&exit, egress)),
        revision: record.revision,
        size_bytes: record.size_bytes,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use roadstead_api::ProfileName;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::body::typed;

    fn read(body: &Value) -> Result<NewProfile> {
        new_profile(&EgressConfig::default(), typed(body)?)
    }

    #[test]
    fn a_name_is_enough_and_a_session_is_one_with_or_without_source() {
        let id = SessionId::random();
        for (body, session) in [
            (json!({"name": "a b/c"}), None),
            (
                json!({"name": "a b/c", "source": null, "session_id": null, "dedicated_sticky_ip": false}),
                None,
            ),
            (json!({"name": "a b/c", "session_id": id, "store_cache": true}), Some(id)),
            (json!({"name": "a b/c", "source": "session", "session_id": id}), Some(id)),
        ] {
            let new = read(&body).unwrap();
            assert_eq!((new.name, new.session), ("a b/c".parse::<ProfileName>().unwrap(), session), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, why) in [
            (json!({}), "missing field `name`"),
            (json!({"name": 5}), "name: invalid type: integer `5`, expected a string"),
            (json!({"name": null}), "name: invalid type: null, expected a string"),
            (json!({"name": ""}), "name: must not be empty"),
            (
                json!({"name": "a", "source": "session"}),
                "session_id: is required, since source is \"session\"",
            ),
            (json!({"name": "a", "session_id": "x"}), "session_id: must be a session's id, which is a UUID"),
            (json!({"name": "a", "source": 1}), "source: invalid type: integer `1`, expected a string"),
            (json!({"name": "a", "description": {}}), "description: invalid type: map, expected a string"),
            (
                json!({"name": "a", "source": "file"}),
                "Feature not implemented. source: only \"session\" is implemented.",
            ),
        ] {
            assert_eq!(read(&body).unwrap_err().to_string(), why, "{body}");
        }
        let sticky = read(&json!({"name": "a", "dedicated_sticky_ip": true})).unwrap_err();
        assert!(matches!(sticky, Error::NotImplemented(_)), "{sticky}");
    }
}
