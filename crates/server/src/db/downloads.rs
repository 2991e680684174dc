//! What sessions' browsers downloaded.

use jiff::Timestamp;
use roadstead_api::{DownloadId, ProjectId, SessionId};
use sqlx::sqlite::SqliteRow;

use super::{Db, fault, row};
use crate::error::{DOWNLOAD_NOT_FOUND, Result};
use crate::session::downloads::{Download, DownloadState};

impl Db {
    /// Puts a download that is over on record.
    pub async fn add_download(&self, session: SessionId, download: &Download) -> Result<()> {
        sqlx::query(
            "INSERT INTO downloads (session_id, id, state, detail, url, origin_url, suggested_name, original_name,
                 size_bytes, duration_ms, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(session.to_string())
        .bind(download.id.to_string())
        .bind(download.state.as_str())
        .bind(download.detail.as_deref())
        .bind(&download.url)
        .bind(download.origin_url.as_deref())
        .bind(&download.suggested_name)
        .bind(&download.original_name)
        .bind(row::to_sql(download.size))
        .bind(row::to_sql(download.duration_ms))
        .bind(download.created_at.as_millisecond())
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Lists the downloads of one of a project's sessions, oldest first. Those of a session that ended before `oldest` have expired.
    pub async fn downloads(
        &self,
        project: ProjectId,
        session: SessionId,
        oldest: Timestamp,
    ) -> Result<Vec<Download>> {
        // An unknown session is an error, not an empty list.
        self.session(project, session).await?;
        let found = sqlx::query(
            "SELECT d.* FROM downloads d JOIN sessions s ON s.id = d.session_id
             WHERE s.id = ? AND s.project_id = ? AND coalesce(s.ended_at >= ?, 1) ORDER BY d.created_at, d.id",
        )
        .bind(session.to_string())
        .bind(project.to_string())
        .bind(oldest.as_millisecond())
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        found.iter().map(download).collect()
    }

    /// Returns one download of one of a project's sessions, if it has a file.
    pub async fn download(
        &self,
        project: ProjectId,
        (session, id): (SessionId, DownloadId),
        oldest: Timestamp,
    ) -> Result<Download> {
        let found = self.downloads(project, session, oldest).await?.into_iter();
        let mut found =
            found.filter(|download| download.id == id && download.state == DownloadState::Completed);
        found.next().ok_or(DOWNLOAD_NOT_FOUND)
    }

    /// Lists the sessions that have downloads, and ended before a moment.
    pub async fn sessions_with_expired_downloads(&self, oldest: Timestamp) -> Result<Vec<SessionId>> {
        let found = sqlx::query(
            "SELECT DISTINCT s.id FROM downloads d JOIN sessions s ON s.id = d.session_id WHERE s.ended_at < ?",
        )
        .bind(oldest.as_millisecond())
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        found.iter().map(|found| row::parse(found, "id")).collect()
    }

    /// Lists the sessions that have downloads.
    pub async fn sessions_with_downloads(&self) -> Result<Vec<SessionId>> {
        let found = sqlx::query("SELECT DISTINCT session_id FROM downloads").fetch_all(&self.pool).await;
        found.map_err(fault)?.iter().map(|found| row::parse(found, "session_id")).collect()
    }

    /// Forgets the downloads of sessions whose end they do not outlive. Their files are left to the caller. None of those may run.
    pub async fn forget_passing_downloads(&self) -> Result<()> {
        sqlx::query(
            "DELETE FROM downloads WHERE session_id IN
                 (SELECT id FROM sessions WHERE json_extract(configuration, '$.browser.p2p_download.active') = 1)",
        )
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(fault)
    }

    /// Forgets a session's downloads. Their files are left to the caller. Returns how many there were.
    pub async fn forget_downloads(&self, session: SessionId) -> Result<u64> {
        let forgotten = sqlx::query("DELETE FROM downloads WHERE session_id = ?")
            .bind(session.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(forgotten.rows_affected())
    }
}

fn download(found: &SqliteRow) -> Result<Download> {
    Ok(Download {
        id: row::parse(found, "id")?,
        state: row::word(found, "state", DownloadState::parse)?,
        detail: row::get(found, "detail")?,
        url: row::get(found, "url")?,
        origin_url: row::get(found, "origin_url")?,
        suggested_name: row::get(found, "suggested_name")?,
        original_name: row::get(found, "original_name")?,
        size: row::count(found, "size_bytes")?,
        duration_ms: row::count(found, "duration_ms")?,
        created_at: row::time(found, "created_at")?,
    })
}
