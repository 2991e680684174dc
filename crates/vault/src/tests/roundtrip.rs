//! Random trees come back as they were.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt,
    path::PathBuf,
};

use proptest::{collection::vec, prelude::*};

use super::memory;
use crate::{
    CommitOptions, RepositoryId,
    conformance::tree::{Entry, Tree},
};

/// Names as file systems allow them: any bytes but the slash and the zero, up to 255 of them.
fn name() -> impl Strategy<Value = OsString> {
    let text = "[a-zA-Z0-9 ._-]{1,12}|[\\PC]{1,20}|[\\\\\"'\n\t]{1,4}";
    let bytes = vec(any::<u8>(), 1..40);
    let long = "[a-z]{255}";
    let allowed = |bytes: Vec<u8>| {
        let name: Vec<u8> = bytes.into_iter().filter(|byte| !matches!(byte, 0 | b'/')).take(255).collect();
        if matches!(&*name, b"" | b"." | b"..") { b"dots".to_vec() } else { name }
    };
    let any_of = prop_oneof![8 => text.prop_map(String::into_bytes), 2 => bytes, 1 => long.prop_map(String::into_bytes)];
    any_of.prop_map(move |bytes| OsString::from_vec(allowed(bytes)))
}

fn entry() -> impl Strategy<Value = Entry> {
    let content = prop_oneof![
        2 => Just(Vec::new()),
        8 => vec(any::<u8>(), 0..3_000),
        1 => (any::<u8>(), 0..2_000_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let modified = (-2_000_000_000..4_000_000_000_i64, 0..1_000_000_000_i64);
    let file = (content, any::<bool>(), modified).prop_map(|(content, executable, modified)| Entry::File {
        content,
        mode: if executable { 0o700 } else { 0o600 },
        modified,
    });
    prop_oneof![9 => file, 1 => Just(Entry::Directory)]
}

fn tree() -> impl Strategy<Value = Tree> {
    let path = prop_oneof![9 => vec(name(), 1..4), 1 => vec(name(), 8..14)];
    vec((path, entry()), 0..25).prop_map(|entries| {
        let mut tree = Tree::default();
        for (names, entry) in entries {
            let path: PathBuf = names.iter().collect();
            // A path through what is a file already, or over what is a directory already, is not a tree.
            let through =
                path.ancestors().skip(1).any(|parent| matches!(tree.0.get(parent), Some(Entry::File { .. })));
            if !through && !tree.0.contains_key(&path) {
                tree = tree.entry(path.as_os_str(), entry);
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_trees_come_back(first in tree(), second in tree()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let (vault, repository) = (memory(), RepositoryId::random());
            vault.create(&repository).await.unwrap();
            let mut parent = None;
            let mut snapshots = Vec::new();
            for tree in [&first, &second] {
                let from = tempfile::tempdir().unwrap();
                tree.write(from.path());
                let options = CommitOptions { parent: parent.clone(), ..CommitOptions::default() };
                let commit = vault.commit(&repository, from.path(), options).await.unwrap();
                parent = Some(commit.snapshot.clone());
                snapshots.push((commit, tree));
            }
            for (commit, tree) in snapshots {
                let into = tempfile::tempdir().unwrap();
                let checkout = vault.checkout(&repository, &commit.snapshot, into.path()).await.unwrap();
                assert_eq!(&Tree::read(into.path()), tree);
                assert_eq!((checkout.files, checkout.bytes), (commit.files, commit.bytes));
            }
            let check = vault.check(&repository, true).await.unwrap();
            assert_eq!(check.problems, []);
        });
    }
}

#[test]
fn names_survive_as_the_bytes_they_are() {
    // What the strategy above makes rarely enough to deserve a case of its own.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let names: [&[u8]; 6] =
        [b"\xff\xfe", b"a\\x41", b"tab\there", "\u{202e}rtl".as_bytes(), b"\"quoted\"", b" "];
    let tree = names.iter().fold(Tree::default(), |tree, name| {
        let name = OsString::from_vec(name.to_vec());
        tree.entry(OsStr::new(&name), Entry::File { content: b"x".to_vec(), mode: 0o600, modified: (-1, 5) })
    });
    runtime.block_on(async {
        let (vault, repository) = (memory(), RepositoryId::random());
        vault.create(&repository).await.unwrap();
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        tree.write(from.path());
        let commit = vault.commit(&repository, from.path(), CommitOptions::default()).await.unwrap();
        vault.checkout(&repository, &commit.snapshot, into.path()).await.unwrap();
        assert_eq!(Tree::read(into.path()), tree);
    });
}
