//! Where downloads are kept, and for how long.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use roadstead_api::{DownloadId, SessionId};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::db::Db;
use crate::error::Result;
use crate::lifecycle::Lifecycle;
use crate::session::keeping::Keeping;
use crate::session::shred::Shredder;
use crate::session::work_dir::make_dir;

/// The directory that holds every session's downloads; clones share it.
#[derive(Clone, Debug)]
pub struct KeptRoot(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    keeping: Keeping,
    /// How many read files of which session. What is read is not removed: its bytes would become zeros on the way.
    readers: watch::Sender<HashMap<SessionId, usize>>,
}

/// A download that is open to be read. It stays until this is dropped.
#[derive(Debug)]
pub struct KeptFile {
    file: File,
    size: u64,
    _reading: Reading,
}

#[derive(Debug)]
struct Reading {
    root: KeptRoot,
    session: SessionId,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.root.0.readers.send_modify(|readers| match readers.get_mut(&self.session) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(readers.remove(&self.session)),
        });
    }
}

impl KeptFile {
    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the file.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl KeptRoot {
    /// Finds or makes the directory in a data dir. Downloads are kept for so long after their session's end.
    pub fn open(data_dir: &Path, keep: Duration) -> anyhow::Result<Self> {
        let keeping = Keeping::open(data_dir, "downloads", keep)?;
        Ok(Self(Arc::new(Shared { keeping, readers: watch::Sender::default() })))
    }

    /// Returns the directory's path.
    pub fn path(&self) -> &Path {
        self.0.keeping.path()
    }

    /// Returns the earliest moment at which a session may have ended whose downloads are still kept.
    pub fn oldest(&self) -> Timestamp {
        self.0.keeping.oldest()
    }

    /// Opens a session's download. The file is as large as it is on record to be, or is not there.
    pub fn read(&self, session: SessionId, id: DownloadId, size: u64) -> io::Result<KeptFile> {
        let reading = Reading { root: self.clone(), session };
        self.0.readers.send_modify(|readers| *readers.entry(session).or_default() += 1);
        let file = File::open(self.file_of(session, id))?;
        if file.metadata()?.len() != size {
            return Err(io::Error::other("the file is not as large as it is on record to be"));
        }
        Ok(KeptFile { file, size, _reading: reading })
    }

    /// Copies a file out of a browser's room, and removes it there. Returns how many bytes it has; `None` when those are more than
    /// `most`, and nothing is kept then. Blocks.
    ///
    /// The browser can put anything there under any name, so what is no plain file with one name is refused.
    pub(super) fn take_from(
        &self,
        (room, owner): (&Path, Option<u32>),
        (session, id): (SessionId, DownloadId),
        most: u64,
    ) -> io::Result<Option<u64>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let room = openat(CWD, room, flags | OFlags::DIRECTORY, Mode::empty())?;
        let name = id.to_string();
        let source = File::from(openat(&room, &name, flags | OFlags::NONBLOCK, Mode::empty())?);
        let copied = self.copy(&source, owner, (session, id), most);
        unlinkat(room.as_fd(), &name, AtFlags::empty())?;
        copied
    }

    fn copy(
        &self,
        source: &File,
        owner: Option<u32>,
        (session, id): (SessionId, DownloadId),
        most: u64,
    ) -> io::Result<Option<u64>> {
        let found = source.metadata()?;
        if !found.is_file() || found.nlink() != 1 || owner.is_some_and(|owner| found.uid() != owner) {
            return Err(io::Error::other("it is no plain file of the browser's own"));
        }
        if found.len() > most {
            return Ok(None);
        }
        let dir = self.dir_of(session);
        make_dir(&dir, 0o700)?;
        let path = self.file_of(session, id);
        let mut kept = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        // The file may grow while it is copied.
        let copied = io::copy(&mut source.take(most + 1), &mut kept);
        match copied {
            Ok(bytes) if bytes <= most => {
                // Bytes before the row that promises them.
                kept.sync_all()?;
                File::open(&dir)?.sync_all()?;
                Ok(Some(bytes))
            }
            other => {
                std::fs::remove_file(&path)?;
                other.map(|_| None)
            }
        }
    }

    /// Removes what expires, until it is stopped.
    pub(in crate::session) async fn keep_swept(self, db: Db, shredder: Shredder, stop: CancellationToken) {
        let mut sweeps = self.0.keeping.sweeps(stop);
        while sweeps.next().await {
            if let Err(error) = self.sweep(&db, &shredder).await {
                warn!(error = ?error, "failed to remove expired downloads");
            }
        }
    }

    async fn sweep(&self, db: &Db, shredder: &Shredder) -> Result<()> {
        for session in db.sessions_with_expired_downloads(self.oldest()).await? {
            if self.is_read(session) {
                continue;
            }
            let removed = db.forget_downloads(session).await?;
            shredder.take(self.dir_of(session)).await;
            info!(session.id = %session, removed, "removed a session's downloads, which had expired");
        }
        Ok(())
    }

