//! Materialising a snapshot in an empty directory.
//!
//! In three steps: read the trees and plan (nothing is written yet, so a snapshot that is refused leaves no trace), make the
//! directories, then write file contents in the order they are stored in. The library's own restore opens twenty threads,
//! panics on damaged data, and applies owners; this one does none of it.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use rustic_core::{
    DataId, Repository, TreeId,
    jiff::Timestamp,
    repofile::{Node, NodeType, PackId, SnapshotFile, Tree},
};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT};

use crate::{
    CheckoutReport, SnapshotId, VaultError, adapter::STRETCH_BYTES, blobs, blobs::Indexed, links,
    repository::Access,
};

const ACTION: &str = "check out the snapshot";

/// Threads that decrypt and write. More would help a big profile on a big machine, and cost every machine memory.
const THREADS: usize = 2;

/// Below this much data, starting a second thread costs more than it brings.
const ALONE_BYTES: u64 = 256 << 10;

/// Where trees and chunks come from: a repository, or the bytes of a fuzzer.
pub(crate) trait Contents: Sync {
    /// Reads a directory.
    fn tree(&self, id: &TreeId) -> Result<Tree, VaultError>;
    /// Finds a chunk; `None` if no index names it.
    fn locate(&self, id: &DataId) -> Option<Location>;
    /// Reads a chunk.
    fn chunk(&self, id: &DataId) -> Result<Bytes, VaultError>;
}

/// Where a chunk lies.
pub(crate) struct Location {
    pub(crate) pack: PackId,
    pub(crate) offset: u32,
    /// How long it is, unpacked.
    pub(crate) bytes: u32,
}

impl Contents for Indexed {
    fn tree(&self, id: &TreeId) -> Result<Tree, VaultError> {
        blobs::read_tree(self, id, ACTION)
    }

    fn locate(&self, id: &DataId) -> Option<Location> {
        let entry = self.get_index_entry(id).ok()?;
        Some(Location { pack: entry.pack, offset: entry.location.offset, bytes: entry.data_length() })
    }

    fn chunk(&self, id: &DataId) -> Result<Bytes, VaultError> {
        blobs::read(self, id, ACTION)
    }
}

pub(crate) fn checkout(
    access: &Access<'_>,
    snapshot: &SnapshotId,
    into: &Path,
) -> Result<CheckoutReport, VaultError> {
    match materialise(access, snapshot, into) {
        // Another process may have pruned what this one remembers.
        Err(VaultError::Damaged { .. }) if !access.has_snapshot(snapshot)? => {
            Err(VaultError::NoSuchSnapshot(access.id, snapshot.clone()))
        }
        done => done.map_err(|error| error.of(format_args!("snapshot {snapshot}"))),
    }
}

fn materialise(
    access: &Access<'_>,
    snapshot: &SnapshotId,
    into: &Path,
) -> Result<CheckoutReport, VaultError> {
    let began = Instant::now();
    let (repository, _end) = access.open_indexed(None, Repository::to_indexed)?;
    let id = snapshot.stored();
    let snapshot: SnapshotFile =
        repository.get_file(&id).map_err(|error| match crate::error::store_error(&error) {
            Some(object_store::Error::NotFound { .. }) => {
                VaultError::NoSuchSnapshot(access.id, snapshot.clone())
            }
            _ => VaultError::from_rustic(ACTION, &error),
        })?;
    let plan = Plan::read(&repository, snapshot.tree)?;

    make_empty(into)?;
    plan.write(&repository, into)?;

    let files = plan.files.len() + plan.links.len();
    let bytes = plan.files.iter().map(|file| file.bytes).sum();
    Ok(CheckoutReport { files: files as u64, bytes, duration: began.elapsed() })
}

