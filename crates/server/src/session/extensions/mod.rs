//! Extensions: uploaded once by a project, and loaded into those of its sessions that name them.
//!
//! ```text
//! <data>/extensions/<extension id>    ours, 0600: the ZIP file as it came
//!                   incoming/         ours: files that are not here as a whole yet
//! ```
//!
//! A ZIP file is looked through when it comes ([`package`]): what it holds, and what it says of itself ([`manifest`]). It is unpacked
//! anew for each session, into the session's work dir, where its browser may read it and nobody write it. Full Chromium loads it as it
//! starts, with one of the server's own where windows are to be tabs ([`own`]) (`--load-extension`; Chromium 148, measured: nothing of it stays in the profile but what the extension itself stores).
//!
//! Bytes come before rows, and a row goes before its bytes: a crash leaves garbage at worst, which the next start removes.

mod manifest;
pub(super) mod own;
mod package;

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use roadstead_api::ExtensionId;
use roadstead_browser::UserId;
use serde_json::{Map, Value};
use tempfile::{NamedTempFile, TempPath};
use tracing::Instrument as _;

use self::package::Package;
use super::Sessions;
use super::work_dir::{WorkDir, make_dir};
use crate::caller::Caller;
use crate::clock;
use crate::db::Db;
use crate::error::{Error, Result};

/// How large an extension's ZIP file may be, in bytes: the published API's limit.
pub const MAX_EXTENSION_BYTES: u64 = 50 << 20;

/// An uploaded extension.
#[derive(Clone, Debug, PartialEq)]
pub struct Extension {
    /// Its id.
    pub id: ExtensionId,
    /// What it was called.
    pub name: String,
    /// The id that Chromium knows it by.
    pub chromium_id: String,
    /// Its manifest, as it was uploaded.
    pub manifest: Map<String, Value>,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// The directory that holds every project's extensions, and certificates on their way; clones share it.
#[derive(Clone, Debug)]
pub struct ExtensionRoot {
    path: PathBuf,
}

impl ExtensionRoot {
    /// Finds or makes the directory in a data dir.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let this = Self { path: data_dir.join("extensions") };
        for dir in [this.path.clone(), this.incoming()] {
            make_dir(&dir, 0o700).with_context(|| format!("failed to create {}", dir.display()))?;
        }
        Ok(this)
    }

    /// Makes an empty file that goes when it is dropped, for what arrives. Blocks.
    pub fn temporary(&self) -> Result<NamedTempFile> {
        NamedTempFile::new_in(self.incoming()).map_err(not_stored)
    }

    /// Takes an extension's ZIP file in, under an id of its own. Blocks. The row is the caller's to add, or [`Self::remove`] what is
    /// here.
    ///
    /// Errors: it is no extension, or none that sessions may have.
    pub fn take(&self, name: String, archive: TempPath) -> Result<Extension> {
        let id = ExtensionId::random();
        let Package { manifest, .. } = Package::inspect(&archive, id)?;
        let store = || {
            std::fs::set_permissions(&archive, std::fs::Permissions::from_mode(0o600))?;
            File::open(&archive)?.sync_all()
        };
        store().map_err(not_stored)?;
        archive.persist(self.file_of(id)).map_err(|error| not_stored(error.error))?;
        File::open(&self.path).and_then(|dir| dir.sync_all()).map_err(not_stored)?;
        let (chromium_id, manifest) = (manifest.chromium_id, manifest.value);
        Ok(Extension { id, name, chromium_id, manifest, created_at: clock::now() })
    }

    /// Removes an extension's file. Blocks. One that is gone is fine.
    pub fn remove(&self, id: ExtensionId) -> io::Result<()> {
        match std::fs::remove_file(self.file_of(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Unpacks an extension into a session's work dir, and returns where it is. Blocks.
    pub(super) fn install(&self, id: ExtensionId, work: &WorkDir, user: Option<UserId>) -> Result<PathBuf> {
        let (archive, dir) = (self.file_of(id), work.extensions().join(id.to_string()));
        if !archive.is_file() {
            return Err(gone(id));
        }
        Package::inspect(&archive, id)?.install(&archive, &dir, user)?;
        Ok(dir)
    }

    /// Removes what an earlier server left without having it on record.
    pub(super) async fn remove_orphans(&self, db: &Db) -> Result<()> {
        let known = db.all_extensions().await?;
        let left = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
        let unfinished = left(&self.incoming()).map(|entry| entry.path());
        let stored =
            left(&self.path).filter_map(|entry| entry.file_name().to_str()?.parse::<ExtensionId>().ok());
        let orphans = stored.filter(|id| !known.contains(id)).map(|id| self.file_of(id));
        for path in unfinished.chain(orphans).collect::<Vec<_>>() {
            std::fs::remove_file(&path).map_err(not_stored)?;
        }
        Ok(())
    }

    fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    fn file_of(&self, id: ExtensionId) -> PathBuf {
        self.path.join(id.to_string())
    }
}

/// Says that a session names an extension that its project does not have.
pub fn gone(id: ExtensionId) -> Error {
    Error::invalid(
        "browser.extensions",
        format!("there is no extension {id}; GET /v1/extensions lists those that there are"),
    )
}

fn not_stored(error: io::Error) -> Error {
    Error::internal("The file could not be stored.", error)
}

impl Sessions {
    /// Returns where extensions are kept.
    pub fn extension_root(&self) -> &ExtensionRoot {
        &self.0.extensions
    }

    /// Adds an extension to those that a project has. A caller who hangs up meanwhile leaves nothing half-way.
    pub async fn add_extension(&self, caller: &Caller, name: String, archive: TempPath) -> Result<Extension> {
        let (this, caller) = (self.clone(), caller.clone());
        let whole = async move {
            let root = this.0.extensions.clone();
            let taken = tokio::task::spawn_blocking(move || root.take(name, archive)).await;
            let extension = taken.expect("taking an extension in does not panic")?;
            let added = this.0.db.add_extension((caller.project, &caller.actor()), &extension).await;
            if added.is_err() {
                this.remove_extension(extension.id).await;
            }
            added.map(|()| extension)
        };
        let done = self.0.lifecycle.tracker().spawn(whole.in_current_span()).await;
        done.expect("adding an extension does not panic")
    }

    /// Deletes one of a project's extensions. Sessions that have it go on with it.
    pub async fn delete_extension(&self, caller: &Caller, id: ExtensionId) -> Result<()> {
        self.0.db.forget_extension((caller.project, &caller.actor()), id).await?;
        self.remove_extension(id).await;
        Ok(())
    }

    /// Removes an extension's file, which is not on record. One that stays goes at the next start.
    async fn remove_extension(&self, id: ExtensionId) {
        let root = self.0.extensions.clone();
        let removed = tokio::task::spawn_blocking(move || root.remove(id)).await;
        if let Err(error) = removed.expect("removing a file does not panic") {
            tracing::warn!(%error, extension.id = %id, "failed to remove an extension's file");
        }
    }

    /// Removes what an earlier server left of extensions.
    pub async fn clear_extensions(&self) -> Result<()> {
        self.0.extensions.remove_orphans(&self.0.db).await
    }
}
