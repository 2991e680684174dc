//! Reading one chunk or one directory of a repository, and proving that it is the one asked for.
//!
//! Decryption proves that bytes were written with this repository's key. Only their hash proves that they were not swapped
//! for others of the same repository.

use bytes::Bytes;
use rustic_core::{
    ErrorKind, Id, IndexedFullStatus, Repository, RusticError, RusticResult, TreeId,
    repofile::{BlobType, Tree},
};
use sha2::{Digest, Sha256};

pub(crate) type Indexed = Repository<IndexedFullStatus>;

pub(crate) fn hash(bytes: &[u8]) -> Id {
    Id::new(Sha256::digest(bytes).into())
}

pub(crate) fn read(repository: &Indexed, kind: BlobType, id: &Id) -> RusticResult<Bytes> {
    let name = id.to_hex();
    let data = repository.cat_blob(kind, name.as_str())?;
    if hash(&data) != *id {
        return Err(RusticError::new(ErrorKind::Verification, "blob {blob} holds other bytes")
            .attach_context("blob", name.as_str()));
    }
    Ok(data)
}

pub(crate) fn read_tree(repository: &Indexed, id: &TreeId) -> RusticResult<Tree> {
    let data = read(repository, BlobType::Tree, id)?;
    serde_json::from_slice(&data).map_err(|error| {
        RusticError::with_source(ErrorKind::Verification, "tree {tree} is not one", error)
            .attach_context("tree", id.to_hex().as_str())
    })
}
