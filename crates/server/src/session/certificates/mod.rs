//! Certificates of authorities: uploaded once by a project, and trusted in those of its sessions that name them.
//!
//! What is here: what is taken ([`authority`]), and how a browser comes to trust it ([`nss`]). Certificates are public, so they are in the
//! database as they are.

mod authority;
mod nss;

use jiff::Timestamp;
use roadstead_api::CertificateId;

pub use self::authority::Authority;
pub(super) use self::nss::trust;

use crate::error::Error;

/// How large an uploaded file may be, in bytes: no certificate of an authority comes near.
pub const MAX_CERTIFICATE_BYTES: u64 = 64 << 10;

/// An uploaded certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its id.
    pub id: CertificateId,
    /// What sessions name it by.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The certificate itself.
    pub der: Vec<u8>,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// Says that a session names a certificate that its project does not have.
pub fn gone(name: &str) -> Error {
    Error::invalid(
        "browser.ca_certificates",
        format!("there is no certificate {name:?}; GET /v1/certificates lists those that there are"),
    )
}
