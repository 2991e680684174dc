//! Verifying a repository, all the way from its snapshots down to its bytes.
//!
//! Findings name the pack that is damaged and the snapshots that need it, because what an operator asks is which revisions
//! are lost. The library's own check names neither reliably and stops at the first unreadable index.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use rustic_core::{
    FileType, Id, Open, Repository, TreeId,
    repofile::{IndexFile, IndexId, Node, NodeType, PackId, SnapshotFile, SnapshotId as StoredId},
};

use crate::{
    CheckReport, SnapshotId, VaultError, adapter, blobs, blobs::Indexed, error::describe, layout,
    repository::Access,
};

pub(crate) fn check(access: &Access<'_>, read_data: bool) -> Result<CheckReport, VaultError> {
    let (repository, _end) = match access.open(None) {
        Err(VaultError::Damaged { reason, .. }) => {
            let problems = vec![format!("the repository's configuration cannot be read: {reason}")];
            return Ok(CheckReport { problems, snapshots: 0 });
        }
        opened => opened?.into_parts(),
    };
    let mut check = Check::default();
    let indexes_readable = check.indexes(&repository)?;
    check.packs(access, read_data)?;
    let snapshots = check.snapshots(&repository)?;
    let count = snapshots.len() as u64;
    if indexes_readable {
        let failed = |error| VaultError::from_rustic("read the indexes", &error);
        let repository = repository.to_indexed().map_err(|error| failed(*error))?;
        for (id, root) in snapshots {
            check.contents(&repository, &id, root);
        }
    } else {
        let unknown = |(id, _)| format!("snapshot {id} cannot be verified: an index is damaged");
        check.problems.extend(snapshots.into_iter().map(unknown));
    }
    Ok(CheckReport { problems: check.problems, snapshots: count })
}

#[derive(Default)]
struct Check {
    problems: Vec<String>,
    /// Every pack that an index names, and how many bytes it should have.
    expected: BTreeMap<PackId, u32>,
    /// Packs that are missing or damaged.
    bad: HashSet<PackId>,
    /// Directories found whole, with all below them. Snapshots share most of theirs.
    sound: HashSet<TreeId>,
}

impl Check {
    /// Reads every index; returns whether all could be read.
    fn indexes<S: Open>(&mut self, repository: &Repository<S>) -> Result<bool, VaultError> {
        let mut readable = true;
        for id in list::<IndexId, S>(repository)? {
            match repository.get_file::<IndexFile>(&id) {
                Ok(index) => {
                    self.expected.extend(index.packs.iter().map(|pack| (pack.id, pack.pack_size())));
                }
                Err(error) => {
                    readable = false;
                    let reason = describe(&error);
                    self.problems.push(format!("index {} cannot be read: {reason}", id.to_hex().as_str()));
                }
            }
        }
        Ok(readable)
    }

    /// Compares the packs that are there with those that should be, and with `read_data` their bytes with their names.
    ///
    /// A pack is named by the hash of its bytes, and each of its blobs was decrypted again before it was written, so the
    /// right hash means that all of it can be read. Packs that no index names are left by commits that did not finish.
    fn packs(&mut self, access: &Access<'_>, read_data: bool) -> Result<(), VaultError> {
        let directory = layout::directory(access.id, FileType::Pack);
        let listed = access.store.list(&directory);
        let listed = listed.map_err(|source| VaultError::Store { action: "list the packs", source })?;
        let present: HashMap<Id, u32> = listed.iter().filter_map(adapter::named_by_content).collect();
        for (pack, expected) in &self.expected {
            let problem = match present.get(&**pack) {
                None => Some("is missing".to_owned()),
                Some(size) if size != expected => {
                    Some(format!("has {size} bytes and should have {expected}"))
                }
                Some(_) if read_data => read_pack(access, pack),
                Some(_) => None,
            };
            if let Some(problem) = problem {
                self.problems.push(format!("pack {} {problem}", pack.to_hex().as_str()));
                self.bad.insert(*pack);
            }
        }
        Ok(())
    }

