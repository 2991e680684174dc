//! Runs a fuzz target as an ordinary test: every input of its committed corpus, then mutations of them.
//!
//! The mutations come from a seed that never changes, so a run that fails fails again, and says with which input. Finding what
//! is new is the work of `cargo fuzz`; this keeps what it found, and its target, alive.

use std::path::{Path, PathBuf};

/// Any will do; another one would make other mutations.
const SEED: u64 = 0x0072_6f61_6473_7465;
/// How many changes one mutation makes at most.
const CHANGES: usize = 4;
/// The longest input that a mutation grows to, in bytes. As the campaigns' `-max_len`.
const MAX_BYTES: usize = 4096;

/// Runs `target` over its corpus, and over so many mutations of it.
///
/// `words` are what an input of the target is made of, for the mutations to use.
pub fn replay(corpus: &str, mutations: usize, words: &[&str], target: impl Fn(&[u8])) {
    let inputs = read_corpus(corpus);
    for input in &inputs {
        run(input, &target);
    }
    let mut random = fastrand::Rng::with_seed(SEED);
    for _ in 0..mutations {
        run(&mutated(&mut random, &inputs, words), &target);
    }
}

/// Reads the corpus in the order of its names.
fn read_corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&directory).expect("the corpus is committed");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a directory can be listed").path()).collect();
    paths.sort_unstable();
    assert!(paths.len() >= 10, "the corpus {name} has {} inputs", paths.len());
    paths.iter().map(|path| std::fs::read(path).expect("an input can be read")).collect()
}

fn run(input: &[u8], target: impl Fn(&[u8])) {
    let told = Told(input);
    target(input);
    drop(told);
}

/// Tells the input if its run panics.
struct Told<'a>(&'a [u8]);

impl Drop for Told<'_> {
    #[expect(clippy::print_stderr, reason = "the test harness shows it with the failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was \"{}\"", self.0.escape_ascii());
        }
    }
}

fn mutated(random: &mut fastrand::Rng, inputs: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = inputs[random.usize(..inputs.len())].clone();
    for _ in 0..random.usize(1..=CHANGES) {
        change(random, &mut input, inputs, words);
    }
    input.truncate(MAX_BYTES);
    input
}

/// Makes one change.
fn change(random: &mut fastrand::Rng, input: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&str]) {
    let at = random.usize(..=input.len());
    match random.u8(..8) {
        0 => input.truncate(at),
        1 => input.insert(at, random.u8(..)),
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.u8(..);
            }
        }
        3 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.u8(..8);
            }
        }
        4 => drop(input.drain(piece(random, input.len()))),
        5 => {
            let copy = input[piece(random, input.len())].to_vec();
            drop(input.splice(at..at, copy));
        }
        6 if !words.is_empty() => {
            let word = words[random.usize(..words.len())];
            drop(input.splice(at..at, word.bytes()));
        }
        _ => {
            let other = &inputs[random.usize(..inputs.len())];
            drop(input.splice(at.., other[random.usize(..=other.len())..].iter().copied()));
        }
    }
}

/// A piece of something so long; short pieces are as likely as long ones.
fn piece(random: &mut fastrand::Rng, length: usize) -> std::ops::Range<usize> {
    let start = random.usize(..=length);
    let most = (length - start).min(1 << random.u32(..8));
    start..start + random.usize(..=most)
}
