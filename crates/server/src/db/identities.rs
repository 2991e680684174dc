//! Applications, how one logs in to them, and identities. Credentials come and go sealed.

use roadstead_api::{ApplicationId, AuthFlowId, AuthMethod, IdentityId, ProjectId};
use serde_json::{Map, Value};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::audit::record;
use super::row::to_json;
use super::{Db, fault, row};
use crate::audit::{Action, Entry};
use crate::caller::Caller;
use crate::clock;
use crate::error::{APPLICATION_NOT_FOUND, AUTH_FLOW_NOT_FOUND, IDENTITY_NOT_FOUND, Result};
use crate::identities::{
    ApplicationRecord, AuthFlowChange, AuthFlowRecord, IdentityRecord, NewApplication, SealedIdentity,
};

const APPLICATION: &str =
    "SELECT a.*, (SELECT count(*) FROM identities WHERE application_id = a.id) AS identities,
    (SELECT json_group_array(DISTINCT m.value) FROM auth_flows f, json_each(f.methods) m
     WHERE f.application_id = a.id) AS methods
    FROM applications a WHERE a.project_id = ?";
const IDENTITY: &str = "SELECT i.* FROM identities i JOIN applications a ON a.id = i.application_id
    WHERE a.project_id = ?";

impl Db {
    /// Makes an application.
    pub async fn create_application(
        &self,
        caller: &Caller,
        new: &NewApplication,
    ) -> Result<ApplicationRecord> {
        let mut tx = self.write().await?;
        let id = insert_application(&mut tx, caller, new).await?;
        let made = find_application(&mut tx, caller.project, id).await?;
        tx.commit().await.map_err(fault)?;
        Ok(made)
    }

