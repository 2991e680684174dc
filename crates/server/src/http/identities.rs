//! `/v1/identities/…`: who logs in where, and with what. Credentials are in the one answer that is for them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use roadstead_api::{
    Credential, ErrorResponse, Identity, IdentityCreateRequest, IdentityCredentials, IdentityDeleted,
    IdentityUpdateRequest,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::TAG_IDENTITIES;
use super::applications::{read_application, read_description, read_name};
use super::body::JsonBody;
use super::error::Failure;
use super::params::{IdentityPath, Params, flag};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::identities::{IdentityChange, IdentityRecord, NewIdentity};

/// The published API's name for one that has none.
const UNNAMED: &str = "Unnamed Identity";
/// How many credentials an identity may have.
const MAX_CREDENTIALS: usize = 50;

/// How an identity is made.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IdentityParams {
    /// Whether the answer comes before the identity was validated: true, or nothing. Nothing validates it here.
    #[serde(rename = "validateAsync")]
    #[param(value_type = Option<bool>)]
    validate_async: Option<String>,
}

/// Create an identity
///
/// Its credentials are sealed. Nothing here logs in with them: the status stays `pending`.
#[utoipa::path(
    post, path = "/identities", tag = TAG_IDENTITIES, params(IdentityParams), request_body = IdentityCreateRequest,
    responses(
        (status = 201, description = "The identity exists now.", body = Identity),
        (status = 501, description = "It was to be validated first.", body = ErrorResponse),
    )
)]
pub async fn create_identity(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<IdentityParams>,
    JsonBody(body): JsonBody<IdentityCreateRequest>,
) -> Result<(StatusCode, Json<Identity>), Failure> {
    if flag("validateAsync", params.validate_async.as_deref())? == Some(false) {
        return Err(Error::NotImplemented(
            "validateAsync: Nothing here logs in by itself, so an identity cannot be validated; leave it out, log in once, by hand or by script, and save the session with POST /v1/profiles.".to_owned(),
        )
        .into());
    }
    let made = app.identities().create(&caller, read_new(body)?).await?;
    Ok((StatusCode::CREATED, Json(shown(made))))
}

/// Show an identity
///
/// Without its credentials.
#[utoipa::path(
    get, path = "/identities/{identity_id}", tag = TAG_IDENTITIES, params(("identity_id" = String, Path, description = "The identity's id.")),
    responses(
        (status = 200, description = "The identity.", body = Identity),
        (status = 404, description = "Identity not found.", body = ErrorResponse),
    )
)]
pub async fn get_identity(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    IdentityPath(id): IdentityPath,
) -> Result<Json<Identity>, Failure> {
    Ok(Json(shown(app.db().identity(caller.project, id).await?)))
}

/// Change an identity
///
/// What is left out stays.
#[utoipa::path(
    put, path = "/identities/{identity_id}", tag = TAG_IDENTITIES, params(("identity_id" = String, Path, description = "The identity's id.")),
    request_body = IdentityUpdateRequest,
    responses(
        (status = 200, description = "The identity, as it is now.", body = Identity),
        (status = 404, description = "Identity not found.", body = ErrorResponse),
    )
)]
pub async fn update_identity(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    IdentityPath(id): IdentityPath,
    JsonBody(body): JsonBody<IdentityUpdateRequest>,
) -> Result<Json<Identity>, Failure> {
    let change = IdentityChange {
        name: read_name("name", body.name)?,
        metadata: body.metadata,
        credentials: read_credentials(body.credentials)?,
    };
    Ok(Json(shown(app.identities().update(&caller, id, change).await?)))
}

/// Delete an identity
///
/// With its credentials. The application that it is in stays.
#[utoipa::path(
    delete, path = "/identities/{identity_id}", tag = TAG_IDENTITIES, params(("identity_id" = String, Path, description = "The identity's id.")),
    responses(
        (status = 200, description = "The identity is gone.", body = IdentityDeleted),
        (status = 404, description = "Identity not found.", body = ErrorResponse),
    )
)]
pub async fn delete_identity(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    IdentityPath(id): IdentityPath,
) -> Result<Json<IdentityDeleted>, Failure> {
    app.db().delete_identity(&caller, id).await?;
    Ok(Json(IdentityDeleted { message: "Identity deleted successfully" }))
}

