//! Entries of every kind, and directories that change while they are stored.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rustic_core::{
    BackupOptions, Credentials, ReadSource, ReadSourceEntry, Repository, RepositoryBackends,
    RepositoryOptions, RusticResult, SnapshotOptions,
    repofile::{Metadata, Node, NodeType},
};

use super::memory;
use crate::{
    CommitOptions, RepositoryId, RootKey, SnapshotId, Vault, VaultError,
    conformance::tree::{Entry, MODIFIED, Tree},
};

async fn repository(vault: &Vault) -> RepositoryId {
    let repository = RepositoryId::random();
    vault.create(&repository).await.unwrap();
    repository
}

async fn checkout(vault: &Vault, repository: &RepositoryId, snapshot: &SnapshotId) -> Tree {
    let into = tempfile::tempdir().unwrap();
    vault.checkout(repository, snapshot, into.path()).await.unwrap();
    Tree::read(into.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_profile_cannot_hold_is_skipped_and_said() {
    let (vault, from) = (memory(), tempfile::tempdir().unwrap());
    let repository = repository(&vault).await;
    let tree = Tree::default().file("dir/a", "a").entry(OsStr::new("dir/in"), Entry::Link("../dir/a".into()));
    tree.write(from.path());
    let path = |name: &str| from.path().join(name);
    let _listener = UnixListener::bind(path("dir/socket")).unwrap();
    let fifo =
        rustix::fs::mknodat(rustix::fs::CWD, path("dir/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0);
    fifo.unwrap();
    symlink("/etc/passwd", path("dir/absolute")).unwrap();
    symlink("../../../etc/passwd", path("dir/above")).unwrap();
    symlink("in/../../..", path("dir/sly")).unwrap();
    symlink("../..", path("up")).unwrap();

    let mut commit = vault.commit(&repository, from.path(), CommitOptions::default()).await.unwrap();

    commit.skipped.sort_unstable();
    let skipped = ["dir/above", "dir/absolute", "dir/pipe", "dir/sly", "dir/socket", "up"].map(PathBuf::from);
    assert_eq!(commit.skipped, skipped);
    assert_eq!(checkout(&vault, &repository, &commit.snapshot).await, tree);
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_are_for_the_owner_alone() {
    let (vault, from) = (memory(), tempfile::tempdir().unwrap());
    let repository = repository(&vault).await;
    let modes =
        [(0o644, 0o600), (0o4755, 0o700), (0o666, 0o600), (0o400, 0o600), (0o000, 0o600), (0o100, 0o700)];
    let with = |pick: fn(&(u32, u32)) -> u32| {
        modes.iter().fold(Tree::default(), |tree, pair| {
            let entry = Entry::File { content: b"x".to_vec(), mode: pick(pair), modified: MODIFIED };
            tree.entry(OsStr::new(&format!("{:o}", pair.0)), entry)
        })
    };
    with(|pair| pair.0).write(from.path());
    fs::create_dir(from.path().join("open")).unwrap();
    fs::set_permissions(from.path().join("open"), fs::Permissions::from_mode(0o777)).unwrap();

    let unprivileged = !rustix::process::geteuid().is_root();
    if unprivileged {
        fs::set_permissions(from.path().join("0"), fs::Permissions::from_mode(0o400)).unwrap();
        fs::set_permissions(from.path().join("100"), fs::Permissions::from_mode(0o500)).unwrap();
    }
    let commit = vault.commit(&repository, from.path(), CommitOptions::default()).await.unwrap();

    let stored = checkout(&vault, &repository, &commit.snapshot).await;
    assert_eq!(stored, with(|pair| pair.1).entry(OsStr::new("open"), Entry::Directory));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_file_fails_the_commit() {
    if rustix::process::geteuid().is_root() {
        // Root reads everything; `source` shows the same with a reader that fails.
        return;
    }
    let (vault, from) = (memory(), tempfile::tempdir().unwrap());
    let repository = repository(&vault).await;
    Tree::default().file("good", "x").file("dir/secret", "x").write(from.path());
    fs::set_permissions(from.path().join("dir/secret"), fs::Permissions::from_mode(0o0)).unwrap();

    let failed = vault.commit(&repository, from.path(), CommitOptions::default()).await;

    let Err(VaultError::Unreadable { count: 1, first }) = failed else { panic!("{failed:?}") };
    assert!(first.starts_with("dir/secret: "), "{first}");
    assert_eq!(vault.snapshots(&repository).await.unwrap(), []);
}

/// Something tidies up while the commit reads: files that stay are stored, files that go are not an error.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_vanish_meanwhile_do_not_matter() {
    let (vault, from) = (memory(), tempfile::tempdir().unwrap());
    let repository = repository(&vault).await;
    let stays = (0..50).fold(Tree::default(), |tree, at| tree.file(&format!("stays/{at}"), vec![at; 5_000]));
    stays.write(from.path());
    let going = |round: u32, at: u32| from.path().join(format!("going-{round}")).join(at.to_string());
    let done = AtomicBool::new(false);
    let mut commits = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                fs::create_dir(from.path().join(format!("going-{round}"))).unwrap();
                (0..100).for_each(|at| fs::write(going(round, at), vec![9; 3_000]).unwrap());
                fs::remove_dir_all(from.path().join(format!("going-{round}"))).unwrap();
                round += 1;
            }
        });
        commits = tokio::task::block_in_place(|| {
            let runtime = tokio::runtime::Handle::current();
            let commit =
                || runtime.block_on(vault.commit(&repository, from.path(), CommitOptions::default()));
            let commits = (0..20).map(|_| commit()).collect();
            done.store(true, Ordering::Relaxed);
            commits
        });
    });
    for commit in commits {
        let snapshot = commit.unwrap().snapshot;
        let mut stored = checkout(&vault, &repository, &snapshot).await;
        stored.0.retain(|path, _| path.starts_with("stays"));
        assert_eq!(stored, stays);
    }
    assert_eq!(vault.check(&repository, true).await.unwrap().problems, []);
}

