//! Applications, how one logs in to them, and identities: what is kept of them. Nothing here logs in.
//!
//! Credentials are sealed by the vault before they come to the database, and opened for whoever asks for them alone, which is on
//! record before they are given.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use roadstead_api::{ApplicationId, AuthFlowId, AuthMethod, Credential, CustomField, IdentityId, ProjectId};
use roadstead_vault::Vault;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::db::Db;
use crate::error::{Error, Result};

/// An application.
#[derive(Clone, Debug)]
pub struct ApplicationRecord {
    /// Its id.
    pub id: ApplicationId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is.
    pub description: Option<String>,
    /// How many identities are in it.
    pub identities: u64,
    /// The methods of its authentication flows, each once.
    pub methods: Vec<AuthMethod>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// An application to be made.
#[derive(Clone, Debug)]
pub struct NewApplication {
    /// Its name; the host when absent.
    pub name: Option<String>,
    /// Where it is.
    pub url: String,
    /// The URL's host.
    pub host: String,
    /// What it is.
    pub description: Option<String>,
}

/// A way to log in.
#[derive(Clone, Debug)]
pub struct AuthFlowRecord {
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
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What of a way to log in is set or changed.
#[derive(Clone, Debug, Default)]
pub struct AuthFlowChange {
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Whether it is the one to be used.
    pub is_recommended: Option<bool>,
    /// What is shown.
    pub methods: Option<Vec<AuthMethod>>,
    /// The fields of the application's own.
    pub custom_fields: Option<Vec<CustomField>>,
}

/// An identity, without its credentials.
#[derive(Clone, Debug)]
pub struct IdentityRecord {
    /// Its id.
    pub id: IdentityId,
    /// The application that it is in.
    pub application: ApplicationId,
    /// Its name.
    pub name: String,
    /// Where one logs in.
    pub source: String,
    /// Whatever helps to find it.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// An identity to be put on record, its credentials sealed.
#[derive(Clone, Debug)]
pub struct SealedIdentity {
    /// Its id.
    pub id: IdentityId,
    /// Its name.
    pub name: String,
    /// The application that it is in, found by its host, and by its name if it has one; made where there is none.
    pub application: NewApplication,
    /// Whatever helps to find it.
    pub metadata: Map<String, Value>,
    /// What it logs in with.
    pub credentials: Vec<u8>,
}

/// An identity to be made. It has no `Debug`.
pub struct NewIdentity {
    /// Its name.
    pub name: String,
    /// The application that it is in.
    pub application: NewApplication,
    /// Whatever helps to find it.
    pub metadata: Map<String, Value>,
    /// What it logs in with.
    pub credentials: Vec<Credential>,
}

/// What of an identity is changed. It has no `Debug`.
pub struct IdentityChange {
    /// Its name.
    pub name: Option<String>,
    /// Whatever helps to find it.
    pub metadata: Option<Map<String, Value>>,
    /// What it logs in with.
    pub credentials: Option<Vec<Credential>>,
}

/// Which of an application's identities.
#[derive(Clone, Debug, Default)]
pub struct IdentityQuery {
    /// Those whose names hold this, in any case.
    pub search: Option<String>,
    /// Those whose metadata have these values.
    pub metadata: Vec<(String, String)>,
}

impl IdentityQuery {
    /// Tells whether an identity is one of them. What is no text counts by its JSON.
    pub fn matches(&self, identity: &IdentityRecord) -> bool {
        let holds = |text: &String| identity.name.to_lowercase().contains(&text.to_lowercase());
        let has = |(key, wanted): &(String, String)| match identity.metadata.get(key) {
            Some(Value::String(found)) => found == wanted,
            Some(found) => {
                let text = found.to_string();
                text == *wanted
            }
            None => false,
        };
        self.search.as_ref().is_none_or(holds) && self.metadata.iter().all(has)
    }
}

/// All identities of a server; clones share them.
#[derive(Clone)]
pub struct Identities(Arc<Parts>);

struct Parts {
    db: Db,
    vault: Vault,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}

impl Identities {
    /// Makes the room.
    pub fn new(db: Db, vault: Vault) -> Self {
        Self(Arc::new(Parts { db, vault }))
    }

    /// Makes an identity, and the application that it is in where there is none.
    pub async fn create(&self, caller: &Caller, new: NewIdentity) -> Result<IdentityRecord> {
        let id = IdentityId::random();
        let credentials = self.seal(id, &new.credentials).await?;
        let NewIdentity { name, application, metadata, .. } = new;
        let sealed = SealedIdentity { id, name, application, metadata, credentials };
        self.0.db.create_identity(caller, sealed).await
    }

    /// Changes an identity.
    pub async fn update(
        &self,
        caller: &Caller,
        id: IdentityId,
        change: IdentityChange,
    ) -> Result<IdentityRecord> {
        let sealed = match &change.credentials {
            Some(credentials) => Some(self.seal(id, credentials).await?),
            None => None,
        };
        let (name, metadata) = (change.name.as_deref(), change.metadata.as_ref());
        self.0.db.update_identity(caller, id, name, metadata, sealed.as_deref()).await
    }

    /// Lists those of an application's identities that a query is for, oldest first.
    pub async fn list(
        &self,
        project: ProjectId,
        application: ApplicationId,
        query: &IdentityQuery,
    ) -> Result<Vec<IdentityRecord>> {
        let all = self.0.db.identities(project, application).await?;
        Ok(all.into_iter().filter(|identity| query.matches(identity)).collect())
    }

    /// Returns what an identity logs in with. That it was asked for is on record first.
    pub async fn credentials(
        &self,
        caller: &Caller,
        id: IdentityId,
    ) -> Result<(IdentityRecord, Vec<Credential>)> {
        let (identity, sealed) = self.0.db.identity_credentials(caller, id).await?;
        let unreadable = |error| Error::internal("The credentials cannot be read.", error);
        let plain = self.0.vault.unseal_lasting(&purpose(id), &sealed).await.map_err(unreadable)?;
        let unreadable =
            |error| Error::internal("The credentials cannot be read.", anyhow::Error::new(error));
        Ok((identity, serde_json::from_slice(&plain).map_err(unreadable)?))
    }

    async fn seal(&self, id: IdentityId, credentials: &[Credential]) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(credentials).expect("our own types are representable as JSON");
        let sealed = self.0.vault.seal_lasting(&purpose(id), &Zeroizing::new(plain)).await;
        sealed.map_err(|error| Error::internal("The credentials could not be sealed.", error))
    }
}

/// What an identity's credentials are sealed for.
fn purpose(id: IdentityId) -> String {
    format!("the credentials of identity {id}")
}
