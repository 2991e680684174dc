//! Verifying a repository, all the way from its snapshots down to its bytes.
//!
//! Findings say which snapshot is hurt and where, because what an operator asks is which revisions are lost. The library's own
//! check names neither reliably and stops at the first unreadable index.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use rustic_core::{
    FileType, Id, PackedId, Repository, TreeId,
    repofile::{IndexFile, IndexId, Node, NodeType, PackId, SnapshotFile},
};

use crate::{
    CheckReport, Problem, SnapshotId, VaultError, adapter, blobs,
    blobs::Indexed,
    error::{describe, reason_of},
    layout,
    repository::Access,
};

const ACTION: &str = "check the repository";

/// Causes that are told of one snapshot; of the rest only how many.
const CAUSES: usize = 3;

pub(crate) fn check(access: &Access<'_>, read_data: bool) -> Result<CheckReport, VaultError> {
    let ids = snapshots(access)?;
    let mut check = Check::default();
    match check.repository(access, &ids, read_data) {
        // Not even the configuration can be read.
        Err(VaultError::Damaged { reason, .. }) => {
            let what = format!("the repository's configuration cannot be read: {reason}");
            check.report.problems.push(Problem { snapshot: None, what });
            let unknown = "cannot be read: the repository's configuration is damaged";
            let unknown = |id| Problem { snapshot: Some(id), what: unknown.to_owned() };
            check.report.problems.extend(ids.into_iter().map(unknown));
        }
        done => done?,
    }
    Ok(check.report)
}

#[derive(Default)]
struct Check {
    report: CheckReport,
    /// Packs that are missing or damaged: how, and whether a snapshot was found that needs it.
    bad: HashMap<PackId, Bad>,
    /// Directories found whole, with all below them. Snapshots share most of theirs.
    sound: HashSet<TreeId>,
}

struct Bad {
    how: String,
    needed: bool,
}

impl Check {
    fn repository(
        &mut self,
        access: &Access<'_>,
        snapshots: &[SnapshotId],
        read_data: bool,
    ) -> Result<(), VaultError> {
        let unreadable = access.unreadable_indexes()?;
        for (id, reason) in &unreadable {
            let what = format!("index {} cannot be read: {reason}", id.to_hex().as_str());
            self.report.problems.push(Problem { snapshot: None, what });
        }
        let unreadable = unreadable.into_keys().collect();
        let (repository, _end) = access.open_without(unreadable, None)?.into_parts();
        self.packs(access, &repository, read_data)?;
        let repository = repository.to_indexed();
        let repository = repository.map_err(|error| VaultError::from_rustic(ACTION, &error))?;
        for id in snapshots {
            match self.snapshot(&repository, id) {
                None => self.report.sound.push(id.clone()),
                Some(what) => self.report.problems.push(Problem { snapshot: Some(id.clone()), what }),
            }
        }
        let unneeded = self.bad.iter().filter(|(_, bad)| !bad.needed);
        let unneeded = unneeded.map(|(pack, bad)| {
            let what = format!("pack {} {}; no snapshot needs it", pack.to_hex().as_str(), bad.how);
            Problem { snapshot: None, what }
        });
        self.report.problems.extend(unneeded);
        Ok(())
    }

    /// Compares the packs that are there with those that the indexes name, and with `read_data` their bytes with their names.
    ///
    /// A pack is named by the hash of its bytes, and each of its blobs was decrypted again before it was written, so the
    /// right hash means that all of it can be read. Packs that no index names are left by commits that did not finish.
    fn packs<S: rustic_core::Open>(
        &mut self,
        access: &Access<'_>,
        repository: &Repository<S>,
        read_data: bool,
    ) -> Result<(), VaultError> {
        let failed = |error: Box<_>| VaultError::from_rustic(ACTION, &error);
        let mut expected = BTreeMap::new();
        for id in repository.list::<IndexId>().map_err(failed)? {
            let index = repository.get_file::<IndexFile>(&id).map_err(failed)?;
            expected.extend(index.packs.iter().map(|pack| (pack.id, pack.pack_size())));
        }
        let listed = access.store.list(&layout::directory(access.id, FileType::Pack));
        let listed = listed.map_err(|source| VaultError::Store { action: "list the packs", source })?;
        let present: HashMap<Id, u32> = listed.iter().filter_map(adapter::named_by_content).collect();
        for (pack, expected) in expected {
            let problem = match present.get(&*pack) {
                None => Some("is missing".to_owned()),
                Some(size) if *size != expected => {
                    Some(format!("has {size} bytes and should have {expected}"))
                }
                Some(_) if read_data => read_pack(access, &pack),
                Some(_) => None,
            };
            if let Some(how) = problem {
                self.bad.insert(pack, Bad { how, needed: false });
            }
        }
        Ok(())
    }

