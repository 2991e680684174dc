//! What the API tells about exits: the ways out to the network that the server's operator configured.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// An exit. Credentials are never told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Exit {
    /// Its name in the configuration.
    #[schema(example = "berlin-1")]
    pub name: String,
    /// `source_address` or `proxy`.
    #[schema(example = "source_address")]
    pub kind: &'static str,
    /// The address that sites see: as it was observed last, or as the configuration says.
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    pub address: Option<IpAddr>,
    /// The country that it appears in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// The region that it appears in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The city that it appears in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Whether sessions use it that name no other; such a one cannot be reserved.
    pub default: bool,
    /// Whether it is reserved for a profile, of any project.
    pub reserved: bool,
    /// That profile, if it is one of this project's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What the last check found; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_check: Option<ExitCheck>,
}

/// What a check of an exit found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExitCheck {
    /// When it was made (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Whether the exit works, and shows the address that it should.
    pub ok: bool,
    /// The address that was observed, with an echo URL configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    pub address: Option<IpAddr>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}
