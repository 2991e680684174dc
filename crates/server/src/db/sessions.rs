//! Sessions: their state, their lists, and what an earlier server left of them.

use std::net::IpAddr;

use roadstead_api::{ProjectId, RestoreReport, SessionId};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use super::audit::{record as record_entry, record_of_session};
use super::row::to_json;
use super::sinks::{Sink, unsaved_sinks};
use super::{Db, fault, outbox, row};
use crate::audit::{Action, Actor, Entry, Outcome};
use crate::clock;
use crate::error::{Result, SESSION_NOT_FOUND};
use crate::exits::choice::Way;
use crate::session::query::{SessionFilter, SessionPage, SessionQuery, SortBy, SortOrder};
use crate::session::record::{EndReason, LoadedProfile, SessionRecord, SessionStatus};

/// A session that an earlier server left unfinished, or whose save failed.
#[derive(Debug)]
pub struct Interrupted {
    /// The session.
    pub id: SessionId,
    /// How far it came.
    pub status: SessionStatus,
    /// The browser's pid and start time, when it came so far.
    pub browser: Option<(u32, u64)>,
    /// The revision of the profile that it was started from, and that profile's name.
    pub profile: Option<LoadedProfile>,
    /// The browser's version, once known.
    pub browser_version: Option<String>,
    /// What it was to be saved into, and has not been yet.
    pub sinks: Vec<Sink>,
    /// Whether it has been saved into something already.
    pub saved: bool,
}

const COLUMNS: &str = "s.id, s.project_id, s.status, s.reason, s.detail, s.configuration, s.tags, s.headless, s.recording,
    s.profile_name, s.profile_revision, s.profile_persist, s.api_key_name, s.browser_version, s.created_at, s.ended_at,
    s.restore, s.proxy_type, s.exit, s.browser_ip, s.proxy_bytes, s.requests, s.domains,
    (SELECT json_group_array(json(receipt)) FROM (
         SELECT receipt FROM checkpoints WHERE session_id = s.id
         UNION ALL SELECT receipt FROM sinks WHERE session_id = s.id AND receipt IS NOT NULL)) AS receipts";

