//! Rotating the root key: every repository's key is wrapped anew, and no contents are touched.
//!
//! The order, on a vault that nobody else has open. After each step the vault opens, and running it again goes on from there:
//!
//! 1. the new key is on disk, in `….new` beside the root key's file;
//! 2. each key object is replaced, in one step, by one that the new key wraps, and read back;
//! 3. the old key gets a second name, `….old`;
//! 4. the new key's file takes the place of the root key's;
//! 5. the old key is written over, and its name goes.
//!
//! What a rotation does not do: a repository's own key stays the same. Whoever had the old root key *and* a copy of a key object
//! still opens that repository, until it is deleted.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use object_store::PutPayload;
use rustix::fs::OFlags;

use crate::{
    RepositoryId, RootKey, VaultError,
    directory_lock::sync_parent,
    layout,
    open_lock::OpenLock,
    overwrite::overwrite,
    root_keys::{RootKeys, beside, get, require},
    store::{Bridge, Store},
    vault::files,
};

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Repositories whose keys were wrapped anew.
    pub rewrapped: usize,
    /// Whether it only finished one that was interrupted before.
    pub resumed: bool,
}

/// Rotates the root key in the file `path` of the vault in `directory`: to the one in the file `wanted`, or to a random one.
///
/// A rotation that was interrupted is finished instead, unless another key is wanted. [`VaultError::InUse`] while anybody has
/// the vault open. A repository that neither key opens fails it before anything is changed. Blocks.
pub fn rotate_root_key(directory: &Path, path: &Path, wanted: Option<&Path>) -> Result<Rotation, VaultError> {
    let _alone = OpenLock::alone(directory)?;
    let wanted = wanted.map(require).transpose()?;
    require_replaceable(path)?;
    if let Some(rotation) = finish(directory, path)?
        && wanted.as_ref().is_none_or(|wanted| require(path).is_ok_and(|now| now.bytes() == wanted.bytes()))
    {
        return Ok(rotation);
    }
    begin(path, wanted.as_ref())?;
    let rewrapped = rewrap_all(directory, path)?;
    replace(path)?;
    Ok(Rotation { rewrapped, resumed: false })
}

/// Finishes a rotation that was interrupted, if one was. [`VaultError::InUse`] while anybody has the vault open. Blocks.
pub fn finish_rotation(directory: &Path, path: &Path) -> Result<Option<Rotation>, VaultError> {
    if !is_interrupted(path) {
        return Ok(None);
    }
    let _alone = OpenLock::alone(directory)?;
    finish(directory, path)
}

fn is_interrupted(path: &Path) -> bool {
    [".new", ".old"].iter().any(|suffix| beside(path, suffix).exists())
}

fn finish(directory: &Path, path: &Path) -> Result<Option<Rotation>, VaultError> {
    if !is_interrupted(path) {
        return Ok(None);
    }
    let rewrapped = match get(&beside(path, ".new"))? {
        Some(_) => rewrap_all(directory, path)?,
        None => 0,
    };
    replace(path)?;
    Ok(Some(Rotation { rewrapped, resumed: true }))
}

