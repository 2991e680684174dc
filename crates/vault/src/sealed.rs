//! Small secrets that the server keeps elsewhere, in its database for example, sealed by the root key.
//!
//! A rotation of the root key does not come to them: what was sealed before it does not open after it. So they are for what may
//! be lost, and asked for again.

use chacha20poly1305::{
    AeadCore, XChaCha20Poly1305, XNonce,
    aead::{Aead, OsRng, Payload},
};
use zeroize::Zeroizing;

use crate::{RootKey, VaultError, repository_key::cipher};

/// How long the random nonce is that comes before the sealed bytes.
const NONCE_BYTES: usize = 24;

/// Seals `plain` for `purpose`, and no other: the nonce, then the bytes and their tag.
pub(crate) fn seal(root: &RootKey, purpose: &str, plain: &[u8]) -> Vec<u8> {
    let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
    let purpose = associated_data(purpose);
    let payload = Payload { msg: plain, aad: &purpose };
    let sealed = cipher(root).encrypt(&nonce, payload).expect("memory is within the cipher's limits");
    [nonce.as_slice(), &sealed].concat()
}

/// Opens what [`seal`] made. [`VaultError::Sealed`] where the key or the purpose is another, or a byte has changed.
pub(crate) fn unseal(root: &RootKey, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or(VaultError::Sealed)?;
    let purpose = associated_data(purpose);
    let payload = Payload { msg: sealed, aad: &purpose };
    let plain = cipher(root).decrypt(XNonce::from_slice(nonce), payload);
    plain.map(Zeroizing::new).map_err(|_| VaultError::Sealed)
}

/// Keeps one kind of secret from being opened as another, and any from being opened as a repository's key.
fn associated_data(purpose: &str) -> Vec<u8> {
    format!("roadstead sealed v1\0{purpose}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_for_its_purpose_with_its_key_and_unchanged() {
        let (root, other) = (RootKey::from_bytes([1; 32]), RootKey::from_bytes([2; 32]));
        let sealed = seal(&root, "batch 1", b"hunter2");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_ne!(sealed, seal(&root, "batch 1", b"hunter2"));
        assert_eq!(unseal(&root, "batch 1", &sealed).unwrap().as_slice(), b"hunter2");
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        for (root, purpose, sealed) in [
            (&other, "batch 1", &sealed[..]),
            (&root, "batch 2", &sealed),
            (&root, "batch 1", &changed),
            (&root, "batch 1", &sealed[..NONCE_BYTES]),
            (&root, "batch 1", &[]),
        ] {
            assert!(matches!(unseal(root, purpose, sealed), Err(VaultError::Sealed)));
        }
    }
}
