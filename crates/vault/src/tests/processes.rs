//! A local vault beside other processes, here flock(1) with a shell, which know nothing of our own locks.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use crate::{CommitOptions, RepositoryId, RootKey, Vault, conformance::tree::Tree};

const DEADLINE: Duration = Duration::from_secs(20);

struct Local {
    scratch: tempfile::TempDir,
    vault: Vault,
    id: RepositoryId,
}

impl Local {
    async fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let vault = Vault::local(&scratch.path().join("vault"), RootKey::from_bytes([1; 32])).unwrap();
        let id = RepositoryId::random();
        vault.create(&id).await.unwrap();
        Tree::sample().write(&{
            let from = scratch.path().join("from");
            fs::create_dir(&from).unwrap();
            from
        });
        Self { scratch, vault, id }
    }

    /// As another process would open it: nothing in common but the directory.
    fn another_vault(&self) -> Vault {
        Vault::local(&self.scratch.path().join("vault"), RootKey::from_bytes([1; 32])).unwrap()
    }

    fn repository(&self) -> PathBuf {
        self.scratch.path().join("vault").join(self.id.to_string())
    }

    fn marker(&self) -> PathBuf {
        self.scratch.path().join("marker")
    }

    /// Starts an operation that ends with whether the other process was done before.
    fn start(&self, operation: Operation) -> JoinHandle<bool> {
        let (vault, id, marker, from) =
            (self.vault.clone(), self.id, self.marker(), self.scratch.path().join("from"));
        tokio::spawn(async move {
            match operation {
                Operation::Commit => {
                    vault.commit(&id, &from, CommitOptions::default()).await.map(drop).unwrap();
                }
                Operation::Close => drop(vault.close(&id).await.unwrap()),
                Operation::Delete => vault.delete(&id).await.unwrap(),
            }
            marker.exists()
        })
    }

    async fn expect_waiting(&self, task: &JoinHandle<bool>) {
        let inode = self.repository().metadata().unwrap().ino().to_string();
        let began = Instant::now();
        while !is_waited_for(&inode) {
            assert!(!task.is_finished(), "it did not wait");
            assert!(began.elapsed() < DEADLINE, "nobody is waiting for the lock");
            tokio::task::yield_now().await;
        }
        assert!(!task.is_finished(), "it did not wait");
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Commit,
    Close,
    Delete,
}

/// Whether the kernel has somebody waiting for a lock on the file.
fn is_waited_for(inode: &str) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let inode = format!(":{inode} ");
    locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&inode))
}

struct Holder(Child);

impl Holder {
    /// Takes the lock, says so, and holds it until it is told to end.
    fn start(share: &str, directory: &Path, marker: &Path) -> Self {
        let mut child = Command::new("flock")
            .args([share, "--no-fork"])
            .arg(directory)
            .args(["sh", "-c", "echo held; read line; : > \"$1\"", "sh"])
            .arg(marker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    fn end(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn finished(task: JoinHandle<bool>) -> bool {
    tokio::time::timeout(DEADLINE, task).await.expect("it goes on when the lock is free").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_alone_waits_for_another_process() {
    for operation in [Operation::Close, Operation::Delete] {
        let local = Local::new().await;
        let holder = Holder::start("--shared", &local.repository(), &local.marker());
        let task = local.start(operation);
        local.expect_waiting(&task).await;
        holder.end();
        assert!(finished(task).await, "{operation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_together_waits_for_another_process_alone() {
    let local = Local::new().await;
    let holder = Holder::start("--shared", &local.repository(), &local.marker());
    assert!(!finished(local.start(Operation::Commit)).await, "two go together");
    holder.end();
    fs::remove_file(local.marker()).unwrap();

    let holder = Holder::start("--exclusive", &local.repository(), &local.marker());
    let task = local.start(Operation::Commit);
    local.expect_waiting(&task).await;
    holder.end();
    assert!(finished(task).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_frees_what_it_held() {
    let local = Local::new().await;
    let holder = Holder::start("--exclusive", &local.repository(), &local.marker());
    let task = local.start(Operation::Commit);
    local.expect_waiting(&task).await;
    holder.kill();
    assert!(!finished(task).await, "it was killed before it was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_made_again_meanwhile_is_locked_anew() {
    let local = Local::new().await;
    let holder = Holder::start("--exclusive", &local.repository(), &local.marker());
    let task = local.start(Operation::Commit);
    local.expect_waiting(&task).await;
    fs::rename(local.repository(), local.scratch.path().join("old")).unwrap();
    let other = local.another_vault();
    other.create(&local.id).await.unwrap();
    let closed = other.close(&local.id).await.unwrap();
    holder.end();
    local.expect_waiting(&task).await;
    drop(closed);
    finished(task).await;
    assert_eq!(other.snapshots(&local.id).await.unwrap().len(), 1);
    assert!(!local.scratch.path().join("old/snapshots").exists(), "nothing went to the one that was deleted");
}

/// Also in a process of its own: a vault that shares nothing with the one that holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_another_vault_from_closing() {
    let local = Local::new().await;
    let from = local.scratch.path().join("from");
    let other = local.another_vault();
    let (report, hold) = other.commit_held(&local.id, &from, CommitOptions::default()).await.unwrap();
    let task = local.start(Operation::Close);
    local.expect_waiting(&task).await;
    fs::write(local.marker(), "published").unwrap();
    drop(hold);
    assert!(finished(task).await);
    assert_eq!(local.vault.snapshots(&local.id).await.unwrap()[0].id, report.snapshot);
}

/// What one vault prunes another one remembers, and must not build upon.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_pruned_is_not_there() {
    let local = Local::new().await;
    let from = local.scratch.path().join("from");
    let old = local.vault.commit(&local.id, &from, CommitOptions::default()).await.unwrap().snapshot;
    let into = local.scratch.path().join("into");
    local.vault.checkout(&local.id, &old, &into).await.unwrap();
    let other = local.another_vault();
    let closed = other.close(&local.id).await.unwrap();
    let plan = closed.plan_prune(&[].into()).await.unwrap();
    closed.run_prune(plan).await.unwrap();
    drop(closed);

    let gone = local.vault.checkout(&local.id, &old, &local.scratch.path().join("again")).await;
    assert!(matches!(gone, Err(crate::VaultError::NoSuchSnapshot(..))), "{gone:?}");
    let options = CommitOptions { parent: Some(old), ..CommitOptions::default() };
    let new = local.vault.commit(&local.id, &into, options).await.unwrap().snapshot;
    let again = local.scratch.path().join("again");
    local.vault.checkout(&local.id, &new, &again).await.unwrap();
    assert_eq!(Tree::read(&again), Tree::sample());
}