    /// Forgets the downloads of a session whose end they do not outlive, and removes them, or has them removed once nobody reads them.
    /// One that is still read when the server stops goes at the next start.
    pub(super) async fn discard(
        &self,
        (db, shredder): (&Db, &Shredder),
        session: SessionId,
        lifecycle: &Lifecycle,
    ) -> Result<()> {
        db.forget_downloads(session).await?;
        if !self.is_read(session) {
            shredder.take(self.dir_of(session)).await;
            return Ok(());
        }
        let (this, shredder, stop) = (self.clone(), shredder.clone(), lifecycle.soft().clone());
        lifecycle.tracker().spawn(async move {
            let mut readers = this.0.readers.subscribe();
            tokio::select! {
                _ = readers.wait_for(|readers| !readers.contains_key(&session)) => {}
                () = stop.cancelled() => return,
            }
            shredder.take(this.dir_of(session)).await;
        });
        Ok(())
    }

    /// Removes what an earlier server left without having it on record, and what did not outlive its session.
    pub(in crate::session) async fn remove_orphans(&self, db: &Db, shredder: &Shredder) -> Result<()> {
        db.forget_passing_downloads().await?;
        self.0.keeping.remove_orphans(db.sessions_with_downloads().await?, shredder).await;
        Ok(())
    }

    fn dir_of(&self, session: SessionId) -> PathBuf {
        self.0.keeping.dir_of(session)
    }

    fn file_of(&self, session: SessionId, id: DownloadId) -> PathBuf {
        self.dir_of(session).join(id.to_string())
    }

    fn is_read(&self, session: SessionId) -> bool {
        self.0.readers.borrow().contains_key(&session)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Ground {
        _data: tempfile::TempDir,
        room: tempfile::TempDir,
        root: KeptRoot,
        session: SessionId,
    }

    impl Ground {
        fn new() -> Self {
            let data = tempfile::tempdir().unwrap();
            let root = KeptRoot::open(data.path(), Duration::from_mins(1)).unwrap();
            Self { _data: data, room: tempfile::tempdir().unwrap(), root, session: SessionId::random() }
        }

        fn take(&self, id: DownloadId, most: u64) -> io::Result<Option<u64>> {
            self.root.take_from((self.room.path(), None), (self.session, id), most)
        }

        fn place(&self, id: DownloadId) -> PathBuf {
            self.room.path().join(id.to_string())
        }

        fn kept(&self) -> usize {
            std::fs::read_dir(self.root.dir_of(self.session)).map_or(0, Iterator::count)
        }
    }

    #[test]
    fn a_file_is_taken_whole_or_not_at_all() {
        let ground = Ground::new();
        let id = DownloadId::random();
        std::fs::write(ground.place(id), b"contents").unwrap();
        assert_eq!(ground.take(id, 8).unwrap(), Some(8));
        assert!(!ground.place(id).exists());
        let kept = ground.root.read(ground.session, id, 8).unwrap();
        assert_eq!(io::read_to_string(kept.file().unwrap()).unwrap(), "contents");
        assert!(ground.root.read(ground.session, id, 9).is_err());
        let large = DownloadId::random();
        std::fs::write(ground.place(large), b"contents").unwrap();
        assert_eq!(ground.take(large, 7).unwrap(), None);
        assert!(!ground.place(large).exists());
        assert_eq!(ground.kept(), 1);
    }

    #[test]
    fn what_is_no_plain_file_is_not_followed_anywhere() {
        let ground = Ground::new();
        let secret = ground.room.path().join("secret");
        std::fs::write(&secret, b"a secret").unwrap();
        let [link, twin, directory, pipe] = std::array::from_fn(|_| DownloadId::random());
        symlink(&secret, ground.place(link)).unwrap();
        std::fs::hard_link(&secret, ground.place(twin)).unwrap();
        std::fs::create_dir(ground.place(directory)).unwrap();
        rustix::fs::mknodat(CWD, ground.place(pipe), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for id in [link, twin, directory, pipe] {
            assert!(ground.take(id, 100).is_err());
        }
        assert_eq!((ground.kept(), std::fs::read(secret).unwrap().as_slice()), (0, &b"a secret"[..]));
    }

    #[test]
    fn who_reads_is_counted() {
        let ground = Ground::new();
        let id = DownloadId::random();
        std::fs::write(ground.place(id), b"x").unwrap();
        ground.take(id, 1).unwrap();
        let (one, two) = (ground.root.read(ground.session, id, 1), ground.root.read(ground.session, id, 1));
        drop(one);
        assert!(ground.root.is_read(ground.session));
        drop(two);
        assert!(ground.root.0.readers.borrow().is_empty());
    }
}
