//! Times the vault on made-up profiles and prints medians as a table.
//!
//! `cargo run --release -p roadstead-vault --example vault-bench [small|large|lineage] [directory]`; without a name all three.
//! The directory should be on the disk in question: every write is synced. A cold checkout is that of a vault just opened, which
//! remembers nothing; the system's own cache of files is as warm as it is on a server. Peak memory is that of the whole process.

use std::{
    collections::BTreeSet,
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use roadstead_vault::{CommitOptions, CommitReport, RepositoryId, RootKey, SnapshotId, Vault};

/// SQLite's usual page.
const PAGE: usize = 4096;

/// A profile as measured: how many files, their total size, and how much of it a session changes.
struct Profile {
    name: &'static str,
    files: usize,
    bytes: usize,
    changed: usize,
    rounds: usize,
}

const SMALL: Profile =
    Profile { name: "2.5 MB, 170 files", files: 170, bytes: 2_500_000, changed: 100_000, rounds: 31 };
const LARGE: Profile =
    Profile { name: "155 MB, 2,671 files", files: 2_671, bytes: 155_000_000, changed: 1_000_000, rounds: 9 };

/// Revisions at which a lineage is opened.
const STAGES: [usize; 3] = [1, 100, 1_000];

/// How many revisions are left of a lineage by the prune that drops most.
const LEFT: usize = 10;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_else(|| "all".to_owned());
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = tempfile::tempdir_in(parent).expect("a scratch directory can be made");
    roadstead_vault::spread_subdirectories(scratch.path()).expect("the scratch directory can be prepared");
    let is = |name: &str| wanted == name || wanted == "all";
    println!("| what | median | bytes added |\n| --- | ---: | ---: |");
    for (name, profile) in [("small", SMALL), ("large", LARGE)] {
        if is(name) {
            commits(&profile, &scratch.path().join(name)).await;
        }
    }
    if is("lineage") {
        println!(
            "\n| {} | cold checkout | warm checkout | of it indexes | indexes | packs | bytes |",
            SMALL.name
        );
        println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
        lineage(&SMALL, &scratch.path().join("lineage")).await;
    }
    println!("\npeak memory: {}", peak_memory());
}

/// A profile under test in a repository of its own.
struct Bench<'a> {
    profile: &'a Profile,
    scratch: PathBuf,
    vault: Vault,
    repository: RepositoryId,
    /// A snapshot of an empty directory.
    nothing: SnapshotId,
}

impl<'a> Bench<'a> {
    async fn new(profile: &'a Profile, scratch: &Path) -> Self {
        fs::create_dir(scratch).expect("a directory can be made");
        let (vault, repository) = (open(scratch), RepositoryId::random());
        vault.create(&repository).await.expect("create");
        let empty = scratch.join("empty");
        fs::create_dir(&empty).expect("a directory can be made");
        let nothing = vault.commit(&repository, &empty, CommitOptions::default()).await.expect("commit");
        let bench =
            Self { profile, scratch: scratch.to_owned(), vault, repository, nothing: nothing.snapshot };
        write_profile(profile, &bench.scratch.join("source"));
        bench
    }

    fn source(&self) -> PathBuf {
        self.scratch.join("source")
    }

    async fn commit(&self, from: &Path, parent: Option<SnapshotId>) -> CommitReport {
        let options = CommitOptions { parent, ..CommitOptions::default() };
        self.vault.commit(&self.repository, from, options).await.expect("commit")
    }

    async fn checkout(&self, vault: &Vault, snapshot: &SnapshotId) -> (PathBuf, Duration) {
        let into = self.scratch.join(RepositoryId::random().to_string());
        let began = Instant::now();
        vault.checkout(&self.repository, snapshot, &into).await.expect("checkout");
        (into, began.elapsed())
    }
}

fn open(scratch: &Path) -> Vault {
    Vault::local(&scratch.join("vault"), RootKey::from_bytes([7; 32])).expect("a vault opens")
}

