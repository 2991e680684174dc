//! `/v1/profiles/…`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use roadstead_api::{
    ChangeStatus, Data, ErrorResponse, Items, Profile, ProfileChanged, ProfileCreateRequest, ProfileFacts,
    ProfileUpdateRequest, SessionId, SuccessResponse,
};

use serde::Deserialize;
use tokio::time::Instant;

use super::body::JsonBody;
use super::error::Failure;
use super::params::Params;
use super::{TAG_PROFILES, params};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::profile::{NewProfile, ProfileChange, ProfileRecord};

/// Create a profile
///
/// With a running session it is pending, and filled when that session ends; without one it is empty, and active.
#[utoipa::path(
    post, path = "/profiles", tag = TAG_PROFILES, request_body = ProfileCreateRequest,
    responses(
        (status = 200, description = "The profile exists now.", body = Data<ProfileChanged>),
        (status = 404, description = "Session not found or unreachable.", body = ErrorResponse),
        (status = 409, description = "Profile name already exists.", body = ErrorResponse, headers(
            ("x-should-retry" = bool, description = "Always false."),
        )),
        (status = 501, description = "Feature not implemented.", body = ErrorResponse),
    )
)]
pub async fn create_profile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<ProfileCreateRequest>,
) -> Result<Json<Data<ProfileChanged>>, Failure> {
    let record = app.profiles().create(&caller, new_profile(body)?).await?;
    Ok(Json(Data::of(changed(record))))
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
    Ok(Json(Data::of(records.into_iter().map(shown).collect())))
}

/// Show a profile
///
/// With `min_revision` it answers once the head is that revision or a later one.
#[utoipa::path(
    get, path = "/profiles/{name}", tag = TAG_PROFILES,
    params(
        ("name" = String, Path, description = "The profile's name, percent-encoded."),
        ("min_revision" = Option<u64>, Query, description = "Waits until the head is this revision or a later one."),
        ("timeout" = Option<f64>, Query, description = "How long to wait, in seconds: 30 by default, at most 600."),
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
    let wanted = params::positive("min_revision", query.min_revision.as_deref())?;
    let patience = params::seconds("timeout", query.timeout.as_deref(), DEFAULT_PATIENCE, MAX_PATIENCE)?;
    let profile = match wanted {
        None => app.profiles().get(caller.project, &name).await?,
        Some(wanted) => {
            let deadline = Instant::now() + patience;
            app.profiles().wait_for_revision(caller.project, &name, wanted.into(), deadline).await?
        }
    };
    Ok(Json(Data::of(shown(profile))))
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
/// Its description, or a running session to save into it as well.
#[utoipa::path(
    put, path = "/profiles/{name}", tag = TAG_PROFILES, params(("name" = String, Path, description = "The profile's name, percent-encoded.")),
    request_body = ProfileUpdateRequest,
    responses(
        (status = 200, description = "The profile is changed.", body = Data<ProfileChanged>),
        (status = 404, description = "There is no such profile, or no such running session.", body = ErrorResponse),
        (status = 501, description = "Feature not implemented.", body = ErrorResponse),
    )
)]
pub async fn update_profile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<ProfileUpdateRequest>,
) -> Result<Json<Data<ProfileChanged>>, Failure> {
    let record = app.profiles().update(caller.project, &name, profile_change(body)?).await?;
    Ok(Json(Data::of(changed(record))))
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
    app.profiles().delete(caller.project, &name).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

fn new_profile(body: ProfileCreateRequest) -> Result<NewProfile> {
    let name = body.name.parse().map_err(|why| Error::invalid("name", why))?;
    let session = source_session(body.source.as_deref(), body.session_id.as_deref())?;
    refuse_sticky_ip(body.dedicated_sticky_ip)?;
    Ok(NewProfile { name, description: body.description, session })
}

fn profile_change(body: ProfileUpdateRequest) -> Result<ProfileChange> {
    let session = source_session(body.source.as_deref(), body.session_id.as_deref())?;
    refuse_sticky_ip(body.dedicated_sticky_ip)?;
    Ok(ProfileChange { description: body.description, session })
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

fn refuse_sticky_ip(wanted: Option<bool>) -> Result<()> {
    if wanted != Some(true) {
        return Ok(());
    }
    let why = "dedicated_sticky_ip: there are no addresses to reserve yet; leave it out, or set it to false.";
    Err(Error::NotImplemented(why.to_owned()))
}

fn changed(record: ProfileRecord) -> ProfileChanged {
    let profile_status = record.status.as_str();
    ProfileChanged { status: ChangeStatus::Success, profile_status, facts: facts(record) }
}

fn shown(record: ProfileRecord) -> Profile {
    Profile { status: record.status.as_str(), facts: facts(record) }
}

fn facts(record: ProfileRecord) -> ProfileFacts {
    ProfileFacts {
        name: record.name.to_string(),
        description: record.description,
        source: record.session_id.map(|_| "session"),
        session_id: record.session_id,
        status_reason: record.status_reason,
        dedicated_sticky_ip: false,
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
        new_profile(typed(body)?)
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
