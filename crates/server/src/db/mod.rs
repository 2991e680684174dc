//! The database: embedded SQLite. Every method is one whole transaction with a domain name.
//!
//! Who wins a race is decided here, in SQL: that a name is free, that a session still runs when a profile is tied to
//! it, which number a revision gets. The driver of a session and the handlers of requests need no other agreement.
//! Commits are durable when they return (WAL with `synchronous = FULL`): a receipt rests on that.

mod admission;
mod audit;
mod batch_items;
mod batches;
mod certificates;
mod downloads;
mod exits;
mod extensions;
mod history;
mod identities;
mod keys;
mod outbox;
mod profiles;
mod publication;
mod recordings;
mod revisions;
mod row;
mod sessions;
mod signals;
mod sinks;
mod webhooks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};
use tokio::sync::Notify;

pub use self::admission::{Admission, Admitted, Blocked, NewSession, StartingPoint};
pub use self::batches::{NewBatch, RetryOf};
pub use self::exits::Reservation;
pub use self::keys::{KeyInfo, NewKey};
pub use self::profiles::Binding;
pub use self::publication::{NewRevision, Placement, Published};
pub use self::revisions::Kept;
pub use self::sessions::Interrupted;
pub use self::sinks::Sink;
pub use self::webhooks::{NewSecret, NewWebhook};

use crate::error::{Error, Result};

/// How long a writer waits for another process's transaction (a command line beside the server) before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Enough for a writer and a few readers; each costs a thread and a page cache.
const MAX_CONNECTIONS: u32 = 4;

/// A handle on the database; clones share it.
#[derive(Clone, Debug)]
pub struct Db {
    pool: SqlitePool,
    /// Told when there may be something new to deliver.
    outbox: Arc<Notify>,
}

impl Db {
    /// Opens the database file at `path`, creating and migrating it as needed.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .connect_with(options)
            .await
            .with_context(|| format!("failed to open the database {}", path.display()))?;
        sqlx::migrate!("./migrations").run(&pool).await.context("failed to migrate the database")?;
        Ok(Self { pool, outbox: Arc::default() })
    }

    /// Closes every connection, which checkpoints the write-ahead log.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Starts a transaction that may write. It takes the write lock at once, so it never fails half-way as busy.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(fault)
    }
}

/// Turns a database fault into the program's error.
fn fault(error: sqlx::Error) -> Error {
    Error::internal("The database failed; nothing was changed.", error)
}
