//! The directory that a commit stores, as the repository library wants to see it.
//!
//! Responsible for what of an entry is recorded, for never following a link (every name is opened relative to the
//! directory it was listed in), and for noting what is left out. Not for reading it in parallel: the library does that.
//!
//! The library's own walker will not do: it drops what it cannot read with a log line, so a snapshot could lack a file and
//! pass for complete. And it records inodes, change times and owners, which differ in every checkout.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::Arc,
    vec,
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustic_core::{
    ErrorKind, ReadSource, ReadSourceEntry, ReadSourceOpen, RusticError, RusticResult,
    jiff::Timestamp,
    repofile::{Metadata, Node, NodeType},
};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use crate::{VaultError, links, omissions::Omissions};

/// Go's bit for "is a directory", which the repository format uses in modes.
const GO_MODE_DIR: u32 = 1 << 31;
/// Go's bit for "is a symbolic link".
const GO_MODE_SYMLINK: u32 = 1 << 27;

pub(crate) struct Source {
    root: Arc<OwnedFd>,
    exclude: GlobSet,
    omissions: Arc<Omissions>,
}

impl Source {
    /// Opens the directory. `exclude` are globs on paths relative to it.
    pub(crate) fn open(
        from: &Path,
        exclude: &[String],
        omissions: Arc<Omissions>,
    ) -> Result<Self, VaultError> {
        let root = rustix::fs::open(from, directory_flags(), Mode::empty())
            .map_err(|error| VaultError::file("open", from, error.into()))?;
        Ok(Self { root: Arc::new(root), exclude: parse(exclude)?, omissions })
    }
}

fn parse(globs: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build()?);
    }
    set.build()
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

impl ReadSource for Source {
    type Open = Unopened;
    type Iter = Walk;

    /// Only progress bars want it.
    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Walk {
        let mut walk =
            Walk { stack: Vec::new(), exclude: self.exclude.clone(), omissions: self.omissions.clone() };
        walk.enter(&self.root, PathBuf::new());
        walk
    }
}

/// Depth first, names in byte order: the order that the repository's trees are in.
pub(crate) struct Walk {
    stack: Vec<Level>,
    exclude: GlobSet,
    omissions: Arc<Omissions>,
}

struct Level {
    directory: Arc<OwnedFd>,
    path: PathBuf,
    names: vec::IntoIter<OsString>,
}

impl Iterator for Walk {
    type Item = RusticResult<ReadSourceEntry<Unopened>>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(level) = self.stack.last_mut() {
            let Some(name) = level.names.next() else {
                self.stack.pop();
                continue;
            };
            let path = level.path.join(&name);
            if self.exclude.is_match(&path) {
                continue;
            }
            let directory = level.directory.clone();
            match self.entry(&directory, &path, &name) {
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => {}
                Err(error) => self.omissions.failed(&path, &error),
            }
        }
        None
    }
}

impl Walk {
    /// Lists a directory and puts it on the stack.
    fn enter(&mut self, directory: &Arc<OwnedFd>, path: PathBuf) {
        match list(directory) {
            Ok(names) => {
                self.stack.push(Level { directory: directory.clone(), path, names: names.into_iter() });
            }
            // The directory itself must be there: were it gone, an empty snapshot would take the place of a full one.
            Err(error) if path.as_os_str().is_empty() => self.omissions.unreadable(&path, &error),
            Err(error) => self.omissions.failed(&path, &error),
        }
    }

    fn entry(
        &mut self,
        directory: &Arc<OwnedFd>,
        path: &Path,
        name: &OsStr,
    ) -> io::Result<Option<ReadSourceEntry<Unopened>>> {
        let stat = rustix::fs::statat(&**directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let (node_type, open) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let directory = directory.clone();
                let omissions = self.omissions.clone();
                let open = Unopened { directory, name: name.to_owned(), path: path.to_owned(), omissions };
                (NodeType::File, Some(open))
            }
            FileType::Directory => {
                let opened = rustix::fs::openat(&**directory, name, directory_flags(), Mode::empty())?;
                self.enter(&Arc::new(opened), path.to_owned());
                (NodeType::Dir, None)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&**directory, name, Vec::new())?;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if !links::stays_inside(path.components().count() - 1, target) {
                    self.omissions.skipped(path.to_owned());
                    return Ok(None);
                }
                (NodeType::from_link(target), None)
            }
            // Sockets, pipes and devices mean something only to the process that made them.
            _ => {
                self.omissions.skipped(path.to_owned());
                return Ok(None);
            }
        };
        let node = Node::new_node(name, node_type, metadata(&stat));
        Ok(Some(ReadSourceEntry { path: path.to_owned(), node, open }))
    }
}

