//! Profiles and their revisions.

use jiff::Timestamp;
use roadstead_api::{CookieCounts, ProfileId, ProfileName, ProjectId, Receipt, SessionId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::sessions::{SESSION_UNREACHABLE, add_sink, to_json};
use super::{Db, fault, row};
use crate::clock;
use crate::error::{Error, PROFILE_NOT_FOUND, Result};
use crate::profile::{ProfileRecord, ProfileStatus};

/// A running session that a profile is tied to: who owns both.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The project that must own the session.
    pub project: ProjectId,
    /// The session.
    pub session: SessionId,
}

/// A revision whose bytes are complete and durable in the vault.
#[derive(Debug)]
pub struct NewRevision<'a> {
    /// The profile that it belongs to.
    pub profile: ProfileId,
    /// The session that was saved.
    pub session: SessionId,
    /// The revision that the session was started from, if it was one of this profile's.
    pub parent: Option<u64>,
    /// The snapshot's digest.
    pub digest: &'a str,
    /// Its restored size in bytes.
    pub size_bytes: u64,
    /// What it added to the vault in bytes.
    pub added_bytes: u64,
    /// How many files it holds.
    pub files: u64,
    /// Which cookies it holds besides.
    pub cookies: CookieCounts,
    /// The browser that wrote it.
    pub browser_version: Option<&'a str>,
    /// Why it was saved: `ended` or `recovered`.
    pub cause: &'static str,
}

/// Whether a revision found its profile.
#[derive(Debug)]
pub enum Published {
    /// It is stored, and so is the receipt.
    Saved(Receipt),
    /// The profile was deleted meanwhile; nothing was written.
    ProfileGone,
}

/// A revision as the database knows it.
#[derive(Clone, Debug)]
pub struct RevisionRecord {
    /// Its number, from 1.
    pub number: u64,
    /// The revision it came from.
    pub parent: Option<u64>,
    /// The session that was saved.
    pub session: SessionId,
    /// When.
    pub saved_at: Timestamp,
    /// The snapshot's digest.
    pub digest: String,
    /// Its restored size in bytes.
    pub size_bytes: u64,
    /// What it added to the vault in bytes.
    pub added_bytes: u64,
    /// The browser that wrote it.
    pub browser_version: Option<String>,
    /// Why it was saved.
    pub cause: String,
}

const COLUMNS: &str =
    "p.id, p.name, p.description, p.session_id, p.status, p.status_reason, p.head, p.created_at,
    p.updated_at, coalesce(r.size_bytes, 0) AS size_bytes";
const FROM: &str = "FROM profiles p LEFT JOIN revisions r ON r.profile_id = p.id AND r.number = p.head";

impl Db {
    /// Creates a profile: empty and active, or tied to a running session and pending.
    ///
    /// A name that is taken is [`Error::Conflict`]; a session that does not run, or is another project's, is not found.
    pub async fn create_profile(
        &self,
        project: ProjectId,
        name: &ProfileName,
        description: Option<&str>,
        session: Option<SessionId>,
    ) -> Result<ProfileRecord> {
        let mut tx = self.write().await?;
        if let Some(session) = session {
            require_running(&mut tx, Binding { project, session }).await?;
        }
        let id = ProfileId::random();
        let now = clock::now().as_millisecond();
        let status = if session.is_some() { ProfileStatus::Pending } else { ProfileStatus::Active };
        let inserted = sqlx::query(
            "INSERT INTO profiles (id, project_id, name, description, session_id, status, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project_id, name) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(project.to_string())
        .bind(name.as_str())
        .bind(description)
        .bind(session.map(|session| session.to_string()))
        .bind(status.as_str())
        .bind(now)
        .bind(now)
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        if inserted.rows_affected() == 0 {
            return Err(Error::Conflict("Profile name already exists.".to_owned()));
        }
        if let Some(session) = session {
            add_sink(&mut tx, session, id, name).await?;
        }
        let created = require_profile(&mut tx, project, name.as_str()).await?;
        tx.commit().await.map_err(fault)?;
        Ok(created)
    }

    /// Changes a profile's description, or ties it to a running session that is saved into it as well.
    pub async fn update_profile(
        &self,
        project: ProjectId,
        name: &str,
        description: Option<&str>,
        session: Option<SessionId>,
    ) -> Result<ProfileRecord> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, name).await?;
        if let Some(session) = session {
            require_running(&mut tx, Binding { project, session }).await?;
            add_sink(&mut tx, session, profile.id, &profile.name).await?;
        }
        sqlx::query(
            "UPDATE profiles SET description = coalesce(?, description), session_id = coalesce(?, session_id),
                 status = CASE WHEN ? THEN 'pending' ELSE status END,
                 status_reason = CASE WHEN ? THEN NULL ELSE status_reason END, updated_at = ?
             WHERE id = ?",
        )
        .bind(description)
        .bind(session.map(|session| session.to_string()))
        .bind(session.is_some())
        .bind(session.is_some())
        .bind(clock::now().as_millisecond())
        .bind(profile.id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let updated = require_profile(&mut tx, project, name).await?;
        tx.commit().await.map_err(fault)?;
        Ok(updated)
    }

