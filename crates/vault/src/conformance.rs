//! What every object store must do as a vault's backend, as functions that each backend's tests call.
//!
//! Each function makes repositories of its own, so all can run on one store, also side by side.

use std::{collections::BTreeMap, sync::Arc};

use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path as ObjectPath};
use tempfile::TempDir;

use crate::{CommitOptions, RepositoryId, RootKey, SnapshotId, Vault, VaultError};

mod damage;
mod keys;
mod life;
mod prune;
pub mod tree;

use tree::Tree;

/// A store under test: how to open a vault on it, and the store itself, to look at and to damage.
pub struct Backend {
    /// Opens a vault on the store with this root key.
    pub open: Box<dyn Fn(RootKey) -> Vault + Send + Sync>,
    /// The same store without the vault.
    pub store: Arc<dyn ObjectStore>,
}

/// Runs every test of the suite.
pub async fn run(backend: &Backend) {
    life::what_is_committed_comes_back(backend).await;
    life::an_empty_directory_comes_back_empty(backend).await;
    life::an_unchanged_file_is_not_read_again(backend).await;
    life::a_commit_adds_only_what_changed(backend).await;
    life::exclusions_leave_out_whole_directories(backend).await;
    life::snapshots_are_listed_oldest_first(backend).await;
    life::a_missing_parent_is_no_obstacle(backend).await;
    life::what_does_not_exist_is_named(backend).await;
    life::a_checkout_wants_an_empty_directory(backend).await;
    life::commits_and_checkouts_run_side_by_side(backend).await;
    keys::creating_again_changes_nothing(backend).await;
    keys::an_interrupted_creation_is_completed(backend).await;
    keys::another_root_key_opens_nothing(backend).await;
    keys::a_key_object_of_another_repository_is_refused(backend).await;
    keys::deletion_is_final(backend).await;
    keys::deletion_resumes_and_repeats(backend).await;
    keys::a_deletion_beside_a_commit_leaves_nothing(backend).await;
    prune::a_prune_removes_what_is_not_kept(backend).await;
    prune::a_prune_merges_what_many_commits_left(backend).await;
    prune::leftovers_of_a_commit_are_removed(backend).await;
    prune::a_missing_snapshot_stops_a_prune(backend).await;
    prune::damage_to_what_is_kept_stops_a_prune(backend).await;
    prune::damage_to_what_goes_stops_nothing(backend).await;
    prune::a_hold_keeps_the_repository_open(backend).await;
    damage::a_sound_repository_has_no_problems(backend).await;
    damage::a_flipped_bit_is_found(backend).await;
    damage::a_truncated_pack_is_found(backend).await;
    damage::a_missing_pack_is_found(backend).await;
    damage::exchanged_packs_are_found(backend).await;
    damage::damage_is_told_of_all_who_share_it(backend).await;
    damage::damage_to_what_nobody_needs_is_told_as_that(backend).await;
    damage::a_lost_index_costs_what_it_named(backend).await;
    damage::a_commit_upon_damage_is_whole(backend).await;
    damage::a_damaged_snapshot_is_named(backend).await;
    damage::a_damaged_directory_is_named(backend).await;
    damage::a_damaged_configuration_is_told_of_every_snapshot(backend).await;
    damage::a_damaged_key_object_is_an_error(backend).await;
}

/// A repository of its own for one test, with a scratch directory.
struct Fixture<'a> {
    backend: &'a Backend,
    vault: Vault,
    repository: RepositoryId,
    scratch: TempDir,
}

impl<'a> Fixture<'a> {
    async fn new(backend: &'a Backend) -> Self {
        let fixture = Self {
            backend,
            vault: (backend.open)(root_key()),
            repository: RepositoryId::random(),
            scratch: tempfile::tempdir().expect("a scratch directory can be made"),
        };
        fixture.vault.create(&fixture.repository).await.expect("a repository can be created");
        fixture
    }

    async fn commit(&self, tree: &Tree) -> SnapshotId {
        let from = self.directory(tree);
        let report = self.vault.commit(&self.repository, from.path(), CommitOptions::default()).await;
        report.expect("a commit succeeds").snapshot
    }

    fn directory(&self, tree: &Tree) -> TempDir {
        let directory = tempfile::tempdir_in(self.scratch.path()).expect("a directory can be made");
        tree.write(directory.path());
        directory
    }

    async fn checkout(&self, snapshot: &SnapshotId) -> Result<Tree, VaultError> {
        let into = tempfile::tempdir_in(self.scratch.path()).expect("a directory can be made");
        self.vault.checkout(&self.repository, snapshot, into.path()).await?;
        Ok(Tree::read(into.path()))
    }

    /// Every object of the repository, by path.
    async fn objects(&self) -> BTreeMap<ObjectPath, Vec<u8>> {
        use futures_util::TryStreamExt;
        let prefix = ObjectPath::from(self.repository.to_string());
        let listed: Vec<_> =
            self.backend.store.list(Some(&prefix)).try_collect().await.expect("objects can be listed");
        let mut objects = BTreeMap::new();
        for meta in listed {
            let object = self.backend.store.get(&meta.location).await.expect("an object can be read");
            objects.insert(meta.location, object.bytes().await.expect("an object can be read").to_vec());
        }
        objects
    }

    async fn objects_in(&self, directory: &str) -> BTreeMap<ObjectPath, Vec<u8>> {
        let mut objects = self.objects().await;
        let prefix = format!("{}/{directory}/", self.repository);
        objects.retain(|path, _| path.as_ref().starts_with(&prefix));
        objects
    }

    async fn put(&self, path: &ObjectPath, bytes: Vec<u8>) {
        self.backend.store.put(path, PutPayload::from(bytes)).await.expect("an object can be written");
    }

    async fn remove(&self, path: &ObjectPath) {
        self.backend.store.delete(path).await.expect("an object can be deleted");
    }

    fn key_object(&self) -> ObjectPath {
        crate::layout::key_object(self.repository)
    }

    /// A vault on the same store that remembers nothing.
    fn fresh_vault(&self) -> Vault {
        (self.backend.open)(root_key())
    }
}

fn root_key() -> RootKey {
    RootKey::from_bytes([42; 32])
}

/// So many bytes of noise: another seed shares nothing with it, and it does not compress.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