pub(crate) fn make_empty(directory: &Path) -> Result<(), VaultError> {
    match make_directory(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut entries =
                std::fs::read_dir(directory).map_err(|error| VaultError::file("list", directory, error))?;
            if entries.next().is_some() {
                return Err(VaultError::NotEmpty(directory.to_owned()));
            }
            Ok(())
        }
        made => made.map_err(|error| VaultError::file("create", directory, error)),
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// What there is to write, all paths relative to the root and checked.
#[derive(Default)]
pub(crate) struct Plan {
    /// Parents before children.
    directories: Vec<(PathBuf, Option<Timestamp>)>,
    files: Vec<PlannedFile>,
    links: Vec<PlannedLink>,
    pieces: Vec<Piece>,
}

struct PlannedFile {
    path: PathBuf,
    mode: u32,
    modified: Option<Timestamp>,
    bytes: u64,
    pieces: usize,
    /// Pieces still to be written; whoever writes the last one sets the time.
    missing: AtomicUsize,
}

struct PlannedLink {
    path: PathBuf,
    target: PathBuf,
    modified: Option<Timestamp>,
}

/// One stored chunk and every place it goes to.
struct Piece {
    pack: PackId,
    offset: u32,
    bytes: u32,
    id: DataId,
    places: Vec<Place>,
}

struct Place {
    file: usize,
    offset: u64,
}

impl Plan {
    /// Reads the trees from the root's down. Writes nothing.
    pub(crate) fn read(contents: &impl Contents, root: TreeId) -> Result<Self, VaultError> {
        let mut plan = Self::default();
        let mut known = HashMap::new();
        let mut trees = vec![(PathBuf::new(), root)];
        while let Some((parent, tree)) = trees.pop() {
            let tree = contents.tree(&tree).map_err(|error| in_entry(error, &parent))?;
            for node in tree.nodes {
                let path = checked_path(&parent, &node.name())?;
                match &node.node_type {
                    NodeType::Dir => {
                        plan.directories.push((path.clone(), node.meta.mtime));
                        let subtree =
                            node.subtree.ok_or_else(|| refused(&path, "the directory has no content"))?;
                        trees.push((path, subtree));
                    }
                    NodeType::File => plan.add_file(contents, path, &node, &mut known)?,
                    NodeType::Symlink { .. } => plan.add_link(path, &node)?,
                    // Other programs store these; a profile has no use for them.
                    NodeType::Dev { .. } | NodeType::Chardev { .. } | NodeType::Fifo | NodeType::Socket => {}
                }
            }
        }
        plan.pieces.sort_unstable_by_key(|piece| (piece.pack, piece.offset));
        Ok(plan)
    }

    fn add_file(
        &mut self,
        contents: &impl Contents,
        path: PathBuf,
        node: &Node,
        known: &mut HashMap<DataId, usize>,
    ) -> Result<(), VaultError> {
        let content = node.content.as_deref().unwrap_or_default();
        let file = self.files.len();
        let mut offset = 0;
        for id in content {
            let index = match known.get(id) {
                Some(index) => *index,
                None => {
                    let Some(Location { pack, offset, bytes }) = contents.locate(id) else {
                        let damaged = VaultError::Damaged { action: ACTION, reason: blobs::unindexed(id) };
                        return Err(in_entry(damaged, &path));
                    };
                    self.pieces.push(Piece { pack, offset, bytes, id: *id, places: Vec::new() });
                    known.insert(*id, self.pieces.len() - 1);
                    self.pieces.len() - 1
                }
            };
            let piece = &mut self.pieces[index];
            piece.places.push(Place { file, offset });
            offset += u64::from(piece.bytes);
        }
        self.files.push(PlannedFile {
            path,
            mode: 0o600 | node.meta.mode.unwrap_or(0) & 0o100,
            modified: node.meta.mtime,
            bytes: offset,
            pieces: content.len(),
            missing: AtomicUsize::new(content.len()),
        });
        Ok(())
    }

    fn add_link(&mut self, path: PathBuf, node: &Node) -> Result<(), VaultError> {
        let target = node.node_type.to_link().to_owned();
        if !links::stays_inside(path.components().count() - 1, &target) {
            return Err(refused(&path, "the link leads out of the directory"));
        }
        self.links.push(PlannedLink { path, target, modified: node.meta.mtime });
        Ok(())
    }

    /// Writes everything. Every directory and file must be new, and links come last, so nothing is written through one.
    pub(crate) fn write(&self, contents: &impl Contents, root: &Path) -> Result<(), VaultError> {
        for (path, _) in &self.directories {
            let path = root.join(path);
            make_directory(&path).map_err(|error| VaultError::file("create", &path, error))?;
        }
        for file in self.files.iter().filter(|file| file.pieces != 1) {
            let made = file.create(root).and_then(|handle| match file.pieces {
                0 => file.finish(&handle),
                _ => Ok(()),
            });
            made.map_err(|error| VaultError::file("create", &root.join(&file.path), error))?;
        }
        self.write_pieces(contents, root)?;
        for link in &self.links {
            let path = root.join(&link.path);
            let made = std::os::unix::fs::symlink(&link.target, &path);
            let made = made.and_then(|()| set_modified_at(&path, link.modified));
            made.map_err(|error| VaultError::file("create", &path, error))?;
        }
        // Children before parents: making an entry changes its parent's time.
        for (path, modified) in self.directories.iter().rev() {
            let path = root.join(path);
            let set = set_modified_at(&path, *modified);
            set.map_err(|error| VaultError::file("set the time of", &path, error))?;
        }
        Ok(())
    }

    fn write_pieces(&self, contents: &impl Contents, root: &Path) -> Result<(), VaultError> {
        let batches = self.batches();
        let total: u64 = self.pieces.iter().map(|piece| u64::from(piece.bytes)).sum();
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let first_error = Mutex::new(None);
        let work = || {
            while !stop.load(Ordering::Relaxed)
                && let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let written = batch.iter().try_for_each(|piece| self.write_piece(contents, root, piece));
                if let Err(error) = written {
                    stop.store(true, Ordering::Relaxed);
                    let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(error);
                }
            }
        };
        let helpers = if total < ALONE_BYTES { 0 } else { THREADS - 1 };
        std::thread::scope(|scope| {
            for _ in 0..helpers.min(batches.len().saturating_sub(1)) {
                scope.spawn(work);
            }
            work();
        });
        first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Cuts the pieces where one fetched stretch ends and the next begins.
    fn batches(&self) -> Vec<&[Piece]> {
        let mut start: Option<(PackId, u64)> = None;
        let same_stretch = |_: &Piece, piece: &Piece| {
            let end = u64::from(piece.offset) + u64::from(piece.bytes);
            let (pack, offset) = *start.get_or_insert((piece.pack, u64::from(piece.offset)));
            let same = pack == piece.pack && end <= offset + STRETCH_BYTES;
            if !same {
                start = Some((piece.pack, u64::from(piece.offset)));
            }
            same
        };
        self.pieces.chunk_by(same_stretch).collect()
    }

    fn write_piece(&self, contents: &impl Contents, root: &Path, piece: &Piece) -> Result<(), VaultError> {
        let data = contents
            .chunk(&piece.id)
            .map_err(|error| in_entry(error, &self.files[piece.places[0].file].path))?;
        for place in &piece.places {
            let file = &self.files[place.file];
            let written = file.write(root, place.offset, &data);
            written.map_err(|error| VaultError::file("write", &root.join(&file.path), error))?;
        }
        Ok(())
    }
}

impl PlannedFile {
    fn create(&self, root: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(self.mode).open(root.join(&self.path))
    }

    fn write(&self, root: &Path, offset: u64, data: &[u8]) -> io::Result<()> {
        let handle = match self.pieces {
            1 => self.create(root)?,
            _ => OpenOptions::new().write(true).open(root.join(&self.path))?,
        };
        handle.write_all_at(data, offset)?;
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish(&handle)?;
        }
        Ok(())
    }

    fn finish(&self, handle: &File) -> io::Result<()> {
        let Some(times) = times(self.modified) else { return Ok(()) };
        Ok(rustix::fs::futimens(handle, &times)?)
    }
}

