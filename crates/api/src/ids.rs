//! Identifiers and names: one type per kind, so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new random (version 4) id.
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// Returns the bare UUID.
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// Names one session, as in `/v1/sessions/{id}`.
    SessionId
}
uuid_id! {
    /// Names one batch of sessions, or one session that was asked for and not waited for.
    BatchId
}
uuid_id! {
    /// Names one project: the tenant that owns keys, sessions and profiles.
    ProjectId
}
uuid_id! {
    /// Names one download within its session: the `guid` that DevTools clients know it by.
    DownloadId
}
uuid_id! {
    /// Names one recording of a session.
    RecordingId
}
uuid_id! {
    /// Names one uploaded extension, as in `/v1/extensions/{id}`. It is not the id that Chromium knows it by.
    ExtensionId
}
uuid_id! {
    /// Names one uploaded certificate. Sessions and paths name it by its name.
    CertificateId
}
uuid_id! {
    /// Names one API key. It is not the key.
    ApiKeyId
}
uuid_id! {
    /// Names one application that identities are in.
    ApplicationId
}
uuid_id! {
    /// Names one way to log in to an application.
    AuthFlowId
}
uuid_id! {
    /// Names one identity.
    IdentityId
}
uuid_id! {
    /// Names one profile for ever, also its repository in the vault; a deleted profile's name may come back, its id never.
    ProfileId
}

/// Names a profile within its project: 1 to 255 characters of any script, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 255, example = "my-profile")]
pub struct ProfileName(String);

/// The most characters (Unicode scalar values) that a profile's name may have.
pub const MAX_PROFILE_NAME_CHARS: usize = 255;

/// Says what is wrong with a profile's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileNameError {
    /// The name is the empty string.
    #[error("must not be empty")]
    Empty,
    /// The name has more than [`MAX_PROFILE_NAME_CHARS`] characters.
    #[error("must have at most {MAX_PROFILE_NAME_CHARS} characters")]
    TooLong,
    /// The name holds a control character, a line break for example.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl ProfileName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ProfileNameError::Empty);
        }
        if text.chars().count() > MAX_PROFILE_NAME_CHARS {
            return Err(ProfileNameError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(ProfileNameError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_names_are_any_script_without_control_characters() {
        for good in ["a", "Default profile", "my profile/../x", "профиль ✓", "."] {
            assert_eq!(good.parse::<ProfileName>().map(|n| n.0), Ok(good.to_owned()));
        }
        assert_eq!("".parse::<ProfileName>(), Err(ProfileNameError::Empty));
        assert_eq!("a\nb".parse::<ProfileName>(), Err(ProfileNameError::ControlCharacter));
        assert_eq!("é".repeat(256).parse::<ProfileName>(), Err(ProfileNameError::TooLong));
        assert!("é".repeat(255).parse::<ProfileName>().is_ok());
    }
}
