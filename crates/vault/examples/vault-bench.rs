//! Times the vault on made-up profiles and prints medians, with the peak memory of the process.
//!
//! `cargo run --release -p roadstead-vault --example vault-bench [small|large] [directory]`. Peak memory is that of the whole
//! process, so run one size per process to see it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use roadstead_vault::{CommitOptions, RepositoryId, RootKey, SnapshotId, Vault};

/// A profile as measured: how many files, and their total size.
struct Profile {
    name: &'static str,
    files: usize,
    bytes: usize,
    rounds: usize,
}

const SMALL: Profile = Profile { name: "small", files: 170, bytes: 2_500_000, rounds: 31 };
const LARGE: Profile = Profile { name: "large", files: 2_671, bytes: 155_000_000, rounds: 7 };

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let profile = match arguments.next().as_deref() {
        Some("large") => LARGE,
        _ => SMALL,
    };
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = tempfile::tempdir_in(parent).expect("a scratch directory can be made");
    roadstead_vault::spread_subdirectories(scratch.path()).expect("the scratch directory can be prepared");
    println!("{}: {} files, {} bytes", profile.name, profile.files, profile.bytes);
    println!("peak memory before: {}", peak_memory());
    run(&profile, scratch.path()).await;
    println!("peak memory: {}", peak_memory());
}

async fn run(profile: &Profile, scratch: &Path) {
    let source = scratch.join("source");
    write_profile(profile, &source);
    println!("peak memory with source written: {}", peak_memory());
    let vault = Vault::local(&scratch.join("vault"), RootKey::from_bytes([7; 32])).expect("a vault opens");

    let mut creates = Vec::new();
    let mut firsts = Vec::new();
    for _ in 0..profile.rounds.min(7) {
        let repository = RepositoryId::random();
        let began = Instant::now();
        vault.create(&repository).await.expect("create");
        creates.push(began.elapsed());
        let report = vault.commit(&repository, &source, CommitOptions::default()).await.expect("commit");
        firsts.push(report.duration);
        vault.delete(&repository).await.expect("delete");
    }
    report("create", &mut creates);
    report("first commit", &mut firsts);

    let repository = RepositoryId::random();
    vault.create(&repository).await.expect("create");
    let first = vault.commit(&repository, &source, CommitOptions::default()).await.expect("commit");
    rounds(profile, &vault, repository, first.snapshot, scratch).await;
    let began = Instant::now();
    let check = vault.check(&repository, true).await.expect("check");
    assert_eq!(check.problems, []);
    println!("{:32}{:>10.1} ms", "check with data", millis(began.elapsed()));
}

/// The life of a profile: check out, use, store, and again from what was stored.
async fn rounds(
    profile: &Profile,
    vault: &Vault,
    repository: RepositoryId,
    first: SnapshotId,
    scratch: &Path,
) {
    let (mut checkouts, mut unchanged, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let mut head = first;
    for round in 0..profile.rounds {
        let work = scratch.join(RepositoryId::random().to_string());
        let began = Instant::now();
        vault.checkout(&repository, &head, &work).await.expect("checkout");
        checkouts.push(began.elapsed());

        let options = || CommitOptions { parent: Some(head.clone()), ..CommitOptions::default() };
        let began = Instant::now();
        vault.commit(&repository, &work, options()).await.expect("commit");
        unchanged.push(began.elapsed());

        touch(profile, &work, round);
        let began = Instant::now();
        let report = vault.commit(&repository, &work, options()).await.expect("commit");
        changed.push(began.elapsed());
        head = report.snapshot;
        fs::remove_dir_all(&work).expect("the work directory can be removed");
    }
    report("checkout", &mut checkouts);
    report("commit, nothing changed", &mut unchanged);
    report("commit, a tenth changed", &mut changed);
}

fn write_profile(profile: &Profile, root: &Path) {
    for index in 0..profile.files {
        let path = path_of(root, index);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("directories can be made");
        fs::write(path, content(profile, index, 0)).expect("files can be written");
    }
}

/// Rewrites every tenth file of the smaller kind, as a short session does.
fn touch(profile: &Profile, root: &Path, round: usize) {
    let count = profile.files.min(300) / 10;
    for index in (0..count).map(|index| index * 10) {
        fs::write(path_of(root, index), content(profile, index, round + 1)).expect("files can be written");
    }
}

fn path_of(root: &Path, index: usize) -> PathBuf {
    let directory =
        ["Default/Cache/Cache_Data", "Default/Local Storage/leveldb", "Default/IndexedDB", "Default"]
            [index % 4];
    root.join(directory).join(format!("site-{}", index / 4 % 8)).join(format!("{index:06}"))
}

/// Half noise, as cached pictures are, half repetitive, as databases are.
fn content(profile: &Profile, index: usize, round: usize) -> Vec<u8> {
    // A few files hold most of the bytes, as in real profiles.
    let average = profile.bytes / profile.files;
    let length = if index.is_multiple_of(10) { average * 5 } else { average * 5 / 9 };
    let mut state = (index as u64) << 32 | (round as u64) << 8 | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = if index.is_multiple_of(2) { state } else { state & 0x0f0f };
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn report(what: &str, durations: &mut [Duration]) {
    durations.sort_unstable();
    let median = durations[durations.len() / 2];
    let worst = durations[durations.len() - 1];
    println!("{what:32}{:>10.1} ms   worst {:.1}", millis(median), millis(worst));
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
