//! API keys: how one is made, how one is recognised. Only digests are stored.
//!
//! A key is 128 bits of randomness or more, so a plain SHA-256 is as good a digest as a slow one: there is nothing to
//! guess. The database finds a row by the digest's first half and the second half is compared in constant time, so
//! the time of a look-up tells nothing about a key that one does not have.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The prefix of every key that we make, as the published API's keys have it.
const PREFIX: &str = "sk-";
/// The shortest key that is accepted from the outside (`ROADSTEAD_API_KEY`), in characters.
pub const MIN_KEY_CHARS: usize = 16;

/// The SHA-256 of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Digests a key as it came over the wire.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Returns the half that a row is found by, in hexadecimal.
    pub fn lookup(&self) -> String {
        hex(&self.0[..16])
    }

    /// Returns the half that proves the key, in hexadecimal.
    pub fn proof(&self) -> String {
        hex(&self.0[16..])
    }

    /// Compares two digests, in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Compares the proving half with a stored one, in constant time.
    pub fn proves(&self, stored_proof: &str) -> bool {
        self.proof().as_bytes().ct_eq(stored_proof.as_bytes()).into()
    }
}

/// Makes a new key: `sk-` and 32 hexadecimal digits.
pub fn generate() -> String {
    format!("{PREFIX}{}", random_hex::<16>())
}

/// Returns the part of a key that may be shown in listings: its first seven characters.
pub fn hint(key: &str) -> String {
    format!("{}…", key.chars().take(7).collect::<String>())
}

/// Makes `N` random bytes from the operating system, in hexadecimal.
pub fn random_hex<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    hex(&bytes)
}

/// Writes bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write as _;
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_proves_only_its_key() {
        let (one, other) = (generate(), generate());
        assert_ne!(one, other);
        let digest = KeyDigest::of(&one);
        assert!(digest.proves(&KeyDigest::of(&one).proof()));
        assert!(!digest.proves(&KeyDigest::of(&other).proof()));
        assert!(!digest.proves(""));
        assert_eq!(one.len(), 35);
        assert!(!hint(&one).contains(&one[8..]));
    }
}
