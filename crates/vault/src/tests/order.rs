//! Durability by construction: what is written in which order, and that a local write is synced.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

use crate::{CommitOptions, RepositoryId, RootKey, Vault, conformance::tree::Tree};

/// Notes when each put begins and when it is done, and can be told to fail.
#[derive(Debug, Default)]
struct Recorder {
    inner: InMemory,
    puts: Mutex<Vec<(Step, String)>>,
    deletions: Arc<Mutex<Vec<String>>>,
    /// Puts whose path contains this fail.
    broken: Mutex<Option<&'static str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begun,
    Done,
}

impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Recorder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.puts.lock().unwrap().push((Step::Begun, location.to_string()));
        // Others get their turn between beginning and end, as on a real store.
        tokio::task::yield_now().await;
        if self.broken.lock().unwrap().is_some_and(|part| location.as_ref().contains(part)) {
            return Err(object_store::Error::Generic {
                store: "Recorder",
                source: "the disk is full".into(),
            });
        }
        let put = self.inner.put_opts(location, payload, options).await;
        self.puts.lock().unwrap().push((Step::Done, location.to_string()));
        put
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let deletions = self.deletions.clone();
        let noted = locations.inspect_ok(move |path| deletions.lock().unwrap().push(path.to_string()));
        self.inner.delete_stream(noted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn recorded() -> (Arc<Recorder>, Vault, RepositoryId) {
    let store = Arc::new(Recorder::default());
    let vault = Vault::new(store.clone(), RootKey::from_bytes([1; 32]));
    let repository = RepositoryId::random();
    vault.create(&repository).await.unwrap();
    (store, vault, repository)
}

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
    let deletions = store.deletions.lock().unwrap();
    assert_eq!(*deletions, [format!("{repository}/roadstead-key.json"), format!("{repository}/config")]);
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
        assert_eq!(vault.check(&repository, true).await.unwrap().problems, Vec::<String>::new());
    }
}

/// The store's own switch; the store's tests show that it syncs the file and its directory.
#[test]
fn a_local_vault_syncs_every_write() {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::local(&directory.path().join("vault"), RootKey::from_bytes([1; 32])).unwrap();
    assert!(format!("{vault:?}").contains("fsync: true"), "{vault:?}");
}
