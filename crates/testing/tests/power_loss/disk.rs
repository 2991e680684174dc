//! A disk that keeps what was flushed, and nothing else.
//!
//! A file's contents are kept once the file was flushed after its last write. Its name is kept once its directory was
//! flushed after it got it, and so on up to the data dir. A removal is kept once the directory was flushed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::trace::Operation;

/// What is not flushed of one data dir.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    /// Files, and whether their contents are flushed.
    files: BTreeMap<PathBuf, bool>,
    /// Names of files and directories that their directory has not been flushed for.
    names: BTreeSet<PathBuf>,
    /// Names that were removed, and whose directory has not been flushed since.
    removed: BTreeSet<PathBuf>,
}

/// What a path is to the server. Repositories are named by their directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A pack of a repository.
    Pack(PathBuf),
    /// An index of a repository.
    Index(PathBuf),
    /// A snapshot.
    Snapshot,
    /// Anything else that every promise needs: keys, configurations, the directories of the vault, the database's log.
    Needed,
    /// A running session's portable state.
    Capture,
    /// A file that is still being written under another name.
    Staged,
    /// What no promise needs: work dirs, the database's own file, which its log repeats.
    Other,
}

impl Role {
    /// Tells whether a receipt rests on it.
    pub fn is_promised(&self) -> bool {
        !matches!(self, Self::Staged | Self::Capture | Self::Other)
    }
}

impl Disk {
    /// Makes an empty one.
    pub fn new(data: &Path) -> Self {
        let data = data.to_owned();
        Self { data, files: BTreeMap::new(), names: BTreeSet::new(), removed: BTreeSet::new() }
    }

    /// Says what a path is.
    pub fn role(&self, path: &Path) -> Role {
        let Ok(path_in_data) = path.strip_prefix(&self.data) else {
            return Role::Other;
        };
        let parts: Vec<_> = path_in_data.iter().map(|part| part.to_string_lossy()).collect();
        let staged = parts.last().is_some_and(|name| {
            name.contains('#') || name.starts_with(".tmp") || name.starts_with(".portable")
        });
        let repository = || self.data.join("vault").join(&*parts[1]);
        match parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().as_slice() {
            _ if staged => Role::Staged,
            ["vault", _, "data", _, _, ..] => Role::Pack(repository()),
            ["vault", _, "index", _] => Role::Index(repository()),
            ["vault", _, "snapshots", _] => Role::Snapshot,
            ["work", _, "state", "portable.json"] => Role::Capture,
            [] | ["vault", ..] | ["root.key" | "roadstead.db-wal"] => Role::Needed,
            _ => Role::Other,
        }
    }

    /// Does an operation.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            // Whoever opens a file so that it is made if need be, as each connection does with the database's log, makes
            // it once.
            Operation::Created { path } if self.files.contains_key(path) => {}
            Operation::Created { path } => {
                self.files.insert(path.clone(), true);
                self.name(path);
            }
            Operation::DirectoryMade { path } => self.name(path),
            Operation::Written { path } => {
                self.files.insert(path.clone(), false);
            }
            Operation::Flushed { path } => {
                if let Some(flushed) = self.files.get_mut(path) {
                    *flushed = true;
                }
                self.names.retain(|name| name.parent() != Some(path));
                self.removed.retain(|name| name.parent() != Some(path));
            }
            Operation::Renamed { from, to } => {
                let flushed = self.files.remove(from).unwrap_or(true);
                self.names.remove(from);
                self.files.insert(to.clone(), flushed);
                self.name(to);
            }
            Operation::Removed { path } => {
                self.files.remove(path);
                self.names.remove(path);
                self.removed.insert(path.clone());
            }
            Operation::Receipt => {}
        }
    }

    /// Lists what is not flushed of the places that are asked for.
    pub fn unflushed(&self, asked: impl Fn(&Role) -> bool) -> Vec<String> {
        let contents =
            self.files.iter().filter(|(_, flushed)| !**flushed).map(|(path, _)| (path, "contents"));
        let names = self.names.iter().map(|path| (path, "name"));
        contents
            .chain(names)
            .filter(|(path, _)| asked(&self.role(path)))
            .map(|(path, what)| format!("the {what} of {}", path.display()))
            .collect()
    }

    /// Says so when a file's contents are not flushed.
    pub fn unflushed_contents(&self, path: &Path) -> Vec<String> {
        let unflushed = path.starts_with(&self.data) && self.files.get(path) == Some(&false);
        unflushed.then(|| format!("the contents of {}", path.display())).into_iter().collect()
    }

    /// Lists the removals of indexes and snapshots of a repository that are not flushed.
    pub fn unflushed_removals(&self, repository: &Path) -> Vec<String> {
        let named = |path: &&PathBuf| {
            path.starts_with(repository.join("index")) || path.starts_with(repository.join("snapshots"))
        };
        self.removed.iter().filter(named).map(|path| format!("the removal of {}", path.display())).collect()
    }

    fn name(&mut self, path: &Path) {
        self.removed.remove(path);
        if path.starts_with(&self.data) {
            self.names.insert(path.to_owned());
        }
    }
}