    /// Returns one profile of a project.
    pub async fn profile(&self, project: ProjectId, name: &str) -> Result<ProfileRecord> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        require_profile(&mut connection, project, name).await
    }

    /// Lists a project's profiles, oldest first.
    pub async fn profiles(&self, project: ProjectId) -> Result<Vec<ProfileRecord>> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} {FROM} WHERE p.project_id = ? ORDER BY p.created_at, p.id"
        )))
        .bind(project.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?
        .iter()
        .map(record)
        .collect()
    }

    /// Deletes a profile with all its revisions. Sessions that were to be saved into it drop that save. The repository
    /// is left to the caller, and remembered until [`Db::repository_deleted`].
    pub async fn delete_profile(&self, project: ProjectId, name: &str) -> Result<ProfileId> {
        let mut tx = self.write().await?;
        let id = require_profile(&mut tx, project, name).await?.id;
        for statement in [
            "UPDATE sinks SET state = 'dropped' WHERE profile_id = ? AND state IN ('pending', 'failed')",
            "INSERT INTO doomed_repositories (profile_id) VALUES (?)",
            "DELETE FROM profiles WHERE id = ?",
        ] {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.map_err(fault)?;
        }
        tx.commit().await.map_err(fault)?;
        Ok(id)
    }

    /// Lists the repositories of deleted profiles that may still hold bytes.
    pub async fn doomed_repositories(&self) -> Result<Vec<ProfileId>> {
        sqlx::query("SELECT profile_id FROM doomed_repositories")
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?
            .iter()
            .map(|found| row::parse(found, "profile_id"))
            .collect()
    }

    /// Notes that a deleted profile's repository holds nothing any more.
    pub async fn repository_deleted(&self, profile: ProfileId) -> Result<()> {
        sqlx::query("DELETE FROM doomed_repositories WHERE profile_id = ?")
            .bind(profile.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }

    /// Publishes a revision: gives it its number, makes it the head, and stores the sink's receipt, all or nothing.
    ///
    /// A save that is made late, since it failed when its session ended, does not replace the head of a session that
    /// ended after it: it would bring back an older state.
    pub async fn publish_revision(
        &self,
        new: &NewRevision<'_>,
        receipt: impl FnOnce(u64) -> Receipt,
    ) -> Result<Published> {
        fail::fail_point!("save-row", |_| Err(super::fault(sqlx::Error::PoolClosed)));
        let mut tx = self.write().await?;
        let profile = new.profile.to_string();
        let next = sqlx::query(
            "SELECT coalesce((SELECT max(number) FROM revisions WHERE profile_id = p.id), 0) + 1 AS number
             FROM profiles p WHERE p.id = ?",
        )
        .bind(&profile)
        .fetch_optional(&mut *tx)
        .await
        .map_err(fault)?;
        let Some(next) = next else {
            return Ok(Published::ProfileGone);
        };
        let number = row::count(&next, "number")?;
        insert_revision(&mut tx, new, number).await?;
        move_head(&mut tx, new, number).await?;
        let receipt = receipt(number);
        sqlx::query("UPDATE sinks SET state = 'saved', receipt = ? WHERE session_id = ? AND profile_id = ?")
            .bind(to_json(&receipt))
            .bind(new.session.to_string())
            .bind(&profile)
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        tx.commit().await.map_err(fault)?;
        Ok(Published::Saved(receipt))
    }

    /// Notes a save that failed: the sink keeps its claim, the profile its head, and says what is wrong.
    pub async fn fail_save(
        &self,
        session: SessionId,
        profile: ProfileId,
        reason: &str,
        receipt: &Receipt,
    ) -> Result<()> {
        self.give_up_save(session, profile, "failed", reason, receipt).await
    }

    /// Gives up a save that cannot be tried again, since nothing is left to be saved; the profile says why.
    pub async fn abandon_save(
        &self,
        session: SessionId,
        profile: ProfileId,
        reason: &str,
        receipt: &Receipt,
    ) -> Result<()> {
        self.give_up_save(session, profile, "dropped", reason, receipt).await
    }

    async fn give_up_save(
        &self,
        session: SessionId,
        profile: ProfileId,
        sink_state: &str,
        reason: &str,
        receipt: &Receipt,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE sinks SET state = ?, receipt = ? WHERE session_id = ? AND profile_id = ?")
            .bind(sink_state)
            .bind(to_json(receipt))
            .bind(session.to_string())
            .bind(profile.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        sqlx::query("UPDATE profiles SET status = 'failed', status_reason = ?, updated_at = ? WHERE id = ?")
            .bind(reason)
            .bind(clock::now().as_millisecond())
            .bind(profile.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        tx.commit().await.map_err(fault)
    }

    /// Lists a profile's revisions, newest first.
    pub async fn revisions(&self, profile: ProfileId) -> Result<Vec<RevisionRecord>> {
        sqlx::query("SELECT * FROM revisions WHERE profile_id = ? ORDER BY number DESC")
            .bind(profile.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?
            .iter()
            .map(|found| {
                Ok(RevisionRecord {
                    number: row::count(found, "number")?,
                    parent: row::count_optional(found, "parent")?,
                    session: row::parse(found, "session_id")?,
                    saved_at: row::time(found, "saved_at")?,
                    digest: row::get(found, "digest")?,
                    size_bytes: row::count(found, "size_bytes")?,
                    added_bytes: row::count(found, "added_bytes")?,
                    browser_version: row::get(found, "browser_version")?,
                    cause: row::get(found, "cause")?,
                })
            })
            .collect()
    }

    /// Lists every profile of every project with the project's name, for the command line and for `check`.
    pub async fn all_profiles(&self) -> Result<Vec<(String, ProjectId, ProfileRecord)>> {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, j.name AS project, j.id AS project_id {FROM} JOIN projects j ON j.id = p.project_id
             ORDER BY j.name, p.created_at, p.id"
        )))
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?
        .iter()
        .map(|found| Ok((row::get(found, "project")?, row::parse(found, "project_id")?, record(found)?)))
        .collect()
    }
}

