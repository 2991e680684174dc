//! Prunes that are cut off, after every single change that they make.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::recorder::{Change, recorded, replayed};
use crate::{
    CommitOptions, PruneReport, RepositoryId, RootKey, SnapshotId, Vault, VaultError,
    conformance::{noise, tree::Tree},
};

/// Snapshots by what they hold.
type Kept = Vec<(SnapshotId, Tree)>;

async fn commit(vault: &Vault, repository: &RepositoryId, tree: &Tree) -> SnapshotId {
    let from = tempfile::tempdir().unwrap();
    tree.write(from.path());
    vault.commit(repository, from.path(), CommitOptions::default()).await.unwrap().snapshot
}

async fn prune(vault: &Vault, repository: &RepositoryId, kept: &Kept) -> Result<PruneReport, VaultError> {
    let closed = vault.close(repository).await?;
    let keep: BTreeSet<_> = kept.iter().map(|(id, _)| id.clone()).collect();
    let plan = closed.plan_prune(&keep).await?;
    closed.run_prune(plan).await
}

async fn expect_whole(vault: &Vault, repository: &RepositoryId, kept: &Kept, when: &str) {
    let check = vault.check(repository, true).await.unwrap();
    assert_eq!(check.problems, [], "{when}");
    for (id, tree) in kept {
        let into = tempfile::tempdir().unwrap();
        vault.checkout(repository, id, into.path()).await.unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_eq!(&Tree::read(into.path()), tree, "{when}");
    }
}

/// Runs the prune once whole, then replays it up to each of its changes, as a crash there would leave the store.
async fn cut_everywhere(changes: &[Change], before: usize, repository: RepositoryId, kept: &Kept) {
    for cut in before..=changes.len() {
        let store = Arc::new(replayed(&changes[..cut]).await);
        let vault = Vault::new(store, RootKey::from_bytes([1; 32]));
        let when = format!("cut after {} of {} changes", cut - before, changes.len() - before);
        expect_whole(&vault, &repository, kept, &when).await;

        prune(&vault, &repository, kept).await.unwrap_or_else(|error| panic!("{when}, next: {error}"));

        expect_whole(&vault, &repository, kept, &format!("{when}, next")).await;
        let counts = vault.object_counts(&repository).await.unwrap();
        assert_eq!((counts.snapshots, counts.indexes), (kept.len() as u64, 1), "{when}, next");
    }
}

fn changed(changes: &[Change], is: impl Fn(&Change) -> Option<&str>) -> Vec<String> {
    changes.iter().filter_map(|change| is(change).map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_may_be_cut_anywhere() {
    let (store, vault, repository) = recorded().await;
    let mut kept = Kept::new();
    for at in 0..4 {
        let tree = Tree::default().file(&format!("{at}/noise"), noise(at, 200_000)).file("same", "same");
        let id = commit(&vault, &repository, &tree).await;
        if at % 2 == 0 {
            kept.push((id, tree));
        }
    }
    let before = store.changes.lock().unwrap().len();

    let report = prune(&vault, &repository, &kept).await.unwrap();

    assert_eq!((report.snapshots_removed, report.after.indexes), (2, 1));
    let changes = store.changes.lock().unwrap().clone();
    let packs = changed(&changes[before..], |change| match change {
        Change::Deleted(path) if path.as_ref().contains("/data/") => Some(path.as_ref()),
        _ => None,
    });
    assert!(packs.len() >= 2, "{packs:?}");
    cut_everywhere(&changes, before, repository, &kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repack_may_be_cut_anywhere() {
    let (store, vault, repository) = recorded().await;
    let half = |at| Tree::default().file("a", noise(at, 150_000)).file("b", noise(at + 1, 150_000));
    // Half of this one's pack is needed still.
    commit(&vault, &repository, &half(0)).await;
    let mut kept = Kept::new();
    for at in [1, 2] {
        let tree = half(at);
        kept.push((commit(&vault, &repository, &tree).await, tree));
    }
    let before = store.changes.lock().unwrap().len();

    let report = prune(&vault, &repository, &kept).await.unwrap();

    assert!(report.bytes_rewritten > 100_000, "{report:?}");
    let changes = store.changes.lock().unwrap().clone();
    let stored = changed(&changes[before..], |change| match change {
        Change::Put(path, _) => Some(path.as_ref()),
        Change::Deleted(_) => None,
    });
    assert!(stored.iter().any(|path| path.contains("/data/")), "{stored:?}");
    cut_everywhere(&changes, before, repository, &kept).await;
}

/// What names something goes before what it names; on a local vault each step is on disk before the next.
#[tokio::test(flavor = "multi_thread")]
async fn what_names_something_goes_before_it() {
    let (store, vault, repository) = recorded().await;
    for at in 0..3 {
        commit(&vault, &repository, &Tree::default().file("noise", noise(at, 200_000))).await;
    }
    prune(&vault, &repository, &Kept::new()).await.unwrap();
    let deletions = store.deletions();
    let last = |part: &str| deletions.iter().rposition(|path| path.contains(part)).unwrap();
    let first = |part: &str| deletions.iter().position(|path| path.contains(part)).unwrap();
    assert!(last("/snapshots/") < first("/index/"), "{deletions:?}");
    assert!(last("/index/") < first("/data/"), "{deletions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pruned_is_not_remembered() {
    let (_store, vault, repository) = recorded().await;
    let gone = commit(&vault, &repository, &Tree::sample()).await;
    assert!(vault.remembers(repository, &gone));
    prune(&vault, &repository, &Kept::new()).await.unwrap();
    assert!(!vault.remembers(repository, &gone));
}
