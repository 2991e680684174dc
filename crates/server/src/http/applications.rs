//! `/v1/applications/…`: what identities are in, and how one logs in there. Answers are bare, as the published API has them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use roadstead_api::{
    Application, ApplicationCreateRequest, ApplicationList, AuthFlow, AuthFlowCreateRequest, AuthFlowList,
    AuthFlowUpdateRequest, AuthMethod, CustomField, Deleted, ErrorResponse, IdentityList,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::IntoParams;

use super::TAG_APPLICATIONS;
use super::body::JsonBody;
use super::error::Failure;
use super::identities;
use super::params::{ApplicationPath, AuthFlowPath, Pairs, Params};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::identities::{ApplicationRecord, AuthFlowChange, AuthFlowRecord, IdentityQuery, NewApplication};

/// The longest URL, in characters.
const MAX_URL_CHARS: usize = 2048;
/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 255;
/// The longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 2048;
/// How many fields of its own an authentication flow may have.
const MAX_FIELDS: usize = 50;

/// Create an application
#[utoipa::path(
    post, path = "/applications", tag = TAG_APPLICATIONS, request_body = ApplicationCreateRequest,
    responses((status = 201, description = "The application exists now.", body = Application))
)]
pub async fn create_application(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<ApplicationCreateRequest>,
) -> Result<(StatusCode, Json<Application>), Failure> {
    let new = read_application(&body.source, body.name, body.description)?;
    Ok((StatusCode::CREATED, Json(shown(app.db().create_application(&caller, &new).await?))))
}

/// Which applications.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApplicationParams {
    /// Those whose names hold this, in any case.
    search: Option<String>,
}

/// List applications
#[utoipa::path(
    get, path = "/applications", tag = TAG_APPLICATIONS, params(ApplicationParams),
    responses((status = 200, description = "The project's applications, oldest first.", body = ApplicationList))
)]
pub async fn list_applications(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<ApplicationParams>,
) -> Result<Json<ApplicationList>, Failure> {
    let found = app.db().applications(caller.project, &params.search.unwrap_or_default()).await?;
    Ok(Json(ApplicationList { applications: found.into_iter().map(shown).collect() }))
}

/// Show an application
#[utoipa::path(
    get, path = "/applications/{application_id}", tag = TAG_APPLICATIONS,
    params(("application_id" = String, Path, description = "The application's id.")),
    responses(
        (status = 200, description = "The application.", body = Application),
        (status = 404, description = "Application not found.", body = ErrorResponse),
    )
)]
pub async fn get_application(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    ApplicationPath(id): ApplicationPath,
) -> Result<Json<Application>, Failure> {
    Ok(Json(shown(app.db().application(caller.project, id).await?)))
}

/// Delete an application
///
/// With its authentication flows, its identities, and their credentials.
#[utoipa::path(
    delete, path = "/applications/{application_id}", tag = TAG_APPLICATIONS,
    params(("application_id" = String, Path, description = "The application's id.")),
    responses(
        (status = 200, description = "The application is gone.", body = Deleted),
        (status = 404, description = "Application not found.", body = ErrorResponse),
    )
)]
pub async fn delete_application(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    ApplicationPath(id): ApplicationPath,
) -> Result<Json<Deleted>, Failure> {
    app.db().delete_application(&caller, id).await?;
    Ok(Json(Deleted { success: true }))
}

/// List an application's identities
///
/// Without their credentials. `metadata` finds those that have all of the values that it names.
#[utoipa::path(
    get, path = "/applications/{application_id}/identities", tag = TAG_APPLICATIONS,
    params(
        ("application_id" = String, Path, description = "The application's id."),
        ("search" = Option<String>, Query, description = "Those whose names hold this, in any case."),
        ("metadata" = Option<Object>, Query, style = DeepObject, explode, description = "As `metadata[key]=value`, or a JSON object."),
    ),
    responses(
        (status = 200, description = "The identities that match, oldest first.", body = IdentityList),
        (status = 404, description = "Application not found.", body = ErrorResponse),
    )
)]
pub async fn list_application_identities(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    ApplicationPath(id): ApplicationPath,
    Pairs(pairs): Pairs,
) -> Result<Json<IdentityList>, Failure> {
    let found = app.identities().list(caller.project, id, &read_query(pairs)?).await?;
    Ok(Json(IdentityList { identities: found.into_iter().map(identities::shown).collect() }))
}

