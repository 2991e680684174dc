//! Profiles: making, showing, changing and deleting them.

use roadstead_api::{ProfileId, ProfileName, ProjectId, SessionId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::audit::record as put_on_record;
use super::exits::{reserve_exit, reserved_for};
use super::sinks::{add_sink, require_no_exclusive_writer};
use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry};
use crate::clock;
use crate::error::{Error, PROFILE_NOT_FOUND, Result, SESSION_UNREACHABLE};
use crate::exits::choice::Reserve;
use crate::profile::{ProfileRecord, ProfileStatus, ReservedExit, SaveOptions};

/// A running session that a profile is tied to: who owns both.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The project that must own the session.
    pub project: ProjectId,
    /// The session.
    pub session: SessionId,
}

const COLUMNS: &str =
    "p.id, p.name, p.description, p.session_id, p.status, p.status_reason, p.head, p.created_at,
    p.updated_at, coalesce(r.size_bytes, 0) AS size_bytes, e.exit,
    coalesce(e.address, (SELECT c.address FROM exit_checks c WHERE c.exit = e.exit)) AS exit_address";
const FROM: &str = "FROM profiles p LEFT JOIN revisions r ON r.profile_id = p.id AND r.number = p.head
    LEFT JOIN exit_reservations e ON e.profile_id = p.id";

impl Db {
    /// Creates a profile: empty and active, or tied to a running session and pending; with an exit of its own if it is to
    /// have one.
    ///
    /// A name that is taken is [`Error::Conflict`]; a session that does not run, or is another project's, is not found; for
    /// an exit that is not free see [`reserve_exit`].
    pub async fn create_profile(
        &self,
        (project, by): (ProjectId, &Actor),
        name: &ProfileName,
        description: Option<&str>,
        session: Option<SessionId>,
        reserve: Option<&Reserve>,
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
            add_sink(&mut tx, session, id, name, &SaveOptions::default(), false).await?;
        }
        if let Some(reserve) = reserve {
            reserve_exit(&mut tx, id, reserve, session).await?;
        }
        put_on_record(&mut tx, by, &tied(Entry::of(Action::ProfileCreate).on_profile(id, name), session))
            .await?;
        let created = require_profile(&mut tx, project, name.as_str()).await?;
        tx.commit().await.map_err(fault)?;
        Ok(created)
    }

    /// Returns the profile of a name, made if it is new, for an import into it. One that a session writes alone is
    /// [`Error::Conflict`].
    pub async fn profile_to_import_into(
        &self,
        (project, by): (ProjectId, &Actor),
        name: &ProfileName,
    ) -> Result<ProfileId> {
        let found = self.create_profile((project, by), name, None, None, None).await;
        match found {
            Ok(created) => Ok(created.id),
            Err(Error::Conflict(_)) => {
                let mut tx = self.write().await?;
                let profile = require_profile(&mut tx, project, name.as_str()).await?;
                require_no_exclusive_writer(&mut tx, &profile, None).await?;
                Ok(profile.id)
            }
            Err(problem) => Err(problem),
        }
    }

    /// Changes a profile's description, ties it to a running session that is saved into it as well, or gives it an exit of its
    /// own. One that it has already is kept: another by its name is [`Error::Conflict`].
    pub async fn update_profile(
        &self,
        (project, by): (ProjectId, &Actor),
        name: &str,
        description: Option<&str>,
        session: Option<SessionId>,
        reserve: Option<&Reserve>,
    ) -> Result<ProfileRecord> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, name).await?;
        if let Some(reserve) = reserve {
            reserve_if_it_has_none(&mut tx, profile.id, reserve, session).await?;
        }
        if let Some(session) = session {
            require_running(&mut tx, Binding { project, session }).await?;
            require_no_exclusive_writer(&mut tx, &profile, Some(session)).await?;
            add_sink(&mut tx, session, profile.id, &profile.name, &SaveOptions::default(), false).await?;
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
        let entry = Entry::of(Action::ProfileUpdate).on_profile(profile.id, &profile.name);
        put_on_record(&mut tx, by, &tied(entry, session)).await?;
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
    pub async fn delete_profile(&self, (project, by): (ProjectId, &Actor), name: &str) -> Result<ProfileId> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, name).await?;
        let id = profile.id;
        for statement in [
            "UPDATE sinks SET state = 'dropped' WHERE profile_id = ? AND state IN ('pending', 'failed')",
            "INSERT INTO doomed_repositories (profile_id) VALUES (?)",
            "DELETE FROM profiles WHERE id = ?",
        ] {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.map_err(fault)?;
        }
        let entry = Entry::of(Action::ProfileDelete).on_profile(id, &profile.name);
        put_on_record(&mut tx, by, &entry).await?;
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

async fn reserve_if_it_has_none(
    tx: &mut SqliteConnection,
    profile: ProfileId,
    reserve: &Reserve,
    session: Option<SessionId>,
) -> Result<()> {
    match (reserved_for(tx, Some(profile)).await?, reserve) {
        (None, _) => reserve_exit(tx, profile, reserve, session).await,
        (Some((held, _)), Reserve::This(wanted)) if held != *wanted => Err(Error::Conflict(format!(
            "The profile holds the exit {:?}, and keeps it until it is deleted.",
            held.as_str()
        ))),
        (Some(_), _) => Ok(()),
    }
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

/// Adds to an entry the session that a profile is tied to.
fn tied(entry: Entry, session: Option<SessionId>) -> Entry {
    match session {
        Some(session) => entry.in_session(session),
        None => entry,
    }
}

pub(super) async fn require_profile(
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
        exit: reserved_exit(found)?,
    })
}

fn reserved_exit(found: &SqliteRow) -> Result<Option<ReservedExit>> {
    let Some(name) = row::parse_optional(found, "exit")? else {
        return Ok(None);
    };
    Ok(Some(ReservedExit { name, address: row::parse_optional(found, "exit_address")? }))
}
