//! What a prune removes, what it keeps, and what it refuses.

use std::{collections::BTreeSet, future::Future, task::Poll};

use super::{Backend, Fixture, Tree, noise};
use crate::{CommitOptions, PrunePlan, PruneReport, SnapshotId, VaultError};

impl Fixture<'_> {
    async fn plan(&self, keep: &[&SnapshotId]) -> Result<PrunePlan, VaultError> {
        let keep: BTreeSet<_> = keep.iter().map(|id| (*id).clone()).collect();
        let closed = self.vault.close(&self.repository).await.expect("a repository can be closed");
        closed.plan_prune(&keep).await
    }

    async fn prune(&self, keep: &[&SnapshotId]) -> Result<PruneReport, VaultError> {
        let plan = self.plan(keep).await?;
        let closed = self.vault.close(&self.repository).await.expect("a repository can be closed");
        closed.run_prune(plan).await
    }

    async fn expect_sound(&self) {
        let check = self.fresh_vault().check(&self.repository, true).await.expect("a check succeeds");
        assert_eq!(check.problems, []);
    }
}

fn version(at: u64) -> Tree {
    Tree::default()
        .file("Default/History", noise(at, 60_000))
        .file("Default/same", noise(1000, 100_000))
        .file("Local State", format!("version {at}"))
}

pub(super) async fn a_prune_removes_what_is_not_kept(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let mut snapshots = Vec::new();
    for at in 0..6 {
        snapshots.push(fixture.commit(&version(at)).await);
    }
    let keep = [&snapshots[1], &snapshots[5]];

    let before = fixture.objects().await;
    let plan = fixture.plan(&keep).await.expect("a plan can be made");
    assert_eq!(fixture.objects().await, before, "a plan changes nothing");
    let removed: BTreeSet<_> = [0, 2, 3, 4].map(|at| snapshots[at].clone()).into();
    assert_eq!(plan.removed.iter().cloned().collect::<BTreeSet<_>>(), removed);
    assert_eq!((plan.kept, plan.missing.len(), plan.indexes), (2, 0, 6));
    assert!((180_000..400_000).contains(&plan.bytes_freed), "{plan:?}");

    let report = fixture.prune(&keep).await.expect("a prune succeeds");

    assert_eq!((report.snapshots_removed, report.after.snapshots, report.after.indexes), (4, 2, 1));
    let freed = report.before.bytes - report.after.bytes;
    assert!((180_000..400_000).contains(&freed), "{report:?}");
    let counts = fixture.vault.object_counts(&fixture.repository).await.expect("objects can be counted");
    assert_eq!(counts, report.after);
    let bytes: usize = fixture.objects().await.values().map(Vec::len).sum();
    assert_eq!(counts.bytes, bytes as u64);
    fixture.expect_sound().await;
    for (at, snapshot) in (0..).zip(&snapshots) {
        let checkout = fixture.checkout(snapshot).await;
        if removed.contains(snapshot) {
            assert!(matches!(checkout, Err(VaultError::NoSuchSnapshot(..))), "{checkout:?}");
        } else {
            assert_eq!(checkout.expect("a checkout succeeds"), version(at));
        }
    }
    let next = fixture.commit(&version(7)).await;
    assert_eq!(fixture.checkout(&next).await.expect("a checkout succeeds"), version(7));
}

/// Nothing goes, and yet opening is as fast as with one revision.
pub(super) async fn a_prune_merges_what_many_commits_left(backend: &Backend) {
    const COMMITS: u64 = 60;
    let fixture = Fixture::new(backend).await;
    let mut snapshots = Vec::new();
    for at in 0..COMMITS {
        snapshots.push(fixture.commit(&version(at)).await);
    }
    let report = fixture.prune(&snapshots.iter().collect::<Vec<_>>()).await.expect("a prune succeeds");
    assert_eq!((report.before.indexes, report.after.indexes), (COMMITS, 1));
    // One pack of contents and one of directories per commit. The latter stay as they are until they would fill one.
    assert_eq!(report.before.packs, 2 * COMMITS);
    assert!(report.after.packs < COMMITS + 4, "{report:?}");
    fixture.expect_sound().await;
    for (at, snapshot) in (0..).zip(&snapshots) {
        assert_eq!(fixture.checkout(snapshot).await.expect("a checkout succeeds"), version(at));
    }
    let again = fixture.prune(&snapshots.iter().collect::<Vec<_>>()).await.expect("a prune succeeds");
    assert_eq!((again.before, again.bytes_rewritten), (again.after, 0), "and then there is nothing to do");
}

pub(super) async fn leftovers_of_a_commit_are_removed(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let snapshot = fixture.commit(&version(0)).await;
    let stray = noise(3, 200_000);
    let name = crate::blobs::hash(&stray).to_hex();
    let path = format!("{}/data/{}/{}", fixture.repository, &name.as_str()[..2], name.as_str()).into();
    fixture.put(&path, stray).await;
    let plan = fixture.plan(&[&snapshot]).await.expect("a plan can be made");
    assert_eq!((plan.packs_removed, plan.bytes_freed), (1, 200_000));
    fixture.prune(&[&snapshot]).await.expect("a prune succeeds");
    assert!(!fixture.objects().await.contains_key(&path));
    assert_eq!(fixture.checkout(&snapshot).await.expect("a checkout succeeds"), version(0));
}

