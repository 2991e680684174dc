//! Storing a directory as a snapshot.

use std::{
    collections::HashSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustic_core::{
    BackupOptions, IndexedIdsStatus, Repository, RusticError, SnapshotOptions,
    repofile::{SnapshotFile, SnapshotSummary},
};

use crate::{
    CommitOptions, CommitReport, SnapshotId, VaultError, omissions::Omissions, repository::Access,
    source::Source,
};

const ACTION: &str = "store the directory";

/// What snapshots name as their origin. The machine's name and the server's arguments are nobody's business.
const PROGRAM: &str = "roadstead";

pub(crate) fn commit(
    access: &Access<'_>,
    from: &Path,
    options: &CommitOptions,
) -> Result<CommitReport, VaultError> {
    let began = Instant::now();
    let omissions = Arc::new(Omissions::default());
    let source = Source::open(from, &options.exclude, omissions.clone())?;
    let mut report = store(access, &source, &omissions, options)?;
    report.duration = began.elapsed();
    Ok(report)
}

fn store(
    access: &Access<'_>,
    source: &Source,
    omissions: &Arc<Omissions>,
    options: &CommitOptions,
) -> Result<CommitReport, VaultError> {
    let (repository, _end) = access.open_indexed(Some(omissions.clone()), Repository::to_indexed_ids)?;
    let failed = |error: Box<RusticError>| VaultError::from_rustic(ACTION, &error);
    let snapshot = snapshot(options).map_err(failed)?;
    let parent = options.parent.as_ref();
    let parent = parent.filter(|parent| has_directories(&repository, parent));
    let archived = repository.archive(&backup_options(parent), source, snapshot, &["/".into()]);
    // First the reason why an entry is missing, then whatever that led to.
    omissions.check()?;
    let snapshot = archived.map_err(failed)?;

    let SnapshotSummary { total_files_processed, total_bytes_processed, data_added_packed, .. } =
        snapshot.summary.unwrap_or_default();
    Ok(CommitReport {
        snapshot: SnapshotId::from_stored(&snapshot.id),
        files: total_files_processed,
        bytes: total_bytes_processed,
        bytes_added: data_added_packed,
        skipped: omissions.take_skipped(),
        vanished: omissions.count_vanished(),
        duration: Duration::ZERO,
    })
}

/// Whether a parent's directories can all be found. The library takes it for granted: one that is made again just as the parent has
/// it is not stored again. But the parent may have been pruned by another process and be in memory still, or an index may have
/// been lost; then everything is read, and what is missing is stored.
fn has_directories(repository: &Repository<IndexedIdsStatus>, parent: &SnapshotId) -> bool {
    let Ok(snapshot) = repository.get_file::<SnapshotFile>(&parent.stored()) else { return false };
    let mut seen = HashSet::from([snapshot.tree]);
    let mut trees = vec![snapshot.tree];
    while let Some(tree) = trees.pop() {
        let Ok(tree) = repository.get_tree(&tree) else { return false };
        trees.extend(tree.nodes.iter().filter_map(|node| node.subtree).filter(|tree| seen.insert(*tree)));
    }
    true
}

fn backup_options(parent: Option<&SnapshotId>) -> BackupOptions {
    let mut backup = BackupOptions::default();
    backup.no_scan = true;
    // Without a parent the library would search for one of its own choice.
    backup.parent_opts.force = parent.is_none();
    backup.parent_opts.parents = parent.iter().map(ToString::to_string).collect();
    backup
}

fn snapshot(options: &CommitOptions) -> Result<SnapshotFile, Box<RusticError>> {
    let mut described = SnapshotOptions::default().host(PROGRAM.to_owned()).command(PROGRAM.to_owned());
    for tag in &options.tags {
        described = described.add_tags(tag)?;
    }
    described.description.clone_from(&options.description);
    described.to_snapshot()
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::{
        RepositoryId, RootKey, layout,
        store::{Bridge, Store},
    };

    /// Noted by hand, because root can read everything.
    #[test]
    fn a_directory_with_an_unreadable_file_makes_no_snapshot() {
        let store = Store::new(Arc::new(InMemory::new()), Bridge::Direct);
        let id = RepositoryId::random();
        let access = Access { store: &store, keys: &RootKey::from_bytes([1; 32]).into(), id, cache: None };
        access.create().unwrap();
        let from = tempfile::tempdir().unwrap();
        std::fs::write(from.path().join("good"), "good").unwrap();
        let omissions = Arc::new(Omissions::default());
        let source = Source::open(from.path(), &[], omissions.clone()).unwrap();
        omissions.unreadable(Path::new("bad"), &std::io::Error::other("no"));

        let refused = super::store(&access, &source, &omissions, &CommitOptions::default());

        assert!(matches!(refused, Err(VaultError::Unreadable { count: 1, .. })), "{refused:?}");
        let snapshots = store.list(&layout::directory(id, rustic_core::FileType::Snapshot)).unwrap();
        assert_eq!(snapshots, [], "not even one that nobody was told of");
    }
}