/// The life of a profile: check out, use, store, and again from what was stored.
async fn commits(profile: &Profile, scratch: &Path) {
    let bench = Bench::new(profile, scratch).await;
    let first = bench.commit(&bench.source(), None).await;
    row(profile, "first commit", &mut [first.duration], &mut [first.bytes_added]);
    let (mut checkouts, mut unchanged, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut added_unchanged, mut added_changed) = (Vec::new(), Vec::new());
    let mut head = first.snapshot;
    for round in 0..profile.rounds {
        let (work, took) = bench.checkout(&bench.vault, &head).await;
        checkouts.push(took);
        let began = Instant::now();
        let report = bench.commit(&work, Some(head.clone())).await;
        unchanged.push(began.elapsed());
        added_unchanged.push(report.bytes_added);

        touch(profile, &work, round);
        let began = Instant::now();
        let report = bench.commit(&work, Some(head)).await;
        changed.push(began.elapsed());
        added_changed.push(report.bytes_added);
        head = report.snapshot;
        fs::remove_dir_all(&work).expect("the work directory can be removed");
    }
    row(profile, "commit, nothing changed", &mut unchanged, &mut added_unchanged);
    let what = format!("commit, {} KB changed", profile.changed / 1000);
    row(profile, &what, &mut changed, &mut added_changed);
    row(profile, "checkout, warm", &mut checkouts, &mut [0]);
    let check = bench.vault.check(&bench.repository, true).await.expect("check");
    assert_eq!(check.problems, []);
    fs::remove_dir_all(scratch).expect("the scratch directory can be removed");
}

/// Many revisions, opened at some of them, then after merging and after dropping most.
async fn lineage(profile: &Profile, scratch: &Path) {
    let bench = Bench::new(profile, scratch).await;
    let work = bench.source();
    let mut snapshots = vec![bench.commit(&work, None).await.snapshot];
    for round in 0..*STAGES.last().expect("there are stages") {
        if STAGES.contains(&snapshots.len()) {
            opening(&bench, &format!("{} revisions", snapshots.len()), &snapshots).await;
        }
        if snapshots.len() < STAGES[2] {
            touch(profile, &work, round);
            let parent = snapshots.last().cloned();
            snapshots.push(bench.commit(&work, parent).await.snapshot);
        }
    }
    let pruned = prune(&bench, &snapshots).await;
    let what = format!("{} revisions, after {pruned} that keeps all", snapshots.len());
    opening(&bench, &what, &snapshots).await;
    let dropped = snapshots.len() - LEFT;
    let left = snapshots.split_off(dropped);
    let pruned = prune(&bench, &left).await;
    let what = format!("{LEFT} revisions, after {pruned} that drops {dropped}");
    opening(&bench, &what, &left).await;
    let check = bench.vault.check(&bench.repository, true).await.expect("check");
    assert_eq!(check.problems, []);
}

/// Returns how long it took, and how much of it was planning, done twice, and writing.
async fn prune(bench: &Bench<'_>, keep: &[SnapshotId]) -> String {
    let began = Instant::now();
    let closed = bench.vault.close(&bench.repository).await.expect("close");
    let keep: BTreeSet<_> = keep.iter().chain([&bench.nothing]).cloned().collect();
    let plan = closed.plan_prune(&keep).await.expect("plan");
    let planned = millis(began.elapsed());
    let report = closed.run_prune(plan).await.expect("prune");
    let (took, written) = (millis(began.elapsed()), report.bytes_rewritten);
    format!("a prune of {took:.0} ms ({planned:.0} ms planning, {written} bytes rewritten)")
}

