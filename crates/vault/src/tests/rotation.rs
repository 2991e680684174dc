//! Rotating the root key, without crashes: those are the program's tests.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::{
    CommitOptions, RepositoryId, Rotation, SnapshotId, Vault, VaultError, conformance::tree::Tree,
    finish_rotation, rotate_root_key,
};

/// How long to wait for a lock that is held by accident.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(10);

struct Place {
    scratch: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.path("vault"), &self.path("root.key"))
    }

    /// Rotates when nobody has the vault open: a child process of another test here holds our locks from its fork to its exec.
    fn rotate(&self, wanted: Option<&str>) -> Result<Rotation, VaultError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_rotate(wanted) {
                Err(VaultError::InUse) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                rotated => return rotated,
            }
        }
    }

    fn try_rotate(&self, wanted: Option<&str>) -> Result<Rotation, VaultError> {
        let wanted = wanted.map(|wanted| self.path(wanted));
        rotate_root_key(&self.path("vault"), &self.path("root.key"), wanted.as_deref())
    }

    async fn commit(&self) -> (RepositoryId, SnapshotId) {
        let (vault, id, from) = (self.open().unwrap(), RepositoryId::random(), tempfile::tempdir().unwrap());
        Tree::sample().write(from.path());
        vault.create(&id).await.unwrap();
        let report = vault.commit(&id, from.path(), CommitOptions::default()).await.unwrap();
        (id, report.snapshot)
    }

    fn write_key(&self, name: &str, digit: char) {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(self.path(name)).unwrap();
        std::io::Write::write_all(&mut file, digit.to_string().repeat(64).as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn profiles_open_with_the_new_key_and_contents_are_untouched() {
    let place = Place::new();
    let (id, snapshot) = place.commit().await;
    let pack = walk(&place.path("vault"));
    let old = std::fs::read(place.path("root.key")).unwrap();

    assert_eq!(place.rotate(None).unwrap(), Rotation { rewrapped: 1, resumed: false });

    assert_ne!(std::fs::read(place.path("root.key")).unwrap(), old);
    assert_eq!(walk(&place.path("vault")), pack, "only key objects change");
    let into = place.path("into");
    place.open().unwrap().checkout(&id, &snapshot, &into).await.unwrap();
    std::fs::write(place.path("root.key"), old).unwrap();
    let refused = place.open().unwrap().snapshots(&id).await;
    assert!(matches!(refused, Err(VaultError::WrongKey(_))), "{refused:?}");
}

/// Lists the files but for key objects, with their contents.
fn walk(root: &std::path::Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rooms = vec![root.to_owned()];
    while let Some(room) = rooms.pop() {
        for entry in std::fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                rooms.push(entry);
            } else if !entry.ends_with(crate::layout::KEY_OBJECT) {
                found.push((entry.clone(), std::fs::read(entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_was_sealed_to_last_opens_after_a_rotation_and_nothing_else_does() {
    let place = Place::new();
    let open = place.open().unwrap();
    let (lasting, passing) = (open.seal_lasting("a", b"hunter2").await.unwrap(), open.seal("a", b"hunter2"));
    assert!(open.list_repositories().await.unwrap().is_empty());
    drop(open);
    place.rotate(None).unwrap();
    let open = place.open().unwrap();
    assert_eq!(open.unseal_lasting("a", &lasting).await.unwrap().as_slice(), b"hunter2");
    assert!(matches!(open.unseal_lasting("b", &lasting).await, Err(VaultError::Sealed)));
    assert!(matches!(open.unseal("a", &passing), Err(VaultError::Sealed)));
    drop(open);
    // Whoever loses the root key does not get a new one over what it sealed.
    std::fs::rename(place.path("root.key"), place.path("elsewhere")).unwrap();
    assert!(matches!(place.open(), Err(VaultError::RootKeyMissing(_))));
}

#[tokio::test]
async fn nobody_may_have_the_vault_open() {
    let place = Place::new();
    place.commit().await;
    let open = place.open().unwrap();
    assert!(matches!(place.try_rotate(None), Err(VaultError::InUse)));
    drop(open);
    place.rotate(None).unwrap();
}

#[tokio::test]
async fn a_key_that_was_made_elsewhere_is_taken_over() {
    let place = Place::new();
    let (id, _) = place.commit().await;
    place.write_key("mine", 'a');
    place.rotate(Some("mine")).unwrap();
    assert_eq!(std::fs::read_to_string(place.path("root.key")).unwrap().trim(), "a".repeat(64));
    assert!(place.path("mine").exists(), "it is the operator's to remove");
    place.open().unwrap().snapshots(&id).await.unwrap();
    let again = place.rotate(Some("mine")).unwrap_err().to_string();
    assert!(again.contains("holds the new key already"), "{again}");
    assert!(matches!(place.rotate(Some("missing")), Err(VaultError::RootKeyMissing(_))));
}

#[tokio::test]
async fn a_repository_that_does_not_open_is_named_before_anything_changes() {
    let place = Place::new();
    let (id, _) = place.commit().await;
    let (lost, _) = place.commit().await;
    let object = place.path(&format!("vault/{lost}/{}", crate::layout::KEY_OBJECT));
    let other = place.path(&format!("vault/{id}/{}", crate::layout::KEY_OBJECT));
    let before = std::fs::read(&other).unwrap();
    std::fs::copy(&other, object).unwrap();
    let refused = place.rotate(None);
    assert!(matches!(refused, Err(VaultError::WrongKey(named)) if named == lost), "{refused:?}");
    assert_eq!(std::fs::read(&other).unwrap(), before);
    place.open().unwrap().snapshots(&id).await.unwrap();
}

#[tokio::test]
async fn an_interrupted_rotation_is_finished_and_none_is_begun() {
    let place = Place::new();
    let (id, _) = place.commit().await;
    let finish = || finish_rotation(&place.path("vault"), &place.path("root.key"));
    assert_eq!(finish().unwrap(), None);
    place.write_key("root.key.new", 'b');
    place.open().unwrap().snapshots(&id).await.unwrap();
    assert_eq!(finish().unwrap(), Some(Rotation { rewrapped: 1, resumed: true }));
    assert_eq!(std::fs::read_to_string(place.path("root.key")).unwrap().trim(), "b".repeat(64));
    assert_eq!(finish().unwrap(), None);
    place.open().unwrap().snapshots(&id).await.unwrap();
}

#[tokio::test]
async fn a_lost_key_is_never_replaced_over_data() {
    let place = Place::new();
    place.commit().await;
    std::fs::rename(place.path("root.key"), place.path("elsewhere")).unwrap();
    let refused = place.open().unwrap_err();
    assert!(matches!(refused, VaultError::RootKeyMissing(_)), "{refused}");
    assert!(refused.to_string().contains("ROADSTEAD_ROOT_KEY_FILE"), "{refused}");
    assert!(!place.path("root.key").exists());
    Vault::open(&place.path("vault"), &place.path("elsewhere")).unwrap();
}

#[test]
fn a_link_is_not_rotated() {
    let place = Place::new();
    drop(place.open().unwrap());
    std::fs::rename(place.path("root.key"), place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("root.key")).unwrap();
    let refused = place.rotate(None).unwrap_err().to_string();
    assert!(refused.contains("symbolic link"), "{refused}");
}
