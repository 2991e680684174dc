//! The vault on the backends of this crate, and what only a local directory can show.

use std::sync::Arc;

use object_store::{local::LocalFileSystem, memory::InMemory};

use crate::{RootKey, Vault, conformance, conformance::Backend};

mod entries;
mod format;
mod order;
mod processes;
mod prune;
mod recorder;
mod restic;
mod rotation;
mod roundtrip;

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    let store = Arc::new(InMemory::new());
    let of_vault = store.clone();
    let open = Box::new(move |key| Vault::new(of_vault.clone(), key));
    conformance::run(&Backend { open, store }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_directory_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap());
    let path = directory.path().to_owned();
    let open = Box::new(move |key| Vault::local(&path, key).unwrap());
    conformance::run(&Backend { open, store }).await;
}

fn memory() -> Vault {
    Vault::new(Arc::new(InMemory::new()), RootKey::from_bytes([1; 32]))
}
