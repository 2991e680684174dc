//! Keys: what they open, what they do not, and that they can be destroyed.

use std::collections::BTreeMap;

use super::{Backend, Fixture, Tree};
use crate::{CommitOptions, RootKey, VaultError};

pub(super) async fn creating_again_changes_nothing(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let snapshot = fixture.commit(&Tree::sample()).await;
    let before = fixture.objects().await;
    fixture.vault.create(&fixture.repository).await.expect("creating again succeeds");
    fixture.fresh_vault().create(&fixture.repository).await.expect("creating again succeeds");
    assert_eq!(fixture.objects().await, before);
    assert_eq!(fixture.checkout(&snapshot).await.expect("a checkout succeeds"), Tree::sample());
}

/// The key is written first; what follows may be missing after a crash.
pub(super) async fn an_interrupted_creation_is_completed(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let key = fixture.objects().await[&fixture.key_object()].clone();
    for path in fixture.objects().await.into_keys() {
        if path != fixture.key_object() {
            fixture.remove(&path).await;
        }
    }
    let vault = fixture.fresh_vault();
    vault.create(&fixture.repository).await.expect("the creation is completed");
    assert_eq!(fixture.objects().await[&fixture.key_object()], key, "with the key it began with");
    vault.snapshots(&fixture.repository).await.expect("the repository opens");
}

pub(super) async fn another_root_key_opens_nothing(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let snapshot = fixture.commit(&Tree::sample()).await;
    let stranger = (backend.open)(RootKey::from_bytes([43; 32]));
    let into = fixture.scratch.path().join("into");
    let errors = [
        stranger.checkout(&fixture.repository, &snapshot, &into).await.err(),
        stranger.create(&fixture.repository).await.err(),
        stranger.check(&fixture.repository, false).await.err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(VaultError::WrongKey(id)) if id == fixture.repository), "{error:?}");
    }
    assert!(!into.exists());
}

pub(super) async fn a_key_object_of_another_repository_is_refused(backend: &Backend) {
    let (mine, theirs) = (Fixture::new(backend).await, Fixture::new(backend).await);
    let snapshot = mine.commit(&Tree::sample()).await;
    let key = theirs.objects().await[&theirs.key_object()].clone();
    mine.put(&mine.key_object(), key).await;
    let refused = mine.checkout(&snapshot).await;
    assert!(matches!(refused, Err(VaultError::WrongKey(id)) if id == mine.repository), "{refused:?}");
}

/// Someone kept a copy of every object but the key object, and even has the root key.
pub(super) async fn deletion_is_final(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let snapshot = fixture.commit(&Tree::sample()).await;
    let copy = fixture.objects().await;

    fixture.vault.delete(&fixture.repository).await.expect("a deletion succeeds");

    assert_eq!(fixture.objects().await, BTreeMap::new());
    let listed = fixture.vault.list_repositories().await.expect("a list");
    assert!(!listed.contains(&fixture.repository));

    for (path, bytes) in copy {
        if path != fixture.key_object() {
            fixture.put(&path, bytes).await;
        }
    }
    for vault in [&fixture.vault, &fixture.fresh_vault()] {
        let into = fixture.scratch.path().join("into");
        let gone = vault.checkout(&fixture.repository, &snapshot, &into).await;
        assert!(matches!(gone, Err(VaultError::NoSuchRepository(_))), "{gone:?}");
    }
    // A new key does not open what the old one closed.
    let created = fixture.fresh_vault().create(&fixture.repository).await;
    assert!(matches!(created, Ok(()) | Err(VaultError::Damaged { .. })), "{created:?}");
    let unreadable = fixture.checkout(&snapshot).await;
    assert!(matches!(unreadable, Err(VaultError::Damaged { .. })), "{unreadable:?}");
}

pub(super) async fn deletion_resumes_and_repeats(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    fixture.commit(&Tree::sample()).await;
    // As after a crash right behind the first step.
    fixture.remove(&fixture.key_object()).await;
    let listed = fixture.vault.list_repositories().await.expect("a list");
    assert!(listed.contains(&fixture.repository), "what is half deleted can be found");

    for _ in 0..2 {
        fixture.vault.delete(&fixture.repository).await.expect("a deletion succeeds");
        assert_eq!(fixture.objects().await, BTreeMap::new());
    }
    let listed = fixture.vault.list_repositories().await.expect("a list");
    assert!(!listed.contains(&fixture.repository));
}

/// Whichever comes first, nothing is left: a commit that is running is waited for, a later one finds no key.
pub(super) async fn a_deletion_beside_a_commit_leaves_nothing(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let from = fixture.directory(&Tree::sample());
    let commit = fixture.vault.commit(&fixture.repository, from.path(), CommitOptions::default());
    let (commit, deleted) =
        futures_util::future::join(commit, fixture.vault.delete(&fixture.repository)).await;
    assert!(matches!(commit, Ok(_) | Err(VaultError::NoSuchRepository(_))), "{commit:?}");
    deleted.expect("a deletion succeeds");
    assert_eq!(fixture.objects().await, BTreeMap::new());
}
