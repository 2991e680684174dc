//! Applications, how one logs in to them, and identities with their credentials.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{ApplicationId, AuthFlowId, IdentityId};

/// An application to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ApplicationCreateRequest {
    /// Where it is: an http or https URL.
    #[schema(format = "uri", min_length = 1, max_length = 2048, example = "https://example.com")]
    pub source: String,
    /// Its name; the URL's host by default.
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// What it is.
    #[schema(max_length = 2048)]
    pub description: Option<String>,
}

/// An application.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Application {
    /// Its id.
    pub id: ApplicationId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is.
    pub description: Option<String>,
    /// How many identities are in it.
    pub identity_count: u64,
    /// The methods of its authentication flows.
    pub auth_methods: Vec<AuthMethod>,
    /// When it was made (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was changed last (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A project's applications.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApplicationList {
    /// They, oldest first.
    pub applications: Vec<Application>,
}

/// Something is deleted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// Always true.
    pub success: bool,
}

/// What somebody shows to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A user name and a password.
    UsernamePassword,
    /// A code of an authenticator.
    Authenticator,
    /// Fields of the application's own.
    Custom,
}

/// A field of an application's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomField {
    /// Its name.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
}

/// A way to log in, to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct AuthFlowCreateRequest {
    /// Its name.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// What it is.
    #[schema(max_length = 2048)]
    pub description: Option<String>,
    /// Whether it is the one to be used; false by default.
    pub is_recommended: Option<bool>,
    /// What is shown.
    #[schema(min_items = 1)]
    pub methods: Vec<AuthMethod>,
    /// The fields of the application's own.
    #[serde(default, deserialize_with = "crate::object::optional_list")]
    pub custom_fields: Option<Vec<CustomField>>,
}

/// A way to log in, to be changed: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct AuthFlowUpdateRequest {
    /// Its name.
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// What it is.
    #[schema(max_length = 2048)]
    pub description: Option<String>,
    /// Whether it is the one to be used.
    pub is_recommended: Option<bool>,
    /// What is shown.
    #[schema(min_items = 1)]
    pub methods: Option<Vec<AuthMethod>>,
    /// The fields of the application's own.
    #[serde(default, deserialize_with = "crate::object::optional_list")]
    pub custom_fields: Option<Vec<CustomField>>,
}

/// A way to log in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuthFlow {
    /// Its id.
    pub id: AuthFlowId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Whether it is the one to be used.
    pub is_recommended: bool,
    /// What is shown.
    pub methods: Vec<AuthMethod>,
    /// The fields of the application's own.
    pub custom_fields: Vec<CustomField>,
    /// When it was made (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was changed last (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// An application's ways to log in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuthFlowList {
    /// They, oldest first.
    pub auth_flows: Vec<AuthFlow>,
}

/// What somebody logs in with. A secret, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Credential {
    /// A user name and a password.
    UsernamePassword {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// What an authenticator makes its codes of.
    Authenticator {
        /// The secret.
        secret: String,
        /// A code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otp: Option<String>,
    },
    /// Fields of the application's own.
    Custom {
        /// They.
        fields: Vec<CredentialField>,
    },
}

/// A field of the application's own, filled in. A secret, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CredentialField {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub value: String,
}

/// An identity to be made. It has no `Debug`, since it may have credentials.
#[derive(Clone, Deserialize, ToSchema)]
pub struct IdentityCreateRequest {
    /// Its name; `Unnamed Identity` by default.
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// Where one logs in: an http or https URL.
    #[schema(format = "uri", min_length = 1, max_length = 2048, example = "https://example.com/login")]
    pub source: String,
    /// What it logs in with; nothing by default.
    #[schema(max_items = 50, value_type = Option<Vec<Credential>>)]
    pub credentials: Option<Value>,
    /// Whatever helps to find it. It is not a secret.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// The application that it is in; by default, the oldest on the same host. It is made where there is none.
    #[serde(rename = "applicationName")]
    #[schema(min_length = 1, max_length = 255)]
    pub application_name: Option<String>,
    /// What the application is, where it is made.
    #[serde(rename = "applicationDescription")]
    #[schema(max_length = 2048)]
    pub application_description: Option<String>,
}

/// An identity to be changed: what is left out stays. It has no `Debug`, since it may have credentials.
#[derive(Clone, Deserialize, ToSchema)]
pub struct IdentityUpdateRequest {
    /// Its name.
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// Whatever helps to find it, in the place of what there was.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// What it logs in with, in the place of what there was.
    #[schema(max_items = 50, value_type = Option<Vec<Credential>>)]
    pub credentials: Option<Value>,
}

/// An identity, without its credentials.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// Its name.
    pub name: String,
    /// Where one logs in.
    pub source: String,
    /// Always `pending`: nothing here logs in to find out whether it is right.
    #[schema(example = "pending")]
    pub status: &'static str,
    /// Whatever helps to find it.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// The application that it is in.
    pub application_id: ApplicationId,
    /// When it was made (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was changed last (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// An application's identities.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IdentityList {
    /// They, oldest first.
    pub identities: Vec<Identity>,
}

/// An identity is deleted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IdentityDeleted {
    /// That it is.
    #[schema(example = "Identity deleted successfully")]
    pub message: &'static str,
}

/// An identity's credentials. They are secrets, so it has no `Debug`.
#[derive(Clone, Serialize, ToSchema)]
pub struct IdentityCredentials {
    /// The identity's id.
    pub id: IdentityId,
    /// Its name.
    pub name: String,
    /// Where one logs in.
    pub source: String,
    /// What it logs in with.
    pub credentials: Vec<Credential>,
}
