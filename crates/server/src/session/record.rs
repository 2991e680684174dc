//! What is known of a session, alive or over: one row of the database.

use std::net::IpAddr;

use jiff::Timestamp;
use roadstead_api::{ProfileName, ProjectId, Receipt, RestoreReport, SessionId};
use serde_json::Value;

use crate::exits::choice::Way;

/// Where a session is in its life. The wire uses the same words.
///
/// ```text
/// starting → running → stopping → completed
///     │          │         └────→ failed
///     └──────────┴──────────────→ failed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// Admitted; its browser is not ready yet.
    Starting,
    /// Its browser answers.
    Running,
    /// Its browser is being ended and its sinks saved.
    Stopping,
    /// Over, and every save it owed was given its receipt.
    Completed,
    /// Over in a way nobody asked for, or with a save that failed.
    Failed,
}

impl SessionStatus {
    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Starting, Self::Running, Self::Stopping, Self::Completed, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }

    /// Tells whether the session has a future.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its owner asked: by the API, or by `Browser.close` on a CDP connection.
    Requested,
    /// Nobody was connected for its idle timeout.
    Idle,
    /// Its maximum duration passed.
    Deadline,
    /// Its browser ended by itself, or never started.
    BrowserExited,
    /// Its browser took more memory than it may, and the kernel killed it.
    OutOfMemory,
    /// The server that ran it died.
    NodeLost,
    /// The server was asked to stop.
    Shutdown,
}

impl EndReason {
    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Idle => "idle",
            Self::Deadline => "deadline",
            Self::BrowserExited => "browser_exited",
            Self::OutOfMemory => "out_of_memory",
            Self::NodeLost => "node_lost",
            Self::Shutdown => "shutdown",
        }
    }

    /// Tells whether the browser ended before anybody asked it to, so that there is none to capture from.
    pub const fn is_browsers_own(self) -> bool {
        matches!(self, Self::BrowserExited | Self::OutOfMemory)
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Requested,
            Self::Idle,
            Self::Deadline,
            Self::BrowserExited,
            Self::OutOfMemory,
            Self::NodeLost,
            Self::Shutdown,
        ];
        all.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A session as the database knows it.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub project: ProjectId,
    /// Where it is in its life.
    pub status: SessionStatus,
    /// Why it ended, once it has.
    pub reason: Option<EndReason>,
    /// A sentence on how it ended, where a word is not enough.
    pub detail: Option<String>,
    /// The body of its create, for the echo.
    pub configuration: Value,
    /// Its labels.
    pub tags: Vec<String>,
    /// Whether it runs the headless shell or the headless mode.
    pub headless: bool,
    /// Whether it is recorded, or was.
    pub recording: bool,
    /// The profile it was started from, and that profile's revision (none for an empty one).
    pub profile: Option<LoadedProfile>,
    /// The name of the key that created it.
    pub api_key_name: String,
    /// The browser's product and version, once known, for example `Chrome/156.0.8078.79`.
    pub browser_version: Option<String>,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its way out to the network.
    pub way: Way,
    /// The address that sites see, where it is known.
    pub address: Option<IpAddr>,
    /// The bytes that went over it, both ways.
    pub proxy_bytes: u64,
    /// The requests that its browser made.
    pub requests: u64,
    /// The hosts that its browser asked for, sorted.
    pub domains: Vec<String>,
    /// Why the last request that failed on its way out did; known while the session runs.
    pub last_problem: Option<String>,
    /// What its saves returned; empty while it runs.
    pub receipts: Vec<Receipt>,
}

/// The profile that a session was started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedProfile {
    /// Its name when the session was created.
    pub name: ProfileName,
    /// The revision that was loaded; `None` for a profile that holds nothing yet.
    pub revision: Option<u64>,
    /// Whether the session is saved into it.
    pub persist: bool,
    /// What came back of it; `None` until the browser is ready.
    pub restore: Option<RestoreReport>,
}
