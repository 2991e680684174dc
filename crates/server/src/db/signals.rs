//! Signals that nobody waited for when they came.

use jiff::SignedDuration;
use roadstead_api::ProjectId;

use super::{Db, fault, row};
use crate::clock;
use crate::error::{Error, Result};
use crate::events::EventName;

/// How many a project may have.
const MOST_KEPT: u64 = 1_000;
/// How long one is kept. Who has not come for it by then has forgotten it.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Db {
    /// Keeps a signal. Those that are too old go. [`Error::Conflict`] where the project has too many.
    pub async fn keep_signal(&self, project: ProjectId, name: &EventName, sealed: &[u8]) -> Result<()> {
        let now = clock::now();
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM kept_signals WHERE kept_at < ?")
            .bind((now - KEPT_FOR).as_millisecond())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        let kept = sqlx::query("SELECT count(*) AS count FROM kept_signals WHERE project_id = ?")
            .bind(project.to_string())
            .fetch_one(&mut *tx)
            .await
            .map_err(fault)?;
        if row::count(&kept, "count")? >= MOST_KEPT {
            return Err(Error::Conflict(format!(
                "The project has {MOST_KEPT} signals that nobody has waited for. Wait for some of them first; each is kept for 7 days."
            )));
        }
        sqlx::query("INSERT INTO kept_signals (project_id, name, sealed, kept_at) VALUES (?, ?, ?, ?)")
            .bind(project.to_string())
            .bind(name.as_str())
            .bind(sealed)
            .bind(now.as_millisecond())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        tx.commit().await.map_err(fault)
    }

    /// Takes the oldest signal of a name that is kept, if one is.
    pub async fn take_signal(&self, project: ProjectId, name: &EventName) -> Result<Option<Vec<u8>>> {
        let taken = sqlx::query(
            "DELETE FROM kept_signals WHERE id =
                 (SELECT min(id) FROM kept_signals WHERE project_id = ? AND name = ? AND kept_at >= ?)
             RETURNING sealed",
        )
        .bind(project.to_string())
        .bind(name.as_str())
        .bind((clock::now() - KEPT_FOR).as_millisecond())
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        taken.map(|taken| row::get(&taken, "sealed")).transpose()
    }
}
