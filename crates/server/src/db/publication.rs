//! Publishing a revision: its number, whether it becomes the head, and the receipt, in one transaction.
//!
//! Whatever is saved becomes a revision. What speaks against making it the head is decided here, and nowhere else.

use roadstead_api::{Captured, HeldBack, ProfileId, Receipt, SessionId};
use sqlx::SqliteConnection;

use super::audit::{name_of, record, record_of_session};
use super::row::to_json;
use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry};
use crate::clock;
use crate::error::Result;
use crate::profile::RevisionCause;

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
        let Some(placement) = place(&mut tx, new).await? else {
            return Ok(Published::ProfileGone);
        };
        let receipt = receipt(&placement);
        record_save(&mut tx, new, placement.number).await?;
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

    /// Publishes a revision that comes from no session, and returns its number; `None` when its profile is gone.
    pub async fn publish_import(&self, by: &Actor, new: &NewRevision<'_>) -> Result<Option<u64>> {
        let mut tx = self.write().await?;
        let placement = place(&mut tx, new).await?;
        if let (Some(placement), Some(name)) = (&placement, name_of(&mut tx, new.profile).await?) {
            let saved = Entry::of(Action::ProfileSave).on_profile(new.profile, &name);
            let saved = saved.on_revision(placement.number).because(new.cause.as_str());
            record(&mut tx, by, &saved).await?;
        }
        tx.commit().await.map_err(fault)?;
        Ok(placement.map(|placement| placement.number))
    }
}

async fn record_save(tx: &mut SqliteConnection, new: &NewRevision<'_>, number: u64) -> Result<()> {
    let (Some(session), Some(name)) = (new.session, name_of(tx, new.profile).await?) else {
        return Ok(());
    };
    let saved = Entry::of(Action::ProfileSave).on_profile(new.profile, &name).on_revision(number);
    record_of_session(tx, session, saved.because(new.cause.as_str())).await
}

/// Gives a revision its number and its place; `None` when its profile is gone.
async fn place(tx: &mut SqliteConnection, new: &NewRevision<'_>) -> Result<Option<Placement>> {
    let Some(target) = target(tx, new.profile).await? else {
        return Ok(None);
    };
    let origin = origin(tx, new).await?;
    let placement = Placement {
        number: target.next,
        diverged_from: target.head.filter(|head| Some(*head) != origin.base),
        held_back: held_back(tx, new, &target, &origin).await?,
    };
    insert(tx, new, origin.parent, &placement).await?;
    move_head(tx, new, &placement).await?;
    Ok(Some(placement))
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
    .bind(matches!(new.cause, RevisionCause::Checkpoint | RevisionCause::Imported))
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