async fn insert_revision(tx: &mut SqliteConnection, new: &NewRevision<'_>, number: u64) -> Result<()> {
    sqlx::query(
        "INSERT INTO revisions (profile_id, number, parent, session_id, saved_at, digest, size_bytes, added_bytes,
             files, cookies, browser_version, cause)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.profile.to_string())
    .bind(row::to_sql(number))
    .bind(new.parent.map(row::to_sql))
    .bind(new.session.to_string())
    .bind(clock::now().as_millisecond())
    .bind(new.digest)
    .bind(row::to_sql(new.size_bytes))
    .bind(row::to_sql(new.added_bytes))
    .bind(row::to_sql(new.files))
    .bind(to_json(&new.cookies))
    .bind(new.browser_version)
    .bind(new.cause)
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

async fn move_head(tx: &mut SqliteConnection, new: &NewRevision<'_>, number: u64) -> Result<()> {
    sqlx::query(
        "UPDATE profiles SET status = 'active', status_reason = NULL, updated_at = ?, head = CASE
             WHEN EXISTS (SELECT 1 FROM revisions r JOIN sessions s ON s.id = ?
                 WHERE r.profile_id = profiles.id AND r.number = profiles.head AND r.saved_at > s.ended_at)
             THEN head ELSE ? END
         WHERE id = ?",
    )
    .bind(clock::now().as_millisecond())
    .bind(new.session.to_string())
    .bind(row::to_sql(number))
    .bind(new.profile.to_string())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

async fn require_running(tx: &mut SqliteConnection, binding: Binding) -> Result<()> {
    let found = sqlx::query("SELECT 1 FROM sessions WHERE id = ? AND project_id = ? AND status = 'running'")
        .bind(binding.session.to_string())
        .bind(binding.project.to_string())
        .fetch_optional(tx)
        .await
        .map_err(fault)?;
    if found.is_none() { Err(SESSION_UNREACHABLE) } else { Ok(()) }
}

async fn require_profile(
    connection: &mut SqliteConnection,
    project: ProjectId,
    name: &str,
) -> Result<ProfileRecord> {
    let found = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} {FROM} WHERE p.project_id = ? AND p.name = ?"
    )))
    .bind(project.to_string())
    .bind(name)
    .fetch_optional(connection)
    .await
    .map_err(fault)?
    .ok_or(PROFILE_NOT_FOUND)?;
    record(&found)
}

fn record(found: &SqliteRow) -> Result<ProfileRecord> {
    Ok(ProfileRecord {
        id: row::parse(found, "id")?,
        name: row::parse(found, "name")?,
        description: row::get(found, "description")?,
        session_id: row::parse_optional(found, "session_id")?,
        status: row::word(found, "status", ProfileStatus::parse)?,
        status_reason: row::get(found, "status_reason")?,
        created_at: row::time(found, "created_at")?,
        updated_at: row::time(found, "updated_at")?,
        revision: row::count_optional(found, "head")?,
        size_bytes: row::count(found, "size_bytes")?,
    })
}
