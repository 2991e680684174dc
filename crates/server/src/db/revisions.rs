//! Revisions: publishing them, and everything that moves a head.

use roadstead_api::{Captured, HeldBack, ProfileId, ProjectId, Receipt, SessionId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::profiles::require_profile;
use super::row::to_json;
use super::sinks::require_no_exclusive_writer;
use super::{Db, fault, row};
use crate::clock;
use crate::error::{Error, REVISION_NOT_FOUND, Result};
use crate::profile::{RevisionCause, RevisionRecord};

/// A revision whose bytes are complete and durable in the vault.
#[derive(Debug)]
pub struct NewRevision<'a> {
    /// The profile that it belongs to.
    pub profile: ProfileId,
    /// The session that was saved; `None` for an import.
    pub session: Option<SessionId>,
    /// The snapshot's digest.
    pub digest: &'a str,
    /// Its restored size in bytes.
    pub size_bytes: u64,
    /// What it added to the vault in bytes.
    pub added_bytes: u64,
    /// How many files it holds.
    pub files: u64,
    /// What it holds, by kind.
    pub captured: &'a Captured,
    /// The browser that wrote it.
    pub browser_version: Option<&'a str>,
    /// Why it was saved.
    pub cause: RevisionCause,
    /// The required cookies that it lacks, as `name@host`.
    pub missing_cookies: &'a [String],
}

/// Where a revision was put.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Its number.
    pub number: u64,
    /// The head that it does not descend from.
    pub diverged_from: Option<u64>,
    /// Why it did not become the head.
    pub held_back: Option<HeldBack>,
}

/// Whether a revision found its profile.
#[derive(Debug)]
pub enum Published {
    /// It is stored, and so is the receipt.
    Saved(Receipt),
    /// The profile was deleted meanwhile; nothing was written.
    ProfileGone,
}

const COLUMNS: &str = "SELECT r.*, r.number = p.head AS is_head
    FROM revisions r JOIN profiles p ON p.id = r.profile_id WHERE r.profile_id = ?";

/// A profile's side of a publication.
struct Target {
    head: Option<u64>,
    next: u64,
    writer_generation: u64,
}

/// A session's side of a publication: what its state comes from.
#[derive(Default)]
struct Origin {
    parent: Option<u64>,
    base: Option<u64>,
    writer_generation: Option<u64>,
}

impl Db {
    /// Publishes a revision: gives it its number, makes it the head unless something speaks against it, and stores the
    /// receipt, all or nothing.
    ///
    /// It stays a revision beside the head when it lacks a required cookie, when the right to write went to another
    /// session meanwhile, and when it is late: a save that failed when its session ended, and is repeated now, must not
    /// bring back an older state over that of a session that ended after it.
    pub async fn publish_revision(
        &self,
        new: &NewRevision<'_>,
        receipt: impl FnOnce(&Placement) -> Receipt,
    ) -> Result<Published> {
        fail::fail_point!("save-row", |_| Err(fault(sqlx::Error::PoolClosed)));
        let mut tx = self.write().await?;
        let Some(target) = target(&mut tx, new.profile).await? else {
            return Ok(Published::ProfileGone);
        };
        let origin = origin(&mut tx, new).await?;
        let placement = Placement {
            number: target.next,
            diverged_from: target.head.filter(|head| Some(*head) != origin.base),
            held_back: held_back(&mut tx, new, &target, &origin).await?,
        };
        insert(&mut tx, new, origin.parent, &placement).await?;
        move_head(&mut tx, new, &placement).await?;
        let receipt = receipt(&placement);
        match (new.session, new.cause) {
            (Some(session), RevisionCause::Checkpoint) => {
                keep_checkpoint(&mut tx, session, new.profile, &placement, &receipt).await?;
            }
            (Some(session), _) => settle_sink(&mut tx, session, new.profile, &receipt).await?,
            (None, _) => {}
        }
        tx.commit().await.map_err(fault)?;
        Ok(Published::Saved(receipt))
    }

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
    pub async fn roll_back(&self, project: ProjectId, name: &str, number: u64) -> Result<RevisionRecord> {
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
        let added = require(&mut tx, profile.id, next).await?;
        tx.commit().await.map_err(fault)?;
        Ok(added)
    }