/// A snapshot such as only someone with the repository's key could make.
async fn crafted(vault: &Vault, repository: &RepositoryId, nodes: Vec<(PathBuf, Node)>) -> SnapshotId {
    struct Crafted(Vec<(PathBuf, Node)>);
    impl ReadSource for Crafted {
        type Open = fs::File;
        type Iter = std::vec::IntoIter<RusticResult<ReadSourceEntry<fs::File>>>;
        fn size(&self) -> RusticResult<Option<u64>> {
            Ok(None)
        }
        fn entries(&self) -> Self::Iter {
            let entry = |(path, node): &(PathBuf, Node)| {
                let open = node.is_file().then(|| fs::File::open("/dev/null").unwrap());
                Ok(ReadSourceEntry { path: path.clone(), node: node.clone(), open })
            };
            self.0.iter().map(entry).collect::<Vec<_>>().into_iter()
        }
    }
    let (vault, id) = (vault.clone(), *repository);
    let crafted = tokio::task::spawn_blocking(move || {
        let (adapter, key) = vault.adapter_and_key(id);
        let backends = RepositoryBackends::new(adapter, None);
        let opened = Repository::new(&RepositoryOptions::default().no_cache(true), &backends).unwrap();
        let opened = opened.open(&Credentials::Masterkey(key)).unwrap().to_indexed_ids().unwrap();
        let snapshot = SnapshotOptions::default().to_snapshot().unwrap();
        let mut options = BackupOptions::default();
        options.parent_opts.force = true;
        opened.archive(&options, &Crafted(nodes), snapshot, &["/".into()]).unwrap()
    });
    SnapshotId::from_stored(&crafted.await.unwrap().id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_cannot_write_outside_its_directory() {
    let vault = memory();
    let repository = repository(&vault).await;
    let node = |name: &str, kind: NodeType| Node::new_node(OsStr::new(name), kind, Metadata::default());
    let link = |target: &str| NodeType::from_link(Path::new(target));
    let bad = [
        vec![("x", node("../escaped", NodeType::File))],
        vec![("x", node("..", NodeType::File))],
        vec![("x", node("/escaped", NodeType::File))],
        vec![("x", node("", NodeType::File))],
        vec![("d", node("..", NodeType::Dir))],
        vec![("l", node("l", link("/etc/passwd")))],
        vec![("l", node("l", link("../escaped")))],
        // A link, and below it a directory of the same name.
        vec![
            ("d", node("d", link("."))),
            ("d", node("d", NodeType::Dir)),
            ("d/escaped", node("escaped", NodeType::File)),
        ],
    ];
    for nodes in bad {
        let (text, twice) = (format!("{nodes:?}"), nodes.len() > 1);
        let nodes = nodes.into_iter().map(|(path, node)| (PathBuf::from(path), node)).collect();
        let snapshot = crafted(&vault, &repository, nodes).await;
        let scratch = tempfile::tempdir().unwrap();
        let into = scratch.path().join("into");
        let refused = vault.checkout(&repository, &snapshot, &into).await;
        // Two entries of one name are no bad names; the second cannot be made.
        let allowed = |error: &VaultError| match error {
            VaultError::Refused { .. } => true,
            VaultError::File { source, .. } => twice && source.kind() == std::io::ErrorKind::AlreadyExists,
            _ => false,
        };
        assert!(refused.as_ref().is_err_and(allowed), "{text}: {refused:?}");
        assert!(!scratch.path().join("escaped").exists(), "{text}");
        assert!(!into.join("escaped").exists(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_special_files_of_other_programs_are_not_restored() {
    use std::os::unix::fs::MetadataExt;

    let vault = memory();
    let repository = repository(&vault).await;
    let owned = Metadata { uid: Some(65_534), gid: Some(65_534), mode: Some(0o4777), ..Metadata::default() };
    let node = |name: &str, kind: NodeType| {
        (PathBuf::from(name), Node::new_node(OsStr::new(name), kind, owned.clone()))
    };
    let nodes = vec![
        node("a", NodeType::File),
        node("b", NodeType::Fifo),
        node("c", NodeType::Socket),
        node("d", NodeType::Chardev { device: 259 }),
    ];
    let snapshot = crafted(&vault, &repository, nodes).await;
    let into = tempfile::tempdir().unwrap();

    vault.checkout(&repository, &snapshot, into.path()).await.unwrap();

    let entries: Vec<_> = fs::read_dir(into.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(entries.len(), 1);
    let meta = entries[0].metadata().unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (rustix::process::geteuid().as_raw(), 0o700));
}

/// A write that was cut off leaves a draft beside the objects; it must not keep a deleted repository's directory alive.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_local_repository_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::local(directory.path(), RootKey::from_bytes([1; 32])).unwrap();
    let repository = repository(&vault).await;
    let inside = directory.path().join(repository.to_string());
    fs::create_dir_all(inside.join("data/ab")).unwrap();
    fs::write(inside.join("data/ab/abcdef#1"), "half").unwrap();
    fs::write(inside.join("roadstead-key.json#1"), "half").unwrap();

    vault.delete(&repository).await.unwrap();

    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
