//! What a check finds when the store lost or changed something, and what can be checked out all the same.

use object_store::path::Path as ObjectPath;

use super::{Backend, Fixture, Tree, noise};
use crate::{CheckReport, CommitOptions, SnapshotId, VaultError};

struct Damaged<'a> {
    fixture: Fixture<'a>,
    /// Its content lies in `pack`.
    hurt: SnapshotId,
    /// Has nothing in `pack`.
    whole: SnapshotId,
    pack: ObjectPath,
    bytes: Vec<u8>,
}

fn whole() -> Tree {
    Tree::default().file("dir/whole", noise(1, 200_000))
}

fn hurt() -> Tree {
    Tree::default().file("dir/hurt", noise(2, 200_000))
}

fn name(object: &ObjectPath) -> &str {
    object.filename().expect("an object has a name")
}

impl<'a> Damaged<'a> {
    async fn prepare(backend: &'a Backend) -> Self {
        let fixture = Fixture::new(backend).await;
        let whole = fixture.commit(&whole()).await;
        let before = fixture.objects_in("data").await;
        let hurt = fixture.commit(&hurt()).await;
        let mut added = fixture.objects_in("data").await;
        added.retain(|path, bytes| !before.contains_key(path) && bytes.len() > 100_000);
        let (pack, bytes) = added.pop_first().expect("the commit added a pack of data");
        Self { fixture, hurt, whole, pack, bytes }
    }

    async fn check(&self, read_data: bool) -> CheckReport {
        // One that remembers what it wrote, which must not matter.
        let check = self.fixture.vault.check(&self.fixture.repository, read_data).await;
        check.expect("a check succeeds")
    }

    /// Whatever was done to the pack, the snapshot that needs it is named with the path, and only it.
    async fn expect_found(&self, how: &str, read_data: bool) {
        let check = self.check(read_data).await;
        let what = format!("/dir/hurt: pack {} {how}", name(&self.pack));
        assert_eq!(check.problems.len(), 1, "{check:?}");
        assert_eq!(check.problems[0].snapshot.as_ref(), Some(&self.hurt), "{check:?}");
        assert_eq!(check.problems[0].what, what);
        assert_eq!(check.sound, std::slice::from_ref(&self.whole));
        self.expect_lost("/dir/hurt: pack ", name(&self.pack)).await;
    }

    /// The one snapshot cannot be checked out, and the error says where and what; the other one can.
    async fn expect_lost(&self, place: &str, object: &str) {
        // One that remembers directories may still have what the store has lost.
        let vault = self.fixture.fresh_vault();
        let into = tempfile::tempdir_in(self.fixture.scratch.path()).expect("a directory can be made");
        let torn = vault.checkout(&self.fixture.repository, &self.hurt, into.path()).await;
        let Err(VaultError::Damaged { reason, .. }) = &torn else { panic!("{torn:?}") };
        let begins = format!("snapshot {}: {place}", self.hurt);
        assert!(reason.starts_with(&begins) && reason.contains(object), "{reason}");
        self.expect_whole().await;
    }

    async fn expect_whole(&self) {
        let vault = self.fixture.fresh_vault();
        let into = tempfile::tempdir_in(self.fixture.scratch.path()).expect("a directory can be made");
        vault.checkout(&self.fixture.repository, &self.whole, into.path()).await.expect("as good as before");
        assert_eq!(Tree::read(into.path()), whole());
    }

    /// The index of the commit that is hurt.
    async fn index(&self) -> (ObjectPath, Vec<u8>) {
        let vault = self.fixture.fresh_vault();
        for (path, bytes) in self.fixture.objects_in("index").await {
            self.fixture.remove(&path).await;
            let into = tempfile::tempdir_in(self.fixture.scratch.path()).expect("a directory can be made");
            let torn = vault.checkout(&self.fixture.repository, &self.hurt, into.path()).await.is_err();
            self.fixture.put(&path, bytes.clone()).await;
            if torn {
                return (path, bytes);
            }
        }
        panic!("no index is needed");
    }
}

pub(super) async fn a_sound_repository_has_no_problems(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let mut both = [damaged.whole.clone(), damaged.hurt.clone()];
    both.sort_unstable();
    for read_data in [false, true] {
        assert_eq!(
            damaged.check(read_data).await,
            CheckReport { problems: Vec::new(), sound: both.to_vec() }
        );
    }
    // What an interrupted commit leaves is no problem: a pack that no index names.
    let stray = noise(3, 200_000);
    let name = crate::blobs::hash(&stray).to_hex();
    let path = format!("{}/data/{}/{}", damaged.fixture.repository, &name.as_str()[..2], name.as_str());
    damaged.fixture.put(&path.into(), stray).await;
    assert_eq!(damaged.check(true).await.problems, []);
}

pub(super) async fn a_flipped_bit_is_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let mut bytes = damaged.bytes.clone();
    bytes[50_000] ^= 1;
    damaged.fixture.put(&damaged.pack, bytes).await;
    damaged.expect_found("holds other bytes than were written", true).await;
}