    /// Makes a revision that was held back the head after all. One that is older than the head is [`Error::Conflict`].
    pub async fn promote(&self, project: ProjectId, name: &str, number: u64) -> Result<RevisionRecord> {
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
        let promoted = require(&mut tx, profile.id, number).await?;
        tx.commit().await.map_err(fault)?;
        Ok(promoted)
    }

    /// Keeps a revision from retention, or no longer.
    pub async fn pin(
        &self,
        project: ProjectId,
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
        tx.commit().await.map_err(fault)?;
        Ok(changed)
    }

    /// Deletes a revision's row. The head, a pinned one, and one that a session is just starting from are
    /// [`Error::Conflict`]. The bytes are left to the caller.
    pub async fn delete_revision(&self, project: ProjectId, name: &str, number: u64) -> Result<ProfileId> {
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
        tx.commit().await.map_err(fault)?;
        Ok(profile.id)
    }

    /// Deletes the rows of the revisions that `doomed` chooses, and returns the revisions that are left.
    ///
    /// The choice is made on what is there at this moment, and never reaches the head, a pinned revision or one that a
    /// live session was started from, whatever it says.
    pub async fn retire_revisions(
        &self,
        profile: ProfileId,
        doomed: impl FnOnce(&[RevisionRecord]) -> Vec<u64>,
    ) -> Result<Vec<RevisionRecord>> {
        let mut tx = self.write().await?;
        let all = list(&mut tx, profile).await?;
        let in_use = in_use(&mut tx, profile).await?;
        let doomed = doomed(&all);
        let goes = |revision: &RevisionRecord| {
            let wanted = revision.head || revision.pinned || in_use.contains(&revision.number);
            doomed.contains(&revision.number) && !wanted
        };
        for revision in all.iter().filter(|revision| goes(revision)) {
            delete(&mut tx, profile, revision.number).await?;
        }
        tx.commit().await.map_err(fault)?;
        Ok(all.into_iter().filter(|revision| !goes(revision)).collect())
    }
}

async fn target(tx: &mut SqliteConnection, profile: ProfileId) -> Result<Option<Target>> {
    let found = sqlx::query("SELECT head, last_revision, writer_generation FROM profiles WHERE id = ?")
        .bind(profile.to_string())
        .fetch_optional(tx)
        .await
        .map_err(fault)?;
    let Some(found) = found else { return Ok(None) };
    Ok(Some(Target {
        head: row::count_optional(&found, "head")?,
        next: row::count(&found, "last_revision")? + 1,
        writer_generation: row::count(&found, "writer_generation")?,
    }))
}

/// Finds what a session's state comes from: its sink knows, and without one the session itself, if it was started from
/// this profile.
async fn origin(tx: &mut SqliteConnection, new: &NewRevision<'_>) -> Result<Origin> {
    let Some(session) = new.session else {
        return Ok(Origin::default());
    };
    let found = sqlx::query(
        "SELECT k.parent, k.base, k.writer_generation FROM sinks k WHERE k.session_id = ?1 AND k.profile_id = ?2
         UNION ALL
         SELECT s.profile_revision, s.profile_revision, NULL FROM sessions s WHERE s.id = ?1 AND s.profile_id = ?2
         LIMIT 1",
    )
    .bind(session.to_string())
    .bind(new.profile.to_string())
    .fetch_optional(tx)
    .await
    .map_err(fault)?;
    let Some(found) = found else { return Ok(Origin::default()) };
    Ok(Origin {
        parent: row::count_optional(&found, "parent")?,
        base: row::count_optional(&found, "base")?,
        writer_generation: row::count_optional(&found, "writer_generation")?,
    })
}

async fn held_back(
    tx: &mut SqliteConnection,
    new: &NewRevision<'_>,
    target: &Target,
    origin: &Origin,
) -> Result<Option<HeldBack>> {
    if origin.writer_generation.is_some_and(|generation| generation < target.writer_generation) {
        let reason = "The right to write went to another session before this one was saved. Promote the revision, or roll back to it, if it is wanted.";
        return Ok(Some(HeldBack { reason: reason.to_owned(), missing_cookies: Vec::new() }));
    }
    if is_late(tx, new).await? {
        let reason = "It was saved late: the head is of a session that ended after this one. Roll back to the revision if it is wanted.";
        return Ok(Some(HeldBack { reason: reason.to_owned(), missing_cookies: Vec::new() }));
    }
    if new.missing_cookies.is_empty() {
        return Ok(None);
    }
    let reason = format!(
        "It lacks what require_cookies names: {}. Promote the revision if it is wanted all the same.",
        new.missing_cookies.join(", ")
    );
    Ok(Some(HeldBack { reason, missing_cookies: new.missing_cookies.to_vec() }))
}

