//! The life of a repository whose store is sound.

use super::{
    Backend, Fixture, Tree, tree,
    tree::{MODIFIED, set_modified},
};
use crate::{CommitOptions, RepositoryId, SnapshotId, VaultError};

pub(super) async fn what_is_committed_comes_back(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let tree = Tree::sample();
    let from = fixture.directory(&tree);

    let commit = fixture.vault.commit(&fixture.repository, from.path(), CommitOptions::default()).await;
    let commit = commit.expect("a commit succeeds");

    assert_eq!(commit.files, 9);
    assert_eq!(commit.bytes, 6_020_010);
    assert!(commit.bytes_added > 0 && commit.bytes_added < commit.bytes, "{commit:?}");
    assert_eq!((commit.skipped.len(), commit.vanished), (0, 0));

    // Another process that knows nothing but the store and the root key.
    let into = fixture.scratch.path().join("into");
    let checkout = fixture.fresh_vault().checkout(&fixture.repository, &commit.snapshot, &into).await;
    let checkout = checkout.expect("a checkout succeeds");
    assert_eq!((checkout.files, checkout.bytes), (commit.files, commit.bytes));
    assert_eq!(Tree::read(&into), tree);
}

pub(super) async fn an_empty_directory_comes_back_empty(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let snapshot = fixture.commit(&Tree::default()).await;
    assert_eq!(fixture.checkout(&snapshot).await.expect("a checkout succeeds"), Tree::default());
    let check = fixture.vault.check(&fixture.repository, true).await.expect("a check succeeds");
    assert_eq!((check.problems.len(), check.sound.len()), (0, 1));
}

/// Shown by lying about a file: its content changes and its size and time do not. And in a fresh checkout, where every inode
/// and every change time is another.
pub(super) async fn an_unchanged_file_is_not_read_again(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let parent = fixture.commit(&Tree::default().file("a", "old").file("b", "old")).await;
    let work = fixture.scratch.path().join("work");
    fixture.vault.checkout(&fixture.repository, &parent, &work).await.expect("a checkout succeeds");
    std::fs::write(work.join("a"), "new").expect("a file can be written");
    set_modified(&work.join("a"), MODIFIED);
    std::fs::write(work.join("b"), "new").expect("a file can be written");

    let options = CommitOptions { parent: Some(parent), ..CommitOptions::default() };
    let commit = fixture.vault.commit(&fixture.repository, &work, options).await.expect("a commit succeeds");

    let stored = fixture.checkout(&commit.snapshot).await.expect("a checkout succeeds");
    let content = |path: &str| match &stored.0[std::path::Path::new(path)] {
        tree::Entry::File { content, .. } => content.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((content("a"), content("b")), (b"old".to_vec(), b"new".to_vec()));
}

pub(super) async fn a_commit_adds_only_what_changed(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let parent = fixture.commit(&Tree::sample()).await;
    let work = fixture.scratch.path().join("work");
    fixture.vault.checkout(&fixture.repository, &parent, &work).await.expect("a checkout succeeds");
    let options = || CommitOptions { parent: Some(parent.clone()), ..CommitOptions::default() };

    let same = fixture.vault.commit(&fixture.repository, &work, options()).await.expect("a commit succeeds");
    assert_eq!(same.bytes_added, 0, "an unchanged checkout makes the same trees again");
    assert_ne!(same.snapshot, parent, "and yet a snapshot of its own");

    std::fs::write(work.join("Default/Cookies"), vec![8; 30_000]).expect("a file can be written");
    let changed =
        fixture.vault.commit(&fixture.repository, &work, options()).await.expect("a commit succeeds");
    assert!(changed.bytes_added > 0 && changed.bytes_added < 20_000, "{changed:?}");
    assert_eq!(changed.bytes, same.bytes + 10_000);
    assert_eq!(fixture.checkout(&changed.snapshot).await.expect("a checkout succeeds"), Tree::read(&work));
    assert_eq!(
        fixture.checkout(&parent).await.expect("a checkout succeeds"),
        Tree::sample(),
        "nothing is overwritten"
    );
}

pub(super) async fn exclusions_leave_out_whole_directories(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let kept = Tree::default()
        .file("user/Default/Cookies", "c")
        .file("user/Default/deep/GPU", "kept")
        .file("lock", "kept");
    let all = kept
        .clone()
        .file("user/Default/GPUCache/data/x", "x")
        .file("user/SingletonLock", "x")
        .file("user/lock", "x")
        .file("user/a.tmp", "x");
    let from = fixture.directory(&all);
    let exclude =
        ["user/**/GPUCache", "user/Singleton*", "user/lock", "user/**/*.tmp"].map(str::to_owned).to_vec();

    let options = CommitOptions { exclude, ..CommitOptions::default() };
    let commit =
        fixture.vault.commit(&fixture.repository, from.path(), options).await.expect("a commit succeeds");

    assert_eq!(fixture.checkout(&commit.snapshot).await.expect("a checkout succeeds"), kept);

    let options = CommitOptions { exclude: vec!["a[".to_owned()], ..CommitOptions::default() };
    let refused = fixture.vault.commit(&fixture.repository, from.path(), options).await;
    assert!(
        matches!(&refused, Err(VaultError::Glob(error)) if error.to_string().contains("a[")),
        "{refused:?}"
    );
}

pub(super) async fn snapshots_are_listed_oldest_first(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    assert_eq!(fixture.vault.snapshots(&fixture.repository).await.expect("a list"), Vec::new());
    let first = fixture.commit(&Tree::default().file("a", "one")).await;
    let from = fixture.directory(&Tree::default().file("a", "three"));
    let options = CommitOptions {
        parent: Some(first.clone()),
        tags: vec!["revision-2".to_owned()],
        description: Some("the second".to_owned()),
        ..CommitOptions::default()
    };
    let second =
        fixture.vault.commit(&fixture.repository, from.path(), options).await.expect("a commit succeeds");

    let listed = fixture.fresh_vault().snapshots(&fixture.repository).await.expect("a list");

    let ids: Vec<_> = listed.iter().map(|snapshot| snapshot.id.clone()).collect();
    assert_eq!(ids, [first.clone(), second.snapshot]);
    assert_eq!((listed[0].parent.clone(), listed[1].parent.clone()), (None, Some(first)));
    assert_eq!((listed[1].files, listed[1].bytes), (1, 5));
    assert_eq!(listed[1].tags, ["revision-2"]);
    assert_eq!(listed[1].description.as_deref(), Some("the second"));
    assert!(listed[0].created <= listed[1].created);
}

pub(super) async fn a_missing_parent_is_no_obstacle(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let from = fixture.directory(&Tree::sample());
    let options = CommitOptions { parent: Some(no_snapshot()), ..CommitOptions::default() };
    let commit =
        fixture.vault.commit(&fixture.repository, from.path(), options).await.expect("a commit succeeds");
    assert_eq!(fixture.checkout(&commit.snapshot).await.expect("a checkout succeeds"), Tree::sample());
}

pub(super) async fn what_does_not_exist_is_named(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let missing = fixture.checkout(&no_snapshot()).await;
    assert!(
        matches!(missing, Err(VaultError::NoSuchSnapshot(id, _)) if id == fixture.repository),
        "{missing:?}"
    );

    let nowhere = RepositoryId::random();
    let scratch = fixture.scratch.path();
    let vault = &fixture.vault;
    let errors = [
        vault.commit(&nowhere, scratch, CommitOptions::default()).await.err(),
        vault.checkout(&nowhere, &no_snapshot(), &scratch.join("into")).await.err(),
        vault.snapshots(&nowhere).await.err(),
        vault.check(&nowhere, false).await.err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(VaultError::NoSuchRepository(id)) if id == nowhere), "{error:?}");
    }

    let gone = scratch.join("gone");
    let error = vault.commit(&fixture.repository, &gone, CommitOptions::default()).await.err();
    assert!(matches!(&error, Some(VaultError::File { path, .. }) if *path == gone), "{error:?}");
}