async fn opening(bench: &Bench<'_>, what: &str, snapshots: &[SnapshotId]) {
    let head = snapshots.last().expect("there are snapshots");
    let (mut cold, mut warm, mut indexes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.profile.rounds {
        let vault = open(&bench.scratch);
        for durations in [&mut cold, &mut warm] {
            let (into, took) = bench.checkout(&vault, head).await;
            durations.push(took);
            fs::remove_dir_all(into).expect("the work directory can be removed");
        }
        // What it has in common with every other operation: the indexes are read, and then there is nothing to do.
        let began = Instant::now();
        let nothing = vault.checkout(&bench.repository, &bench.nothing, &bench.scratch.join("nothing")).await;
        nothing.expect("checkout");
        indexes.push(began.elapsed());
        fs::remove_dir(bench.scratch.join("nothing")).expect("the directory is empty");
    }
    let counts = bench.vault.object_counts(&bench.repository).await.expect("count");
    println!(
        "| {what} | {:.1} ms | {:.1} ms | {:.1} ms | {} | {} | {} |",
        millis(median(&mut cold)),
        millis(median(&mut warm)),
        millis(median(&mut indexes)),
        counts.indexes,
        counts.packs,
        counts.bytes
    );
}

/// A few databases and logs hold half of the bytes, small files of a cache the other half.
fn write_profile(profile: &Profile, root: &Path) {
    for index in 0..profile.files {
        let path = path_of(root, index);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("directories can be made");
        let content = if is_database(index) {
            database(index, 0, database_bytes(profile))
        } else {
            noise(index, 0, profile.bytes / 2 / profile.files)
        };
        fs::write(path, content).expect("files can be written");
    }
}

/// What a session does: rows change in place in each database, logs are written anew, the cache gets files and loses some.
fn touch(profile: &Profile, root: &Path, round: usize) {
    let databases: Vec<_> = (0..profile.files).filter(|index| is_database(*index)).take(8).collect();
    let pages = profile.changed * 6 / 10 / PAGE / databases.len();
    for index in &databases {
        let mut file = fs::OpenOptions::new().write(true).open(path_of(root, *index)).expect("a database");
        for page in 0..pages.max(1) {
            // Neighbours, as an index and its table grow, at another place each time.
            let pages = database_bytes(profile) / PAGE;
            let at = (round * 7 + page) % pages.max(1) * PAGE;
            file.seek(SeekFrom::Start(at as u64)).expect("a database can be written");
            file.write_all(&database(*index, round + 1 + page, PAGE)).expect("a database can be written");
        }
    }
    let log = root.join("Default/Local Storage/leveldb");
    fs::write(log.join("000003.log"), database(round, round, profile.changed / 10)).expect("a log");
    let average = profile.bytes / 2 / profile.files;
    for fresh in 0..(profile.changed * 3 / 10 / average).max(1) {
        let index = (round * 31 + fresh * 10 + 1) % profile.files;
        if !is_database(index) {
            fs::write(path_of(root, index), noise(index, round + 1, average)).expect("a file of the cache");
        }
    }
}

fn is_database(index: usize) -> bool {
    index.is_multiple_of(20)
}

fn database_bytes(profile: &Profile) -> usize {
    profile.bytes / 2 / profile.files.div_ceil(20) / PAGE * PAGE
}

fn path_of(root: &Path, index: usize) -> PathBuf {
    let directory =
        ["Default/Cache/Cache_Data", "Default/Local Storage/leveldb", "Default/IndexedDB", "Default"]
            [index % 4];
    root.join(directory).join(format!("site-{}", index / 4 % 8)).join(format!("{index:06}"))
}

/// As cached pictures are: nothing compresses.
fn noise(index: usize, round: usize, length: usize) -> Vec<u8> {
    words(index, round, length, u64::MAX)
}

/// As databases are: mostly text and zeros.
fn database(index: usize, round: usize, length: usize) -> Vec<u8> {
    words(index, round, length, 0x0f0f_0000_0f0f)
}

fn words(index: usize, round: usize, length: usize, mask: u64) -> Vec<u8> {
    let mut state = ((index as u64 + 1) << 32 | (round as u64) << 8 | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&(state & mask).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn row(profile: &Profile, what: &str, durations: &mut [Duration], added: &mut [u64]) {
    let added = median(added);
    println!("| {}: {what} | {:.1} ms | {added} |", profile.name, millis(median(durations)));
}

fn median<T: Ord + Copy>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