/// Tells whether the head is of a session that ended after the one that is saved now.
async fn is_late(tx: &mut SqliteConnection, new: &NewRevision<'_>) -> Result<bool> {
    let found = sqlx::query(
        "SELECT 1 FROM profiles p JOIN revisions r ON r.profile_id = p.id AND r.number = p.head
         JOIN sessions s ON s.id = ? WHERE p.id = ? AND r.saved_at > s.ended_at",
    )
    .bind(new.session.map(|session| session.to_string()))
    .bind(new.profile.to_string())
    .fetch_optional(tx)
    .await
    .map_err(fault)?;
    Ok(found.is_some())
}

async fn insert(
    tx: &mut SqliteConnection,
    new: &NewRevision<'_>,
    parent: Option<u64>,
    placement: &Placement,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO revisions (profile_id, number, parent, session_id, saved_at, digest, size_bytes, added_bytes,
             files, captured, browser_version, cause, diverged_from, held_back)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.profile.to_string())
    .bind(row::to_sql(placement.number))
    .bind(parent.map(row::to_sql))
    .bind(new.session.map(|session| session.to_string()))
    .bind(clock::now().as_millisecond())
    .bind(new.digest)
    .bind(row::to_sql(new.size_bytes))
    .bind(row::to_sql(new.added_bytes))
    .bind(row::to_sql(new.files))
    .bind(to_json(new.captured))
    .bind(new.browser_version)
    .bind(new.cause.as_str())
    .bind(placement.diverged_from.map(row::to_sql))
    .bind(placement.held_back.as_ref().map(to_json))
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

/// Notes the new number, and moves the head to it unless it is held back. A profile whose session still runs stays
/// pending; one whose latest save lacks a cookie has failed, and says so. One that is late or stale is no failure: the head
/// is the newer state.
async fn move_head(tx: &mut SqliteConnection, new: &NewRevision<'_>, placement: &Placement) -> Result<()> {
    let held_back = placement.held_back.as_ref();
    let lacks = held_back.filter(|held| !held.missing_cookies.is_empty());
    let why = lacks.map(|held| format!("Revision {} was held back. {}", placement.number, held.reason));
    let status = if lacks.is_some() { "failed" } else { "active" };
    sqlx::query(
        "UPDATE profiles SET last_revision = ?1, head = CASE WHEN ?7 THEN head ELSE ?1 END,
             status = CASE WHEN ?3 AND status = 'pending' THEN status ELSE ?4 END, status_reason = ?2, updated_at = ?5
         WHERE id = ?6",
    )
    .bind(row::to_sql(placement.number))
    .bind(why)
    .bind(new.cause == RevisionCause::Checkpoint)
    .bind(status)
    .bind(clock::now().as_millisecond())
    .bind(new.profile.to_string())
    .bind(held_back.is_some())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

/// Keeps a checkpoint's receipt, and lets the session's next save come after it.
async fn keep_checkpoint(
    tx: &mut SqliteConnection,
    session: SessionId,
    profile: ProfileId,
    placement: &Placement,
    receipt: &Receipt,
) -> Result<()> {
    sqlx::query("INSERT INTO checkpoints (session_id, profile_id, number, receipt) VALUES (?, ?, ?, ?)")
        .bind(session.to_string())
        .bind(profile.to_string())
        .bind(row::to_sql(placement.number))
        .bind(to_json(receipt))
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
    sqlx::query(
        "UPDATE sinks SET parent = ?1, base = CASE WHEN ?2 THEN base ELSE ?1 END
         WHERE session_id = ?3 AND profile_id = ?4",
    )
    .bind(row::to_sql(placement.number))
    .bind(placement.held_back.is_some())
    .bind(session.to_string())
    .bind(profile.to_string())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

async fn settle_sink(
    tx: &mut SqliteConnection,
    session: SessionId,
    profile: ProfileId,
    receipt: &Receipt,
) -> Result<()> {
    sqlx::query("UPDATE sinks SET state = 'saved', receipt = ? WHERE session_id = ? AND profile_id = ?")
        .bind(to_json(receipt))
        .bind(session.to_string())
        .bind(profile.to_string())
        .execute(tx)
        .await
        .map_err(fault)?;
    Ok(())
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