fn set_modified_at(path: &Path, modified: Option<Timestamp>) -> io::Result<()> {
    let Some(times) = times(modified) else { return Ok(()) };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn times(modified: Option<Timestamp>) -> Option<Timestamps> {
    let modified = modified?;
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let (mut seconds, mut nanoseconds) = (modified.as_second(), modified.subsec_nanosecond());
    // Before 1970 both are negative; the system wants the fraction forwards.
    if nanoseconds < 0 {
        seconds -= 1;
        nanoseconds += 1_000_000_000;
    }
    let last_modification = Timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds) };
    Some(Timestamps { last_access, last_modification })
}

fn checked_path(parent: &Path, name: &OsStr) -> Result<PathBuf, VaultError> {
    let path = parent.join(name);
    match name.as_bytes() {
        b"" | b"." | b".." => Err(refused(&path, "the name is not a file's name")),
        bytes if bytes.contains(&b'/') || bytes.contains(&0) => {
            Err(refused(&path, "the name is not a file's name"))
        }
        _ => Ok(path),
    }
}

fn in_entry(error: VaultError, path: &Path) -> VaultError {
    error.of(format_args!("/{}", path.display()))
}

fn refused(path: &Path, reason: &'static str) -> VaultError {
    VaultError::Refused { path: path.to_owned(), reason }
}