fn list(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Records only what a checkout restores, so that an unchanged directory makes the same tree again, wherever it is.
fn metadata(stat: &Stat) -> Metadata {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let owner_only = stat.st_mode & 0o700;
    let (mode, size) = match kind {
        FileType::Directory => (GO_MODE_DIR | 0o700, 0),
        FileType::Symlink => (GO_MODE_SYMLINK | 0o777, 0),
        _ => (owner_only | 0o600, u64::try_from(stat.st_size).unwrap_or(0)),
    };
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let time = Timestamp::new(stat.st_mtime, nanoseconds).ok();
    // The library compares change times with the parent's; restic restores access times and dislikes their absence.
    Metadata {
        mode: Some(mode),
        mtime: time,
        atime: time,
        ctime: time,
        size,
        links: 1,
        ..Metadata::default()
    }
}

/// A file whose turn to be read has not come yet. Keeps its directory open, so a path swapped for a link leads nowhere.
pub(crate) struct Unopened {
    directory: Arc<OwnedFd>,
    name: OsString,
    path: PathBuf,
    omissions: Arc<Omissions>,
}

impl Unopened {
    fn try_open(&self) -> io::Result<Watched<io::Take<File>>> {
        // A pipe put in the file's place must not block the commit.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&*self.directory, &self.name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&opened)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        // Not further than the file reached at this moment: one that is being appended to has no end.
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let inner = File::from(opened).take(size);
        Ok(Watched { inner, path: self.path.clone(), omissions: self.omissions.clone() })
    }
}

impl ReadSourceOpen for Unopened {
    type Reader = Watched<io::Take<File>>;

    /// The library leaves out a file whose opening fails; here it is decided whether that is right.
    fn open(self) -> RusticResult<Self::Reader> {
        self.try_open().map_err(|error| {
            self.omissions.failed(&self.path, &error);
            RusticError::with_source(ErrorKind::InputOutput, "cannot open", error)
        })
    }
}

/// A reader whose failures are noted: the library would leave the file out and go on.
pub(crate) struct Watched<R> {
    inner: R,
    path: PathBuf,
    omissions: Arc<Omissions>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.omissions.unreadable(&self.path, error);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_read_is_noted_with_its_path() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let omissions = Arc::new(Omissions::default());
        let mut reader = Watched { inner: Broken, path: "a/b".into(), omissions: omissions.clone() };

        assert!(reader.read(&mut [0]).is_err());

        assert!(omissions.any_unreadable());
        let message = omissions.check().unwrap_err().to_string();
        assert!(message.contains("a/b: the disk is gone"), "{message}");
    }

    #[test]
    fn a_file_gone_before_it_is_opened_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "a").unwrap();
        let omissions = Arc::new(Omissions::default());
        let source = Source::open(directory.path(), &[], omissions.clone()).unwrap();
        let entry = source.entries().next().unwrap().unwrap();
        std::fs::remove_file(directory.path().join("a")).unwrap();

        assert!(entry.open.unwrap().open().is_err());

        assert_eq!(omissions.count_vanished(), 1);
        assert!(omissions.check().is_ok());
    }

    #[test]
    fn a_link_put_in_a_files_place_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "a").unwrap();
        let omissions = Arc::new(Omissions::default());
        let source = Source::open(directory.path(), &[], omissions.clone()).unwrap();
        let entry = source.entries().next().unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();

        assert!(entry.open.unwrap().open().is_err());

        assert_eq!(omissions.count_vanished(), 1);
    }

    /// A file that is appended to faster than it is read has no end.
    #[test]
    fn a_file_that_grows_is_read_as_far_as_it_reached() {
        use std::io::Write;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "begun").unwrap();
        let source = Source::open(directory.path(), &[], Arc::default()).unwrap();
        let entry = source.entries().next().unwrap().unwrap();
        let mut reader = entry.open.unwrap().open().unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b" and more").unwrap();
        let mut content = String::new();
        reader.read_to_string(&mut content).unwrap();
        assert_eq!(content, "begun");
    }

    /// Recorded is what a checkout makes, or the next commit would find every directory changed.
    #[test]
    fn modes_are_recorded_as_they_will_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        for (mode, recorded) in [(0o644, 0o600), (0o4755, 0o700), (0o777, 0o700), (0o400, 0o600)] {
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            let source = Source::open(directory.path(), &[], Arc::default()).unwrap();
            let entry = source.entries().next().unwrap().unwrap();
            assert_eq!(entry.node.meta.mode, Some(recorded), "{mode:o}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
