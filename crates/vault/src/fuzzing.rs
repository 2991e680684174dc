//! The fuzz target: what a checkout reads back, whoever wrote it.
//!
//! An input is a letter and its text. `t`: trees as JSON, [`NEXT`] between them, the first one the root; the first byte of a
//! subtree's id says which tree it is. `s`: a snapshot. `k`: a key object. `i`: the two kinds of ids. Whatever it is, nothing
//! panics, and nothing is written, made or pointed to outside the directory of the checkout.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use rustic_core::{DataId, Id, TreeId, repofile::PackId, repofile::SnapshotFile, repofile::Tree};

use crate::{
    RepositoryId, RootKey, SnapshotId, SnapshotInfo, VaultError,
    checkout::{Contents, Location, Plan, make_empty},
    repository_key,
};

/// ASCII's record separator, which no JSON holds.
const NEXT: u8 = 0x1e;
/// How many trees one checkout may read. A fuzzer's trees can hold each other, those of a repository cannot.
const MAX_TREES: usize = 64;

/// Runs one input.
pub fn snapshot_metadata(input: &[u8]) {
    match input.split_first() {
        Some((b't', text)) => {
            trees(text);
        }
        Some((b's', text)) => snapshot(text),
        Some((b'k', text)) => key_object(text),
        Some((b'i', text)) => ids(text),
        _ => {}
    }
}

fn snapshot(text: &[u8]) {
    let Ok(snapshot) = serde_json::from_slice::<SnapshotFile>(text) else { return };
    let info = SnapshotInfo::from(snapshot);
    assert_eq!(info.id.as_str().len(), 64);
}

fn key_object(text: &[u8]) {
    let repository = RepositoryId::from(uuid::Uuid::nil());
    let unwrapped = repository_key::unwrap(&RootKey::from_bytes([1; 32]), repository, text);
    // Only who has the root key can make one.
    assert!(unwrapped.is_err());
}

fn ids(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    if let Ok(id) = text.parse::<SnapshotId>() {
        assert_eq!(SnapshotId::from_stored(&id.stored()), id);
        assert_eq!(id.as_str(), text);
    }
    if let Ok(id) = text.parse::<RepositoryId>() {
        assert_eq!(id.to_string(), text);
    }
}

/// Checks trees out and looks at what is there then. Gives how many entries were made.
fn trees(text: &[u8]) -> usize {
    let contents = Crafted { trees: text.split(|byte| *byte == NEXT).collect(), read: AtomicUsize::new(0) };
    let Ok(plan) = Plan::read(&contents, TreeId::from(Id::new([0; 32]))) else { return 0 };
    let scratch = tempfile::tempdir().expect("a scratch directory can be made");
    let into = scratch.path().join("into");
    make_empty(&into).expect("the scratch directory is empty");
    // It may fail half way: two entries of one name, or a name that is too long.
    drop(plan.write(&contents, &into));
    let outside: Vec<_> = fs::read_dir(scratch.path()).expect("it is ours").flatten().collect();
    assert_eq!(outside.len(), 1, "something was made outside: {outside:?}");
    check_below(&into, &into)
}

fn check_below(root: &Path, directory: &Path) -> usize {
    let mut entries = 0;
    for entry in fs::read_dir(directory).expect("it is ours") {
        let path = entry.expect("it can be listed").path();
        let meta = path.symlink_metadata().expect("it is there");
        let mode = meta.permissions().mode() & 0o7777;
        assert_eq!(meta.uid(), rustix::process::geteuid().as_raw());
        if meta.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            entries += check_below(root, &path);
        } else if meta.is_file() {
            assert!(matches!(mode, 0o600 | 0o700), "{}: {mode:o}", path.display());
        } else {
            assert!(meta.is_symlink(), "{} is something else", path.display());
            // One that leads nowhere leads nowhere else either.
            let target = path.canonicalize().ok();
            assert!(target.is_none_or(|target| target.starts_with(root)), "{} leads out", path.display());
        }
        entries += 1;
    }
    entries
}

/// A repository that holds whatever it is asked for.
struct Crafted<'a> {
    trees: Vec<&'a [u8]>,
    read: AtomicUsize,
}

const DAMAGED: VaultError = VaultError::Damaged { action: "fuzz", reason: String::new() };

impl Contents for Crafted<'_> {
    fn tree(&self, id: &TreeId) -> Result<Tree, VaultError> {
        let place = usize::from(bytes_of(&id.into_inner())[0]);
        let tree = self.trees.get(place).ok_or(DAMAGED)?;
        if self.read.fetch_add(1, Ordering::Relaxed) >= MAX_TREES {
            return Err(DAMAGED);
        }
        serde_json::from_slice(tree).map_err(|_| DAMAGED)
    }

    /// The second byte of a chunk's id says how long it is, the third where it lies.
    fn locate(&self, id: &DataId) -> Option<Location> {
        let bytes = bytes_of(&id.into_inner());
        let pack = PackId::from(Id::new([bytes[0] & 1; 32]));
        (bytes[0] < 0xf0).then(|| Location {
            pack,
            offset: u32::from(bytes[2]) << 16,
            bytes: u32::from(bytes[1]),
        })
    }

    fn chunk(&self, id: &DataId) -> Result<Bytes, VaultError> {
        let bytes = bytes_of(&id.into_inner());
        if bytes[0] >= 0xe0 {
            return Err(DAMAGED);
        }
        Ok(vec![bytes[0]; usize::from(bytes[1])].into())
    }
}

fn bytes_of(id: &Id) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(id.to_hex().as_bytes().chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0]).unwrap_or_default() << 4 | digit(pair[1]).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, second: u8) -> String {
        format!("{first:02x}{second:02x}{}", "00".repeat(30))
    }

    /// A target that reaches nothing finds nothing.
    #[test]
    fn the_target_makes_files_directories_and_links() {
        let root = format!(
            r#"{{"nodes":[{{"name":"d","type":"dir","subtree":"{}"}},{{"name":"f","type":"file","content":["{}"]}}]}}"#,
            id(1, 0),
            id(5, 9),
        );
        let below = r#"{"nodes":[{"name":"l","type":"symlink","linktarget":"../f"}]}"#;
        assert_eq!(trees(format!("{root}\u{1e}{below}").as_bytes()), 3);
        assert_eq!(trees(br#"{"nodes":[{"name":"l","type":"symlink","linktarget":"/etc/passwd"}]}"#), 0);
    }

    #[test]
    fn the_corpus_and_what_is_near_it() {
        let words = [
            "..",
            "/",
            "../",
            "\\\\x2f",
            "\\\\x00",
            "\\u0000",
            "\"type\":\"dir\"",
            "\"type\":\"symlink\"",
            "\"linktarget\":\"",
            "\"linktarget_raw\":\"Li4v\"",
            "\u{1e}",
            "{\"nodes\":[",
            "\"content\":[",
            "\"mode\":4294967295",
            "\"name\":\"",
        ];
        roadstead_replay::replay("snapshot_metadata", 20_000, &words, snapshot_metadata);
    }
}