pub(super) async fn a_checkout_wants_an_empty_directory(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let tree = Tree::default().file("a", "a");
    let snapshot = fixture.commit(&tree).await;
    let into = fixture.directory(&Tree::default().file("b", "b"));
    let refused = fixture.vault.checkout(&fixture.repository, &snapshot, into.path()).await;
    assert!(matches!(&refused, Err(VaultError::NotEmpty(path)) if path == into.path()), "{refused:?}");
    assert_eq!(Tree::read(into.path()), Tree::default().file("b", "b"), "and left as it was");
}

pub(super) async fn commits_and_checkouts_run_side_by_side(backend: &Backend) {
    const WRITERS: usize = 6;
    let fixture = Fixture::new(backend).await;
    let base = Tree::sample();
    let parent = fixture.commit(&base).await;
    let other = fixture.fresh_vault();
    let trees: Vec<_> =
        (0..WRITERS).map(|at| base.clone().file("Default/mine", format!("writer {at}"))).collect();
    let directories: Vec<_> = trees.iter().map(|tree| fixture.directory(tree)).collect();

    let commits = directories.iter().enumerate().map(|(at, directory)| {
        // Half of them through another vault, as two server processes would be.
        let vault = if at % 2 == 0 { &fixture.vault } else { &other };
        let options = CommitOptions { parent: Some(parent.clone()), ..CommitOptions::default() };
        vault.commit(&fixture.repository, directory.path(), options)
    });
    let checkouts = (0..WRITERS).map(|_| fixture.checkout(&parent));
    let (commits, checkouts) = futures_util::future::join(
        futures_util::future::join_all(commits),
        futures_util::future::join_all(checkouts),
    )
    .await;

    for checkout in checkouts {
        assert_eq!(checkout.expect("a checkout succeeds"), base);
    }
    for (commit, tree) in commits.into_iter().zip(&trees) {
        let snapshot = commit.expect("a commit succeeds").snapshot;
        assert_eq!(&fixture.checkout(&snapshot).await.expect("a checkout succeeds"), tree);
    }
    let check = fixture.vault.check(&fixture.repository, true).await.expect("a check succeeds");
    assert_eq!((check.problems.len(), check.sound.len()), (0, WRITERS + 1));
}

fn no_snapshot() -> SnapshotId {
    "ab".repeat(32).parse().expect("64 digits are an id")
}
