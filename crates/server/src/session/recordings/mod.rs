//! Recordings: what a session's browser showed, as pictures with the moments at which they were taken.
//!
//! ```text
//! <data>/recordings/<session id>/reel        ours, 0600: the pictures, sealed
//! <data>/recordings/<session id>/video-<n>   ours, 0600: the video of the first n of them, sealed
//! ```
//!
//! The [`recorder`] takes the pictures over the server's own DevTools pipe, with a screencast of the page that is seen: Chromium
//! sends a picture when the page has changed, and no other before the last one was acknowledged. So a page that does not change
//! costs nothing, and withholding the acknowledgement is what limits how many are taken. Clients' own screencasts are theirs.
//!
//! Pictures are sealed one by one as they come ([`reel`]), so that no page is ever on the disk in the clear, and what a server that
//! was killed had recorded is there after it. They are kept for a while after the session's end ([`kept`]). A video is made of
//! them by ffmpeg when somebody wants one ([`video`]).

mod jpeg;
mod kept;
mod matroska;
mod record;
mod recorder;
mod reel;
mod video;

pub use self::kept::RecordingRoot;
pub use self::record::{Recording, RecordingState};
pub use self::recorder::Control;
pub(super) use self::recorder::Recorder;
pub use self::reel::{Moment, Reel};
pub use self::video::{Video, Videos};

use roadstead_api::{ProjectId, RecordingId, SessionId};
use tracing::Instrument as _;

use super::{Context, Sessions};
use crate::error::{Error, RECORDING_NOT_FOUND, Result, SESSION_UNREACHABLE};

/// What a caller is told whose session has no recording, as the API words it.
const NOT_RECORDED: &str = "Recording feature is disabled for this session.";

impl Sessions {
    /// Returns the recording of one of a project's sessions, as it is now, if there is one.
    pub async fn recording(&self, project: ProjectId, id: SessionId) -> Result<Option<Recording>> {
        let found = self.0.db.recording(project, id, self.0.reels.oldest()).await?;
        match found {
            Some(recording) if recording.state.is_live() => {
                let reels = self.0.reels.clone();
                let measured = tokio::task::spawn_blocking(move || reels.measured(id, recording)).await;
                Ok(Some(measured.expect("measuring a recording does not panic")))
            }
            found => Ok(found),
        }
    }

    async fn require_recording(&self, project: ProjectId, id: SessionId) -> Result<Recording> {
        self.recording(project, id).await?.ok_or(RECORDING_NOT_FOUND)
    }

    /// Returns what pauses the recording of a running session.
    ///
    /// Errors: there is no such session, it does not run, or it is not recorded.
    pub async fn recording_control(&self, project: ProjectId, id: SessionId) -> Result<Control> {
        if !self.0.db.session(project, id).await?.recording {
            return Err(Error::InvalidRequest(NOT_RECORDED.to_owned()));
        }
        let running = self.require_running(project, id).await?.running().ok_or(SESSION_UNREACHABLE)?;
        running.recording.ok_or(RECORDING_NOT_FOUND)
    }

    /// Deletes the recording of one of a project's sessions, which ends if it is still made. `None` is the only one that it has.
    pub async fn delete_recording(
        &self,
        project: ProjectId,
        id: SessionId,
        which: Option<RecordingId>,
    ) -> Result<()> {
        if !self.0.db.session(project, id).await?.recording {
            return Err(Error::InvalidRequest(NOT_RECORDED.to_owned()));
        }
        let recording = self.require_recording(project, id).await?;
        if which.is_some_and(|which| which != recording.id) {
            return Err(RECORDING_NOT_FOUND);
        }
        let control = self.find(project, id).and_then(|handle| handle.running()).and_then(|it| it.recording);
        let this = self.clone();
        // Whoever asked may hang up: it is deleted as a whole.
        let deletion = async move {
            if let Some(control) = control {
                control.discard().await;
            }
            let Context { db, reels, .. } = &*this.0;
            db.forget_recording(id).await?;
            this.0.shredder_of(reels.path()).take(reels.dir_of(id)).await;
            Ok(())
        };
        let deleted = self.0.lifecycle.tracker().spawn(deletion.in_current_span()).await;
        deleted.expect("deleting a recording does not panic")
    }

    /// Returns a recording, and when its pictures were taken.
    pub async fn recording_moments(
        &self,
        project: ProjectId,
        id: SessionId,
    ) -> Result<(Recording, Vec<Moment>)> {
        let recording = self.require_recording(project, id).await?;
        let (reels, which) = (self.0.reels.clone(), recording.id);
        let moments =
            tokio::task::spawn_blocking(move || Ok(reels.reel(id, which)?.moments().collect())).await;
        Ok((recording, moments.expect("reading a recording does not panic").map_err(unreadable)?))
    }

    /// Returns a picture of a recording, as JPEG.
    pub async fn recording_picture(
        &self,
        project: ProjectId,
        id: SessionId,
        number: usize,
    ) -> Result<Vec<u8>> {
        let recording = self.require_recording(project, id).await?;
        let reels = self.0.reels.clone();
        let picture =
            tokio::task::spawn_blocking(move || reels.reel(id, recording.id)?.picture(number)).await;
        let picture = picture.expect("reading a recording does not panic").map_err(unreadable)?;
        picture.ok_or(RECORDING_NOT_FOUND)
    }

    /// Returns a recording and its video, which is made if need be.
    pub async fn recording_video(&self, project: ProjectId, id: SessionId) -> Result<(Recording, Video)> {
        let recording = self.require_recording(project, id).await?;
        let video = self.0.videos.of(id, recording.id, recording.duration_ms).await?;
        Ok((recording, video))
    }

    /// Puts on record what an earlier server had recorded, and removes recordings when they expire, until the server stops. No session
    /// may run before that.
    pub async fn keep_recordings_swept(&self) -> Result<()> {
        let Context { db, reels, lifecycle, .. } = &*self.0;
        let shredder = self.0.shredder_of(reels.path());
        reels.recover(db).await?;
        reels.remove_orphans(db, &shredder).await?;
        let sweeping = reels.clone().keep_swept(db.clone(), shredder, lifecycle.soft().clone());
        lifecycle.tracker().spawn(sweeping);
        Ok(())
    }
}

fn unreadable(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return RECORDING_NOT_FOUND;
    }
    Error::internal("The recording could not be read. It does not outlive a rotation of the root key.", error)
}
