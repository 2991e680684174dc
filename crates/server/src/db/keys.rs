//! Projects and their API keys.

use std::net::IpAddr;

use jiff::Timestamp;
use roadstead_api::{ApiKeyId, ProjectId};

use super::audit::record;
use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry, Origin};
use crate::caller::Caller;
use crate::clock;
use crate::error::{Error, Result};
use crate::keys::{self, KeyDigest};

/// A key to be stored: whose it is, what it is called, and its text, of which only a digest is kept.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// The project's name; the project is created if it is new.
    pub project: &'a str,
    /// What listings call the key.
    pub name: &'a str,
    /// The key.
    pub key: &'a str,
}

/// What may be told about a key.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its id.
    pub id: ApiKeyId,
    /// Its project's name.
    pub project: String,
    /// What it is called.
    pub name: String,
    /// Its first characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

impl Db {
    /// Returns a project by its name; `None` when there is none.
    pub async fn project(&self, name: &str) -> Result<Option<ProjectId>> {
        let found = sqlx::query("SELECT id FROM projects WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
        found.map(|found| row::parse(&found, "id")).transpose()
    }

    /// Stores a key, and its project if that is new. A key that is stored already is left as it is, also when it was revoked.
    pub async fn add_key(&self, new: NewKey<'_>, origin: Origin) -> Result<ApiKeyId> {
        let digest = KeyDigest::of(new.key);
        let now = clock::now().as_millisecond();
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO projects (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
        )
        .bind(ProjectId::random().to_string())
        .bind(new.project)
        .bind(now)
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let inserted = sqlx::query(
            "INSERT INTO api_keys (id, project_id, name, hint, lookup, proof, created_at)
             SELECT ?, id, ?, ?, ?, ?, ? FROM projects WHERE name = ?
             ON CONFLICT (lookup) DO NOTHING",
        )
        .bind(ApiKeyId::random().to_string())
        .bind(new.name)
        .bind(keys::hint(new.key))
        .bind(digest.lookup())
        .bind(digest.proof())
        .bind(now)
        .bind(new.project)
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let found = sqlx::query("SELECT id, project_id FROM api_keys WHERE lookup = ?")
            .bind(digest.lookup())
            .fetch_one(&mut *tx)
            .await
            .map_err(fault)?;
        let id = row::parse(&found, "id")?;
        if inserted.rows_affected() == 1 {
            let actor = Actor { project: Some(row::parse(&found, "project_id")?), key: None, origin };
            record(&mut tx, &actor, &Entry::of(Action::KeyCreate).on(id).because(new.name)).await?;
        }
        tx.commit().await.map_err(fault)?;
        Ok(id)
    }

    /// Finds out whose key this is, which came from an address. A wrong key and a revoked one give the same [`Error::Unauthenticated`].
    pub async fn authenticate(&self, key: &str, address: IpAddr) -> Result<Caller> {
        let digest = KeyDigest::of(key);
        let found = sqlx::query(
            "SELECT id, project_id, name, proof FROM api_keys WHERE lookup = ? AND revoked_at IS NULL",
        )
        .bind(digest.lookup())
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?
        .ok_or(Error::Unauthenticated)?;
        if !digest.proves(row::get(&found, "proof")?) {
            return Err(Error::Unauthenticated);
        }
        Ok(Caller {
            project: row::parse(&found, "project_id")?,
            key: row::parse(&found, "id")?,
            key_name: row::get(&found, "name")?,
            address,
        })
    }

    /// Lists every key, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>> {
        sqlx::query(
            "SELECT k.id, p.name AS project, k.name, k.hint, k.created_at, k.revoked_at
             FROM api_keys k JOIN projects p ON p.id = k.project_id ORDER BY k.created_at, k.id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?
        .iter()
        .map(|found| {
            Ok(KeyInfo {
                id: row::parse(found, "id")?,
                project: row::get(found, "project")?,
                name: row::get(found, "name")?,
                hint: row::get(found, "hint")?,
                created_at: row::time(found, "created_at")?,
                revoked_at: row::time_optional(found, "revoked_at")?,
            })
        })
        .collect()
    }

    /// Revokes a key from now on. Returns false when there is no such key, or when it was revoked before.
    pub async fn revoke_key(&self, id: ApiKeyId, origin: Origin) -> Result<bool> {
        let mut tx = self.write().await?;
        let revoked = sqlx::query(
            "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING project_id, name",
        )
        .bind(clock::now().as_millisecond())
        .bind(id.to_string())
        .fetch_optional(&mut *tx)
        .await
        .map_err(fault)?;
        let Some(revoked) = revoked else { return Ok(false) };
        let actor = Actor { project: Some(row::parse(&revoked, "project_id")?), key: None, origin };
        let name: &str = row::get(&revoked, "name")?;
        record(&mut tx, &actor, &Entry::of(Action::KeyRevoke).on(id).because(name)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(true)
    }
}
