//! Sinks: which profiles a session will be saved into, who may be tied to which, and how each save came out.

use roadstead_api::{ProfileId, ProfileName, ProjectId, Receipt, SessionId};
use sqlx::SqliteConnection;

use super::audit::{name_of, record_of_session};
use super::profiles::require_profile;
use super::row::to_json;
use super::{Db, fault, row};
use crate::audit::{Action, Entry, Outcome};
use crate::clock;
use crate::error::{Error, Result};
use crate::profile::{ProfileRecord, SaveOptions};

/// A profile that a session is to be saved into.
#[derive(Clone, Debug)]
pub struct Sink {
    /// The profile.
    pub profile: ProfileId,
    /// Its name when it was tied to the session.
    pub name: ProfileName,
    /// Whether the profile was deleted meanwhile.
    pub dropped: bool,
    /// The digest of the profile's head: what the next snapshot has most in common with.
    pub head: Option<String>,
    /// What the session asks of the save.
    pub options: SaveOptions,
}

impl Db {
    /// Closes a session to new sinks and returns those it has, deleted profiles' included.
    pub async fn begin_stopping(&self, id: SessionId) -> Result<Vec<Sink>> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE sessions SET status = 'stopping' WHERE id = ? AND status IN ('starting', 'running')",
        )
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let sinks = unsaved_sinks(&mut tx, id).await?;
        tx.commit().await.map_err(fault)?;
        Ok(sinks)
    }

    /// Returns what a running session is to be saved into by a checkpoint: one of its project's profiles, tied to it or not.
    ///
    /// A profile that another session writes alone is [`Error::Conflict`].
    pub async fn checkpoint_sink(
        &self,
        project: ProjectId,
        session: SessionId,
        profile: &str,
    ) -> Result<Sink> {
        let mut tx = self.write().await?;
        let profile = require_profile(&mut tx, project, profile).await?;
        require_no_exclusive_writer(&mut tx, &profile, Some(session)).await?;
        let tied = unsaved_sinks(&mut tx, session).await?.into_iter().find(|sink| sink.profile == profile.id);
        if let Some(sink) = tied {
            return Ok(sink);
        }
        let head = sqlx::query("SELECT digest FROM revisions WHERE profile_id = ? AND number = ?")
            .bind(profile.id.to_string())
            .bind(profile.revision.map(row::to_sql))
            .fetch_optional(&mut *tx)
            .await
            .map_err(fault)?;
        Ok(Sink {
            profile: profile.id,
            name: profile.name,
            dropped: false,
            head: head.map(|found| row::get(&found, "digest")).transpose()?,
            options: SaveOptions::default(),
        })
    }

    /// Notes a save that did not happen because its profile is gone.
    pub async fn drop_sink(&self, session: SessionId, profile: ProfileId, receipt: &Receipt) -> Result<()> {
        sqlx::query(
            "UPDATE sinks SET state = 'dropped', receipt = ? WHERE session_id = ? AND profile_id = ?",
        )
        .bind(to_json(receipt))
        .bind(session.to_string())
        .bind(profile.to_string())
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
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

    /// Gives up a save that cannot be tried again, since nothing is left to be saved; the profile says why. A profile with a
    /// head stays as it was when the session never ran: nothing was lost.
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
        sqlx::query(
            "UPDATE profiles SET status = 'failed', status_reason = ?1, updated_at = ?2
             WHERE id = ?3 AND (head IS NULL OR
                 EXISTS (SELECT 1 FROM sessions WHERE id = ?4 AND browser_version IS NOT NULL))",
        )
        .bind(reason)
        .bind(clock::now().as_millisecond())
        .bind(profile.to_string())
        .bind(session.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        if let Some(name) = name_of(&mut tx, profile).await? {
            let lost = Entry::of(Action::ProfileSave).came_out(Outcome::Failed).on_profile(profile, &name);
            record_of_session(&mut tx, session, lost).await?;
        }
        tx.commit().await.map_err(fault)
    }
}

