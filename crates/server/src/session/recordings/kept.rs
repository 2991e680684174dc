//! Where recordings are kept, and for how long.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use roadstead_api::{RecordingId, SessionId};
use roadstead_vault::Vault;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::reel::{Reel, ReelWriter, Seal};
use super::{Recording, RecordingState};
use crate::db::Db;
use crate::error::Result;
use crate::session::keeping::Keeping;
use crate::session::shred::Shredder;
use crate::session::work_dir::make_dir;

/// The directory that holds every session's recording; clones share it.
#[derive(Clone)]
pub struct RecordingRoot(Arc<Shared>);

struct Shared {
    keeping: Keeping,
    vault: Vault,
}

impl RecordingRoot {
    /// Finds or makes the directory in a data dir. Recordings are kept for so long after their session's end.
    pub fn open(data_dir: &Path, keep: Duration, vault: Vault) -> anyhow::Result<Self> {
        let keeping = Keeping::open(data_dir, "recordings", keep)?;
        Ok(Self(Arc::new(Shared { keeping, vault })))
    }

    /// Returns the directory's path.
    pub fn path(&self) -> &Path {
        self.0.keeping.path()
    }

    /// Returns the earliest moment at which a session may have ended whose recording is still kept.
    pub fn oldest(&self) -> Timestamp {
        self.0.keeping.oldest()
    }

    /// Names a session's directory, whether it exists or not.
    pub(in crate::session) fn dir_of(&self, session: SessionId) -> PathBuf {
        self.0.keeping.dir_of(session)
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
        let mut sweeps = self.0.keeping.sweeps(stop);
        while sweeps.next().await {
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
        self.0.keeping.remove_orphans(db.sessions_with_recordings().await?, shredder).await;
        Ok(())
    }
}
