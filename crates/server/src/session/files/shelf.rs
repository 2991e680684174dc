//! What a session was given, and how much more it may be.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tempfile::{NamedTempFile, TempPath};

use super::archive::inflate;
use super::{FileName, Incoming};
use crate::clock;
use crate::config::FilesConfig;
use crate::error::{Error, Result, SESSION_UNREACHABLE};
use crate::session::handle::Visit;
use crate::session::work_dir::WorkDir;

/// The files of one session; clones share them.
#[derive(Clone, Debug)]
pub struct Shelf(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    work: WorkDir,
    limits: FilesConfig,
    account: Mutex<Account>,
}

/// What there is.
#[derive(Debug, Default)]
struct Account {
    /// On their way, in bytes.
    incoming: u64,
    given: BTreeMap<PathBuf, Given>,
}

/// What files are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The browser's file choosers.
    Uploads,
    /// Agents that drive the browser.
    Agent,
}

/// A file that a session has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it is for.
    pub room: Room,
    /// Where it is, for the browser too.
    pub path: PathBuf,
    /// What it is called: below its room, with slashes, if it came in an archive.
    pub name: String,
    /// What is behind its name's last dot, in lower case.
    pub extension: String,
    /// In bytes.
    pub size: u64,
    /// When it was there as a whole.
    pub modified: Timestamp,
}

/// A file that is whole, and is to be put somewhere.
pub(super) struct Whole {
    /// Its name, and those of the directories around it.
    pub(super) name: Vec<FileName>,
    pub(super) file: TempPath,
    pub(super) taken: Taken,
}

/// Bytes that were taken on a shelf, until dropped.
#[derive(Debug)]
pub(super) struct Taken {
    shelf: Shelf,
    bytes: u64,
}

impl Taken {
    /// Takes so many more. Errors: [`Error::TooLarge`], for the file or for the session.
    pub(super) fn grow(&mut self, more: u64) -> Result<()> {
        self.expect(self.bytes + more)?;
        self.shelf.take_room(more)?;
        self.bytes += more;
        Ok(())
    }

    /// Refuses a file that is said to be larger than it may be.
    pub(super) fn expect(&self, bytes: u64) -> Result<()> {
        let limits = &self.shelf.0.limits;
        if bytes <= limits.max_upload() {
            return Ok(());
        }
        Err(Error::TooLarge(format!(
            "The file is too large: at most {} MiB are taken. Send it in parts, or ask the server's operator for a larger files.max_upload_mib.",
            limits.max_upload_mib
        )))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.shelf.account().incoming -= self.bytes;
    }
}

impl Shelf {
    /// Makes an empty one. Its directories come with the work dir.
    pub(in crate::session) fn new(work: WorkDir, limits: FilesConfig) -> Self {
        Self(Arc::new(Shared { work, limits, account: Mutex::default() }))
    }

    /// Begins to take a file.
    pub(in crate::session) async fn begin(&self, room: Room, visit: Visit) -> Result<Incoming> {
        let this = self.clone();
        let made = tokio::task::spawn_blocking(move || this.temporary()).await;
        let (file, path) = made.expect("making a file does not panic")?.into_parts();
        Ok(Incoming::new(self.clone(), (room, visit), file, path))
    }

    /// Lists what is in a room, by name.
    pub(in crate::session) fn list(&self, room: Room) -> Vec<Given> {
        self.account().given.values().filter(|given| given.room == room).cloned().collect()
    }

    /// Makes an empty file that goes when it is dropped. Blocks.
    pub(super) fn temporary(&self) -> Result<NamedTempFile> {
        NamedTempFile::new_in(self.0.work.incoming()).map_err(not_stored)
    }

    /// Returns how many files an archive may hold.
    pub(super) fn max_archive_files(&self) -> usize {
        self.0.limits.max_archive_files
    }

    /// Unpacks one file of an archive into one that is whole, and goes again unless it is put somewhere. Blocks.
    pub(super) fn unpacked(&self, name: Vec<FileName>, entry: &mut dyn io::Read) -> Result<Whole> {
        let (mut file, mut taken) = (self.temporary()?, self.taken());
        inflate(entry, |piece| {
            taken.grow(piece.len() as u64)?;
            file.write_all(piece).map_err(not_stored)
        })?;
        Ok(Whole { name, file: file.into_temp_path(), taken })
    }

