//! The repository as other programs of its format see it.

use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use rustic_core::{CheckOptions, Credentials, Repository, RepositoryBackends, RepositoryOptions};

use crate::{
    CommitOptions, RepositoryId, RootKey, SnapshotId, Vault, adapter::Adapter, conformance::tree::Tree,
};

/// What restic does: derive a key from the password, find the configuration, the indexes and the snapshots, verify all.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_it_without_us() {
    let store = Arc::new(InMemory::new());
    let vault = Vault::new(store.clone(), RootKey::from_bytes([1; 32]));
    let id = RepositoryId::random();
    vault.create(&id).await.unwrap();
    let from = tempfile::tempdir().unwrap();
    Tree::sample().write(from.path());
    let commit = vault.commit(&id, from.path(), CommitOptions::default()).await.unwrap();

    vault.add_password(&id, "correct horse").await.unwrap();
    let of_vault = vault.clone();
    let (adapter, _) = tokio::task::spawn_blocking(move || of_vault.adapter_and_key(id)).await.unwrap();
    // All of ours that the format does not know.
    store.delete(&Path::from(format!("{id}/roadstead-key.json"))).await.unwrap();
    let listed = store.list_with_delimiter(Some(&Path::from(id.to_string()))).await.unwrap();
    let mut names: Vec<_> =
        listed.common_prefixes.iter().chain(listed.objects.iter().map(|meta| &meta.location)).collect();
    names.sort_unstable();
    let names: Vec<_> = names.iter().map(|path| path.filename().unwrap()).collect();
    assert_eq!(names, ["config", "data", "index", "keys", "snapshots"]);

    let opened = tokio::task::spawn_blocking(move || {
        let open = |password: &str, adapter: Arc<Adapter>| {
            let backends = RepositoryBackends::new(adapter, None);
            let repository =
                Repository::new(&RepositoryOptions::default().no_cache(true), &backends).unwrap();
            repository.open(&Credentials::password(password))
        };
        assert!(open("wrong horse", adapter.clone()).is_err());
        let opened = open("correct horse", adapter).unwrap();
        opened.check(CheckOptions::default().read_data(true)).unwrap().is_ok().unwrap();
        opened.get_all_snapshots().unwrap()
    });
    let snapshots = opened.await.unwrap();
    assert_eq!(snapshots.len(), 1);
    assert_eq!(SnapshotId::from_stored(&snapshots[0].id), commit.snapshot);
    let summary = snapshots[0].summary.clone().unwrap();
    assert_eq!((snapshots[0].hostname.as_str(), summary.command.as_str()), ("roadstead", "roadstead"));
}
