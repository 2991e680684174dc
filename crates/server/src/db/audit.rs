//! The audit log's rows. The schema's triggers see to it that none is changed, and none removed in its first month.

use jiff::Timestamp;
use roadstead_api::{ProfileId, ProfileName, SessionId};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry, Origin, Outcome, Query, Record};
use crate::clock;
use crate::error::Result;

/// How many rows one statement removes: the database is closed to other writers meanwhile.
const PIECE: i64 = 5_000;

const COLUMNS: &str =
    "SELECT a.id, a.at, j.name AS project, a.key_id, a.key_name, a.origin, a.action, a.outcome,
    a.session_id, a.profile, a.revision, a.subject, a.detail
    FROM audit a LEFT JOIN projects j ON j.id = a.project_id WHERE true";

impl Db {
    /// Puts on record what changes nothing in the database.
    pub async fn record(&self, actor: &Actor, entry: &Entry) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        record(&mut connection, actor, entry).await
    }

    /// Lists entries, newest first.
    pub async fn audit(&self, query: &Query) -> Result<Vec<Record>> {
        let mut listing = QueryBuilder::new(COLUMNS);
        push_filter(&mut listing, query);
        listing.push(" ORDER BY a.id DESC LIMIT ").push_bind(i64::from(query.limit));
        listing.build().fetch_all(&self.pool).await.map_err(fault)?.iter().map(read).collect()
    }

    /// Removes entries from before a moment, and returns how many.
    pub async fn prune_audit(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        loop {
            let piece = sqlx::query(
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY id LIMIT ?)",
            )
            .bind(before.as_millisecond())
            .bind(PIECE)
            .execute(&self.pool)
            .await
            .map_err(fault)?
            .rows_affected();
            removed += piece;
            if piece == 0 {
                return Ok(removed);
            }
        }
    }
}

/// Adds an entry, in the transaction of what it tells of.
pub(super) async fn record(connection: &mut SqliteConnection, actor: &Actor, entry: &Entry) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit (at, project_id, key_id, key_name, origin, action, outcome, session_id, profile_id,
             profile, revision, subject, detail)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(clock::now().as_millisecond())
    .bind(actor.project.map(|project| project.to_string()))
    .bind(actor.key.as_ref().map(|(id, _)| id.to_string()))
    .bind(actor.key.as_ref().map(|(_, name)| name.as_str()))
    .bind(actor.origin.to_string())
    .bind(entry.action.as_str())
    .bind(entry.outcome.as_str())
    .bind(entry.session.map(|session| session.to_string()))
    .bind(entry.profile.as_ref().map(|(id, _)| id.to_string()))
    .bind(entry.profile.as_ref().map(|(_, name)| name.as_str()))
    .bind(entry.revision.map(row::to_sql))
    .bind(entry.subject.as_deref())
    .bind(entry.detail.as_deref())
    .execute(connection)
    .await
    .map_err(fault)?;
    Ok(())
}

/// Adds an entry of what the server does for a session by itself: in the name of the key that created it.
pub(super) async fn record_of_session(
    tx: &mut SqliteConnection,
    session: SessionId,
    entry: Entry,
) -> Result<()> {
    let found = sqlx::query(
        "SELECT s.project_id, s.api_key_name,
             (SELECT key_id FROM audit WHERE session_id = s.id AND action = 'session.create' LIMIT 1) AS key_id
         FROM sessions s WHERE s.id = ?",
    )
    .bind(session.to_string())
    .fetch_optional(&mut *tx)
    .await
    .map_err(fault)?;
    let Some(found) = found else { return Ok(()) };
    let name: String = row::get(&found, "api_key_name")?;
    let actor = Actor {
        project: Some(row::parse(&found, "project_id")?),
        // A session from before there was a log has no key on record.
        key: row::parse_optional(&found, "key_id")?.map(|id| (id, name)),
        origin: Origin::Server,
    };
    record(tx, &actor, &entry.in_session(session)).await
}

/// Names a profile for an entry, if it is still there.
pub(super) async fn name_of(tx: &mut SqliteConnection, profile: ProfileId) -> Result<Option<ProfileName>> {
    let found = sqlx::query("SELECT name FROM profiles WHERE id = ?")
        .bind(profile.to_string())
        .fetch_optional(tx)
        .await
        .map_err(fault)?;
    found.map(|found| row::parse(&found, "name")).transpose()
}

