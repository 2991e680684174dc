//! A repository's own key, wrapped by the root key for that repository and no other.
//!
//! Destroying the key object makes every byte of the repository unreadable, wherever copies of it may be.

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    AeadCore, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, OsRng, Payload},
};
use rustic_core::repofile::MasterKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{RepositoryId, RootKey, VaultError};

const VERSION: u32 = 1;

/// AES-256 key, Poly1305 key `k`, Poly1305 nonce key `r`: what the repository format calls its master key.
const PARTS: [usize; 3] = [32, 16, 16];

/// The key object as it is stored. A later version adds a number, never changes the meaning of this one.
#[derive(Serialize, Deserialize)]
struct KeyObject {
    version: u32,
    /// Always `XChaCha20-Poly1305`; there for whoever opens the file.
    cipher: String,
    /// 24 random bytes, base64. Long enough to be drawn at random for ever.
    nonce: String,
    /// The 64 key bytes and the 16 of the tag, base64.
    wrapped: String,
}

/// Wraps `key` for `repository`, as the bytes of the key object.
pub(crate) fn wrap(root: &RootKey, repository: RepositoryId, key: &MasterKey) -> Vec<u8> {
    let mut plain = Zeroizing::new(Vec::with_capacity(PARTS.iter().sum()));
    for part in [&key.encrypt, &key.mac.k, &key.mac.r] {
        plain.extend_from_slice(part);
    }
    let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
    let purpose = associated_data(repository);
    let payload = Payload { msg: &plain, aad: &purpose };
    let wrapped = cipher(root).encrypt(&nonce, payload).expect("64 bytes are within the cipher's limits");
    let object = KeyObject {
        version: VERSION,
        cipher: "XChaCha20-Poly1305".to_owned(),
        nonce: BASE64_STANDARD.encode(nonce),
        wrapped: BASE64_STANDARD.encode(wrapped),
    };
    serde_json::to_vec(&object).expect("strings and a number are JSON")
}

/// Unwraps the key object of `repository`.
pub(crate) fn unwrap(
    root: &RootKey,
    repository: RepositoryId,
    object: &[u8],
) -> Result<MasterKey, VaultError> {
    let malformed = |reason: &str| VaultError::KeyObject { repository, reason: reason.to_owned() };

    let object: KeyObject = serde_json::from_slice(object).map_err(|error| malformed(&error.to_string()))?;
    if object.version != VERSION {
        return Err(malformed(&format!(
            "version {} was written by a newer program; this one reads version {VERSION}",
            object.version
        )));
    }
    let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| malformed("it is not base64"));
    let nonce: [u8; 24] =
        decode(&object.nonce)?.try_into().map_err(|_| malformed("its nonce is not 24 bytes"))?;
    let wrapped = decode(&object.wrapped)?;

    let purpose = associated_data(repository);
    let payload = Payload { msg: &wrapped, aad: &purpose };
    let plain = cipher(root).decrypt(XNonce::from_slice(&nonce), payload);
    let plain = Zeroizing::new(plain.map_err(|_| VaultError::WrongKey(repository))?);
    if plain.len() != PARTS.iter().sum::<usize>() {
        return Err(malformed("it does not hold 64 key bytes"));
    }
    let (encrypt, mac) = plain.split_at(PARTS[0]);
    let (k, r) = mac.split_at(PARTS[1]);
    let mut key = MasterKey::new();
    key.encrypt = encrypt.to_vec();
    key.mac.k = k.to_vec();
    key.mac.r = r.to_vec();
    Ok(key)
}

/// The cipher that the root key is used with, and no other.
pub(crate) fn cipher(root: &RootKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(root.bytes().into())
}

/// Binds a wrapped key to its repository, so that another repository's key object in its place does not open.
fn associated_data(repository: RepositoryId) -> Vec<u8> {
    format!("roadstead repository key v{VERSION}\0{repository}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &MasterKey) -> String {
        serde_json::to_string(key).unwrap()
    }

    #[test]
    fn what_was_wrapped_unwraps() {
        let (root, repository, key) =
            (RootKey::from_bytes([1; 32]), RepositoryId::random(), MasterKey::new());
        let object = wrap(&root, repository, &key);
        assert_eq!(text(&unwrap(&root, repository, &object).unwrap()), text(&key));
        assert!(!String::from_utf8(object).unwrap().contains(&BASE64_STANDARD.encode(&key.encrypt)));
    }

    #[test]
    fn two_wrappings_share_nothing() {
        let (root, repository, key) =
            (RootKey::from_bytes([1; 32]), RepositoryId::random(), MasterKey::new());
        assert_ne!(wrap(&root, repository, &key), wrap(&root, repository, &key));
    }

    #[test]
    fn another_root_key_or_another_repository_is_refused() {
        let (root, repository) = (RootKey::from_bytes([1; 32]), RepositoryId::random());
        let object = wrap(&root, repository, &MasterKey::new());
        for (root, repository) in [(RootKey::from_bytes([2; 32]), repository), (root, RepositoryId::random())]
        {
            let refused = unwrap(&root, repository, &object);
            assert!(matches!(refused, Err(VaultError::WrongKey(id)) if id == repository));
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let (root, repository) = (RootKey::from_bytes([1; 32]), RepositoryId::random());
        let object = String::from_utf8(wrap(&root, repository, &MasterKey::new())).unwrap();
        let later = object.replace("\"version\":1", "\"version\":2");
        let message = unwrap(&root, repository, later.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("version 2"), "{message}");
    }
}
