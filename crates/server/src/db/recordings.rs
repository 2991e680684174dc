//! What is known of sessions' recordings.

use jiff::Timestamp;
use roadstead_api::{ProjectId, RecordingId, SessionId};
use sqlx::sqlite::SqliteRow;

use super::{Db, fault, row};
use crate::error::Result;
use crate::session::recordings::{Recording, RecordingState};

impl Db {
    /// Puts a recording that begins on record.
    pub async fn add_recording(&self, session: SessionId, id: RecordingId, now: Timestamp) -> Result<()> {
        sqlx::query(
            "INSERT INTO recordings (session_id, id, state, created_at) VALUES (?, ?, 'recording', ?)",
        )
        .bind(session.to_string())
        .bind(id.to_string())
        .bind(now.as_millisecond())
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Notes what has become of a recording. One that was deleted stays so.
    pub async fn update_recording(&self, recording: &Recording) -> Result<()> {
        sqlx::query(
            "UPDATE recordings SET state = ?, detail = ?, frames = ?, size_bytes = ?, duration_ms = ? WHERE id = ?",
        )
        .bind(recording.state.as_str())
        .bind(recording.detail.as_deref())
        .bind(row::to_sql(recording.frames))
        .bind(row::to_sql(recording.size))
        .bind(row::to_sql(recording.duration_ms))
        .bind(recording.id.to_string())
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Returns the recording of one of a project's sessions, if there is one. That of a session that ended before `oldest` has
    /// expired. An unknown session is an error.
    pub async fn recording(
        &self,
        project: ProjectId,
        session: SessionId,
        oldest: Timestamp,
    ) -> Result<Option<Recording>> {
        self.session(project, session).await?;
        let found = sqlx::query(
            "SELECT r.* FROM recordings r JOIN sessions s ON s.id = r.session_id
             WHERE s.id = ? AND s.project_id = ? AND coalesce(s.ended_at >= ?, 1)",
        )
        .bind(session.to_string())
        .bind(project.to_string())
        .bind(oldest.as_millisecond())
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        found.as_ref().map(recording).transpose()
    }

    /// Lists the recordings that nobody ended, with their sessions: those of an earlier server.
    pub async fn unfinished_recordings(&self) -> Result<Vec<(SessionId, Recording)>> {
        let found = sqlx::query("SELECT * FROM recordings WHERE state IN ('recording', 'paused')")
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        found.iter().map(|found| Ok((row::parse(found, "session_id")?, recording(found)?))).collect()
    }

    /// Lists the sessions that have a recording, and ended before a moment.
    pub async fn sessions_with_expired_recordings(&self, oldest: Timestamp) -> Result<Vec<SessionId>> {
        let found = sqlx::query(
            "SELECT s.id FROM recordings r JOIN sessions s ON s.id = r.session_id WHERE s.ended_at < ?",
        )
        .bind(oldest.as_millisecond())
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        found.iter().map(|found| row::parse(found, "id")).collect()
    }

    /// Lists the sessions that have a recording.
    pub async fn sessions_with_recordings(&self) -> Result<Vec<SessionId>> {
        let found = sqlx::query("SELECT session_id FROM recordings").fetch_all(&self.pool).await;
        found.map_err(fault)?.iter().map(|found| row::parse(found, "session_id")).collect()
    }

    /// Forgets a session's recording. Its files are left to the caller.
    pub async fn forget_recording(&self, session: SessionId) -> Result<()> {
        sqlx::query("DELETE FROM recordings WHERE session_id = ?")
            .bind(session.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }
}

fn recording(found: &SqliteRow) -> Result<Recording> {
    Ok(Recording {
        id: row::parse(found, "id")?,
        state: row::word(found, "state", RecordingState::parse)?,
        detail: row::get(found, "detail")?,
        frames: row::count(found, "frames")?,
        size: row::count(found, "size_bytes")?,
        duration_ms: row::count(found, "duration_ms")?,
        created_at: row::time(found, "created_at")?,
    })
}
