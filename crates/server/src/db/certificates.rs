//! Uploaded certificates of authorities.

use roadstead_api::ProjectId;
use sqlx::sqlite::SqliteRow;

use super::audit::record as put_on_record;
use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry};
use crate::error::{CERTIFICATE_NOT_FOUND, Error, Result};
use crate::session::certificates::Certificate;

/// How many a project may have.
const MOST: u64 = 100;

impl Db {
    /// Adds a certificate. [`Error::Conflict`] where its name is taken, or the project has too many.
    pub async fn add_certificate(
        &self,
        (project, by): (ProjectId, &Actor),
        certificate: &Certificate,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let count = sqlx::query("SELECT count(*) AS count FROM certificates WHERE project_id = ?")
            .bind(project.to_string())
            .fetch_one(&mut *tx)
            .await
            .map_err(fault)?;
        if row::count(&count, "count")? >= MOST {
            return Err(Error::Conflict(format!(
                "The project has {MOST} certificates, and may have no more. Delete one first."
            )));
        }
        let inserted = sqlx::query(
            "INSERT INTO certificates (id, project_id, name, description, der, created_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (project_id, name) DO NOTHING",
        )
        .bind(certificate.id.to_string())
        .bind(project.to_string())
        .bind(&certificate.name)
        .bind(certificate.description.as_deref())
        .bind(&certificate.der)
        .bind(certificate.created_at.as_millisecond())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        if inserted.rows_affected() == 0 {
            return Err(Error::Conflict("A certificate with this name already exists.".to_owned()));
        }
        put_on_record(&mut tx, by, &Entry::of(Action::CertificateCreate).on(&certificate.name)).await?;
        tx.commit().await.map_err(fault)
    }

    /// Lists a project's certificates, oldest first.
    pub async fn certificates(&self, project: ProjectId) -> Result<Vec<Certificate>> {
        let found = sqlx::query("SELECT * FROM certificates WHERE project_id = ? ORDER BY created_at, id")
            .bind(project.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        found.iter().map(certificate).collect()
    }

    /// Deletes one of a project's certificates. Sessions that trust it go on.
    pub async fn delete_certificate(&self, (project, by): (ProjectId, &Actor), name: &str) -> Result<()> {
        let mut tx = self.write().await?;
        let deleted = sqlx::query("DELETE FROM certificates WHERE project_id = ? AND name = ?")
            .bind(project.to_string())
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        if deleted.rows_affected() == 0 {
            return Err(CERTIFICATE_NOT_FOUND);
        }
        put_on_record(&mut tx, by, &Entry::of(Action::CertificateDelete).on(name)).await?;
        tx.commit().await.map_err(fault)
    }
}

fn certificate(found: &SqliteRow) -> Result<Certificate> {
    Ok(Certificate {
        id: row::parse(found, "id")?,
        name: row::get(found, "name")?,
        description: row::get(found, "description")?,
        der: row::get(found, "der")?,
        created_at: row::time(found, "created_at")?,
    })
}
