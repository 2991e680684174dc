//! Events: one client waits for a name, and another signals it, across sessions and workflows of one project.
//!
//! A signal goes to everybody who waits for it. One that nobody waits for is kept, in the database and sealed by the root key, and the
//! first who waits later gets it; several of one name are kept in their order. Who waits is known in memory alone: a stop of the server
//! ends the waits, and keeps what is kept.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use roadstead_api::ProjectId;
use roadstead_vault::Vault;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;
use tracing::warn;

use crate::db::Db;
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;

/// What a signal carries.
pub type EventData = Map<String, Value>;

/// The most characters that a name may have.
const MAX_NAME_CHARS: usize = 255;

/// Names an event within its project: 1 to 255 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventName(String);

impl EventName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fits =
            (1..=MAX_NAME_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits {
            return Ok(Self(text.to_owned()));
        }
        let why = format!("must have 1 to {MAX_NAME_CHARS} characters, and no control characters");
        Err(Error::invalid("event_name", why))
    }
}

/// All events of a server; clones share them.
#[derive(Clone)]
pub struct Events(Arc<Parts>);

struct Parts {
    db: Db,
    vault: Vault,
    lifecycle: Lifecycle,
    /// Held while a signal looks for those who wait, and while one who comes looks for what is kept: so none misses the other.
    waiting: Mutex<Waiting>,
}

/// Who waits for what.
type Waiting = HashMap<(ProjectId, EventName), Vec<oneshot::Sender<EventData>>>;

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// Makes the room.
    pub fn new(db: Db, vault: Vault, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Parts { db, vault, lifecycle, waiting: Mutex::default() }))
    }

    /// Gives `data` to everybody who waits for an event now, or else keeps it for the first who does.
    ///
    /// [`Error::Conflict`] where a project has too much that nobody came for.
    pub async fn signal(&self, project: ProjectId, name: EventName, data: EventData) -> Result<()> {
        let mut waiting = self.0.waiting.lock().await;
        let takers = waiting.remove(&(project, name.clone())).unwrap_or_default();
        // One who has gone takes nothing.
        let taken = takers.into_iter().filter_map(|taker| taker.send(data.clone()).ok()).count();
        if taken > 0 {
            return Ok(());
        }
        let plain = Value::Object(data).to_string();
        let sealed = self.0.vault.seal(&purpose(project), plain.as_bytes());
        self.0.db.keep_signal(project, &name, &sealed).await
    }

    /// Waits for an event, and returns what its signal carries: at once where one is kept.
    ///
    /// [`Error::WaitedInVain`] when none came within `patience`; [`Error::Unavailable`] when the server stops.
    pub async fn wait(&self, project: ProjectId, name: EventName, patience: Duration) -> Result<EventData> {
        let mut signal = {
            let mut waiting = self.0.waiting.lock().await;
            if let Some(kept) = self.take_kept(project, &name).await? {
                return Ok(kept);
            }
            let (taker, signal) = oneshot::channel();
            let takers = waiting.entry((project, name.clone())).or_default();
            takers.retain(|taker| !taker.is_closed());
            takers.push(taker);
            signal
        };
        let came = tokio::select! {
            came = timeout(patience, &mut signal) => came.ok().and_then(Result::ok),
            () = self.0.lifecycle.soft().cancelled() => {
                return Err(Error::Unavailable("The server is shutting down; wait again later.".to_owned()));
            }
        };
        // One that came at the last moment counts.
        signal.close();
        if let Some(data) = came.or_else(|| signal.try_recv().ok()) {
            return Ok(data);
        }
        self.forget_gone(project, &name).await;
        Err(Error::WaitedInVain(format!(
            "The event {:?} was not signaled within {} ms; wait again, or longer with timeoutMs.",
            name.as_str(),
            patience.as_millis()
        )))
    }

    /// Takes the oldest signal that is kept and can be read.
    async fn take_kept(&self, project: ProjectId, name: &EventName) -> Result<Option<EventData>> {
        while let Some(sealed) = self.0.db.take_signal(project, name).await? {
            let plain = self.0.vault.unseal(&purpose(project), &sealed).ok();
            match plain.and_then(|plain| serde_json::from_slice(&plain).ok()) {
                Some(data) => return Ok(Some(data)),
                None => warn!("a signal that was kept is lost: the root key was changed since"),
            }
        }
        Ok(None)
    }

    /// Forgets those who wait no more, so that names that nobody uses again cost nothing.
    async fn forget_gone(&self, project: ProjectId, name: &EventName) {
        let mut waiting = self.0.waiting.lock().await;
        let key = (project, name.clone());
        if let Some(takers) = waiting.get_mut(&key) {
            takers.retain(|taker| !taker.is_closed());
            if takers.is_empty() {
                waiting.remove(&key);
            }
        }
    }
}

