//! Where recordings are kept, and for how long.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use roadstead_api::{RecordingId, SessionId};
use roadstead_vault::Vault;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::reel::{Reel, ReelWriter, Seal};
use super::{Recording, RecordingState};
use crate::clock;
use crate::db::Db;
use crate::error::Result;
use crate::session::shred::Shredder;
use crate::session::work_dir::make_dir;

/// How often expired recordings are looked for: a tenth of the time that they are kept, within these.
const SWEEP_AT_LEAST: Duration = Duration::from_secs(1);
const SWEEP_AT_MOST: Duration = Duration::from_mins(10);

/// The directory that holds every session's recording; clones share it.
#[derive(Clone)]
pub struct RecordingRoot(Arc<Shared>);

struct Shared {
    path: PathBuf,
    keep: Duration,
    vault: Vault,
}

impl RecordingRoot {
    /// Finds or makes the directory in a data dir. Recordings are kept for so long after their session's end.
    pub fn open(data_dir: &Path, keep: Duration, vault: Vault) -> anyhow::Result<Self> {
        let path = data_dir.join("recordings");
        make_dir(&path, 0o700).with_context(|| format!("failed to create {}", path.display()))?;
        Ok(Self(Arc::new(Shared { path, keep, vault })))
    }

    /// Returns the directory's path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the earliest moment at which a session may have ended whose recording is still kept.
    pub fn oldest(&self) -> Timestamp {
        let age = SignedDuration::try_from(self.0.keep).unwrap_or(SignedDuration::MAX);
        clock::now().checked_sub(age).unwrap_or(Timestamp::MIN)
    }

    /// Names a session's directory, whether it exists or not.
    pub(in crate::session) fn dir_of(&self, session: SessionId) -> PathBuf {
        self.0.path.join(session.to_string())
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// Begins a reel. Blocks.
    pub(super) fn create(&self, session: SessionId, recording: RecordingId) -> io::Result<ReelWriter> {
        make_dir(&self.dir_of(session), 0o700)?;
        ReelWriter::create(&self.reel_of(session), self.seal(recording))
    }

    /// Opens a reel, as it is now. Blocks.
    pub fn reel(&self, session: SessionId, recording: RecordingId) -> io::Result<Reel> {
        Reel::open(&self.reel_of(session), self.seal(recording))
    }

    fn seal(&self, recording: RecordingId) -> Seal {
        Seal { vault: self.0.vault.clone(), recording }
    }

    fn reel_of(&self, session: SessionId) -> PathBuf {
        self.dir_of(session).join("reel")
    }

    /// Puts the recordings on record that a server had not ended when it died, as far as they are there.
    pub(in crate::session) async fn recover(&self, db: &Db) -> Result<()> {
        for (session, found) in db.unfinished_recordings().await? {
            let this = self.clone();
            let measured = tokio::task::spawn_blocking(move || this.measured(session, found));
            let measured = measured.await.expect("measuring a recording does not panic");
            let recording = Recording {
                state: RecordingState::Interrupted,
                detail: Some("The server stopped while it was made.".to_owned()),
                ..measured
            };
            db.update_recording(&recording).await?;
            info!(session.id = %session, frames = recording.frames, "a recording of an earlier server is kept");
        }
        Ok(())
    }

    /// Adds what only the reel of a recording that is still made tells: how long it is. Blocks.
    pub fn measured(&self, session: SessionId, recording: Recording) -> Recording {
        match self.reel(session, recording.id) {
            Ok(reel) => Recording {
                frames: reel.moments().len() as u64,
                size: reel.bytes(),
                duration_ms: reel.moments().last().map_or(0, |moment| moment.at_ms),
                ..recording
            },
            // Nothing was seen yet.
            Err(_) => recording,
        }
    }

    /// Removes what expires, until it is stopped.
    pub(in crate::session) async fn keep_swept(self, db: Db, shredder: Shredder, stop: CancellationToken) {
        let every = (self.0.keep / 10).clamp(SWEEP_AT_LEAST, SWEEP_AT_MOST);
        let mut sweeps = tokio::time::interval(every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = sweeps.tick() => {}
            }
            if let Err(error) = self.sweep(&db, &shredder).await {
                warn!(error = ?error, "failed to remove expired recordings");
            }
        }
    }

    async fn sweep(&self, db: &Db, shredder: &Shredder) -> Result<()> {
        for session in db.sessions_with_expired_recordings(self.oldest()).await? {
            db.forget_recording(session).await?;
            shredder.take(self.dir_of(session)).await;
            info!(session.id = %session, "removed a session's recording, which had expired");
        }
        Ok(())
    }

    /// Removes what an earlier server left without having it on record.
    pub(in crate::session) async fn remove_orphans(&self, db: &Db, shredder: &Shredder) -> Result<()> {
        let known: HashSet<_> = db.sessions_with_recordings().await?.into_iter().collect();
        let entries = std::fs::read_dir(&self.0.path).into_iter().flatten().flatten();
        let found = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<SessionId>().ok());
        for session in found.filter(|session| !known.contains(session)).collect::<Vec<_>>() {
            shredder.take(self.dir_of(session)).await;
        }
        shredder.clear_from_the_side();
        Ok(())
    }
}