pub(super) async fn a_truncated_pack_is_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    damaged.fixture.put(&damaged.pack, damaged.bytes[..50_000].to_vec()).await;
    let how = format!("has 50000 bytes and should have {}", damaged.bytes.len());
    damaged.expect_found(&how, false).await;
    damaged.expect_found(&how, true).await;
}

pub(super) async fn a_missing_pack_is_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let neighbour = Damaged::prepare(backend).await;
    damaged.fixture.remove(&damaged.pack).await;
    damaged.expect_found("is missing", false).await;
    damaged.expect_found("is missing", true).await;
    assert_eq!(neighbour.check(true).await.problems, [], "another repository is another matter");
}

/// Two packs of one repository change places: each decrypts, and none is what its name says.
pub(super) async fn exchanged_packs_are_found(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let packs = damaged.fixture.objects_in("data").await;
    let other =
        packs.into_iter().find(|(path, bytes)| *path != damaged.pack && bytes.len() == damaged.bytes.len());
    let (_, other) = other.expect("the two files of noise take the same room");
    damaged.fixture.put(&damaged.pack, other).await;
    damaged.expect_found("holds other bytes than were written", true).await;
}

pub(super) async fn damage_is_told_of_all_who_share_it(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    // The very same directory, and beside it a file of its own.
    let again = damaged.fixture.commit(&hurt().file("more", "more")).await;
    damaged.fixture.remove(&damaged.pack).await;
    let check = damaged.check(false).await;
    let mut told: Vec<_> = check.problems.iter().filter_map(|problem| problem.snapshot.clone()).collect();
    told.sort_unstable();
    let mut both = [damaged.hurt.clone(), again];
    both.sort_unstable();
    assert_eq!(told, both);
    assert_eq!(check.sound, std::slice::from_ref(&damaged.whole));
}

/// A pack that nothing needs any more hurts nobody, and is told.
pub(super) async fn damage_to_what_nobody_needs_is_told_as_that(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    damaged
        .fixture
        .remove(&format!("{}/snapshots/{}", damaged.fixture.repository, damaged.hurt).into())
        .await;
    damaged.fixture.remove(&damaged.pack).await;
    let check = damaged.check(true).await;
    let what = format!("pack {} is missing; no snapshot needs it", name(&damaged.pack));
    assert_eq!(check.problems, [crate::Problem { snapshot: None, what }]);
    assert_eq!(check.sound, std::slice::from_ref(&damaged.whole));
}

/// An index that is gone, or cannot be read: whatever it alone named is lost, and nothing else.
pub(super) async fn a_lost_index_costs_what_it_named(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let (index, bytes) = damaged.index().await;
    let mut flipped = bytes.clone();
    flipped[20] ^= 0x80;
    for remains in [None, Some(flipped), Some(Vec::new())] {
        let unreadable = usize::from(remains.is_some());
        match remains {
            None => damaged.fixture.remove(&index).await,
            Some(remains) => damaged.fixture.put(&index, remains).await,
        }
        for read_data in [false, true] {
            let check = damaged.check(read_data).await;
            assert_eq!(check.problems.len(), 1 + unreadable, "{check:?}");
            if unreadable == 1 {
                assert!(check.problems[0].what.starts_with(&format!("index {} ", name(&index))), "{check:?}");
                assert_eq!(check.problems[0].snapshot, None);
            }
            assert_eq!(check.problems[unreadable].snapshot.as_ref(), Some(&damaged.hurt));
            assert!(check.problems[unreadable].what.contains("is in no index that can be read"), "{check:?}");
            assert_eq!(check.sound, std::slice::from_ref(&damaged.whole));
        }
        // The vault that wrote it remembers it, and yet asks the store what there is.
        if unreadable == 0 {
            damaged.expect_lost("/: directory ", "no index").await;
        }
        damaged.expect_whole().await;
    }
}

/// Its parent is damaged, and what is stored on top of it must not be.
pub(super) async fn a_commit_upon_damage_is_whole(backend: &Backend) {
    let fixture = Fixture::new(backend).await;
    let tree = |at: u64| {
        Tree::default().file("same/dir/file", noise(1, 50_000)).file("Local State", format!("version {at}"))
    };
    fixture.commit(&tree(0)).await;
    let first = fixture.objects_in("index").await;
    let parent = fixture.commit(&tree(1)).await;
    let work = fixture.scratch.path().join("work");
    fixture.vault.checkout(&fixture.repository, &parent, &work).await.expect("a checkout succeeds");
    let (index, bytes) = first.into_iter().next().expect("a commit makes an index");
    for remains in [None, Some(vec![0; 100])] {
        match remains {
            None => fixture.remove(&index).await,
            Some(remains) => fixture.put(&index, remains).await,
        }
        let vault = fixture.fresh_vault();
        let options = CommitOptions { parent: Some(parent.clone()), ..CommitOptions::default() };
        let commit = vault.commit(&fixture.repository, &work, options).await.expect("a commit succeeds");
        assert_eq!(fixture.checkout(&commit.snapshot).await.expect("and is whole"), tree(1));
        assert_eq!(fixture.checkout(&parent).await.expect("and mends its parent"), tree(1));
        // For the next round.
        for path in fixture.objects_in("index").await.into_keys().filter(|path| *path != index) {
            fixture.remove(&path).await;
        }
        fixture.put(&index, bytes.clone()).await;
        let options = CommitOptions::default();
        vault.commit(&fixture.repository, &work, options).await.expect("a commit succeeds");
    }
}