/// Show an identity's credentials
///
/// In the clear. That they were asked for is in the audit log.
#[utoipa::path(
    get, path = "/identities/{identity_id}/credentials", tag = TAG_IDENTITIES,
    params(("identity_id" = String, Path, description = "The identity's id.")),
    responses(
        (status = 200, description = "The credentials.", body = IdentityCredentials),
        (status = 404, description = "Identity not found.", body = ErrorResponse),
    )
)]
pub async fn get_identity_credentials(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    IdentityPath(id): IdentityPath,
) -> Result<Json<IdentityCredentials>, Failure> {
    let (identity, credentials) = app.identities().credentials(&caller, id).await?;
    let IdentityRecord { id, name, source, .. } = identity;
    Ok(Json(IdentityCredentials { id, name, source, credentials }))
}

fn read_new(body: IdentityCreateRequest) -> Result<NewIdentity> {
    let name = read_name("applicationName", body.application_name)?;
    let description = read_description("applicationDescription", body.application_description)?;
    Ok(NewIdentity {
        name: read_name("name", body.name)?.unwrap_or_else(|| UNNAMED.to_owned()),
        application: read_application(&body.source, name, description)?,
        metadata: body.metadata.unwrap_or_default(),
        credentials: read_credentials(body.credentials)?.unwrap_or_default(),
    })
}

/// Reads credentials. What is wrong with them is told without what they hold.
fn read_credentials(list: Option<Value>) -> Result<Option<Vec<Credential>>> {
    let Some(list) = list.filter(|list| !list.is_null()) else { return Ok(None) };
    let Value::Array(list) = list else {
        return Err(Error::invalid("credentials", "must be a list"));
    };
    if list.len() > MAX_CREDENTIALS {
        return Err(Error::invalid("credentials", format!("must be at most {MAX_CREDENTIALS}")));
    }
    let read = |(place, one): (usize, Value)| {
        let forms = "must be {type: username_password, username, password}, {type: authenticator, secret, otp?} or {type: custom, fields: [{name, value}]}, all of text";
        let wrong = || Error::invalid(&format!("credentials[{place}]"), forms);
        if !one.is_object() {
            return Err(wrong());
        }
        serde_json::from_value(one).map_err(|_| wrong())
    };
    list.into_iter().enumerate().map(read).collect::<Result<_>>().map(Some)
}

/// Shows an identity, without its credentials.
pub(super) fn shown(record: IdentityRecord) -> Identity {
    Identity {
        id: record.id,
        name: record.name,
        source: record.source,
        status: "pending",
        metadata: record.metadata,
        application_id: record.application,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_with_credentials_is_told_without_them() {
        let good = json!([
            {"type": "username_password", "username": "u", "password": "p"},
            {"type": "authenticator", "secret": "s", "otp": null},
            {"type": "custom", "fields": [{"name": "n", "value": "v"}]},
        ]);
        assert_eq!(read_credentials(Some(good)).ok().unwrap().unwrap().len(), 3);
        assert!(read_credentials(Some(Value::Null)).ok().unwrap().is_none());
        for wrong in [
            json!("hunter2"),
            json!(["hunter2"]),
            json!([{"type": "hunter2"}]),
            json!([{"type": "username_password", "username": "u", "password": ["hunter2"]}]),
            json!([{"type": "username_password", "password": "hunter2"}]),
            json!([{"type": "custom", "fields": {"hunter2": "hunter2"}}]),
            json!([["username_password", "hunter2", "hunter2"]]),
            Value::Array(vec![json!({"type": "authenticator", "secret": "hunter2"}); 51]),
        ] {
            let why = read_credentials(Some(wrong)).err().unwrap().to_string();
            assert!(why.starts_with("credentials") && !why.contains("hunter2"), "{why}");
        }
    }
}