pub(super) async fn a_missing_snapshot_stops_a_prune(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let (kept, lost) = (fixture.commit(&version(0)).await, fixture.commit(&version(1)).await);
    fixture.commit(&version(2)).await;
    let path = format!("{}/snapshots/{lost}", fixture.repository).into();
    let object = fixture.objects().await[&path].clone();
    fixture.remove(&path).await;
    let before = fixture.objects().await;

    let plan = fixture.plan(&[&kept, &lost]).await.expect("it is a finding, not an error");
    assert_eq!(plan.missing, std::slice::from_ref(&lost));
    let refused = fixture.prune(&[&kept, &lost]).await.expect_err("its bytes may be all that is left of it");
    assert!(matches!(&refused, VaultError::Unprunable { reason, .. } if reason.contains(lost.as_str())));
    assert_eq!(fixture.objects().await, before);

    fixture.put(&path, object).await;
    fixture.prune(&[&kept, &lost]).await.expect("found again, it can be kept");
    assert_eq!(fixture.checkout(&lost).await.expect("a checkout succeeds"), version(1));
}

/// Whatever of a kept snapshot is damaged: nothing goes. Whatever of another one: it goes.
pub(super) async fn damage_to_what_is_kept_stops_a_prune(backend: &Backend) {
    for part in ["snapshots/", "index/", "data/"] {
        let fixture = Fixture::new(backend).await;
        // Half of the pack is to go, so that it would be rewritten.
        let two = Tree::default().file("a", noise(1, 100_000)).file("b", noise(2, 100_000));
        let first = fixture.commit(&two).await;
        let kept = fixture.commit(&Tree::default().file("b", noise(2, 100_000))).await;
        let damaged = if part == "snapshots/" { kept.as_str() } else { part };
        let whole = fixture.objects().await;
        let victims: Vec<_> = whole.keys().filter(|path| path.as_ref().contains(damaged)).cloned().collect();
        for victim in victims {
            // What only the snapshot to go needs may be damaged. It would be rewritten and found out all the same.
            let of_first = fixture.owner_only(&victim, &first, &kept).await;
            let mut bytes = whole[&victim].clone();
            let at = bytes.len() / 3;
            bytes[at] ^= 4;
            fixture.put(&victim, bytes).await;
            if !of_first {
                let before = fixture.objects().await;
                let refused = fixture.prune(&[&kept]).await;
                assert!(matches!(refused, Err(VaultError::Unprunable { .. })), "{victim}: {refused:?}");
                assert_eq!(fixture.objects().await, before, "{victim}");
            }
            fixture.put(&victim, whole[&victim].clone()).await;
        }
        fixture.prune(&[&kept]).await.expect("mended, it can be pruned");
        fixture.expect_sound().await;
    }
}

impl Fixture<'_> {
    /// Whether `first` needs the object and `kept` does not.
    async fn owner_only(
        &self,
        object: &object_store::path::Path,
        first: &SnapshotId,
        kept: &SnapshotId,
    ) -> bool {
        let bytes = self.objects().await[object].clone();
        self.remove(object).await;
        let vault = self.fresh_vault();
        let mut opens = [false, false];
        for (open, id) in opens.iter_mut().zip([first, kept]) {
            let into = tempfile::tempdir_in(self.scratch.path()).expect("a directory can be made");
            *open = vault.checkout(&self.repository, id, into.path()).await.is_ok();
        }
        self.put(object, bytes).await;
        opens == [false, true]
    }
}

pub(super) async fn damage_to_what_goes_stops_nothing(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let lost = fixture.commit(&version(0)).await;
    let kept = fixture.commit(&Tree::default().file("other", noise(9, 100_000))).await;
    let path = format!("{}/snapshots/{lost}", fixture.repository).into();
    fixture.put(&path, vec![0; 300]).await;
    fixture.prune(&[&kept]).await.expect("a prune succeeds");
    fixture.expect_sound().await;
    assert!(!fixture.objects().await.contains_key(&path));
}

/// The order of a save beside a prune: what is committed and not yet published keeps the prune waiting.
pub(super) async fn a_hold_keeps_the_repository_open(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let from = fixture.directory(&version(0));
    let commit = fixture.vault.commit_held(&fixture.repository, from.path(), CommitOptions::default());
    let (commit, hold) = commit.await.expect("a commit succeeds");

    let mut close = Box::pin(fixture.vault.close(&fixture.repository));
    // On memory a lock that is free is had at the first poll.
    let early = std::future::poll_fn(|context| Poll::Ready(close.as_mut().poll(context).is_ready())).await;
    assert!(!early, "it waits");
    drop(hold);
    let closed = close.await.expect("a repository can be closed");

    let mut checkout = Box::pin(fixture.checkout(&commit.snapshot));
    let early = std::future::poll_fn(|context| Poll::Ready(checkout.as_mut().poll(context).is_ready())).await;
    assert!(!early, "it waits");
    let plan = closed.plan_prune(&[commit.snapshot.clone()].into()).await.expect("a plan can be made");
    closed.run_prune(plan).await.expect("a prune succeeds");
    drop(closed);
    assert_eq!(checkout.await.expect("a checkout succeeds"), version(0));
}
