//! Revisions: listing them, moving the head among them, keeping them and letting them go.

use roadstead_api::{ProfileId, ProjectId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::audit::record as put_on_record;
use super::profiles::require_profile;
use super::sinks::require_no_exclusive_writer;
use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry};
use crate::clock;
use crate::error::{Error, REVISION_NOT_FOUND, Result};
use crate::profile::{ProfileRecord, RevisionCause, RevisionRecord};

const COLUMNS: &str = "SELECT r.*, r.number = p.head AS is_head
    FROM revisions r JOIN profiles p ON p.id = r.profile_id WHERE r.profile_id = ?";

/// What is left of a profile's revisions, and what is not.
#[derive(Debug)]
pub struct Kept {
    /// Those that stay, newest first.
    pub revisions: Vec<RevisionRecord>,
    /// The numbers of those that go, newest first.
    pub removed: Vec<u64>,
}

impl Db {
    /// Lists a profile's revisions, newest first.
    pub async fn revisions(&self, profile: ProfileId) -> Result<Vec<RevisionRecord>> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        list(&mut connection, profile).await
    }

    /// Lists the revisions of one of a project's profiles, newest first.
    pub async fn revisions_of(&self, project: ProjectId, name: &str) -> Result<Vec<RevisionRecord>> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        let profile = require_profile(&mut connection, project, name).await?;
        list(&mut connection, profile.id).await
    }

    /// Returns one revision of one of a project's profiles.
    pub async fn revision(&self, project: ProjectId, name: &str, number: u64) -> Result<RevisionRecord> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        let profile = require_profile(&mut connection, project, name).await?;
        require(&mut connection, profile.id, number).await
    }

    /// Adds a revision that equals an earlier one, and makes it the head.
    pub async fn roll_back(
        &self,
        (project, by): (ProjectId, &Actor),
        name: &str,
        number: u64,
    ) -> Result<RevisionRecord> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, name).await?;
        require_no_exclusive_writer(&mut tx, &profile, None).await?;
        require(&mut tx, profile.id, number).await?;
        let next = next_number(&mut tx, profile.id).await?;
        sqlx::query(
            "INSERT INTO revisions (profile_id, number, parent, saved_at, digest, size_bytes, added_bytes, files,
                 captured, browser_version, cause)
             SELECT profile_id, ?, number, ?, digest, size_bytes, 0, files, captured, browser_version, ?
             FROM revisions WHERE profile_id = ? AND number = ?",
        )
        .bind(row::to_sql(next))
        .bind(clock::now().as_millisecond())
        .bind(RevisionCause::RolledBack.as_str())
        .bind(profile.id.to_string())
        .bind(row::to_sql(number))
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        make_head(&mut tx, profile.id, next).await?;
        let entry = of(Action::RevisionRollback, &profile, next).because(format!("to revision {number}"));
        put_on_record(&mut tx, by, &entry).await?;
        let added = require(&mut tx, profile.id, next).await?;
        tx.commit().await.map_err(fault)?;
        Ok(added)
    }

    /// Makes a revision that was held back the head after all. One that is older than the head is [`Error::Conflict`].
    pub async fn promote(
        &self,
        (project, by): (ProjectId, &Actor),
        name: &str,
        number: u64,
    ) -> Result<RevisionRecord> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, name).await?;
        require_no_exclusive_writer(&mut tx, &profile, None).await?;
        require(&mut tx, profile.id, number).await?;
        if let Some(head) = profile.revision.filter(|head| *head > number) {
            return Err(Error::Conflict(format!(
                "Revision {number} is older than the head, which is revision {head}. Roll back to it instead."
            )));
        }
        sqlx::query("UPDATE revisions SET held_back = NULL WHERE profile_id = ? AND number = ?")
            .bind(profile.id.to_string())
            .bind(row::to_sql(number))
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        make_head(&mut tx, profile.id, number).await?;
        put_on_record(&mut tx, by, &of(Action::RevisionPromote, &profile, number)).await?;
        let promoted = require(&mut tx, profile.id, number).await?;
        tx.commit().await.map_err(fault)?;
        Ok(promoted)
    }

    /// Keeps a revision from retention, or no longer.
    pub async fn pin(
        &self,
        (project, by): (ProjectId, &Actor),
        name: &str,
        number: u64,
        pinned: bool,
    ) -> Result<RevisionRecord> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, name).await?;
        sqlx::query("UPDATE revisions SET pinned = ? WHERE profile_id = ? AND number = ?")
            .bind(pinned)
            .bind(profile.id.to_string())
            .bind(row::to_sql(number))
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        let changed = require(&mut tx, profile.id, number).await?;
        let action = if pinned { Action::RevisionPin } else { Action::RevisionUnpin };
        put_on_record(&mut tx, by, &of(action, &profile, number)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(changed)
    }

    /// Deletes a revision's row. The head, a pinned one, and one that a session is just starting from are
    /// [`Error::Conflict`]. The bytes are left to the caller.
    pub async fn delete_revision(
        &self,
        (project, by): (ProjectId, &Actor),
        name: &str,
        number: u64,
    ) -> Result<ProfileId> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, name).await?;
        let revision = require(&mut tx, profile.id, number).await?;
        let conflict = |why: &str| Err(Error::Conflict(format!("Revision {number} {why}")));
        if revision.head {
            return conflict("is the head. Roll back to another revision first, or delete the profile.");
        }
        if revision.pinned {
            return conflict("is pinned. Unpin it first.");
        }
        if in_use(&mut tx, profile.id).await?.contains(&number) {
            return conflict("is in use by a session. End the session first.");
        }
        delete(&mut tx, profile.id, number).await?;
        put_on_record(&mut tx, by, &of(Action::RevisionDelete, &profile, number)).await?;
        tx.commit().await.map_err(fault)?;
        Ok(profile.id)
    }

    /// Says which of a profile's revisions would stay if `doomed` chose, as [`Db::retire_revisions`] has it.
    pub async fn revisions_to_keep(
        &self,
        profile: ProfileId,
        doomed: impl FnOnce(&[RevisionRecord]) -> Vec<u64>,
    ) -> Result<Kept> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        choose(&mut connection, profile, doomed).await
    }

    /// Deletes the rows of the revisions that `doomed` chooses, and returns which are left.
    ///
    /// The choice is made on what is there at this moment, and never reaches the head, a pinned revision or one that a
    /// live session was started from, whatever it says.
    pub async fn retire_revisions(
        &self,
        profile: ProfileId,
        doomed: impl FnOnce(&[RevisionRecord]) -> Vec<u64>,
    ) -> Result<Kept> {
        let mut tx = self.write().await?;
        let kept = choose(&mut tx, profile, doomed).await?;
        for revision in &kept.removed {
            delete(&mut tx, profile, *revision).await?;
        }
        tx.commit().await.map_err(fault)?;
        Ok(kept)
    }
}

