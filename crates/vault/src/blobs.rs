//! Reading one chunk or one directory of a repository, and proving that it is the one asked for.
//!
//! Decryption proves that bytes were written with this repository's key. Only their hash proves that they were not swapped
//! for others of the same repository. What fails names the pack.

use bytes::Bytes;
use rustic_core::{
    Id, IndexedFullStatus, PackedId, Repository, TreeId,
    repofile::{BlobType, PackId, Tree},
};
use sha2::{Digest, Sha256};

use crate::VaultError;

pub(crate) type Indexed = Repository<IndexedFullStatus>;

pub(crate) fn hash(bytes: &[u8]) -> Id {
    Id::new(Sha256::digest(bytes).into())
}

/// Finds the pack that holds a chunk or directory, if an index names it.
pub(crate) fn pack_of<I: PackedId>(repository: &Indexed, id: &I) -> Option<PackId> {
    repository.get_index_entry(id).ok().map(|entry| entry.pack)
}

/// Says that no index names a chunk or directory.
pub(crate) fn unindexed<I: PackedId>(id: &I) -> String {
    let what = match I::TYPE {
        BlobType::Tree => "directory",
        BlobType::Data => "chunk",
    };
    format!("{what} {} is in no index that can be read", (*id).into().to_hex().as_str())
}

/// Reads a chunk or a directory. `action` is what it is read for.
pub(crate) fn read<I: PackedId>(
    repository: &Indexed,
    id: &I,
    action: &'static str,
) -> Result<Bytes, VaultError> {
    let Some(pack) = pack_of(repository, id) else {
        return Err(VaultError::Damaged { action, reason: unindexed(id) });
    };
    let in_pack = |error: VaultError| error.of(format_args!("pack {}", pack.to_hex().as_str()));
    let name = (*id).into().to_hex();
    let read = repository.cat_blob(I::TYPE, name.as_str());
    let data = read.map_err(|error| in_pack(VaultError::from_rustic(action, &error)))?;
    if hash(&data) != *(*id).into() {
        let reason = format!("blob {} holds other bytes", name.as_str());
        return Err(in_pack(VaultError::Damaged { action, reason }));
    }
    Ok(data)
}

pub(crate) fn read_tree(repository: &Indexed, id: &TreeId, action: &'static str) -> Result<Tree, VaultError> {
    let data = read(repository, id, action)?;
    serde_json::from_slice(&data).map_err(|error| {
        let reason = format!("directory {} is not one: {error}", id.to_hex().as_str());
        VaultError::Damaged { action, reason }
    })
}
