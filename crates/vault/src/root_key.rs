//! The server's root key: the one secret that every repository's key is wrapped by.
//!
//! Responsible for the file it lives in. Not for wrapping: that is `repository_key`; nor for changing it: that is `rotation`.

use std::{
    fmt,
    fs::{File, Metadata, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use chacha20poly1305::aead::{OsRng, rand_core::RngCore};
use rustix::{fs::OFlags, process::geteuid};
use zeroize::Zeroizing;

use crate::{VaultError, rotation::flags};

const KEY_BYTES: usize = 32;

/// Thirty-two secret bytes. Whoever loses them loses every repository.
#[derive(Clone)]
pub struct RootKey(Zeroizing<[u8; KEY_BYTES]>);

impl RootKey {
    /// Takes bytes that the caller keeps elsewhere, such as in a secrets manager.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the key from `path`, or makes one there when the file does not exist.
    ///
    /// The file holds 64 hexadecimal digits and a line feed, has mode 0600 and is on disk before this returns. Of several
    /// processes that start at once, one makes the key and all use it. A file that somebody else may touch is refused.
    pub fn load_or_create(path: &Path) -> Result<Self, VaultError> {
        match Self::load(path) {
            Err(VaultError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Self::random()?.save(path)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    /// Makes a key out of the operating system's randomness.
    pub(crate) fn random() -> Result<Self, VaultError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let drawn = OsRng.try_fill_bytes(&mut *key);
        drawn.map_err(|error| VaultError::Aborted(format!("no random bytes: {error}")))?;
        Ok(Self(key))
    }

    /// Reads the key from a file. A link is followed: what counts is who may touch what it leads to.
    pub(crate) fn load(path: &Path) -> Result<Self, VaultError> {
        let failed = |source| VaultError::file("open root key", path, source);
        let unusable = |reason: String| VaultError::RootKey { path: path.to_owned(), reason };

        // Opening a pipe would wait for its other end.
        let file = OpenOptions::new().read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path);
        let file = file.map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if let Some(reason) = objection(path, &found) {
            return Err(unusable(reason));
        }
        let mut text = Zeroizing::new(String::new());
        let limit = 2 * KEY_BYTES as u64 + 2;
        let read = file.take(limit).read_to_string(&mut text);
        read.map_err(failed)?;
        decode(text.trim_end()).map(Self::from_bytes).ok_or_else(|| {
            unusable("it does not hold 64 hexadecimal digits; restore it from a backup, for without it no profile opens".to_owned())
        })
    }

    /// Links a complete, synced file into place, so nobody ever reads half a key, and an existing key is never replaced.
    pub(crate) fn save(&self, path: &Path) -> Result<(), VaultError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let draft = directory.join(format!(".root-key-{}", uuid::Uuid::new_v4()));
        let made = self.write_draft(&draft).and_then(|()| match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        });
        let removed = match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let synced = made.and(removed).and_then(|()| File::open(&directory)?.sync_all());
        synced.map_err(|source| VaultError::file("create root key", path, source))
    }

    fn write_draft(&self, path: &Path) -> std::io::Result<()> {
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
        for byte in self.bytes() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).expect("four bits are one digit"));
            }
        }
        text.push('\n');
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(redacted)")
    }
}

/// Says why a file cannot hold the root key, and how to mend that: it is no file, or somebody else may touch it.
fn objection(path: &Path, found: &Metadata) -> Option<String> {
    if !found.is_file() {
        return Some("it is not a regular file; name one with --root-key-file".to_owned());
    }
    let (us, owner) = (geteuid().as_raw(), found.uid());
    // Root may look after a data directory that is another user's, key and all.
    let neighbour = || path.parent().and_then(|parent| parent.metadata().ok()).map(|parent| parent.uid());
    if owner != us && owner != 0 && !(us == 0 && neighbour() == Some(owner)) {
        return Some(format!(
            "it belongs to user {owner}, who may read it; run: chown {us} {}",
            path.display()
        ));
    }
    let mode = found.permissions().mode() & 0o7777;
    (mode & 0o077 != 0)
        .then(|| format!("its mode is {mode:04o}, so others may read it; run: chmod 600 {}", path.display()))
}

fn decode(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut key = [0; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_private_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");

        let first = RootKey::load_or_create(&path).unwrap();
        let second = RootKey::load_or_create(&path).unwrap();

        assert_eq!(first.bytes(), second.bytes());
        assert_ne!(first.bytes(), &[0; KEY_BYTES]);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_key_others_may_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        RootKey::load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let message = RootKey::load_or_create(&path).unwrap_err().to_string();
            assert!(message.contains(&format!("chmod 600 {}", path.display())), "{message}");
        }
    }

    #[test]
    fn what_is_not_a_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [directory.path(), &pipe] {
            let message = RootKey::load_or_create(path).unwrap_err().to_string();
            assert!(message.contains("not a regular file"), "{message}");
        }
    }

    #[test]
    fn a_link_is_as_good_as_what_it_leads_to_and_none_is_followed_to_make_a_key() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("root.key"), directory.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(RootKey::load_or_create(&link).is_err());
        assert!(!path.exists());
        let key = RootKey::load_or_create(&path).unwrap();
        assert_eq!(RootKey::load_or_create(&link).unwrap().bytes(), key.bytes());
    }

    #[test]
    fn a_key_of_another_user_is_refused() {
        if !geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        RootKey::load_or_create(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(4_000_000), None).unwrap();
        let message = RootKey::load_or_create(&path).unwrap_err().to_string();
        assert!(message.contains("chown 0"), "{message}");
        std::os::unix::fs::chown(directory.path(), Some(4_000_000), None).unwrap();
        RootKey::load_or_create(&path).expect("root looks after another user's data directory");
    }

    #[test]
    fn a_damaged_key_is_an_error_and_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(RootKey::load_or_create(&path), Err(VaultError::RootKey { .. })), "{text:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn starting_at_once_everyone_gets_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        let load = || *RootKey::load_or_create(&path).unwrap().bytes();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", RootKey::from_bytes([7; 32])), "RootKey(redacted)");
    }
}
