//! Removing what sessions leave on disk, written over first: cookies and pages in the clear, which the vault keeps encrypted.
//!
//! What is to go is moved into a room of its own at once, `<work root>/.shred`, which is ours alone, and written over there, one
//! directory at a time, by a thread of the lowest priority. Nobody waits for it but the end of the program. What a program that
//! was killed left there goes at the next start.
//!
//! The files were made by a browser, which may be hostile, and a process of it may still be alive. So nothing is reached by a
//! path: directories are opened without following links, files are opened inside them, looked at, and written over only if they
//! are files with one name. One with two may be somebody else's. Directories inside directories are moved out into the room
//! first, so there is no depth to run out of.
//!
//! What that achieves depends on the disk: see `docs/operations.md`.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use tokio::sync::{Mutex, oneshot};
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};
use uuid::Uuid;

/// The room's name in the work root. No session has it.
const ROOM: &str = ".shred";
/// How often a directory is emptied anew when somebody puts something into it meanwhile: a browser's last processes live some
/// milliseconds longer than it.
const ROUNDS: u32 = 100;
/// How long a directory may take to be moved into a room that others remove meanwhile. How often they win depends on the machine.
const MOVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait between two rounds.
const PAUSE: Duration = Duration::from_millis(10);
/// The lowest priority there is.
const NICE: i32 = 19;

/// Removes directories; clones share the one thread that does.
#[derive(Clone, Debug)]
pub(super) struct Shredder {
    room: PathBuf,
    overwrite: bool,
    tracker: TaskTracker,
    one_at_a_time: Arc<Mutex<()>>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    files: u64,
    /// Written over.
    bytes: u64,
    /// Files that were removed as they were, because they could not be written over.
    left: u64,
}

impl Shredder {
    /// Makes one for a work root. Without `overwrite` it only removes.
    pub(super) fn new(work_root: &Path, overwrite: bool, tracker: TaskTracker) -> Self {
        Self { room: work_root.join(ROOM), overwrite, tracker, one_at_a_time: Arc::default() }
    }

    /// Takes a directory away at once, and removes it from the side. One that is gone already is fine.
    pub(super) async fn take(&self, directory: PathBuf) {
        let this = self.clone();
        let taken = tokio::task::spawn_blocking(move || this.move_in(&directory)).await;
        match taken.expect("moving a directory does not panic") {
            Ok(()) => {
                fail::fail_point!("files-moved");
                self.clear_from_the_side();
            }
            Err(problem) => error!(error = %problem, "failed to remove a session's files"),
        }
    }

    /// Removes what is in the room, from the side.
    pub(super) fn clear_from_the_side(&self) {
        let this = self.clone();
        self.tracker.spawn(async move { this.clear().await });
    }

    /// Moves a directory into the room, which may be removed at any moment since it is empty.
    fn move_in(&self, directory: &Path) -> io::Result<()> {
        let began = Instant::now();
        while began.elapsed() < MOVE_TIMEOUT {
            match super::work_dir::make_dir(&self.room, 0o700) {
                // It went before it had its mode.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                made => made?,
            }
            match std::fs::rename(directory, self.room.join(Uuid::new_v4().to_string())) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if std::fs::symlink_metadata(directory).is_err() {
                        return Ok(());
                    }
                }
                moved => return moved,
            }
        }
        Err(io::Error::other("the room for what is to be removed keeps vanishing"))
    }

    async fn clear(&self) {
        let _one = self.one_at_a_time.lock().await;
        let (room, overwrite) = (self.room.clone(), self.overwrite);
        let (done, cleared) = oneshot::channel();
        let work = move || {
            // On Linux this is the calling thread's alone. It is a courtesy: without it the work is done all the same.
            if let Err(problem) = rustix::process::setpriority_process(None, NICE) {
                debug!(error = %problem, "sessions' files are removed at the usual priority");
            }
            drop(done.send(clear(&room, overwrite)));
        };
        if let Err(problem) = std::thread::Builder::new().name("shred".to_owned()).spawn(work) {
            error!(error = %problem, "failed to start a thread to remove sessions' files; the next start removes them");
            return;
        }
        match cleared.await {
            Ok(Ok(tally)) if tally.left > 0 => {
                warn!(files = tally.left, "files of sessions were removed without being written over");
            }
            Ok(Ok(tally)) => debug!(files = tally.files, bytes = tally.bytes, "removed sessions' files"),
            Ok(Err(problem)) => error!(error = %problem, "failed to remove sessions' files"),
            Err(_) => error!("removing sessions' files ended too soon"),
        }
    }
}