/// What a project's signals are sealed for.
fn purpose(project: ProjectId) -> String {
    format!("a signal of project {project}")
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use roadstead_vault::RootKey;
    use serde_json::json;

    use super::*;
    use crate::audit::Origin;
    use crate::db::NewKey;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// The room, a project, and the files of both.
    async fn room() -> (Events, ProjectId, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("db")).await.unwrap();
        let key = NewKey { project: "p", name: "k", key: "sk-0123456789abcdef" };
        db.add_key(key, Origin::CommandLine).await.unwrap();
        let project = db.project("p").await.unwrap().unwrap();
        let vault = Vault::local(&dir.path().join("vault"), RootKey::from_bytes([1; 32])).unwrap();
        (Events::new(db, vault, Lifecycle::new()), project, dir)
    }

    fn name() -> EventName {
        "go".parse().unwrap()
    }

    fn data(number: u64) -> EventData {
        EventData::from_iter([("number".to_owned(), json!(number))])
    }

    /// Waits until somebody is on the list of those who wait.
    async fn waits(events: &Events, many: usize, mut wait: std::pin::Pin<&mut impl Future>) {
        let on_the_list = || {
            // Locked by the one that is coming: not yet.
            let waiting = events.0.waiting.try_lock();
            waiting.map_or(0, |waiting| waiting.values().map(Vec::len).sum::<usize>())
        };
        while on_the_list() < many {
            assert!(poll!(wait.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn everybody_who_waits_gets_the_signal_and_then_nothing_is_kept() {
        let (events, project, _dir) = room().await;
        let mut one = pin!(events.wait(project, name(), PATIENCE));
        waits(&events, 1, one.as_mut()).await;
        let mut two = pin!(events.wait(project, name(), PATIENCE));
        waits(&events, 2, two.as_mut()).await;
        events.signal(project, name(), data(1)).await.unwrap();
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (data(1), data(1)));
        let none = events.wait(project, name(), Duration::ZERO).await;
        assert!(matches!(none, Err(Error::WaitedInVain(_))));
        assert!(events.0.waiting.lock().await.is_empty(), "who has gone is forgotten");
    }

    #[tokio::test]
    async fn one_who_has_gone_takes_nothing() {
        let (events, project, _dir) = room().await;
        {
            let mut gone = pin!(events.wait(project, name(), PATIENCE));
            waits(&events, 1, gone.as_mut()).await;
        }
        events.signal(project, name(), data(1)).await.unwrap();
        assert_eq!(events.wait(project, name(), Duration::ZERO).await.unwrap(), data(1));
    }

    #[tokio::test]
    async fn a_stop_of_the_server_ends_a_wait() {
        let (events, project, _dir) = room().await;
        let mut wait = pin!(events.wait(project, name(), PATIENCE));
        waits(&events, 1, wait.as_mut()).await;
        events.0.lifecycle.soft().cancel();
        assert!(matches!(wait.await, Err(Error::Unavailable(_))));
    }

    #[test]
    fn names_are_short_and_of_one_line() {
        for good in ["a", "login done", "профиль/✓", &"é".repeat(255)] {
            assert_eq!(good.parse::<EventName>().unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", &"é".repeat(256)] {
            assert!(bad.parse::<EventName>().is_err(), "{bad:?}");
        }
    }
}
