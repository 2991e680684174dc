//! A store in memory that notes what is done to it.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

use crate::{RepositoryId, RootKey, Vault};

/// Notes when each put begins and when it is done, and can be told to fail.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    inner: InMemory,
    pub puts: Mutex<Vec<(Step, String)>>,
    /// What changed, in the order in which it did.
    pub changes: Arc<Mutex<Vec<Change>>>,
    /// Puts whose path contains this fail.
    pub broken: Mutex<Option<&'static str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Begun,
    Done,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Put(Path, Bytes),
    Deleted(Path),
}

impl Recorder {
    pub(super) fn deletions(&self) -> Vec<String> {
        let deleted = |change: &Change| match change {
            Change::Put(..) => None,
            Change::Deleted(path) => Some(path.to_string()),
        };
        self.changes.lock().unwrap().iter().filter_map(deleted).collect()
    }
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
        let change = Change::Put(location.clone(), payload.iter().flatten().copied().collect());
        let put = self.inner.put_opts(location, payload, options).await;
        self.changes.lock().unwrap().push(change);
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
        let changes = self.changes.clone();
        let noted =
            locations.inspect_ok(move |path| changes.lock().unwrap().push(Change::Deleted(path.clone())));
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

/// What a store holds after these changes and no others.
pub(super) async fn replayed<'a>(changes: impl IntoIterator<Item = &'a Change>) -> InMemory {
    let store = InMemory::new();
    for change in changes {
        match change {
            Change::Put(path, bytes) => {
                store.put(path, PutPayload::from(bytes.clone())).await.unwrap();
            }
            Change::Deleted(path) => store.delete(path).await.unwrap(),
        }
    }
    store
}

pub(super) async fn recorded() -> (Arc<Recorder>, Vault, RepositoryId) {
    let store = Arc::new(Recorder::default());
    let vault = Vault::new(store.clone(), RootKey::from_bytes([1; 32]));
    let repository = RepositoryId::random();
    vault.create(&repository).await.unwrap();
    (store, vault, repository)
}
