//! What the API takes and tells about profiles.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChangeStatus, SessionId};

/// A profile to be created.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ProfileCreateRequest {
    /// Its name: unique in the project, any script, no control characters.
    #[schema(min_length = 1, max_length = 255, example = "my-profile")]
    pub name: String,
    /// What you write about it.
    pub description: Option<String>,
    /// Where its content comes from; only `session` is implemented.
    #[schema(example = "session")]
    pub source: Option<String>,
    /// A running session, which is saved into the profile when it ends. Required when `source` is `session`.
    #[schema(format = Uuid)]
    pub session_id: Option<String>,
    /// Reserves one of the server's exits for this profile alone, until it is deleted: 501 when the server has none, 503 when
    /// all are taken.
    pub dedicated_sticky_ip: Option<bool>,
    /// Which exit, by name; 409 when it is taken. Only with `dedicated_sticky_ip`.
    pub exit: Option<String>,
}

/// A change to a profile. What is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ProfileUpdateRequest {
    /// What you write about it.
    pub description: Option<String>,
    /// Where its content comes from; only `session` is implemented.
    #[schema(example = "session")]
    pub source: Option<String>,
    /// A running session, which is saved into the profile as well when it ends.
    #[schema(format = Uuid)]
    pub session_id: Option<String>,
    /// Reserves one of the server's exits for this profile if it has none yet. False changes nothing: an exit is given back
    /// when its profile is deleted.
    pub dedicated_sticky_ip: Option<bool>,
    /// Which exit, by name; 409 when it is taken. Only with `dedicated_sticky_ip`.
    pub exit: Option<String>,
}

/// A profile.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Profile {
    /// `pending` (its session still runs), `active` or `failed` (the latest save failed; the head is still usable).
    #[schema(example = "active")]
    pub status: &'static str,
    /// All the rest.
    #[serde(flatten)]
    pub facts: ProfileFacts,
}

/// A profile that was created or changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProfileChanged {
    /// Always `success`.
    pub status: ChangeStatus,
    /// The profile's own status: `pending`, `active` or `failed`.
    #[schema(example = "pending")]
    pub profile_status: &'static str,
    /// All the rest.
    #[serde(flatten)]
    pub facts: ProfileFacts,
}

/// The exit that is reserved for a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProfileExit {
    /// Its name in the server's configuration.
    #[schema(example = "berlin-1")]
    pub name: String,
    /// The address that sites see, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    pub address: Option<IpAddr>,
}

/// What is known of a profile besides its status, for which two answers have two words.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProfileFacts {
    /// Its name.
    pub name: String,
    /// What its owner wrote about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its content comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "session")]
    pub source: Option<&'static str>,
    /// The session that it was made from, or was last tied to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Why the latest save failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Whether it has an exit of its own, which all its sessions use.
    pub dedicated_sticky_ip: bool,
    /// That exit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<ProfileExit>,
    /// Its head's number, from 1; absent while it holds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Its head's restored size in bytes.
    pub size_bytes: u64,
    /// When it was created (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}
