//! What is kept of sessions for a while after their end, a directory each: when it has expired, and what belongs to nobody.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use roadstead_api::SessionId;
use tokio::time::{Interval, interval};
use tokio_util::sync::CancellationToken;

use super::shred::Shredder;
use super::work_dir::make_dir;
use crate::clock;

/// How often what has expired is looked for: a tenth of the time that it is kept, within these.
const SWEEP_AT_LEAST: Duration = Duration::from_secs(1);
const SWEEP_AT_MOST: Duration = Duration::from_mins(10);

/// A directory of a data dir with a directory for each session that something is kept of.
#[derive(Debug)]
pub(super) struct Keeping {
    path: PathBuf,
    keep: Duration,
}

impl Keeping {
    /// Finds or makes the directory. What is in it is kept for so long after its session's end.
    pub(super) fn open(data_dir: &Path, name: &str, keep: Duration) -> anyhow::Result<Self> {
        let path = data_dir.join(name);
        make_dir(&path, 0o700).with_context(|| format!("failed to create {}", path.display()))?;
        Ok(Self { path, keep })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names a session's directory, whether it exists or not.
    pub(super) fn dir_of(&self, session: SessionId) -> PathBuf {
        self.path.join(session.to_string())
    }

    /// Returns the earliest moment at which a session may have ended of which something is still kept.
    pub(super) fn oldest(&self) -> Timestamp {
        let age = SignedDuration::try_from(self.keep).unwrap_or(SignedDuration::MAX);
        clock::now().checked_sub(age).unwrap_or(Timestamp::MIN)
    }

    /// Returns when what has expired is to be looked for.
    pub(super) fn sweeps(&self, stop: CancellationToken) -> Sweeps {
        Sweeps { moments: interval((self.keep / 10).clamp(SWEEP_AT_LEAST, SWEEP_AT_MOST)), stop }
    }

    /// Removes what an earlier server left of sessions that are not `known`.
    pub(super) async fn remove_orphans(&self, known: Vec<SessionId>, shredder: &Shredder) {
        let known: HashSet<_> = known.into_iter().collect();
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let found = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<SessionId>().ok());
        for session in found.filter(|session| !known.contains(session)).collect::<Vec<_>>() {
            shredder.take(self.dir_of(session)).await;
        }
        shredder.clear_from_the_side();
    }
}

/// The moments at which what has expired is to be looked for, the first of them now.
#[derive(Debug)]
pub(super) struct Sweeps {
    moments: Interval,
    stop: CancellationToken,
}

impl Sweeps {
    /// Waits for the next moment. Returns whether there is one: none once it is stopped.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            _ = self.moments.tick() => true,
        }
    }
}