/// Ties a profile to a session that will be saved into it. A session that was started from this profile saves what
/// comes after the revision that it loaded.
pub(super) async fn add_sink(
    tx: &mut SqliteConnection,
    session: SessionId,
    profile: ProfileId,
    name: &ProfileName,
    options: &SaveOptions,
    exclusive: bool,
) -> Result<()> {
    if exclusive {
        sqlx::query("UPDATE profiles SET writer_generation = writer_generation + 1 WHERE id = ?")
            .bind(profile.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
    }
    sqlx::query(
        "INSERT INTO sinks (session_id, profile_id, profile_name, state, parent, base, exclusive,
             writer_generation, options)
         SELECT s.id, p.id, ?, 'pending', loaded.number, loaded.number, ?, p.writer_generation, ?
         FROM sessions s JOIN profiles p ON p.id = ?
         LEFT JOIN revisions loaded
             ON s.profile_id = p.id AND loaded.profile_id = p.id AND loaded.number = s.profile_revision
         WHERE s.id = ?
         ON CONFLICT (session_id, profile_id) DO NOTHING",
    )
    .bind(name.as_str())
    .bind(exclusive)
    .bind(to_json(options))
    .bind(profile.to_string())
    .bind(session.to_string())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}

pub(super) async fn unsaved_sinks(tx: &mut SqliteConnection, session: SessionId) -> Result<Vec<Sink>> {
    sqlx::query(
        "SELECT k.profile_id, k.profile_name, k.state, k.options, r.digest FROM sinks k
         LEFT JOIN profiles p ON p.id = k.profile_id
         LEFT JOIN revisions r ON r.profile_id = p.id AND r.number = p.head
         WHERE k.session_id = ? AND k.state <> 'saved' AND (k.state <> 'dropped' OR k.receipt IS NULL)
         ORDER BY k.profile_name",
    )
    .bind(session.to_string())
    .fetch_all(tx)
    .await
    .map_err(fault)?
    .iter()
    .map(|found| {
        let state: &str = row::get(found, "state")?;
        Ok(Sink {
            profile: row::parse(found, "profile_id")?,
            name: row::parse(found, "profile_name")?,
            dropped: state == "dropped",
            head: row::get(found, "digest")?,
            options: row::json(found, "options")?,
        })
    })
    .collect()
}

/// Finds a live session that will be saved into a profile; with `exclusive`, one that does so alone.
pub(super) async fn writer(
    tx: &mut SqliteConnection,
    profile: ProfileId,
    except: Option<SessionId>,
    exclusive: bool,
) -> Result<Option<SessionId>> {
    let found = sqlx::query(
        "SELECT k.session_id FROM sinks k JOIN sessions s ON s.id = k.session_id
         WHERE k.profile_id = ?1 AND k.state = 'pending' AND s.status IN ('starting', 'running', 'stopping')
             AND (?2 IS NULL OR k.session_id <> ?2) AND (k.exclusive OR NOT ?3)
         ORDER BY k.exclusive DESC, s.created_at LIMIT 1",
    )
    .bind(profile.to_string())
    .bind(except.map(|session| session.to_string()))
    .bind(exclusive)
    .fetch_optional(tx)
    .await
    .map_err(fault)?;
    found.map(|found| row::parse(&found, "session_id")).transpose()
}

/// Refuses to write to a profile that another session writes alone.
pub(super) async fn require_no_exclusive_writer(
    tx: &mut SqliteConnection,
    profile: &ProfileRecord,
    session: Option<SessionId>,
) -> Result<()> {
    match writer(tx, profile.id, session, true).await? {
        Some(holder) => Err(Error::Conflict(format!(
            "The session {holder} is the exclusive writer of the profile {:?}. End it first.",
            profile.name.as_str()
        ))),
        None => Ok(()),
    }
}