/// List an application's authentication flows
#[utoipa::path(
    get, path = "/applications/{application_id}/auth-flows", tag = TAG_APPLICATIONS,
    params(("application_id" = String, Path, description = "The application's id.")),
    responses(
        (status = 200, description = "The authentication flows, oldest first.", body = AuthFlowList),
        (status = 404, description = "Application not found.", body = ErrorResponse),
    )
)]
pub async fn list_auth_flows(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    ApplicationPath(id): ApplicationPath,
) -> Result<Json<AuthFlowList>, Failure> {
    let found = app.db().auth_flows(caller.project, id).await?;
    Ok(Json(AuthFlowList { auth_flows: found.into_iter().map(shown_flow).collect() }))
}

/// Create an authentication flow
///
/// A description of how one logs in. One that is recommended takes that from the application's others.
#[utoipa::path(
    post, path = "/applications/{application_id}/auth-flows", tag = TAG_APPLICATIONS,
    params(("application_id" = String, Path, description = "The application's id.")),
    request_body = AuthFlowCreateRequest,
    responses(
        (status = 201, description = "The authentication flow exists now.", body = AuthFlow),
        (status = 404, description = "Application not found.", body = ErrorResponse),
    )
)]
pub async fn create_auth_flow(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    ApplicationPath(id): ApplicationPath,
    JsonBody(body): JsonBody<AuthFlowCreateRequest>,
) -> Result<(StatusCode, Json<AuthFlow>), Failure> {
    let new = read_flow(AuthFlowChange {
        name: Some(body.name),
        description: body.description,
        is_recommended: body.is_recommended,
        methods: Some(body.methods),
        custom_fields: body.custom_fields,
    })?;
    Ok((StatusCode::CREATED, Json(shown_flow(app.db().create_auth_flow(&caller, id, &new).await?))))
}

/// Change an authentication flow
///
/// What is left out stays.
#[utoipa::path(
    patch, path = "/applications/{application_id}/auth-flows/{auth_flow_id}", tag = TAG_APPLICATIONS, params(AuthFlowPath),
    request_body = AuthFlowUpdateRequest,
    responses(
        (status = 200, description = "The authentication flow, as it is now.", body = AuthFlow),
        (status = 404, description = "There is no such application, or no such flow.", body = ErrorResponse),
    )
)]
pub async fn update_auth_flow(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: AuthFlowPath,
    JsonBody(body): JsonBody<AuthFlowUpdateRequest>,
) -> Result<Json<AuthFlow>, Failure> {
    let AuthFlowUpdateRequest { name, description, is_recommended, methods, custom_fields } = body;
    let change = read_flow(AuthFlowChange { name, description, is_recommended, methods, custom_fields })?;
    Ok(Json(shown_flow(app.db().update_auth_flow(&caller, path.ids(), &change).await?)))
}

/// Delete an authentication flow
#[utoipa::path(
    delete, path = "/applications/{application_id}/auth-flows/{auth_flow_id}", tag = TAG_APPLICATIONS, params(AuthFlowPath),
    responses(
        (status = 200, description = "The authentication flow is gone.", body = Deleted),
        (status = 404, description = "There is no such application, or no such flow.", body = ErrorResponse),
    )
)]
pub async fn delete_auth_flow(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: AuthFlowPath,
) -> Result<Json<Deleted>, Failure> {
    let (application, id) = path.ids();
    app.db().delete_auth_flow(&caller, application, id).await?;
    Ok(Json(Deleted { success: true }))
}

/// Reads an application: where it is, and what it is called.
pub(super) fn read_application(
    source: &str,
    name: Option<String>,
    description: Option<String>,
) -> Result<NewApplication> {
    let wrong = || {
        let why = format!(
            "must be an http or https URL of at most {MAX_URL_CHARS} characters, without user name and password"
        );
        Error::invalid("source", why)
    };
    let url =
        Url::parse(source).ok().filter(|_| source.chars().count() <= MAX_URL_CHARS).ok_or_else(wrong)?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https") && is_plain);
    Ok(NewApplication {
        name: read_name("name", name)?,
        host: host.ok_or_else(wrong)?.to_owned(),
        url: source.to_owned(),
        description: read_description("description", description)?,
    })
}