pub(super) async fn a_damaged_snapshot_is_named(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let path: ObjectPath = format!("{}/snapshots/{}", damaged.fixture.repository, damaged.hurt).into();
    damaged.fixture.put(&path, vec![0; 200]).await;
    let check = damaged.check(false).await;
    assert_eq!(check.problems.len(), 1, "{check:?}");
    assert_eq!(check.problems[0].snapshot.as_ref(), Some(&damaged.hurt), "{check:?}");
    assert!(check.problems[0].what.starts_with("the snapshot cannot be read"), "{check:?}");
    assert_eq!(check.sound, std::slice::from_ref(&damaged.whole));
    damaged.expect_whole().await;

    damaged.fixture.remove(&path).await;
    let check = damaged.check(true).await;
    assert_eq!((check.problems.len(), check.sound.len()), (0, 1), "one that is gone cannot be missed here");
    let gone = damaged.fixture.fresh_vault();
    let into = damaged.fixture.scratch.path().join("into");
    let gone = gone.checkout(&damaged.fixture.repository, &damaged.hurt, &into).await;
    assert!(matches!(&gone, Err(VaultError::NoSuchSnapshot(_, id)) if *id == damaged.hurt), "{gone:?}");
    damaged.expect_whole().await;
}

/// Directory trees: every snapshot that has the directory is named, and with which of them.
pub(super) async fn a_damaged_directory_is_named(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let trees =
        damaged.fixture.objects_in("data").await.into_iter().filter(|(_, bytes)| bytes.len() < 10_000);
    let (mut of_hurt, mut of_whole) = (0, 0);
    for (path, bytes) in trees {
        let mut flipped = bytes.clone();
        flipped[20] ^= 0x80;
        damaged.fixture.put(&path, flipped).await;
        let check = damaged.check(true).await;
        assert_eq!((check.problems.len(), check.sound.len()), (1, 1), "{check:?}");
        let named = format!("pack {} holds other bytes", name(&path));
        assert!(check.problems[0].what.contains(&named), "{check:?}");
        if check.problems[0].snapshot.as_ref() == Some(&damaged.hurt) {
            of_hurt += 1;
            damaged.expect_lost("/", name(&path)).await;
        } else {
            of_whole += 1;
        }
        damaged.fixture.put(&path, bytes).await;
    }
    assert_eq!((of_hurt, of_whole), (1, 1));
}

pub(super) async fn a_damaged_configuration_is_told_of_every_snapshot(backend: &Backend) {
    let damaged = Damaged::prepare(backend).await;
    let config: ObjectPath = format!("{}/config", damaged.fixture.repository).into();
    damaged.fixture.put(&config, vec![0; 100]).await;
    let check = damaged.check(false).await;
    assert_eq!((check.problems.len(), check.sound.len()), (3, 0), "{check:?}");
    assert_eq!(check.problems[0].snapshot, None);
    assert!(check.problems[0].what.contains("the repository's configuration cannot be read"), "{check:?}");
    assert!(!check.problems[0].what.contains('\n'), "{check:?}");
    assert!(check.problems[1..].iter().all(|problem| problem.snapshot.is_some()), "{check:?}");
}

/// Without its key a repository is lost. That is an error that names it, and concerns no other.
pub(super) async fn a_damaged_key_object_is_an_error(backend: &Backend) {
    let (damaged, neighbour) = (Damaged::prepare(backend).await, Damaged::prepare(backend).await);
    let id = damaged.fixture.repository;
    let key = damaged.fixture.objects().await[&damaged.fixture.key_object()].clone();
    let mut flipped = key.clone();
    let at = key.len() - 10;
    flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
    for (remains, wrong) in [(b"{}".to_vec(), false), (key[..40].to_vec(), false), (flipped, true)] {
        damaged.fixture.put(&damaged.fixture.key_object(), remains).await;
        let into = damaged.fixture.scratch.path().join("into");
        let errors = [
            damaged.fixture.vault.check(&id, true).await.err(),
            damaged.fixture.vault.checkout(&id, &damaged.whole, &into).await.err(),
        ];
        for error in errors {
            let named = match &error {
                Some(VaultError::WrongKey(of)) => wrong && *of == id,
                Some(VaultError::KeyObject { repository, .. }) => !wrong && *repository == id,
                _ => false,
            };
            assert!(named, "{error:?}");
        }
    }
    neighbour.expect_whole().await;
    damaged.fixture.put(&damaged.fixture.key_object(), key).await;
    assert_eq!(damaged.check(true).await.problems, [], "put back, all is well");
}
