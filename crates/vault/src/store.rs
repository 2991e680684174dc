//! The object store, called from threads that may block.
//!
//! The repository library is synchronous and runs threads of its own; object stores are asynchronous. This is the bridge.

use std::{fmt, future::Future, io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    path::Path,
};
use tokio::runtime::Handle;

use crate::{directory_lock::sync_parent, overwrite::overwrite};

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
    /// The directory, if the store is one.
    directory: Option<PathBuf>,
}

type Result<T> = object_store::Result<T>;

impl Store {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, bridge: Bridge) -> Self {
        Self { objects, bridge, directory: None }
    }

    pub(crate) fn in_directory(self, directory: Option<PathBuf>) -> Self {
        Self { directory, ..self }
    }

    pub(crate) fn get(&self, path: &Path) -> Result<Bytes> {
        fail::fail_point!("vault-get", |why| Err(injected(why)));
        self.wait(async { self.objects.get(path).await?.bytes().await })
    }

    pub(crate) fn exists(&self, path: &Path) -> Result<bool> {
        match self.wait(self.objects.head(path)) {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
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

    /// Deletes an object so that its bytes are gone from a local disk too, as far as the file system writes in place.
    pub(crate) fn destroy(&self, path: &Path) -> Result<()> {
        if let Some(file) = self.open_file(path) {
            overwrite(&file)
                .map_err(|error| on_directory(&self.file_of(path).unwrap_or_default(), &error))?;
            fail::fail_point!("vault-key-overwritten");
        }
        self.delete(path)
    }

    /// Stores an object in another one's place, of which nothing is left on a local disk, as far as the file system writes in
    /// place.
    pub(crate) fn supersede(&self, path: &Path, payload: PutPayload) -> Result<()> {
        let old = self.open_file(path);
        self.put(path, payload, PutMode::Overwrite)?;
        match old {
            Some(old) => overwrite(&old)
                .map(drop)
                .map_err(|error| on_directory(&self.file_of(path).unwrap_or_default(), &error)),
            None => Ok(()),
        }
    }

    /// Opens the file that an object is, to write over it. None where the store is not a directory, or has no such object.
    fn open_file(&self, path: &Path) -> Option<std::fs::File> {
        std::fs::OpenOptions::new().write(true).open(self.file_of(path)?).ok()
    }

    fn file_of(&self, path: &Path) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(path.as_ref()))
    }

    /// Puts on disk that objects right below `prefix` were deleted. Other stores have no need of it: there a deletion counts when
    /// it returns.
    pub(crate) fn sync_deletions(&self, prefix: &Path) -> Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let directory = directory.join(prefix.as_ref());
        sync(&directory).map_err(|error| on_directory(&directory, &error))
    }

    /// Deletes everything below `prefix`; what is gone already does not count as a failure. What was deleted there before is gone
    /// for good before anything else goes.
    pub(crate) fn delete_below(&self, prefix: &Path) -> Result<()> {
        fail::fail_point!("vault-delete", |why| Err(injected(why)));
        match &self.directory {
            Some(directory) => {
                let directory = directory.join(prefix.as_ref());
                delete_directory(&directory).map_err(|error| on_directory(&directory, &error))?;
            }
            None => self.delete_listed(prefix)?,
        }
        fail::fail_point!("vault-delete-done");
        Ok(())
    }

    fn delete_listed(&self, prefix: &Path) -> Result<()> {
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

fn delete_directory(directory: &std::path::Path) -> io::Result<()> {
    match sync(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        synced => synced?,
    }
    std::fs::remove_dir_all(directory)?;
    sync_parent(directory)
}

fn sync(directory: &std::path::Path) -> io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

fn on_directory(directory: &std::path::Path, error: &io::Error) -> object_store::Error {
    let source = io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
    object_store::Error::Generic { store: "directory", source: source.into() }
}

/// The error that a failpoint asked for: `full` is a full disk, anything else a broken one.
#[cfg(feature = "failpoints")]
#[expect(clippy::needless_pass_by_value, reason = "`fail_point!` hands over what it has")]
fn injected(why: Option<String>) -> object_store::Error {
    let kind = match why.as_deref() {
        Some("full") => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    object_store::Error::Generic { store: "failpoint", source: io::Error::from(kind).into() }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.objects)
    }
}