/// Reads a name: 1 to 255 characters.
pub(super) fn read_name(field: &str, name: Option<String>) -> Result<Option<String>> {
    match name {
        Some(name) if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) => {
            Err(Error::invalid(field, format!("must have 1 to {MAX_NAME_CHARS} characters")))
        }
        name => Ok(name),
    }
}

/// Reads a description.
pub(super) fn read_description(field: &str, text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.chars().count() > MAX_DESCRIPTION_CHARS => {
            Err(Error::invalid(field, format!("must have at most {MAX_DESCRIPTION_CHARS} characters")))
        }
        text => Ok(text),
    }
}

fn read_flow(change: AuthFlowChange) -> Result<AuthFlowChange> {
    let mut methods: Option<Vec<AuthMethod>> = change.methods.as_ref().map(|_| Vec::new());
    for method in change.methods.iter().flatten() {
        let known = methods.get_or_insert_default();
        if !known.contains(method) {
            known.push(*method);
        }
    }
    if methods.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::invalid("methods", "must have at least one method"));
    }
    if change.custom_fields.as_ref().is_some_and(|fields| fields.len() > MAX_FIELDS) {
        return Err(Error::invalid("custom_fields", format!("must be at most {MAX_FIELDS}")));
    }
    for CustomField { name } in change.custom_fields.iter().flatten() {
        read_name("custom_fields", Some(name.clone()))?;
    }
    Ok(AuthFlowChange {
        name: read_name("name", change.name)?,
        description: read_description("description", change.description)?,
        methods,
        ..change
    })
}

/// Reads which identities: `metadata[key]=value`, or a JSON object.
fn read_query(pairs: Vec<(String, String)>) -> Result<IdentityQuery> {
    let mut query = IdentityQuery::default();
    for (name, value) in pairs {
        if name == "search" {
            query.search = Some(value).filter(|text| !text.is_empty());
        } else if name == "metadata" && !value.is_empty() {
            let wrong =
                |_| Error::invalid("metadata", "must be a JSON object, or given as metadata[key]=value");
            let object: Map<String, Value> = serde_json::from_str(&value).map_err(wrong)?;
            query.metadata.extend(object.into_iter().map(|(key, value)| match value {
                Value::String(text) => (key, text),
                other => (key, other.to_string()),
            }));
        } else if let Some(key) = name.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']')) {
            query.metadata.push((key.to_owned(), value));
        }
    }
    Ok(query)
}

fn shown(record: ApplicationRecord) -> Application {
    Application {
        id: record.id,
        name: record.name,
        url: record.url,
        description: record.description,
        identity_count: record.identities,
        auth_methods: record.methods,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

fn shown_flow(record: AuthFlowRecord) -> AuthFlow {
    AuthFlow {
        id: record.id,
        name: record.name,
        description: record.description,
        is_recommended: record.is_recommended,
        methods: record.methods,
        custom_fields: record.custom_fields,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_url_and_its_host_the_usual_name() {
        let read = |source: &str| read_application(source, None, None);
        let read_one = read("https://Example.com:8443/login").unwrap();
        assert_eq!((read_one.host.as_str(), read_one.name), ("example.com", None));
        for wrong in [
            "",
            "example.com",
            "ftp://example.com",
            "https://u:p@example.com",
            "file:///etc/passwd",
            &format!("https://a.test/{}", "x".repeat(2048)),
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn metadata_is_asked_for_in_either_form() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            read_query(pairs.collect()).map(|query| query.metadata)
        };
        let wanted = vec![("a".to_owned(), "b".to_owned()), ("n".to_owned(), "1".to_owned())];
        assert_eq!(read(&[("metadata", "{\"a\":\"b\",\"n\":1}")]).unwrap(), wanted);
        assert_eq!(read(&[("metadata[a]", "b"), ("metadata[n]", "1"), ("search", "x")]).unwrap(), wanted);
        assert!(read(&[("metadata", "[1]")]).is_err());
    }
}