    fn snapshots<S: Open>(
        &mut self,
        repository: &Repository<S>,
    ) -> Result<Vec<(SnapshotId, TreeId)>, VaultError> {
        let mut snapshots = Vec::new();
        for stored in list::<StoredId, S>(repository)? {
            let id = SnapshotId::from_stored(&stored);
            match repository.get_file::<SnapshotFile>(&stored) {
                Ok(snapshot) => snapshots.push((id, snapshot.tree)),
                Err(error) => {
                    self.problems.push(format!("snapshot {id} cannot be read: {}", describe(&error)));
                }
            }
        }
        snapshots.sort_unstable();
        Ok(snapshots)
    }

    /// Walks a snapshot's directories, and says once per cause what of it is lost.
    fn contents(&mut self, repository: &Indexed, id: &SnapshotId, root: TreeId) {
        let mut faults = Faults::default();
        let mut seen = HashSet::new();
        let mut trees = vec![(PathBuf::new(), root)];
        while let Some((path, tree)) = trees.pop() {
            if self.sound.contains(&tree) || !seen.insert(tree) {
                continue;
            }
            match blobs::read_tree(repository, &tree) {
                Err(error) => {
                    faults.note(format!("the directory cannot be read: {}", describe(&error)), &path);
                }
                Ok(tree) => {
                    for node in tree.nodes {
                        let path = path.join(node.name());
                        match (&node.node_type, node.subtree) {
                            (NodeType::Dir, Some(subtree)) => trees.push((path, subtree)),
                            (NodeType::Dir, None) => {
                                faults.note("the directory has no content".to_owned(), &path);
                            }
                            _ => self.file(repository, &node, &path, &mut faults),
                        }
                    }
                }
            }
        }
        if faults.0.is_empty() {
            self.sound.extend(seen);
        }
        self.problems.extend(faults.sentences(id));
    }

    fn file(&self, repository: &Indexed, node: &Node, path: &Path, faults: &mut Faults) {
        let mut causes = BTreeSet::new();
        for blob in node.content.iter().flatten() {
            match repository.get_index_entry(blob) {
                Err(_) => causes.insert(format!("chunk {} is in no index", blob.to_hex().as_str())),
                Ok(entry) if self.bad.contains(&entry.pack) => {
                    causes.insert(format!("pack {} is missing or damaged", entry.pack.to_hex().as_str()))
                }
                Ok(_) => false,
            };
        }
        for cause in causes {
            faults.note(cause, path);
        }
    }
}

/// What is wrong with a snapshot: each cause, how many entries it affects, and the first of them.
#[derive(Default)]
struct Faults(BTreeMap<String, (usize, PathBuf)>);

impl Faults {
    fn note(&mut self, cause: String, path: &Path) {
        let (count, _) = self.0.entry(cause).or_insert_with(|| (0, path.to_owned()));
        *count += 1;
    }

    fn sentences(self, id: &SnapshotId) -> impl Iterator<Item = String> {
        self.0.into_iter().map(move |(cause, (count, first))| {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            format!("snapshot {id}: /{}{more}: {cause}", first.display())
        })
    }
}

fn list<I: rustic_core::repofile::RepoId, S: Open>(repository: &Repository<S>) -> Result<Vec<I>, VaultError> {
    let listed = repository.list::<I>();
    Ok(listed.map_err(|error| VaultError::from_rustic("list the repository", &error))?.collect())
}

/// Says what is wrong with a pack, after reading all of it.
pub(crate) fn read_pack(access: &Access<'_>, pack: &PackId) -> Option<String> {
    match access.store.get(&layout::object(access.id, FileType::Pack, pack)) {
        Ok(bytes) if blobs::hash(&bytes) == **pack => None,
        Ok(_) => Some("holds other bytes than were written".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}