fn of(action: Action, profile: &ProfileRecord, revision: u64) -> Entry {
    Entry::of(action).on_profile(profile.id, &profile.name).on_revision(revision)
}

async fn next_number(tx: &mut SqliteConnection, profile: ProfileId) -> Result<u64> {
    let found = sqlx::query("SELECT last_revision + 1 AS number FROM profiles WHERE id = ?")
        .bind(profile.to_string())
        .fetch_one(tx)
        .await
        .map_err(fault)?;
    row::count(&found, "number")
}

async fn make_head(tx: &mut SqliteConnection, profile: ProfileId, number: u64) -> Result<()> {
    sqlx::query(
        "UPDATE profiles SET head = ?1, last_revision = max(last_revision, ?1), status_reason = NULL,
             status = CASE WHEN status = 'pending' THEN status ELSE 'active' END, updated_at = ?2 WHERE id = ?3",
    )
    .bind(row::to_sql(number))
    .bind(clock::now().as_millisecond())
    .bind(profile.to_string())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

async fn choose(
    connection: &mut SqliteConnection,
    profile: ProfileId,
    doomed: impl FnOnce(&[RevisionRecord]) -> Vec<u64>,
) -> Result<Kept> {
    let all = list(connection, profile).await?;
    let in_use = in_use(connection, profile).await?;
    let doomed = doomed(&all);
    let goes = |revision: &RevisionRecord| {
        let wanted = revision.head || revision.pinned || in_use.contains(&revision.number);
        doomed.contains(&revision.number) && !wanted
    };
    let (removed, revisions): (Vec<_>, Vec<_>) = all.into_iter().partition(goes);
    Ok(Kept { removed: removed.iter().map(|revision| revision.number).collect(), revisions })
}

async fn list(connection: &mut SqliteConnection, profile: ProfileId) -> Result<Vec<RevisionRecord>> {
    sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY r.number DESC")))
        .bind(profile.to_string())
        .fetch_all(connection)
        .await
        .map_err(fault)?
        .iter()
        .map(record)
        .collect()
}

async fn require(
    connection: &mut SqliteConnection,
    profile: ProfileId,
    number: u64,
) -> Result<RevisionRecord> {
    let found = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} AND r.number = ?")))
        .bind(profile.to_string())
        .bind(row::to_sql(number))
        .fetch_optional(connection)
        .await
        .map_err(fault)?
        .ok_or(REVISION_NOT_FOUND)?;
    record(&found)
}

async fn delete(tx: &mut SqliteConnection, profile: ProfileId, number: u64) -> Result<()> {
    sqlx::query("DELETE FROM revisions WHERE profile_id = ? AND number = ?")
        .bind(profile.to_string())
        .bind(row::to_sql(number))
        .execute(tx)
        .await
        .map_err(fault)?;
    Ok(())
}

/// Lists the revisions that live sessions were started from: one that starts may still have to read its own.
async fn in_use(tx: &mut SqliteConnection, profile: ProfileId) -> Result<Vec<u64>> {
    sqlx::query(
        "SELECT profile_revision FROM sessions WHERE profile_id = ? AND profile_revision IS NOT NULL
             AND status IN ('starting', 'running', 'stopping')",
    )
    .bind(profile.to_string())
    .fetch_all(tx)
    .await
    .map_err(fault)?
    .iter()
    .map(|found| row::count(found, "profile_revision"))
    .collect()
}

fn record(found: &SqliteRow) -> Result<RevisionRecord> {
    Ok(RevisionRecord {
        number: row::count(found, "number")?,
        parent: row::count_optional(found, "parent")?,
        head: row::get::<Option<bool>>(found, "is_head")?.unwrap_or(false),
        session: row::parse_optional(found, "session_id")?,
        saved_at: row::time(found, "saved_at")?,
        digest: row::get(found, "digest")?,
        size_bytes: row::count(found, "size_bytes")?,
        added_bytes: row::count(found, "added_bytes")?,
        files: row::count(found, "files")?,
        captured: row::json(found, "captured")?,
        browser_version: row::get(found, "browser_version")?,
        cause: row::word(found, "cause", RevisionCause::parse)?,
        diverged_from: row::count_optional(found, "diverged_from")?,
        held_back: row::json_optional(found, "held_back")?,
        pinned: row::get(found, "pinned")?,
    })
}
