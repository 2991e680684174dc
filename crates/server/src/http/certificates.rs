//! `/v1/certificates`: authorities that sessions can trust besides the usual ones.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use roadstead_api::{CertificateForm, CertificateId, Data, ErrorResponse, SuccessResponse};

use super::TAG_CERTIFICATES;
use super::error::Failure;
use super::session_request::require_certificate_name;
use super::upload_body::UploadBody;
use crate::app::App;
use crate::caller::Caller;
use crate::clock;
use crate::error::{Error, Result};
use crate::session::certificates::{Authority, Certificate, MAX_CERTIFICATE_BYTES};

/// What a file may be called, by its extension.
const KINDS: [&str; 4] = ["crt", "pem", "cer", "der"];
/// The longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 1000;

/// Upload a certificate
///
/// The certificate of an authority, as PEM or DER, for `browser.ca_certificates` of the project's sessions.
#[utoipa::path(
    post, path = "/certificates", tag = TAG_CERTIFICATES, request_body(content = CertificateForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "It is there.", body = Data<roadstead_api::Certificate>),
        (status = 400, description = "The body is no form with a name and a file, or the file is no authority's certificate; says which.", body = ErrorResponse),
        (status = 409, description = "The name is taken, or the project has too many.", body = ErrorResponse),
        (status = 413, description = "The file is too large.", body = ErrorResponse),
        (status = 415, description = "The body says that it is no form.", body = ErrorResponse),
    )
)]
pub async fn create_certificate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: UploadBody,
) -> Result<Json<Data<roadstead_api::Certificate>>, Failure> {
    let fields = &["name", "description"];
    let mut form = body.read(fields, MAX_CERTIFICATE_BYTES, app.sessions().extension_root()).await?;
    let name = form.require_text("name")?;
    require_certificate_name("name", &name)?;
    let description = form.take_text("description").filter(|text| !text.is_empty());
    if description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_CHARS) {
        let why = format!("must have at most {MAX_DESCRIPTION_CHARS} characters");
        return Err(Error::invalid("description", why).into());
    }
    let file = form.require_file()?;
    if !KINDS.contains(&file.name.extension().as_str()) {
        return Err(Error::invalid("file", "must be called .crt, .pem, .cer or .der").into());
    }
    let contents = tokio::fs::read(&file.path).await;
    let contents = contents.map_err(|error| Error::internal("The file could not be read.", error))?;
    let Authority { der, .. } = Authority::read(&contents, clock::now())?;
    let certificate =
        Certificate { id: CertificateId::random(), name, description, der, created_at: clock::now() };
    app.db().add_certificate((caller.project, &caller.actor()), &certificate).await?;
    Ok(Json(Data::of(shown(certificate))))
}

/// List certificates
#[utoipa::path(
    get, path = "/certificates", tag = TAG_CERTIFICATES,
    responses((status = 200, description = "All certificates of the project, oldest first.", body = Data<Vec<roadstead_api::Certificate>>))
)]
pub async fn list_certificates(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Data<Vec<roadstead_api::Certificate>>>, Failure> {
    let found = app.db().certificates(caller.project).await?;
    Ok(Json(Data::of(found.into_iter().map(shown).collect())))
}

/// Delete a certificate
///
/// Sessions that trust it go on doing so.
#[utoipa::path(
    delete, path = "/certificates/{name}", tag = TAG_CERTIFICATES, params(("name" = String, Path, description = "The certificate's name.")),
    responses(
        (status = 200, description = "It is gone.", body = Data<SuccessResponse>),
        (status = 404, description = "Certificate not found.", body = ErrorResponse),
    )
)]
pub async fn delete_certificate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Data<SuccessResponse>>, Failure> {
    app.db().delete_certificate((caller.project, &caller.actor()), &name).await?;
    Ok(Json(Data::of(SuccessResponse::SUCCESS)))
}

fn shown(found: Certificate) -> roadstead_api::Certificate {
    let Certificate { id, name, description, created_at, .. } = found;
    roadstead_api::Certificate { id, name, description, created_at }
}