fn push_filter(listing: &mut QueryBuilder<Sqlite>, query: &Query) {
    if let Some(project) = query.project {
        listing.push(" AND a.project_id = ").push_bind(project.to_string());
    }
    if let Some(action) = query.action {
        listing.push(" AND a.action = ").push_bind(action.as_str());
    }
    if let Some(session) = query.session {
        listing.push(" AND a.session_id = ").push_bind(session.to_string());
    }
    if let Some(profile) = &query.profile {
        listing.push(" AND a.profile = ").push_bind(profile.clone());
    }
    if let Some(since) = query.since {
        listing.push(" AND a.at >= ").push_bind(since.as_millisecond());
    }
    if let Some(until) = query.until {
        listing.push(" AND a.at <= ").push_bind(until.as_millisecond());
    }
    if let Some(before) = query.before {
        listing.push(" AND a.id < ").push_bind(row::to_sql(before));
    }
}

fn read(found: &SqliteRow) -> Result<Record> {
    let key_name: Option<String> = row::get(found, "key_name")?;
    Ok(Record {
        id: row::count(found, "id")?,
        at: row::time(found, "at")?,
        project: row::get(found, "project")?,
        key: row::parse_optional(found, "key_id")?.zip(key_name),
        origin: row::get(found, "origin")?,
        action: row::word(found, "action", Action::parse)?,
        outcome: row::word(found, "outcome", Outcome::parse)?,
        session: row::parse_optional(found, "session_id")?,
        profile: row::parse_optional(found, "profile")?,
        revision: row::count_optional(found, "revision")?,
        subject: row::get(found, "subject")?,
        detail: row::get(found, "detail")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS_A_DAY: i64 = 86_400_000;

    async fn database() -> (tempfile::TempDir, Db) {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(&directory.path().join("db")).await.unwrap();
        (directory, db)
    }

    fn command() -> Actor {
        Actor { project: None, key: None, origin: Origin::CommandLine }
    }

    async fn insert_of(db: &Db, days_ago: i64) {
        let at = clock::now().as_millisecond() - days_ago * MILLIS_A_DAY;
        let insert =
            "INSERT INTO audit (at, origin, action, outcome) VALUES (?, 'cli', 'root_key.rotate', 'ok')";
        sqlx::query(insert).bind(at).execute(&db.pool).await.unwrap();
    }

    #[tokio::test]
    async fn no_statement_changes_replaces_or_removes_an_entry() {
        let (_directory, db) = database().await;
        db.record(&command(), &Entry::of(Action::RootKeyRotate)).await.unwrap();
        for statement in [
            "UPDATE audit SET origin = 'x'",
            "UPDATE OR REPLACE audit SET at = 0",
            "DELETE FROM audit",
            "INSERT OR REPLACE INTO audit (id, at, origin, action, outcome) VALUES (1, 0, 'x', 'x', 'ok')",
            "REPLACE INTO audit SELECT * FROM audit",
        ] {
            let refused = sqlx::query(statement).execute(&db.pool).await;
            assert!(refused.is_err_and(|error| error.to_string().contains("audit log")), "{statement}");
        }
        let left = db.audit(&Query { limit: 10, ..Query::default() }).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].origin.as_str(), left[0].action), ("cli", Action::RootKeyRotate));
    }

    #[tokio::test]
    async fn retention_removes_what_is_old_and_nothing_of_the_last_month() {
        let (_directory, db) = database().await;
        for days in [400, 366, 364, 31, 29, 0] {
            insert_of(&db, days).await;
        }
        let ago =
            |days| Timestamp::from_millisecond(clock::now().as_millisecond() - days * MILLIS_A_DAY).unwrap();
        assert_eq!(db.prune_audit(ago(365)).await.unwrap(), 2);
        assert_eq!(db.prune_audit(ago(30)).await.unwrap(), 2);
        db.prune_audit(ago(1)).await.unwrap_err();
        assert_eq!(db.audit(&Query { limit: 10, ..Query::default() }).await.unwrap().len(), 2);
    }
}