/// Removes everything in the room, and the room.
fn clear(room: &Path, overwrite: bool) -> io::Result<Tally> {
    let mut shredding = match openat(CWD, room, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Tally::default()),
        opened => Shredding { room: opened?, overwrite, tally: Tally::default() },
    };
    for round in 0..ROUNDS {
        if round > 0 {
            std::thread::sleep(PAUSE);
        }
        while shredding.pass()? {}
        match std::fs::remove_dir(room) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(shredding.tally),
        }
    }
    Err(io::Error::other("somebody keeps writing there; the next start tries again"))
}

/// How a directory is opened.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// How a file is. Opening a pipe must not wait for its other end.
const FILE: OFlags = OFlags::WRONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

struct Shredding {
    room: OwnedFd,
    overwrite: bool,
    tally: Tally,
}

impl Shredding {
    /// Goes through the room once. Tells whether anything went, so that there may be more to do.
    fn pass(&mut self) -> io::Result<bool> {
        let mut progress = false;
        for entry in Dir::read_from(&self.room)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_dots(name) {
                continue;
            }
            progress |= match openat(&self.room, name, DIRECTORY, Mode::empty()) {
                Ok(directory) => self.empty(&directory)? | self.remove_directory(name)?,
                Err(Errno::ACCESS) => self.open_up(name)?,
                Err(_) => {
                    let room = self.room.try_clone()?;
                    self.remove_file(room.as_fd(), name)?
                }
            };
        }
        Ok(progress)
    }

    /// Removes the files of a directory, and moves its directories out into the room.
    fn empty(&mut self, directory: &OwnedFd) -> io::Result<bool> {
        let mut progress = false;
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_dots(name) {
                continue;
            }
            let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                found => found?,
            };
            progress |= if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                match renameat(directory, name, &self.room, Uuid::new_v4().to_string()) {
                    Err(Errno::NOENT) => false,
                    moved => moved.map(|()| true)?,
                }
            } else {
                self.remove_file(directory.as_fd(), name)?
            };
        }
        Ok(progress)
    }

    fn remove_file(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
        if self.overwrite {
            match overwrite_at(directory, name) {
                Ok(None) => {}
                Ok(Some(bytes)) => self.tally.bytes += bytes,
                Err(problem) => {
                    debug!(error = %problem, "a file could not be written over");
                    self.tally.left += 1;
                }
            }
        }
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => {
                self.tally.files += 1;
                Ok(true)
            }
            Err(Errno::NOENT | Errno::ISDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an empty directory. One that somebody has put something into meanwhile is for the next round.
    fn remove_directory(&self, name: &CStr) -> io::Result<bool> {
        match unlinkat(&self.room, name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets us into a directory of our own that is closed to us.
    fn open_up(&self, name: &CStr) -> io::Result<bool> {
        // Nobody else can put a link here: the room is ours alone.
        rustix::fs::chmodat(&self.room, name, Mode::RWXU, AtFlags::empty())?;
        Ok(true)
    }
}

/// Writes over a file, if it is one and has no other name. Returns how many bytes; nothing for what is no such file.
fn overwrite_at(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<u64>> {
    let file = match openat(directory, name, FILE, Mode::empty()) {
        // A link; a pipe without a reader, a socket; gone.
        Err(Errno::LOOP | Errno::NXIO | Errno::NOENT | Errno::ISDIR) => return Ok(None),
        Err(Errno::ACCESS) => writable(directory, name)?,
        opened => opened?,
    };
    let found = fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
        return Ok(None);
    }
    roadstead_vault::overwrite(&file.into()).map(Some)
}

/// Opens a file of our own that is closed to writers, by way of a descriptor that is open already.
fn writable(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(directory, name, flags, Mode::empty())?;
    fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    Ok(openat(directory, name, FILE, Mode::empty())?)
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// It may be too late, or too soon.
    fn whatever(_: rustix::io::Result<()>) {}

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let place = Self { dir: tempfile::tempdir().unwrap() };
            fs::create_dir_all(place.room().join("one/deep/er")).unwrap();
            place
        }

        fn room(&self) -> PathBuf {
            self.dir.path().join(ROOM)
        }

        fn outside(&self) -> PathBuf {
            self.dir.path().join("outside")
        }

        fn clear(&self) -> Tally {
            let tally = clear(&self.room(), true).unwrap();
            assert!(!self.room().exists(), "the room is gone");
            tally
        }
    }

    #[test]
    fn what_a_file_held_is_written_over_before_its_name_goes() {
        let place = Place::new();
        let path = place.room().join("one/deep/er/Cookies");
        fs::write(&path, vec![b'x'; 100_000]).unwrap();
        // Whoever has it open sees what is on the disk when the name is gone.
        let mut open = fs::File::open(&path).unwrap();
        assert_eq!(place.clear(), Tally { files: 1, bytes: 100_000, left: 0 });
        let mut found = Vec::new();
        open.read_to_end(&mut found).unwrap();
        assert!(found.len() == 100_000 && found.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn nothing_outside_is_touched() {
        let place = Place::new();
        fs::create_dir(place.outside()).unwrap();
        let theirs = place.outside().join("theirs");
        fs::write(&theirs, "precious").unwrap();
        symlink(&theirs, place.room().join("one/link")).unwrap();
        symlink(place.outside(), place.room().join("one/deep/link")).unwrap();
        symlink(place.outside(), place.room().join("link")).unwrap();
        fs::hard_link(&theirs, place.room().join("one/hard")).unwrap();
        fs::hard_link(&theirs, place.room().join("hard")).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, place.room().join("one/pipe"), FileType::Fifo, mode, 0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(place.room().join("one/socket")).unwrap());
        assert_eq!(place.clear().bytes, 0);
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "precious");
    }

    #[test]
    fn two_names_of_one_file_inside_do_not_save_it() {
        let place = Place::new();
        let path = place.room().join("one/a");
        fs::write(&path, "secret").unwrap();
        fs::hard_link(&path, place.room().join("one/deep/b")).unwrap();
        assert_eq!(place.clear(), Tally { files: 2, bytes: 6, left: 0 });
    }

    #[test]
    fn what_is_closed_to_its_owner_is_opened() {
        let place = Place::new();
        let path = place.room().join("one/deep/closed");
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        fs::set_permissions(place.room().join("one"), fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(place.clear(), Tally { files: 1, bytes: 6, left: 0 });
    }

    #[test]
    fn a_directory_as_deep_as_one_likes_is_removed() {
        let place = Place::new();
        let mut at = openat(CWD, place.room(), DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = openat(&at, "d", DIRECTORY, Mode::empty()).unwrap();
        }
        place.clear();
    }

    #[test]
    fn a_hostile_process_that_swaps_names_reaches_nothing_outside() {
        let place = Place::new();
        fs::create_dir(place.outside()).unwrap();
        let theirs = place.outside().join("theirs");
        fs::write(&theirs, "precious").unwrap();
        for number in 0..200 {
            fs::create_dir_all(place.room().join(format!("one/{number}/inner"))).unwrap();
            fs::write(place.room().join(format!("one/{number}/inner/file")), "secret").unwrap();
        }
        let one = openat(CWD, place.room().join("one"), DIRECTORY, Mode::empty()).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // It has the directory open, as a browser that outlives its session has.
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    for number in 0..200 {
                        let name = format!("{number}");
                        whatever(renameat(&one, &name, &one, format!("{number}-away")));
                        whatever(rustix::fs::symlinkat(place.outside(), &one, &name));
                        whatever(rustix::fs::symlinkat(&theirs, &one, format!("{number}-file")));
                        whatever(unlinkat(&one, &name, AtFlags::empty()));
                        whatever(renameat(&one, format!("{number}-away"), &one, &name));
                    }
                }
            });
            for _ in 0..20 {
                drop(
                    Shredding {
                        room: openat(CWD, place.room(), DIRECTORY, Mode::empty()).unwrap(),
                        overwrite: true,
                        tally: Tally::default(),
                    }
                    .pass(),
                );
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        place.clear();
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "precious");
        assert_eq!(fs::read_dir(place.outside()).unwrap().count(), 1);
    }

    #[test]
    fn the_room_may_vanish_at_any_moment() {
        let root = tempfile::tempdir().unwrap();
        let shredder = Shredder::new(root.path(), false, TaskTracker::new());
        let stop = std::sync::atomic::AtomicBool::new(false);
        let moved = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(fs::remove_dir(&shredder.room));
                }
            });
            let move_one = |number: u32| {
                let directory = root.path().join(format!("session-{number}"));
                fs::create_dir(&directory)?;
                shredder.move_in(&directory)?;
                // The next one finds no room.
                clear(&shredder.room, false)
            };
            let moved = (0..100).try_for_each(|number| move_one(number).map(drop));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            moved
        });
        moved.unwrap();
    }

    #[tokio::test]
    async fn a_directory_is_gone_at_once_and_its_bytes_soon() {
        let root = tempfile::tempdir().unwrap();
        let tracker = TaskTracker::new();
        let shredder = Shredder::new(root.path(), true, tracker.clone());
        for number in 0..20 {
            let directory = root.path().join(format!("session-{number}"));
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("Cookies"), "secret").unwrap();
            shredder.take(directory.clone()).await;
            assert!(!directory.exists());
        }
        shredder.take(root.path().join("was never there")).await;
        tracker.close();
        tracker.wait().await;
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
