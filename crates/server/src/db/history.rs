//! What sessions used, period by period.

use roadstead_api::ProjectId;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use super::{Db, fault, row};
use crate::clock;
use crate::error::Result;
use crate::session::history::{Granularity, History, HistoryQuery, Used};

impl Db {
    /// Sums up what a project's sessions used, in the periods that they were created in: one page of them, how many there are, and
    /// the sum of all. Sessions that are not over count with what is on record of them so far.
    pub async fn history(&self, project: ProjectId, query: &HistoryQuery) -> Result<History> {
        let period = period(query.granularity);
        let mut summing = QueryBuilder::new("SELECT ");
        push_sums(&mut summing);
        summing.push(format!(", count(DISTINCT {period}) AS periods FROM sessions"));
        push_filter(&mut summing, project, query);
        let sum = summing.build().fetch_one(&self.pool).await.map_err(fault)?;
        let mut listing = QueryBuilder::new(format!("SELECT {period} AS period, "));
        push_sums(&mut listing);
        listing.push(" FROM sessions");
        push_filter(&mut listing, project, query);
        let offset = u64::from(query.page.saturating_sub(1)) * u64::from(query.limit);
        listing.push(" GROUP BY period ORDER BY period LIMIT ").push_bind(i64::from(query.limit));
        listing.push(" OFFSET ").push_bind(row::to_sql(offset));
        let found = listing.build().fetch_all(&self.pool).await.map_err(fault)?;
        let periods = found.iter().map(|found| Ok((row::get(found, "period")?, used(found)?)));
        Ok(History {
            periods: periods.collect::<Result<_>>()?,
            total: row::count(&sum, "periods")?,
            sum: used(&sum)?,
        })
    }
}

/// The first moment of the period that a session was created in.
const fn period(granularity: Granularity) -> &'static str {
    match granularity {
        Granularity::Hour => "strftime('%Y-%m-%dT%H:00:00Z', created_at / 1000, 'unixepoch')",
        Granularity::Day => "date(created_at / 1000, 'unixepoch')",
        // The Sunday that is or comes next ends the week.
        Granularity::Week => "date(created_at / 1000, 'unixepoch', 'weekday 0', '-6 days')",
        Granularity::Month => "date(created_at / 1000, 'unixepoch', 'start of month')",
    }
}

fn push_sums(query: &mut QueryBuilder<Sqlite>) {
    query.push("count(*) AS sessions, coalesce(sum(proxy_bytes), 0) AS bytes, coalesce(sum(max(0, coalesce(ended_at, ");
    query.push_bind(clock::now().as_millisecond());
    query.push(") - created_at)), 0) AS millis, coalesce(sum(screenshots), 0) AS screenshots");
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, project: ProjectId, wanted: &HistoryQuery) {
    query.push(" WHERE project_id = ").push_bind(project.to_string());
    if let Some(from) = wanted.from {
        query.push(" AND created_at >= ").push_bind(from.as_millisecond());
    }
    if let Some(to) = wanted.to {
        query.push(" AND created_at <= ").push_bind(to.as_millisecond());
    }
}

fn used(found: &SqliteRow) -> Result<Used> {
    Ok(Used {
        sessions: row::count(found, "sessions")?,
        bytes: row::count(found, "bytes")?,
        millis: row::count(found, "millis")?,
        screenshots: row::count(found, "screenshots")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn periods(granularity: Granularity, moments: &[&str]) -> Vec<(String, i64)> {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("db")).await.unwrap();
        let project = ProjectId::random();
        sqlx::query("INSERT INTO projects (id, name, created_at) VALUES (?, 'p', 0)")
            .bind(project.to_string())
            .execute(&db.pool)
            .await
            .unwrap();
        for (number, moment) in moments.iter().enumerate() {
            let at: jiff::Timestamp = moment.parse().unwrap();
            sqlx::query(
                "INSERT INTO sessions (id, project_id, status, configuration, tags, headless, profile_persist, api_key_name,
                     created_at, ended_at)
                 VALUES (?, ?, 'completed', '{}', '[]', 1, 0, 'k', ?, ?)",
            )
            .bind(number.to_string())
            .bind(project.to_string())
            .bind(at.as_millisecond())
            .bind(at.as_millisecond() + 5)
            .execute(&db.pool)
            .await
            .unwrap();
        }
        let query = HistoryQuery { from: None, to: None, granularity, limit: 100, page: 1 };
        let found = db.history(project, &query).await.unwrap();
        assert_eq!(found.total, found.periods.len() as u64);
        assert_eq!((found.sum.sessions, found.sum.millis), (moments.len() as u64, 5 * moments.len() as u64));
        found.periods.into_iter().map(|(period, used)| (period, row::to_sql(used.sessions))).collect()
    }

    #[tokio::test]
    async fn periods_begin_where_the_calendar_says() {
        // A Sunday, the Monday after it, and the last and the first moment of two years.
        let moments = [
            "2026-03-01T23:59:59.999Z",
            "2026-03-02T00:00:00Z",
            "2026-12-31T23:59:59.999Z",
            "2027-01-01T00:00:00Z",
        ];
        let of = async |granularity| periods(granularity, &moments).await;
        let named = |periods: &[(&str, i64)]| -> Vec<(String, i64)> {
            periods.iter().map(|(period, count)| ((*period).to_owned(), *count)).collect()
        };
        assert_eq!(
            of(Granularity::Hour).await,
            named(&[
                ("2026-03-01T23:00:00Z", 1),
                ("2026-03-02T00:00:00Z", 1),
                ("2026-12-31T23:00:00Z", 1),
                ("2027-01-01T00:00:00Z", 1),
            ])
        );
        assert_eq!(
            of(Granularity::Day).await,
            named(&[("2026-03-01", 1), ("2026-03-02", 1), ("2026-12-31", 1), ("2027-01-01", 1)])
        );
        assert_eq!(
            of(Granularity::Week).await,
            named(&[("2026-02-23", 1), ("2026-03-02", 1), ("2026-12-28", 2)])
        );
        assert_eq!(
            of(Granularity::Month).await,
            named(&[("2026-03-01", 2), ("2026-12-01", 1), ("2027-01-01", 1)])
        );
    }
}