    /// Lists a project's applications whose names hold `search`, in any case, oldest first.
    pub async fn applications(&self, project: ProjectId, search: &str) -> Result<Vec<ApplicationRecord>> {
        let found = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{APPLICATION} AND instr(lower(a.name), lower(?)) > 0 ORDER BY a.created_at, a.id"
        )))
        .bind(project.to_string())
        .bind(search)
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        found.iter().map(read_application).collect()
    }

    /// Returns one of a project's applications.
    pub async fn application(&self, project: ProjectId, id: ApplicationId) -> Result<ApplicationRecord> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        find_application(&mut connection, project, id).await
    }

    /// Deletes an application, with its authentication flows and its identities.
    pub async fn delete_application(&self, caller: &Caller, id: ApplicationId) -> Result<()> {
        let mut tx = self.write().await?;
        let found = find_application(&mut tx, caller.project, id).await?;
        run(&mut tx, "DELETE FROM applications WHERE id = ?", &id.to_string()).await?;
        let entry = Entry::of(Action::ApplicationDelete).on(id);
        let entry = entry.because(format!("{} identities", found.identities));
        record(&mut tx, &caller.actor(), &entry).await?;
        tx.commit().await.map_err(fault)
    }

    /// Lists an application's authentication flows, oldest first.
    pub async fn auth_flows(
        &self,
        project: ProjectId,
        application: ApplicationId,
    ) -> Result<Vec<AuthFlowRecord>> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        find_application(&mut connection, project, application).await?;
        let found = sqlx::query("SELECT * FROM auth_flows WHERE application_id = ? ORDER BY created_at, id")
            .bind(application.to_string())
            .fetch_all(&mut *connection)
            .await
            .map_err(fault)?;
        found.iter().map(read_flow).collect()
    }

    /// Makes an authentication flow. One that is recommended takes that from the others.
    pub async fn create_auth_flow(
        &self,
        caller: &Caller,
        application: ApplicationId,
        new: &AuthFlowChange,
    ) -> Result<AuthFlowRecord> {
        let mut tx = self.write().await?;
        find_application(&mut tx, caller.project, application).await?;
        let id = AuthFlowId::random();
        recommend(&mut tx, application, new).await?;
        sqlx::query(
            "INSERT INTO auth_flows (id, application_id, name, description, is_recommended, methods, custom_fields, created_at,
                 updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )
        .bind(id.to_string())
        .bind(application.to_string())
        .bind(new.name.as_deref().unwrap_or_default())
        .bind(&new.description)
        .bind(new.is_recommended.unwrap_or(false))
        .bind(to_json(&new.methods.as_deref().unwrap_or_default()))
        .bind(to_json(&new.custom_fields.as_deref().unwrap_or_default()))
        .bind(clock::now().as_millisecond())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let made = find_flow(&mut tx, application, id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::AuthFlowCreate).on(id)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(made)
    }

    /// Changes an authentication flow. One that becomes the recommended one takes that from the others.
    pub async fn update_auth_flow(
        &self,
        caller: &Caller,
        (application, id): (ApplicationId, AuthFlowId),
        change: &AuthFlowChange,
    ) -> Result<AuthFlowRecord> {
        let mut tx = self.write().await?;
        find_application(&mut tx, caller.project, application).await?;
        find_flow(&mut tx, application, id).await?;
        recommend(&mut tx, application, change).await?;
        sqlx::query(
            "UPDATE auth_flows SET name = coalesce(?, name), description = coalesce(?, description),
                 is_recommended = coalesce(?, is_recommended), methods = coalesce(?, methods),
                 custom_fields = coalesce(?, custom_fields), updated_at = ?
             WHERE id = ?",
        )
        .bind(&change.name)
        .bind(&change.description)
        .bind(change.is_recommended)
        .bind(change.methods.as_ref().map(to_json))
        .bind(change.custom_fields.as_ref().map(to_json))
        .bind(clock::now().as_millisecond())
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let changed = find_flow(&mut tx, application, id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::AuthFlowUpdate).on(id)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(changed)
    }

    /// Deletes an authentication flow.
    pub async fn delete_auth_flow(
        &self,
        caller: &Caller,
        application: ApplicationId,
        id: AuthFlowId,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        find_application(&mut tx, caller.project, application).await?;
        find_flow(&mut tx, application, id).await?;
        run(&mut tx, "DELETE FROM auth_flows WHERE id = ?", &id.to_string()).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::AuthFlowDelete).on(id)).await?;
        tx.commit().await.map_err(fault)
    }

    /// Makes an identity, and the application that it is in where there is none on that host, or of that name.
    pub async fn create_identity(&self, caller: &Caller, new: SealedIdentity) -> Result<IdentityRecord> {
        let mut tx = self.write().await?;
        let wanted = &new.application;
        let found = sqlx::query(
            "SELECT id FROM applications WHERE project_id = ? AND host = ? AND name = coalesce(?, name)
             ORDER BY created_at, id LIMIT 1",
        )
        .bind(caller.project.to_string())
        .bind(&wanted.host)
        .bind(&wanted.name)
        .fetch_optional(&mut *tx)
        .await
        .map_err(fault)?;
        let application = match found {
            Some(found) => row::parse(&found, "id")?,
            None => insert_application(&mut tx, caller, wanted).await?,
        };
        sqlx::query(
            "INSERT INTO identities (id, application_id, name, source, metadata, credentials, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )
        .bind(new.id.to_string())
        .bind(application.to_string())
        .bind(&new.name)
        .bind(&wanted.url)
        .bind(to_json(&new.metadata))
        .bind(&new.credentials)
        .bind(clock::now().as_millisecond())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let (made, _) = find_identity(&mut tx, caller.project, new.id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::IdentityCreate).on(new.id)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(made)
    }

    /// Lists an application's identities, oldest first.
    pub async fn identities(
        &self,
        project: ProjectId,
        application: ApplicationId,
    ) -> Result<Vec<IdentityRecord>> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        find_application(&mut connection, project, application).await?;
        let found =
            sqlx::query(sqlx::AssertSqlSafe(format!("{IDENTITY} AND a.id = ? ORDER BY i.created_at, i.id")))
                .bind(project.to_string())
                .bind(application.to_string())
                .fetch_all(&mut *connection)
                .await
                .map_err(fault)?;
        found.iter().map(read_identity).collect()
    }

    /// Returns one of a project's identities.
    pub async fn identity(&self, project: ProjectId, id: IdentityId) -> Result<IdentityRecord> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        Ok(find_identity(&mut connection, project, id).await?.0)
    }

    /// Returns an identity and its credentials, sealed, and puts on record that they were asked for.
    pub async fn identity_credentials(
        &self,
        caller: &Caller,
        id: IdentityId,
    ) -> Result<(IdentityRecord, Vec<u8>)> {
        let mut tx = self.write().await?;
        let found = find_identity(&mut tx, caller.project, id).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::IdentityRead).on(id)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(found)
    }

    /// Changes an identity.
    pub async fn update_identity(
        &self,
        caller: &Caller,
        id: IdentityId,
        name: Option<&str>,
        metadata: Option<&Map<String, Value>>,
        sealed: Option<&[u8]>,
    ) -> Result<IdentityRecord> {
        let mut tx = self.write().await?;
        find_identity(&mut tx, caller.project, id).await?;
        sqlx::query(
            "UPDATE identities SET name = coalesce(?, name), metadata = coalesce(?, metadata),
                 credentials = coalesce(?, credentials), updated_at = ?
             WHERE id = ?",
        )
        .bind(name)
        .bind(metadata.map(to_json))
        .bind(sealed)
        .bind(clock::now().as_millisecond())
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let (changed, _) = find_identity(&mut tx, caller.project, id).await?;
        let what = if sealed.is_some() { "credentials" } else { "name or metadata" };
        let entry = Entry::of(Action::IdentityUpdate).on(id).because(what);
        record(&mut tx, &caller.actor(), &entry).await?;
        tx.commit().await.map_err(fault)?;
        Ok(changed)
    }

    /// Deletes an identity.
    pub async fn delete_identity(&self, caller: &Caller, id: IdentityId) -> Result<()> {
        let mut tx = self.write().await?;
        find_identity(&mut tx, caller.project, id).await?;
        run(&mut tx, "DELETE FROM identities WHERE id = ?", &id.to_string()).await?;
        record(&mut tx, &caller.actor(), &Entry::of(Action::IdentityDelete).on(id)).await?;
        tx.commit().await.map_err(fault)
    }
}

