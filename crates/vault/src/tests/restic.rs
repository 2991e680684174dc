//! The unmodified restic of the distribution on a repository of ours.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    CommitOptions, RepositoryId, RootKey, SnapshotId, Vault, conformance::noise, conformance::tree::Tree,
};

const PASSWORD: &str = "correct horse battery staple";

/// Runs restic on a repository, with nothing of this machine's configuration.
fn restic(repository: &Path, password: &str, arguments: &[&str]) -> Output {
    let output = Command::new("restic")
        .args(["--no-cache", "--quiet", "--repo"])
        .arg(repository)
        .args(arguments)
        .env("RESTIC_PASSWORD", password)
        .output();
    output.unwrap_or_else(|error| panic!("restic: {error}: run scripts/install-deps --clients"))
}

fn succeeds(repository: &Path, arguments: &[&str]) -> String {
    let output = restic(repository, PASSWORD, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct Ground {
    scratch: tempfile::TempDir,
    vault: Vault,
    id: RepositoryId,
}

impl Ground {
    async fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let vault = Vault::local(&scratch.path().join("vault"), RootKey::from_bytes([1; 32])).unwrap();
        let id = RepositoryId::random();
        vault.create(&id).await.unwrap();
        Self { scratch, vault, id }
    }

    fn repository(&self) -> PathBuf {
        self.scratch.path().join("vault").join(self.id.to_string())
    }

    fn directory(&self) -> PathBuf {
        tempfile::tempdir_in(self.scratch.path()).unwrap().keep()
    }

    async fn commit(&self, tree: &Tree, parent: Option<SnapshotId>) -> SnapshotId {
        let from = self.directory();
        tree.write(&from);
        let options = CommitOptions { parent, ..CommitOptions::default() };
        self.vault.commit(&self.id, &from, options).await.unwrap().snapshot
    }
}

/// Another size each time: the times are all the same, and a file with its parent's size and time is not read.
fn revision(at: u64) -> Tree {
    let noise = |at: u64| noise(at, 80_000 + usize::try_from(at).unwrap());
    Tree::sample().file("Default/History", noise(at)).file("Default/Login Data", noise(at / 2))
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_restic_reads_what_we_wrote_and_pruned() {
    let ground = Ground::new().await;
    let mut snapshots = Vec::new();
    for at in 0..6 {
        let parent = snapshots.last().cloned();
        snapshots.push(ground.commit(&revision(at), parent).await);
    }
    // Every second goes, and with it half of a pack that the next one needs.
    let kept: Vec<_> = (0..).zip(snapshots).filter(|(at, _)| at % 2 == 1).collect();
    let closed = ground.vault.close(&ground.id).await.unwrap();
    let plan = closed.plan_prune(&kept.iter().map(|(_, id)| id.clone()).collect()).await.unwrap();
    let report = closed.run_prune(plan).await.unwrap();
    assert!(report.bytes_rewritten > 0, "{report:?}");
    drop(closed);
    ground.vault.add_password(&ground.id, PASSWORD).await.unwrap();
    let repository = ground.repository();

    let refused = restic(&repository, "wrong horse", &["snapshots"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("wrong password"), "{refused:?}");

    let listed = succeeds(&repository, &["snapshots", "--json"]);
    for (_, id) in &kept {
        assert!(listed.contains(id.as_str()), "{listed}");
    }
    assert_eq!(listed.matches("\"short_id\"").count(), kept.len(), "{listed}");
    succeeds(&repository, &["check", "--read-data"]);
    for (at, id) in &kept {
        let (ours, theirs) = (ground.directory(), ground.directory());
        ground.vault.checkout(&ground.id, id, &ours).await.unwrap();
        succeeds(&repository, &["restore", id.as_str(), "--target", theirs.to_str().unwrap()]);
        assert_eq!(Tree::read(&ours), revision(*at));
        assert_eq!(Tree::read(&theirs), revision(*at));
    }

    // restic leaves a directory for its locks; to us the repository is as it was.
    let check = ground.vault.check(&ground.id, true).await.unwrap();
    assert_eq!((check.problems.len(), check.sound.len()), (0, kept.len()));
    let next = ground.commit(&revision(9), None).await;
    succeeds(&repository, &["check", "--read-data"]);
    let into = ground.directory();
    ground.vault.checkout(&ground.id, &next, &into).await.unwrap();
    assert_eq!(Tree::read(&into), revision(9));
}
