//! Extensions and certificates: what a project uploads once, and its sessions name.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{CertificateId, ExtensionId};

/// A form with an extension.
#[derive(ToSchema)]
pub struct ExtensionForm {
    /// What to call it.
    #[schema(min_length = 1, max_length = 255, example = "my-extension")]
    pub name: String,
    /// A ZIP file with `manifest.json` at its root, or in its one directory.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// An uploaded extension.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    /// Its id, for `browser.extensions`.
    pub id: ExtensionId,
    /// What it was called when it was uploaded.
    #[schema(example = "my-extension")]
    pub name: String,
    /// Its manifest, as it was uploaded.
    #[schema(value_type = Object)]
    pub manifest: Map<String, Value>,
    /// When it was uploaded (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The same: an extension never changes.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A form with a certificate.
#[derive(ToSchema)]
pub struct CertificateForm {
    /// What sessions name it by.
    #[schema(min_length = 1, max_length = 255, pattern = "^[a-zA-Z0-9\\-_]+$", example = "my-internal-ca")]
    pub name: String,
    /// The certificate of an authority, as PEM or DER: `.crt`, `.pem`, `.cer` or `.der`.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
    /// What it is for.
    #[schema(max_length = 1000)]
    pub description: Option<String>,
}

/// An uploaded certificate of an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Its id.
    pub id: CertificateId,
    /// What sessions name it by, in `browser.ca_certificates`.
    #[schema(example = "my-internal-ca")]
    pub name: String,
    /// What it is for.
    #[schema(required)]
    pub description: Option<String>,
    /// When it was uploaded (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
