//! What sessions' browsers download: captured without any client, kept for a while after a session's end, and handed out.
//!
//! ```text
//! <data>/downloads/<session id>/<download id>    ours, 0600
//! ```
//!
//! A browser writes a download into a room of its own, under the download's id. When it is whole it is copied out of there
//! ([`kept`]): the browser may be hostile, and would go on writing to a file that it has open. Then it is on record. One that is too
//! large, takes too long, or is one too many is stopped ([`capture`]), which is on record too; the session goes on.
//!
//! Clients hear of each that is whole (`Anchor.downloadReady`). In a session with `browser.p2p_download` the page that it began in is
//! handed it when a client asks ([`extract`]), and nothing of it outlives the session.
//!
//! Bytes come before rows, and a row goes before its bytes: a crash leaves garbage at worst, which the next start removes.

mod capture;
mod extract;
mod kept;
mod record;

pub(super) use self::capture::Capture;
pub(super) use self::extract::{Extract, GLOBAL};
pub use self::kept::{KeptFile, KeptRoot};
pub use self::record::{Download, DownloadState};

use roadstead_api::{DownloadId, ProjectId, SessionId};

use super::{Context, Sessions};
use crate::error::{DOWNLOAD_NOT_FOUND, Error, Result};

impl Sessions {
    /// Lists what one of a project's sessions has downloaded: all that is over, with a file or without.
    pub async fn downloads(&self, project: ProjectId, id: SessionId) -> Result<Vec<Download>> {
        self.0.db.downloads(project, id, self.0.kept.oldest()).await
    }

    /// Opens a download of one of a project's sessions.
    pub async fn download(
        &self,
        project: ProjectId,
        (session, id): (SessionId, DownloadId),
    ) -> Result<(Download, KeptFile)> {
        let download = self.0.db.download(project, (session, id), self.0.kept.oldest()).await?;
        let (kept, size) = (self.0.kept.clone(), download.size);
        let opened = tokio::task::spawn_blocking(move || kept.read(session, id, size)).await;
        match opened.expect("opening a file does not panic") {
            Ok(file) => Ok((download, file)),
            // It expired just now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(DOWNLOAD_NOT_FOUND),
            Err(error) => Err(Error::internal("The download could not be opened.", error)),
        }
    }

    /// Removes what is kept of downloads when it expires, until the server stops. What is there without being on record goes first;
    /// no session may run before that.
    pub async fn keep_downloads_swept(&self) -> Result<()> {
        let Context { db, kept, lifecycle, .. } = &*self.0;
        let shredder = self.0.shredder_of(kept.path());
        kept.remove_orphans(db, &shredder).await?;
        let sweeping = kept.clone().keep_swept(db.clone(), shredder, lifecycle.soft().clone());
        lifecycle.tracker().spawn(sweeping);
        Ok(())
    }
}
