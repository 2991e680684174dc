//! Power loss: every promise rests on a flush of the file and of its directory.
//!
//! The real program runs under strace(1) through the whole life of a profile: made, saved, saved again, checkpointed, pruned.
//! Its file operations are then replayed into a model of a [`disk`] that keeps only what was flushed, and at every single
//! operation the model is asked whether a power cut there would break a promise:
//!
//! - when an answer with a receipt is sent, every object in the vault, the root key, and the database's log are flushed: the
//!   contents, and the directory entries all the way up;
//! - when a snapshot appears, everything that was written before it is flushed, since its name may reach the disk at once;
//! - when a file of the vault, or a running session's portable state, is put in its place by a rename, its contents are flushed;
//! - when a pack is removed, the removal of what named it is flushed.
//!
//! The browser is the fake one: a sandbox and a tracer do not go together, and what a browser writes is promised to nobody.

mod disk;
mod trace;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::fake_browser::{self, Behaviour};
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions, wait_until};
use serde_json::{Value, json};

use self::disk::{Disk, Role};
use self::trace::Operation;

/// How many saves the profile gets, so that the prune has something to remove and to merge.
const SAVES: usize = 5;

async fn save(program: &Program) -> Result<Value> {
    let profile = json!({"name": "p", "persist": true});
    let session =
        program.data(Method::POST, "/v1/sessions", Some(json!({"browser": {"profile": profile}}))).await?;
    let id = session["id"].as_str().context("an id")?;
    let body = Some(json!({"session_id": id}));
    let checkpoint = program.data(Method::POST, "/v1/profiles/p/checkpoint", body).await?;
    ensure!(checkpoint["durable"] == true, "{checkpoint}");
    let ended = program.data(Method::DELETE, &format!("/v1/sessions/{id}"), None).await?;
    ensure!(ended["receipts"][0]["durable"] == true, "{ended}");
    Ok(ended)
}

/// Runs a profile's life under the tracer, and returns what was done to files.
async fn traced_life(dir: &Path) -> Result<Vec<Operation>> {
    let browser = fake_browser::install(dir, Behaviour::Good)?;
    let browser = browser.display();
    let config = format!("[chromium]\nexecutable = '{browser}'\nheadless_shell = '{browser}'\n");
    let log = dir.join("trace");
    let options = ProgramOptions { config, trace: Some(log.clone()), ..ProgramOptions::default() };
    let program = Program::start(&dir.join("data"), &options).await?;
    let pid = program.pid()?.as_raw_nonzero();
    for _ in 0..SAVES {
        save(&program).await?;
    }
    // Removes a snapshot, merges what is left, and removes packs and indexes.
    program.data(Method::DELETE, "/v1/profiles/p/revisions/1", None).await?;
    save(&program).await?;
    program.stop().await?;
    let ended = |line: &str| line.starts_with(&format!("{pid} ")) && line.contains("+++ exited");
    wait_until("the tracer has written everything", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.lines().any(ended))
    })
    .await?;
    trace::read(&std::fs::read_to_string(&log)?)
}

#[tokio::test]
async fn whatever_was_promised_is_on_disk_at_every_moment() -> Result<()> {
    let place = Place::new()?;
    let operations = traced_life(place.path()).await?;
    let data = place.data().canonicalize()?;
    let mut disk = Disk::new(&data);
    let mut seen = Seen::default();
    for operation in &operations {
        seen.note(operation, &data);
        let broken = broken_promises(&disk, operation);
        ensure!(broken.is_empty(), "a power cut at {operation:?} would break promises: {broken:#?}");
        disk.apply(operation);
    }
    // Without these the test would have looked at nothing.
    ensure!(seen.receipts >= 2 * (SAVES + 1), "{seen:?}");
    ensure!(seen.snapshots >= 2 * (SAVES + 1) && seen.packs_removed >= 1, "{seen:?}");
    ensure!(seen.captures >= SAVES && seen.flushes >= 50, "{seen:?}");
    Ok(())
}

