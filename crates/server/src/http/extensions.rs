//! `/v1/extensions`: what sessions can load into their browsers.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::{Extension, Json};
use roadstead_api::{Data, ErrorResponse, ExtensionForm, ExtensionId, SuccessResponse};

use super::TAG_EXTENSIONS;
use super::error::Failure;
use super::upload_body::UploadBody;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{EXTENSION_NOT_FOUND, Error, Result};
use crate::session::extensions::{self, MAX_EXTENSION_BYTES};

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 255;

/// Upload an extension
///
/// A ZIP file of at most 50 MiB, 256 MiB unpacked, with a manifest of version 3 at its root or in its one directory. It is looked
/// through, and stored for `browser.extensions` of the project's sessions.
#[utoipa::path(
    post, path = "/extensions", tag = TAG_EXTENSIONS, request_body(content = ExtensionForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "It is there.", body = Data<roadstead_api::Extension>),
        (status = 400, description = "The body is no form with a name and a file, or the file is no extension that sessions may have; says which.", body = ErrorResponse),
        (status = 409, description = "The project has too many.", body = ErrorResponse),
        (status = 413, description = "The file is too large, or what it holds is.", body = ErrorResponse),
        (status = 415, description = "The body says that it is no form.", body = ErrorResponse),
    )
)]
pub async fn create_extension(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: UploadBody,
) -> Result<Json<Data<roadstead_api::Extension>>, Failure> {
    let mut form = body.read(&["name"], MAX_EXTENSION_BYTES, app.sessions().extension_root()).await?;
    let name = form.require_text("name")?;
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) {
        return Err(Error::invalid("name", format!("must have 1 to {MAX_NAME_CHARS} characters")).into());
    }
    let added = app.sessions().add_extension(&caller, name, form.require_file()?.path).await?;
    Ok(Json(Data::of(shown(added))))
}

/// List extensions
#[utoipa::path(
    get, path = "/extensions", tag = TAG_EXTENSIONS,
    responses((status = 200, description = "All extensions of the project, oldest first.", body = Data<Vec<roadstead_api::Extension>>))
)]
pub async fn list_extensions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Data<Vec<roadstead_api::Extension>>>, Failure> {
    let found = app.db().extensions(caller.project).await?;
    Ok(Json(Data::of(found.into_iter().map(shown).collect())))
}

/// Show an extension
#[utoipa::path(
    get, path = "/extensions/{id}", tag = TAG_EXTENSIONS, params(("id" = String, Path, description = "The extension's id.")),
    responses(
        (status = 200, description = "The extension.", body = roadstead_api::Extension),
        (status = 404, description = "Extension not found.", body = ErrorResponse),
    )
)]
pub async fn get_extension(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    ExtensionPath(id): ExtensionPath,
) -> Result<Json<roadstead_api::Extension>, Failure> {
    Ok(Json(shown(app.db().extension(caller.project, id).await?)))
}

/// Delete an extension
///
/// Sessions that have it go on with it.
#[utoipa::path(
    delete, path = "/extensions/{id}", tag = TAG_EXTENSIONS, params(("id" = String, Path, description = "The extension's id.")),
    responses(
        (status = 200, description = "It is gone.", body = Data<SuccessResponse>),
        (status = 404, description = "Extension not found.", body = ErrorResponse),
    )
)]
pub async fn delete_extension(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    ExtensionPath(id): ExtensionPath,
) -> Result<Json<Data<SuccessResponse>>, Failure> {
    app.sessions().delete_extension(&caller, id).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

/// The id in `/v1/extensions/{id}`. One that is no UUID is an extension that does not exist.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionPath(ExtensionId);

impl<S: Send + Sync> FromRequestParts<S> for ExtensionPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await.map_err(|_| EXTENSION_NOT_FOUND)?;
        Ok(Self(id.parse().map_err(|_| EXTENSION_NOT_FOUND)?))
    }
}

fn shown(found: extensions::Extension) -> roadstead_api::Extension {
    roadstead_api::Extension {
        id: found.id,
        name: found.name,
        manifest: found.manifest,
        created_at: found.created_at,
        updated_at: found.created_at,
    }
}
