//! A directory tree as a value, to write, to read and to compare.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory, its mode always 0700.
    Directory,
    /// A file.
    File {
        /// What it holds.
        content: Vec<u8>,
        /// Its permission bits.
        mode: u32,
        /// Its modification time: seconds and nanoseconds.
        modified: (i64, i64),
    },
    /// A symbolic link and where it leads.
    Link(PathBuf),
}

/// Entries by path relative to the root, parents before children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<PathBuf, Entry>);

/// A time that no test writes by accident: 2001-09-09, with a fraction.
pub const MODIFIED: (i64, i64) = (1_000_000_000, 123_456_789);

impl Tree {
    /// Adds a file with mode 0600, and the directories it is in.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        let entry = Entry::File { content: content.into(), mode: 0o600, modified: MODIFIED };
        self.entry(OsStr::new(path), entry)
    }

    /// Adds an entry, and the directories it is in.
    #[must_use]
    pub fn entry(mut self, path: &OsStr, entry: Entry) -> Self {
        let path = PathBuf::from(path);
        let parents: Vec<_> = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
        for parent in parents {
            self.0.entry(parent.to_owned()).or_insert(Entry::Directory);
        }
        self.0.insert(path, entry);
        self
    }

    /// A tree with a bit of everything that a snapshot holds.
    pub fn sample() -> Self {
        let executable = Entry::File { content: b"#!".to_vec(), mode: 0o700, modified: MODIFIED };
        let noise: Vec<u8> =
            (0..3_000_000_u32).map(|at| (at.wrapping_mul(at) >> 7).to_le_bytes()[0]).collect();
        Self::default()
            .file("Local State", "{}")
            .file("Default/Cookies", vec![7; 20_000])
            .file("Default/empty", "")
            .file("Default/IndexedDB/übergröße \u{1f36a} \"x\" \\ .leveldb/000003.log", "state")
            .file("Default/Cache/big", noise.clone())
            .file("Default/Cache/big again", noise)
            .entry(
                OsStr::from_bytes(b"Default/not \xff UTF-8"),
                Entry::File { content: vec![1], mode: 0o600, modified: MODIFIED },
            )
            .entry(OsStr::new("Default/tool"), executable)
            .entry(OsStr::new("Default/no one home"), Entry::Directory)
            .entry(OsStr::new("Default/latest"), Entry::Link("Cache/big".into()))
    }

    /// Writes the tree into an existing directory.
    pub fn write(&self, root: &Path) {
        for (path, entry) in &self.0 {
            let path = root.join(path);
            match entry {
                Entry::Directory => fs::create_dir(&path).expect("a directory can be made"),
                Entry::Link(target) => std::os::unix::fs::symlink(target, &path).expect("a link can be made"),
                Entry::File { content, mode, modified } => {
                    fs::write(&path, content).expect("a file can be written");
                    // Before the mode, which may close it to whoever is not root.
                    set_modified(&path, *modified);
                    let permissions = fs::Permissions::from_mode(*mode);
                    fs::set_permissions(&path, permissions).expect("a mode can be set");
                }
            }
        }
    }

    /// Reads the tree below a directory.
    pub fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(root.join(&directory)).expect("a directory can be listed") {
                let path = directory.join(entry.expect("a directory can be listed").file_name());
                let full = root.join(&path);
                let meta = full.symlink_metadata().expect("an entry has metadata");
                let entry = if meta.is_dir() {
                    assert_eq!(meta.mode() & 0o7777, 0o700, "{}", path.display());
                    directories.push(path.clone());
                    Entry::Directory
                } else if meta.is_symlink() {
                    Entry::Link(fs::read_link(&full).expect("a link can be read"))
                } else {
                    let content = fs::read(&full).expect("a file can be read");
                    Entry::File {
                        content,
                        mode: meta.mode() & 0o7777,
                        modified: (meta.mtime(), meta.mtime_nsec()),
                    }
                };
                tree.0.insert(path, entry);
            }
        }
        tree
    }
}

/// Sets a file's modification time.
pub fn set_modified(path: &Path, (seconds, nanoseconds): (i64, i64)) {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = SystemTime::UNIX_EPOCH;
    let base = if seconds < 0 { base - whole } else { base + whole };
    let time = base + Duration::from_nanos(nanoseconds.unsigned_abs());
    let file = fs::File::open(path).expect("a file can be opened");
    file.set_modified(time).expect("a time can be set");
}