/// What a power cut just before an operation takes effect would break, were the operation to reach the disk first.
fn broken_promises(disk: &Disk, operation: &Operation) -> Vec<String> {
    match operation {
        Operation::Receipt => disk.unflushed(Role::is_promised),
        Operation::Renamed { from, to } => {
            let role = disk.role(to);
            let mut broken = if role == Role::Other { Vec::new() } else { disk.unflushed_contents(from) };
            if role == Role::Snapshot {
                let repository = to.ancestors().nth(2).expect("a snapshot lies in a repository").to_owned();
                broken.extend(
                    disk.unflushed(
                        |role| matches!(role, Role::Pack(of) | Role::Index(of) if *of == repository),
                    ),
                );
            }
            broken
        }
        Operation::Removed { path } => match disk.role(path) {
            Role::Pack(repository) => disk.unflushed_removals(&repository),
            _ => Vec::new(),
        },
        Operation::Written { .. }
        | Operation::Created { .. }
        | Operation::DirectoryMade { .. }
        | Operation::Flushed { .. } => Vec::new(),
    }
}

/// How much of interest went by.
#[derive(Debug, Default)]
struct Seen {
    receipts: usize,
    snapshots: usize,
    packs_removed: usize,
    captures: usize,
    flushes: usize,
}

impl Seen {
    fn note(&mut self, operation: &Operation, data: &Path) {
        let disk = Disk::new(data);
        match operation {
            Operation::Receipt => self.receipts += 1,
            Operation::Renamed { to, .. } => {
                self.snapshots += usize::from(disk.role(to) == Role::Snapshot);
                self.captures += usize::from(disk.role(to) == Role::Capture);
            }
            Operation::Removed { path } => {
                self.packs_removed += usize::from(matches!(disk.role(path), Role::Pack(_)));
            }
            Operation::Flushed { .. } => self.flushes += 1,
            Operation::Written { .. } | Operation::Created { .. } | Operation::DirectoryMade { .. } => {}
        }
    }
}

/// The model itself: a flush that is left out is found.
#[test]
fn a_missing_flush_is_found() {
    let data = Path::new("/data");
    let repository = data.join("vault/r");
    let file = |name: &str| repository.join(name);
    let life = |left_out: usize| {
        let steps = [
            Operation::DirectoryMade { path: data.join("vault") },
            Operation::Flushed { path: data.to_owned() },
            Operation::DirectoryMade { path: repository.clone() },
            Operation::Flushed { path: data.join("vault") },
            Operation::DirectoryMade { path: file("data") },
            Operation::DirectoryMade { path: file("snapshots") },
            Operation::Flushed { path: repository.clone() },
            Operation::Created { path: file("data/p#1") },
            Operation::Written { path: file("data/p#1") },
            Operation::Flushed { path: file("data/p#1") },
            Operation::Renamed { from: file("data/p#1"), to: file("data/p") },
            Operation::Flushed { path: file("data") },
            Operation::Created { path: file("snapshots/s#1") },
            Operation::Written { path: file("snapshots/s#1") },
            Operation::Flushed { path: file("snapshots/s#1") },
            Operation::Renamed { from: file("snapshots/s#1"), to: file("snapshots/s") },
            Operation::Flushed { path: file("snapshots") },
            Operation::Written { path: data.join("roadstead.db-wal") },
            Operation::Flushed { path: data.join("roadstead.db-wal") },
            Operation::Receipt,
        ];
        let flushes: Vec<_> =
            (0..steps.len()).filter(|at| matches!(steps[*at], Operation::Flushed { .. })).collect();
        let skipped = left_out.checked_sub(1).map(|number| flushes[number]);
        let mut disk = Disk::new(data);
        let mut broken = Vec::new();
        for (at, step) in steps.iter().enumerate().filter(|(at, _)| Some(*at) != skipped) {
            broken.extend(broken_promises(&disk, step).into_iter().map(|what| format!("{at}: {what}")));
            disk.apply(step);
        }
        (broken, flushes.len())
    };
    let (broken, flushes) = life(0);
    assert!(broken.is_empty(), "{broken:#?}");
    for left_out in 1..=flushes {
        assert!(!life(left_out).0.is_empty(), "flush {left_out} can be left out");
    }
}
