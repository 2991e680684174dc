//! Uploaded extensions. Their files are `session::extensions`'.

use std::collections::HashSet;

use roadstead_api::{ExtensionId, ProjectId};
use sqlx::sqlite::SqliteRow;

use super::audit::record as put_on_record;
use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry};
use crate::error::{EXTENSION_NOT_FOUND, Error, Result};
use crate::session::extensions::Extension;

/// How many a project may have.
const MOST: u64 = 100;

impl Db {
    /// Puts an extension on record whose file is there. [`Error::Conflict`] where the project has too many.
    pub async fn add_extension(
        &self,
        (project, by): (ProjectId, &Actor),
        extension: &Extension,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let count = sqlx::query("SELECT count(*) AS count FROM extensions WHERE project_id = ?")
            .bind(project.to_string())
            .fetch_one(&mut *tx)
            .await
            .map_err(fault)?;
        if row::count(&count, "count")? >= MOST {
            return Err(Error::Conflict(format!(
                "The project has {MOST} extensions, and may have no more. Delete one first."
            )));
        }
        sqlx::query(
            "INSERT INTO extensions (id, project_id, name, chromium_id, manifest, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(extension.id.to_string())
        .bind(project.to_string())
        .bind(&extension.name)
        .bind(&extension.chromium_id)
        .bind(row::to_json(&extension.manifest))
        .bind(extension.created_at.as_millisecond())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        put_on_record(&mut tx, by, &Entry::of(Action::ExtensionCreate).on(extension.id)).await?;
        tx.commit().await.map_err(fault)
    }

    /// Lists a project's extensions, oldest first.
    pub async fn extensions(&self, project: ProjectId) -> Result<Vec<Extension>> {
        let found = sqlx::query("SELECT * FROM extensions WHERE project_id = ? ORDER BY created_at, id")
            .bind(project.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        found.iter().map(extension).collect()
    }

    /// Returns one of a project's extensions.
    pub async fn extension(&self, project: ProjectId, id: ExtensionId) -> Result<Extension> {
        let found = sqlx::query("SELECT * FROM extensions WHERE project_id = ? AND id = ?")
            .bind(project.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
        extension(&found.ok_or(EXTENSION_NOT_FOUND)?)
    }

    /// Lists the ids of every project's extensions.
    pub async fn all_extensions(&self) -> Result<HashSet<ExtensionId>> {
        let found = sqlx::query("SELECT id FROM extensions").fetch_all(&self.pool).await.map_err(fault)?;
        found.iter().map(|found| row::parse(found, "id")).collect()
    }

    /// Forgets one of a project's extensions. Its file is left to the caller.
    pub async fn forget_extension(&self, (project, by): (ProjectId, &Actor), id: ExtensionId) -> Result<()> {
        let mut tx = self.write().await?;
        let forgotten = sqlx::query("DELETE FROM extensions WHERE project_id = ? AND id = ?")
            .bind(project.to_string())
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        if forgotten.rows_affected() == 0 {
            return Err(EXTENSION_NOT_FOUND);
        }
        put_on_record(&mut tx, by, &Entry::of(Action::ExtensionDelete).on(id)).await?;
        tx.commit().await.map_err(fault)
    }
}

fn extension(found: &SqliteRow) -> Result<Extension> {
    Ok(Extension {
        id: row::parse(found, "id")?,
        name: row::get(found, "name")?,
        chromium_id: row::get(found, "chromium_id")?,
        manifest: row::json(found, "manifest")?,
        created_at: row::time(found, "created_at")?,
    })
}