    /// Walks a snapshot's directories, and says what of it is lost, if anything is.
    fn snapshot(&mut self, repository: &Indexed, id: &SnapshotId) -> Option<String> {
        let snapshot = match repository.get_file::<SnapshotFile>(&id.stored()) {
            Ok(snapshot) => snapshot,
            Err(error) => return Some(format!("the snapshot cannot be read: {}", describe(&error))),
        };
        let mut faults = Faults::default();
        let mut seen = HashSet::new();
        let mut trees = vec![(PathBuf::new(), snapshot.tree)];
        while let Some((path, id)) = trees.pop() {
            if self.sound.contains(&id) || !seen.insert(id) {
                continue;
            }
            let in_bad_pack = self.fault_of(repository, &id);
            match blobs::read_tree(repository, &id, ACTION) {
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
                Err(error) if in_bad_pack.is_none() => faults.note(reason_of(&error), &path),
                Err(_) => {}
            }
            if let Some(fault) = in_bad_pack {
                faults.note(fault, &path);
            }
        }
        if faults.0.is_empty() {
            self.sound.extend(seen);
        }
        faults.sentence()
    }

    fn file(&mut self, repository: &Indexed, node: &Node, path: &Path, faults: &mut Faults) {
        let blobs = node.content.iter().flatten();
        let causes: BTreeSet<_> = blobs.filter_map(|blob| self.fault_of(repository, blob)).collect();
        for cause in causes {
            faults.note(cause, path);
        }
    }

    /// Says what is wrong with where a chunk or directory is stored.
    fn fault_of<I: PackedId>(&mut self, repository: &Indexed, id: &I) -> Option<String> {
        let Some(pack) = blobs::pack_of(repository, id) else { return Some(blobs::unindexed(id)) };
        let bad = self.bad.get_mut(&pack)?;
        bad.needed = true;
        Some(format!("pack {} {}", pack.to_hex().as_str(), bad.how))
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

    fn sentence(self) -> Option<String> {
        let more = self.0.len().saturating_sub(CAUSES);
        let told = self.0.into_iter().take(CAUSES).map(|(cause, (count, first))| {
            let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            format!("/{}{others}: {cause}", first.display())
        });
        let told: Vec<_> = told.collect();
        let more = if more > 0 { format!("; and {more} causes more") } else { String::new() };
        (!told.is_empty()).then(|| told.join("; ") + &more)
    }
}

/// Lists the snapshots without opening the repository, in the order of their names.
fn snapshots(access: &Access<'_>) -> Result<Vec<SnapshotId>, VaultError> {
    access.require_key()?;
    let listed = access.store.list(&layout::directory(access.id, FileType::Snapshot));
    let listed = listed.map_err(|source| VaultError::Store { action: "list the snapshots", source })?;
    let named = listed.iter().filter_map(adapter::named_by_content);
    let mut snapshots: Vec<_> = named.map(|(id, _)| SnapshotId::from_stored(&id.into())).collect();
    snapshots.sort_unstable();
    Ok(snapshots)
}

/// Says what is wrong with a pack, after reading all of it.
pub(crate) fn read_pack(access: &Access<'_>, pack: &PackId) -> Option<String> {
    match access.store.get(&layout::object(access.id, FileType::Pack, pack)) {
        Ok(bytes) if blobs::hash(&bytes) == **pack => None,
        Ok(_) => Some("holds other bytes than were written".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}
