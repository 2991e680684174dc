//! Durability by construction: what is written in which order, and that a local write is synced.

use super::recorder::{Step, recorded};
use crate::{CommitOptions, RootKey, Vault, conformance::tree::Tree};

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_written_before_anything_it_encrypts() {
    let (store, _vault, repository) = recorded().await;
    let puts = store.puts.lock().unwrap();
    assert_eq!(puts[0], (Step::Begun, format!("{repository}/roadstead-key.json")));
    assert_eq!(puts[1], (Step::Done, format!("{repository}/roadstead-key.json")));
    assert_eq!(puts[2], (Step::Begun, format!("{repository}/config")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_is_written_last_when_all_else_is_done() {
    let (store, vault, repository) = recorded().await;
    let from = tempfile::tempdir().unwrap();
    Tree::sample().write(from.path());
    let commit = vault.commit(&repository, from.path(), CommitOptions::default()).await.unwrap();

    let puts = store.puts.lock().unwrap();
    let snapshot = format!("{repository}/snapshots/{}", commit.snapshot);
    let begun = puts.iter().position(|put| *put == (Step::Begun, snapshot.clone())).unwrap();
    assert_eq!(
        puts[begun + 1..],
        [(Step::Done, snapshot)],
        "nothing follows, and it is done when the commit returns"
    );
    let (before, count) = (&puts[..begun], |step| puts[..begun].iter().filter(|put| put.0 == step).count());
    assert_eq!(count(Step::Begun), count(Step::Done), "all that it needs is stored");
    let last = |part: &str| before.iter().rposition(|put| put.1.contains(part)).unwrap();
    let first_index = before.iter().position(|put| put.1.contains("/index/")).unwrap();
    assert!(last("/data/") < first_index, "an index never names a pack that is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_deleted_before_anything_it_encrypts() {
    let (store, vault, repository) = recorded().await;
    vault.delete(&repository).await.unwrap();
    assert_eq!(
        store.deletions(),
        [format!("{repository}/roadstead-key.json"), format!("{repository}/config")]
    );
}

/// Whatever cannot be written, the commit fails, leaves no snapshot, and the repository stays sound and usable.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_fails_the_commit_and_nothing_else() {
    for part in ["/data/", "/index/", "/snapshots/"] {
        let (store, vault, repository) = recorded().await;
        let from = tempfile::tempdir().unwrap();
        Tree::sample().write(from.path());
        *store.broken.lock().unwrap() = Some(part);

        let failed = vault.commit(&repository, from.path(), CommitOptions::default()).await;

        let message = format!("{:?}", failed.expect_err("the disk is full"));
        assert!(message.contains("the disk is full"), "{part}: {message}");
        *store.broken.lock().unwrap() = None;
        assert_eq!(vault.snapshots(&repository).await.unwrap(), []);
        vault.commit(&repository, from.path(), CommitOptions::default()).await.unwrap();
        assert_eq!(vault.check(&repository, true).await.unwrap().problems, []);
    }
}

/// The store's own switch; the store's tests show that it syncs the file and its directory.
#[test]
fn a_local_vault_syncs_every_write() {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::local(&directory.path().join("vault"), RootKey::from_bytes([1; 32])).unwrap();
    assert!(format!("{vault:?}").contains("fsync: true"), "{vault:?}");
}