impl Db {
    /// Notes that a session's browser answers, which process it is, and which address sites see.
    pub async fn session_running(
        &self,
        id: SessionId,
        version: &str,
        pid: u32,
        start_time: u64,
        restore: Option<&RestoreReport>,
        address: Option<IpAddr>,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE sessions SET status = 'running', browser_version = ?, browser_pid = ?, browser_start_time = ?,
                 restore = ?, browser_ip = ?
             WHERE id = ? AND status = 'starting'",
        )
        .bind(version)
        .bind(pid)
        .bind(row::to_sql(start_time))
        .bind(restore.map(to_json))
        .bind(address.map(|address| address.to_string()))
        .bind(id.to_string())
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Notes how a session ended, and who asked for it, if somebody did.
    pub async fn finish_session(
        &self,
        id: SessionId,
        status: SessionStatus,
        reason: EndReason,
        detail: Option<&str>,
        by: Option<&Actor>,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let before = sqlx::query("SELECT status FROM sessions WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *tx)
            .await
            .map_err(fault)?;
        let before = before.map(|found| row::word(&found, "status", SessionStatus::parse)).transpose()?;
        sqlx::query(
            "UPDATE sessions SET status = ?, reason = ?, detail = ?, ended_at = coalesce(ended_at, ?) WHERE id = ?",
        )
        .bind(status.as_str())
        .bind(reason.as_str())
        .bind(detail)
        .bind(clock::now().as_millisecond())
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(fault)?;
        let outcome = if status == SessionStatus::Failed { Outcome::Failed } else { Outcome::Ok };
        let entry = Entry::of(Action::SessionEnd).came_out(outcome).because(reason.as_str());
        match by {
            Some(actor) => record_entry(&mut tx, actor, &entry.in_session(id)).await?,
            None => record_of_session(&mut tx, id, entry).await?,
        }
        // A later try to save what is left of it does not end it again.
        if before.is_some_and(SessionStatus::is_live) {
            outbox::session_over(&mut tx, id, status).await?;
        }
        tx.commit().await.map_err(fault)?;
        self.tell_outbox();
        Ok(())
    }

    /// Replaces the sentence on how a session ended, which is not true any more.
    pub async fn correct_detail(&self, id: SessionId, detail: &str) -> Result<()> {
        sqlx::query("UPDATE sessions SET detail = ? WHERE id = ?")
            .bind(detail)
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }

    /// Returns one session of a project.
    pub async fn session(&self, project: ProjectId, id: SessionId) -> Result<SessionRecord> {
        let found = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM sessions s WHERE s.id = ? AND s.project_id = ?"
        )))
        .bind(id.to_string())
        .bind(project.to_string())
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?
        .ok_or(SESSION_NOT_FOUND)?;
        record(&found)
    }

    /// Lists a project's sessions, one page of them, and how many there are in all.
    pub async fn sessions(&self, project: ProjectId, query: &SessionQuery) -> Result<SessionPage> {
        let mut counting = QueryBuilder::new("SELECT count(*) AS total FROM sessions s");
        push_filter(&mut counting, project, &query.filter);
        let total = counting.build().fetch_one(&self.pool).await.map_err(fault)?;
        let mut listing = QueryBuilder::new(format!("SELECT {COLUMNS} FROM sessions s"));
        push_filter(&mut listing, project, &query.filter);
        listing.push(order_by(query.sort, query.order));
        listing.push(" LIMIT ").push_bind(i64::from(query.limit));
        listing.push(" OFFSET ").push_bind(row::to_sql(query.offset()));
        let found = listing.build().fetch_all(&self.pool).await.map_err(fault)?;
        Ok(SessionPage {
            sessions: found.iter().map(record).collect::<Result<_>>()?,
            total: row::count(&total, "total")?,
        })
    }

    /// Lists a project's sessions that are not over, oldest first.
    pub async fn live_sessions(
        &self,
        project: ProjectId,
        filter: &SessionFilter,
    ) -> Result<Vec<SessionRecord>> {
        let mut listing = QueryBuilder::new(format!("SELECT {COLUMNS} FROM sessions s"));
        push_filter(&mut listing, project, filter);
        listing.push(" AND s.status IN ('starting', 'running', 'stopping')");
        listing.push(order_by(SortBy::CreatedAt, SortOrder::Ascending));
        listing.build().fetch_all(&self.pool).await.map_err(fault)?.iter().map(record).collect()
    }

    /// Replaces a session's labels.
    pub async fn set_session_tags(&self, project: ProjectId, id: SessionId, tags: &[String]) -> Result<()> {
        let changed = sqlx::query("UPDATE sessions SET tags = ? WHERE id = ? AND project_id = ?")
            .bind(to_json(&tags))
            .bind(id.to_string())
            .bind(project.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        if changed.rows_affected() == 0 { Err(SESSION_NOT_FOUND) } else { Ok(()) }
    }

    /// Counts a screenshot that was taken over the API.
    pub async fn count_screenshot(&self, id: SessionId) -> Result<()> {
        sqlx::query("UPDATE sessions SET screenshots = screenshots + 1 WHERE id = ?")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }

    /// Lists what an earlier server left: sessions that never ended, and ended ones with a save that failed.
    pub async fn interrupted_sessions(&self) -> Result<Vec<Interrupted>> {
        let mut tx = self.write().await?;
        let found = sqlx::query(
            "SELECT s.id, s.status, s.browser_pid, s.browser_start_time, s.browser_version, s.profile_name,
                 s.profile_revision, s.profile_persist,
                 EXISTS (SELECT 1 FROM sinks WHERE session_id = s.id AND state = 'saved') AS saved
             FROM sessions s
             WHERE s.status IN ('starting', 'running', 'stopping')
                 OR EXISTS (SELECT 1 FROM sinks WHERE session_id = s.id AND state IN ('pending', 'failed'))
             ORDER BY s.created_at",
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(fault)?;
        let mut interrupted = Vec::with_capacity(found.len());
        for found in &found {
            let id = row::parse(found, "id")?;
            let pid: Option<u32> = row::get(found, "browser_pid")?;
            interrupted.push(Interrupted {
                id,
                status: row::word(found, "status", SessionStatus::parse)?,
                browser: pid.zip(row::count_optional(found, "browser_start_time")?),
                profile: loaded_profile(found)?,
                browser_version: row::get(found, "browser_version")?,
                sinks: unsaved_sinks(&mut tx, id).await?,
                saved: row::get(found, "saved")?,
            });
        }
        tx.commit().await.map_err(fault)?;
        Ok(interrupted)
    }
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, project: ProjectId, filter: &SessionFilter) {
    query.push(" WHERE s.project_id = ").push_bind(project.to_string());
    if let Some(status) = &filter.status {
        query.push(" AND s.status = ").push_bind(status.clone());
    }
    for tag in &filter.tags {
        query
            .push(" AND EXISTS (SELECT 1 FROM json_each(s.tags) WHERE value = ")
            .push_bind(tag.clone())
            .push(")");
    }
    for term in &filter.search {
        query.push(" AND EXISTS (SELECT 1 FROM json_each(s.tags) WHERE instr(lower(value), lower(");
        query.push_bind(term.clone()).push(")) > 0)");
    }
    if let Some(name) = &filter.profile_name {
        query
            .push(" AND instr(lower(coalesce(s.profile_name, '')), lower(")
            .push_bind(name.clone())
            .push(")) > 0");
    }
    if let Some(from) = filter.created_from {
        query.push(" AND s.created_at >= ").push_bind(from.as_millisecond());
    }
    if let Some(to) = filter.created_to {
        query.push(" AND s.created_at <= ").push_bind(to.as_millisecond());
    }
    for domain in &filter.domains {
        query
            .push(" AND EXISTS (SELECT 1 FROM json_each(s.domains) WHERE value = lower(")
            .push_bind(domain.clone())
            .push("))");
    }
    match filter.proxy {
        Some(true) => drop(query.push(" AND s.proxy_type IS NOT NULL")),
        Some(false) => drop(query.push(" AND s.proxy_type IS NULL")),
        None => {}
    }
    if let Some(batch) = &filter.batch_id {
        query.push(" AND s.batch_id = ").push_bind(batch.clone());
    }
    if filter.matches_nothing() {
        query.push(" AND 0");
    }
}

fn order_by(sort: SortBy, order: SortOrder) -> &'static str {
    match (sort, order) {
        // Every session costs nothing here, so credits order as creation does.
        (SortBy::CreatedAt | SortBy::UsedCredits, SortOrder::Ascending) => " ORDER BY s.created_at, s.id",
        (SortBy::CreatedAt | SortBy::UsedCredits, SortOrder::Descending) => {
            " ORDER BY s.created_at DESC, s.id DESC"
        }
        (SortBy::SessionId, SortOrder::Ascending) => " ORDER BY s.id",
        (SortBy::SessionId, SortOrder::Descending) => " ORDER BY s.id DESC",
        (SortBy::ApiKeyName, SortOrder::Ascending) => " ORDER BY s.api_key_name, s.created_at, s.id",
        (SortBy::ApiKeyName, SortOrder::Descending) => {
            " ORDER BY s.api_key_name DESC, s.created_at DESC, s.id DESC"
        }
    }
}