async fn insert_application(
    tx: &mut SqliteConnection,
    caller: &Caller,
    new: &NewApplication,
) -> Result<ApplicationId> {
    let id = ApplicationId::random();
    sqlx::query(
        "INSERT INTO applications (id, project_id, name, url, host, description, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
    )
    .bind(id.to_string())
    .bind(caller.project.to_string())
    .bind(new.name.as_deref().unwrap_or(&new.host))
    .bind(&new.url)
    .bind(&new.host)
    .bind(&new.description)
    .bind(clock::now().as_millisecond())
    .execute(&mut *tx)
    .await
    .map_err(fault)?;
    record(tx, &caller.actor(), &Entry::of(Action::ApplicationCreate).on(id)).await?;
    Ok(id)
}

/// Takes the recommendation from an application's flows where another is to have it.
async fn recommend(
    tx: &mut SqliteConnection,
    application: ApplicationId,
    change: &AuthFlowChange,
) -> Result<()> {
    if change.is_recommended != Some(true) {
        return Ok(());
    }
    run(tx, "UPDATE auth_flows SET is_recommended = 0 WHERE application_id = ?", &application.to_string())
        .await
}

/// Runs a statement on the rows of one id.
async fn run(tx: &mut SqliteConnection, statement: &'static str, id: &str) -> Result<()> {
    sqlx::query(statement).bind(id).execute(tx).await.map_err(fault)?;
    Ok(())
}

async fn find_application(
    connection: &mut SqliteConnection,
    project: ProjectId,
    id: ApplicationId,
) -> Result<ApplicationRecord> {
    let found = sqlx::query(sqlx::AssertSqlSafe(format!("{APPLICATION} AND a.id = ?")))
        .bind(project.to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(fault)?
        .ok_or(APPLICATION_NOT_FOUND)?;
    read_application(&found)
}

async fn find_flow(
    connection: &mut SqliteConnection,
    application: ApplicationId,
    id: AuthFlowId,
) -> Result<AuthFlowRecord> {
    let found = sqlx::query("SELECT * FROM auth_flows WHERE id = ? AND application_id = ?")
        .bind(id.to_string())
        .bind(application.to_string())
        .fetch_optional(connection)
        .await
        .map_err(fault)?
        .ok_or(AUTH_FLOW_NOT_FOUND)?;
    read_flow(&found)
}

async fn find_identity(
    connection: &mut SqliteConnection,
    project: ProjectId,
    id: IdentityId,
) -> Result<(IdentityRecord, Vec<u8>)> {
    let found = sqlx::query(sqlx::AssertSqlSafe(format!("{IDENTITY} AND i.id = ?")))
        .bind(project.to_string())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(fault)?
        .ok_or(IDENTITY_NOT_FOUND)?;
    Ok((read_identity(&found)?, row::get(&found, "credentials")?))
}

fn read_application(found: &SqliteRow) -> Result<ApplicationRecord> {
    let methods: Vec<AuthMethod> = row::json(found, "methods")?;
    Ok(ApplicationRecord {
        id: row::parse(found, "id")?,
        name: row::get(found, "name")?,
        url: row::get(found, "url")?,
        description: row::get(found, "description")?,
        identities: row::count(found, "identities")?,
        methods,
        created_at: row::time(found, "created_at")?,
        updated_at: row::time(found, "updated_at")?,
    })
}

fn read_flow(found: &SqliteRow) -> Result<AuthFlowRecord> {
    Ok(AuthFlowRecord {
        id: row::parse(found, "id")?,
        name: row::get(found, "name")?,
        description: row::get(found, "description")?,
        is_recommended: row::get(found, "is_recommended")?,
        methods: row::json(found, "methods")?,
        custom_fields: row::json(found, "custom_fields")?,
        created_at: row::time(found, "created_at")?,
        updated_at: row::time(found, "updated_at")?,
    })
}

fn read_identity(found: &SqliteRow) -> Result<IdentityRecord> {
    Ok(IdentityRecord {
        id: row::parse(found, "id")?,
        application: row::parse(found, "application_id")?,
        name: row::get(found, "name")?,
        source: row::get(found, "source")?,
        metadata: row::json(found, "metadata")?,
        created_at: row::time(found, "created_at")?,
        updated_at: row::time(found, "updated_at")?,
    })
}
