//! What a check finds when the store lost or changed something.

use object_store::path::Path as ObjectPath;

use super::{Backend, Fixture, Tree, noise};
use crate::{SnapshotId, VaultError};

struct Damaged<'a> {
    fixture: Fixture<'a>,
    /// Its content lies in `pack`.
    hurt: SnapshotId,
    /// Has nothing in `pack`.
    whole: SnapshotId,
    pack: ObjectPath,
    bytes: Vec<u8>,
}

impl<'a> Damaged<'a> {
    async fn prepare(backend: &'a Backend) -> Self {
        let fixture = Fixture::new(backend).await;
        let whole = fixture.commit(&Tree::default().file("dir/whole", noise(1, 200_000))).await;
        let before = fixture.objects_in("data").await;
        let hurt = fixture.commit(&Tree::default().file("dir/hurt", noise(2, 200_000))).await;
        let mut added = fixture.objects_in("data").await;
        added.retain(|path, bytes| !before.contains_key(path) && bytes.len() > 100_000);
        let (pack, bytes) = added.pop_first().expect("the commit added a pack of data");
        Self { fixture, hurt, whole, pack, bytes }
    }

    /// Whatever was done to the pack, it and the snapshot that needs it are named, and only they.
    async fn expect_found(&self, read_data: bool) {
        let fixture = &self.fixture;
        let check = fixture.vault.check(&fixture.repository, read_data).await.expect("a check succeeds");
        let pack = self.pack.filename().expect("a pack has a name");
        let text = check.problems.join("\n");
        assert!(check.problems.iter().any(|problem| problem.starts_with(&format!("pack {pack} "))), "{text}");
        let named = format!("snapshot {}: /dir/hurt: pack {pack} is missing or damaged", self.hurt);
        assert!(check.problems.contains(&named), "{text}");
        assert!(!text.contains(self.whole.as_str()), "{text}");
        assert_eq!(check.snapshots, 2);

        let torn = fixture.checkout(&self.hurt).await;
        assert!(matches!(&torn, Err(VaultError::Damaged { .. })), "{torn:?}");
        fixture.checkout(&self.whole).await.expect("the other snapshot is as good as before");
    }
}

pub(super) async fn a_sound_repository_has_no_problems(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let fixture = &damaged.fixture;
    for read_data in [false, true] {
        let check = fixture.vault.check(&fixture.repository, read_data).await.expect("a check succeeds");
        assert_eq!((check.problems, check.snapshots), (Vec::new(), 2));
    }
    // What an interrupted commit leaves is no problem: a pack that no index names.
    let stray = noise(3, 200_000);
    let name = crate::blobs::hash(&stray).to_hex();
    let path = format!("{}/data/{}/{}", fixture.repository, &name.as_str()[..2], name.as_str());
    fixture.put(&path.into(), stray).await;
    let check = fixture.vault.check(&fixture.repository, true).await.expect("a check succeeds");
    assert_eq!(check.problems, Vec::<String>::new());
}

pub(super) async fn a_flipped_bit_is_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let mut bytes = damaged.bytes.clone();
    bytes[50_000] ^= 1;
    damaged.fixture.put(&damaged.pack, bytes).await;
    damaged.expect_found(true).await;
}

pub(super) async fn a_truncated_pack_is_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    damaged.fixture.put(&damaged.pack, damaged.bytes[..50_000].to_vec()).await;
    damaged.expect_found(false).await;
    damaged.expect_found(true).await;
}

pub(super) async fn a_missing_pack_is_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    damaged.fixture.remove(&damaged.pack).await;
    damaged.expect_found(false).await;
    damaged.expect_found(true).await;
}

/// Two packs of one repository change places: each decrypts, and none is what its name says.
pub(super) async fn exchanged_packs_are_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let packs = damaged.fixture.objects_in("data").await;
    let other =
        packs.into_iter().find(|(path, bytes)| *path != damaged.pack && bytes.len() == damaged.bytes.len());
    let (_, other) = other.expect("the two files of noise take the same room");
    damaged.fixture.put(&damaged.pack, other).await;
    damaged.expect_found(true).await;
}

/// Snapshots, indexes, directory trees and the configuration: each is named, none stops the check.
pub(super) async fn damaged_metadata_is_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let fixture = &damaged.fixture;
    let trees =
        fixture.objects_in("data").await.into_iter().filter(|(_, bytes)| bytes.len() < 100_000).take(1);
    let mut victims: Vec<_> = trees.map(|(path, bytes)| (path, bytes, "pack ")).collect();
    for (directory, word) in [("snapshots", "snapshot "), ("index", "index ")] {
        let (path, bytes) = fixture.objects_in(directory).await.pop_first().expect("there is one");
        victims.push((path, bytes, word));
    }
    for (path, bytes, word) in victims {
        let mut flipped = bytes.clone();
        flipped[20] ^= 0x80;
        fixture.put(&path, flipped).await;
        let check = fixture.vault.check(&fixture.repository, true).await.expect("a check succeeds");
        let named = format!("{word}{}", path.filename().expect("an object has a name"));
        let found = check.problems.iter().any(|problem| problem.starts_with(&named));
        assert!(found, "{named}: {:?}", check.problems);
        fixture.put(&path, bytes).await;
    }
    let config: ObjectPath = format!("{}/config", fixture.repository).into();
    fixture.put(&config, vec![0; 100]).await;
    let check = fixture.vault.check(&fixture.repository, false).await.expect("a check succeeds");
    assert!(check.problems[0].contains("configuration"), "{:?}", check.problems);
}