    /// Begins to take room.
    pub(super) fn taken(&self) -> Taken {
        Taken { shelf: self.clone(), bytes: 0 }
    }

    fn take_room(&self, bytes: u64) -> Result<()> {
        let mut account = self.account();
        let given: u64 = account.given.values().map(|given| given.size).sum();
        if given + account.incoming + bytes > self.0.limits.max_uploads() {
            return Err(Error::TooLarge(format!(
                "The session has no room for the file: all that it was given may have {} MiB together. Start another session for more.",
                self.0.limits.max_uploads_mib
            )));
        }
        account.incoming += bytes;
        Ok(())
    }

    /// Returns a room's directory.
    pub(super) fn dir_of(&self, room: Room) -> PathBuf {
        match room {
            Room::Uploads => self.0.work.uploads(),
            Room::Agent => self.0.work.agent(),
        }
    }

    /// Puts files that are whole into a room: all of them, or none if one cannot be there. Those of the same name are replaced, each
    /// in one moment. Blocks.
    pub(super) fn put(&self, room: Room, files: Vec<Whole>) -> Result<Vec<Given>> {
        let dir = self.dir_of(room);
        // Locked until the books are right again: two of one name may come at once.
        let mut account = self.account();
        for whole in &files {
            account.require_place(&dir, &whole.name)?;
        }
        let mut put = Vec::new();
        for Whole { name, file, taken } in files {
            let given = place(&dir, room, &name, file, taken.bytes).map_err(not_stored)?;
            account.given.insert(given.path.clone(), given.clone());
            put.push((given, taken));
        }
        drop(account);
        // Room is given back after the files are on the books, so that nobody takes it in between.
        Ok(put.into_iter().map(|(given, _)| given).collect())
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.0.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Fails where a file of this name would need a directory that is a file, or be where a directory is.
    fn require_place(&self, dir: &Path, name: &[FileName]) -> Result<()> {
        let path = path_of(dir, name);
        let in_the_way =
            |given: &&PathBuf| **given != path && (path.starts_with(given) || given.starts_with(&path));
        if self.given.keys().any(|given| in_the_way(&given)) {
            return Err(Error::Conflict(format!(
                "{:?} cannot be stored: a file would be where a directory is. Give one of them another name.",
                joined(name)
            )));
        }
        Ok(())
    }
}

fn place(dir: &Path, room: Room, name: &[FileName], file: TempPath, size: u64) -> io::Result<Given> {
    let Some((last, around)) = name.split_last() else {
        return Err(io::Error::other("a file has a name"));
    };
    let mut inner = dir.to_owned();
    for part in around {
        inner.push(part.as_str());
        match std::fs::create_dir(&inner) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                open_to_browser(&inner, dir, 0o750, 0o700)?;
            }
        }
    }
    open_to_browser(&file, dir, 0o640, 0o600)?;
    let path = inner.join(last.as_str());
    file.persist(&path).map_err(|error| error.error)?;
    Ok(Given { room, path, name: joined(name), extension: last.extension(), size, modified: clock::now() })
}

/// Lets those read something who may read the room that it is for.
fn open_to_browser(path: &Path, room: &Path, shown: u32, own: u32) -> io::Result<()> {
    let room = std::fs::symlink_metadata(room)?;
    let is_shown = room.mode() & 0o040 != 0;
    if is_shown {
        std::os::unix::fs::chown(path, None, Some(room.gid()))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(if is_shown { shown } else { own }))
}

fn path_of(dir: &Path, name: &[FileName]) -> PathBuf {
    name.iter().fold(dir.to_owned(), |path, part| path.join(part.as_str()))
}

fn joined(name: &[FileName]) -> String {
    name.iter().map(FileName::as_str).collect::<Vec<_>>().join("/")
}

/// Says why a file was not stored. The directories of a session that ends go away.
pub(super) fn not_stored(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => SESSION_UNREACHABLE,
        _ => Error::internal("The file could not be stored.", error),
    }
}
