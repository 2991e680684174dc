//! The object store, called from threads that may block.
//!
//! The repository library is synchronous and runs threads of its own; object stores are asynchronous. This is the bridge.

use std::{fmt, future::Future, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    path::Path,
};
use tokio::runtime::Handle;

/// How a blocking thread waits for the store.
#[derive(Clone)]
pub(crate) enum Bridge {
    /// The store does its work in the calling thread (a local directory): no runtime, no hop between threads.
    Direct,
    /// The store needs this runtime's timers and sockets.
    Runtime(Handle),
}

#[derive(Clone)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    bridge: Bridge,
}

type Result<T> = object_store::Result<T>;

impl Store {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, bridge: Bridge) -> Self {
        Self { objects, bridge }
    }

    pub(crate) fn get(&self, path: &Path) -> Result<Bytes> {
        fail::fail_point!("vault-get", |why| Err(injected(why)));
        self.wait(async { self.objects.get(path).await?.bytes().await })
    }

    /// Reads `length` bytes from `offset`, or fewer where the object ends earlier.
    pub(crate) fn get_range(&self, path: &Path, offset: u64, length: u64) -> Result<Bytes> {
        let range = Some(GetRange::Bounded(offset..offset + length));
        let options = GetOptions { range, ..GetOptions::default() };
        self.wait(async { self.objects.get_opts(path, options).await?.bytes().await })
    }

    pub(crate) fn put(&self, path: &Path, payload: PutPayload, mode: PutMode) -> Result<()> {
        fail::fail_point!("vault-put", |why| Err(injected(why)));
        let options = PutOptions { mode, ..PutOptions::default() };
        self.wait(self.objects.put_opts(path, payload, options)).map(drop)?;
        fail::fail_point!("vault-put-done");
        Ok(())
    }

    pub(crate) fn delete(&self, path: &Path) -> Result<()> {
        fail::fail_point!("vault-delete", |why| Err(injected(why)));
        self.wait(self.objects.delete(path))?;
        fail::fail_point!("vault-delete-done");
        Ok(())
    }

    /// Deletes everything below `prefix`; what is gone already does not count as a failure.
    pub(crate) fn delete_prefix(&self, prefix: &Path) -> Result<()> {
        self.wait(async {
            let locations = self.objects.list(Some(prefix)).map_ok(|meta| meta.location).boxed();
            let mut deletions = self.objects.delete_stream(locations);
            while let Some(deletion) = deletions.next().await {
                match deletion {
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }

    pub(crate) fn list(&self, prefix: &Path) -> Result<Vec<ObjectMeta>> {
        self.wait(self.objects.list(Some(prefix)).try_collect())
    }

    /// Lists the first path segments in the store.
    pub(crate) fn list_roots(&self) -> Result<Vec<Path>> {
        let listed = self.wait(self.objects.list_with_delimiter(None))?;
        Ok(listed.common_prefixes)
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.bridge {
            Bridge::Direct => futures_executor::block_on(work),
            Bridge::Runtime(runtime) => runtime.block_on(work),
        }
    }
}

/// The error that a failpoint asked for: `full` is a full disk, anything else a broken one.
#[cfg(feature = "failpoints")]
#[expect(clippy::needless_pass_by_value, reason = "the failpoint gives it away")]
fn injected(why: Option<String>) -> object_store::Error {
    let kind = match why.as_deref() {
        Some("full") => std::io::ErrorKind::StorageFull,
        _ => std::io::ErrorKind::Other,
    };
    object_store::Error::Generic { store: "failpoint", source: std::io::Error::from(kind).into() }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.objects)
    }
}