/// A link would be replaced instead of what it leads to, and the old key would stay there.
fn require_replaceable(path: &Path) -> Result<(), VaultError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => Err(VaultError::RootKey {
            path: path.to_owned(),
            reason: "it is a symbolic link, which a rotation would replace; name the file itself with --root-key-file".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn begin(path: &Path, wanted: Option<&RootKey>) -> Result<(), VaultError> {
    let current = require(path)?;
    if wanted.is_some_and(|wanted| wanted.bytes() == current.bytes()) {
        return Err(VaultError::RootKey {
            path: path.to_owned(),
            reason: "it holds the new key already; name a file with another one".to_owned(),
        });
    }
    let new = beside(path, ".new");
    match wanted {
        Some(wanted) => wanted.save(&new)?,
        None => RootKey::random()?.save(&new)?,
    }
    fail::fail_point!("rotate-new-key-stored");
    Ok(())
}

/// Wraps every repository's key by the new root key. All are looked at before the first is changed.
fn rewrap_all(directory: &Path, path: &Path) -> Result<usize, VaultError> {
    let keys = RootKeys::new(require(&beside(path, ".new"))?, require(path)?);
    let store =
        Store::new(Arc::new(files(directory)?), Bridge::Direct).in_directory(Some(directory.to_owned()));
    let roots = store.list_roots();
    let roots = roots.map_err(|source| VaultError::Store { action: "list the repositories", source })?;
    let mut outdated = Vec::new();
    for id in roots.iter().filter_map(|root| root.filename()?.parse().ok()) {
        if needs_rewrapping(&store, &keys, id)? {
            outdated.push(id);
        }
    }
    for id in &outdated {
        rewrap(&store, &keys, *id)?;
        fail::fail_point!("rotate-key-rewrapped");
    }
    Ok(outdated.len())
}

fn needs_rewrapping(store: &Store, keys: &RootKeys, id: RepositoryId) -> Result<bool, VaultError> {
    let object = match read(store, id) {
        // Half deleted, or half made.
        Err(VaultError::NoSuchRepository(_)) => return Ok(false),
        object => object?,
    };
    match keys.unwrap(id, &object) {
        Err(VaultError::NoSuchRepository(_)) => Ok(false),
        unwrapped => unwrapped.map(|_| !keys.is_newest(id, &object)),
    }
}

fn rewrap(store: &Store, keys: &RootKeys, id: RepositoryId) -> Result<(), VaultError> {
    let key = keys.unwrap(id, &read(store, id)?)?;
    let superseded = store.supersede(&layout::key_object(id), PutPayload::from(keys.wrap(id, &key)));
    superseded.map_err(|source| VaultError::Store { action: "replace the key object", source })?;
    if keys.is_newest(id, &read(store, id)?) {
        return Ok(());
    }
    let reason = "what was written could not be read back".to_owned();
    Err(VaultError::KeyObject { repository: id, reason })
}

fn read(store: &Store, id: RepositoryId) -> Result<bytes::Bytes, VaultError> {
    match store.get(&layout::key_object(id)) {
        Ok(object) => Ok(object),
        Err(object_store::Error::NotFound { .. }) => Err(VaultError::NoSuchRepository(id)),
        Err(source) => Err(VaultError::Store { action: "read the key object", source }),
    }
}

/// Puts the new key in the old one's place, and destroys that.
fn replace(path: &Path) -> Result<(), VaultError> {
    let (new, old) = (beside(path, ".new"), beside(path, ".old"));
    let failed = |source| VaultError::file("replace the root key", path, source);
    if new.exists() {
        keep_as(path, &old).map_err(failed)?;
        fail::fail_point!("rotate-old-key-kept");
        std::fs::rename(&new, path).and_then(|()| sync_parent(path)).map_err(failed)?;
        fail::fail_point!("rotate-key-replaced");
    }
    destroy(&old).map_err(|source| VaultError::file("destroy the old root key", &old, source))?;
    fail::fail_point!("rotate-old-key-destroyed");
    Ok(())
}

/// Gives the key a second name. It may have it already, from a rotation that was interrupted here.
fn keep_as(path: &Path, old: &Path) -> io::Result<()> {
    match std::fs::hard_link(path, old) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if path.metadata()?.ino() == old.metadata()?.ino() {
                return Ok(());
            }
            destroy(old)?;
            std::fs::hard_link(path, old)?;
        }
        linked => linked?,
    }
    sync_parent(path)
}

fn destroy(path: &Path) -> io::Result<()> {
    let options = OpenOptions::new().write(true).custom_flags(flags(OFlags::NOFOLLOW)).open(path);
    let file: File = match options {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    overwrite(&file)?;
    fail::fail_point!("rotate-old-key-overwritten");
    std::fs::remove_file(path)?;
    sync_parent(path)
}

/// The flags as the standard library takes them.
pub(crate) fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}
