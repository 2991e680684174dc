//! Copying a browser's files to the side.

use std::fs::{File, FileTimes};
use std::io;
use std::path::Path;

/// What a file that goes while it is copied means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A fault: nothing moves.
    Fault,
    /// What caches do all the time.
    Skipped,
}

/// Copies directories and regular files, with their modification times, which tell the vault what has changed. Links,
/// sockets and pipes are those of a running process, and are left out. The files are the browser's user's, who may put a
/// link in a file's place at any time: none is followed.
///
/// `skip` is asked about each path, relative to `from`. `to` is made if it does not exist.
pub fn copy_tree(from: &Path, to: &Path, skip: &dyn Fn(&Path) -> bool, missing: Missing) -> io::Result<()> {
    copy_room(from, to, Path::new(""), skip, missing)
}

fn copy_room(
    from: &Path,
    to: &Path,
    room: &Path,
    skip: &dyn Fn(&Path) -> bool,
    missing: Missing,
) -> io::Result<()> {
    std::fs::create_dir_all(to.join(room))?;
    for entry in std::fs::read_dir(from.join(room))? {
        let entry = entry?;
        let path = room.join(entry.file_name());
        if skip(&path) {
            continue;
        }
        let kind = entry.file_type()?;
        let copied = if kind.is_dir() {
            copy_room(from, to, &path, skip, missing)
        } else if kind.is_file() {
            copy_file(&from.join(&path), &to.join(&path))
        } else {
            Ok(())
        };
        match copied {
            Err(error) if missing == Missing::Skipped && error.kind() == io::ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = File::from(rustix::fs::open(from, flags, Mode::empty())?);
    let found = source.metadata()?;
    if !found.is_file() {
        return Ok(());
    }
    let mut copy = File::create_new(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.set_times(FileTimes::new().set_modified(found.modified()?))
}