fn record(found: &SqliteRow) -> Result<SessionRecord> {
    let reason: Option<&str> = row::get(found, "reason")?;
    let restore = row::json_optional(found, "restore")?;
    Ok(SessionRecord {
        id: row::parse(found, "id")?,
        project: row::parse(found, "project_id")?,
        status: row::word(found, "status", SessionStatus::parse)?,
        reason: reason.and_then(EndReason::parse),
        detail: row::get(found, "detail")?,
        configuration: row::json(found, "configuration")?,
        tags: row::json(found, "tags")?,
        headless: row::get(found, "headless")?,
        recording: row::get(found, "recording")?,
        profile: loaded_profile(found)?.map(|profile| LoadedProfile { restore, ..profile }),
        api_key_name: row::get(found, "api_key_name")?,
        browser_version: row::get(found, "browser_version")?,
        created_at: row::time(found, "created_at")?,
        ended_at: row::time_optional(found, "ended_at")?,
        way: way(found)?,
        address: row::parse_optional(found, "browser_ip")?,
        proxy_bytes: row::count(found, "proxy_bytes")?,
        requests: row::count(found, "requests")?,
        domains: row::json(found, "domains")?,
        last_problem: None,
        receipts: row::json(found, "receipts")?,
    })
}

fn way(found: &SqliteRow) -> Result<Way> {
    let exit = row::parse_optional(found, "exit")?;
    // The column is NULL for the direct way, which `word` cannot read.
    match row::get::<Option<&str>>(found, "proxy_type")? {
        None => Ok(Way::Direct),
        Some(_) => row::word(found, "proxy_type", |word| Way::parse(word, exit.clone())),
    }
}

fn loaded_profile(found: &SqliteRow) -> Result<Option<LoadedProfile>> {
    let Some(name) = row::parse_optional(found, "profile_name")? else {
        return Ok(None);
    };
    Ok(Some(LoadedProfile {
        name,
        revision: row::count_optional(found, "profile_revision")?,
        persist: row::get(found, "profile_persist")?,
        restore: None,
    }))
}
