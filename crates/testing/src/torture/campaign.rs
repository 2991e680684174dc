//! Many rounds, on several grounds side by side, until told to stop or until something is lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::task::JoinSet;

use super::round::Report;
use super::{Cell, Ground, Tally, round};

/// A data dir is replaced by a fresh one after this many rounds: checking every byte of it takes longer each time.
const ROUNDS_PER_GROUND: u64 = 12;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After so many rounds.
    Rounds(u64),
    /// After so long.
    Elapsed(Duration),
    /// When so many signals have reached a process, and every cell has had its turn.
    Kills(u64),
}

/// Rounds to be played. Cells take turns, in an order that the seed chooses.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// What every choice comes from.
    pub seed: u64,
    /// When to stop.
    pub until: Until,
    /// How many grounds are used at once.
    pub workers: usize,
    /// The cells.
    pub cells: Vec<Cell>,
    /// Whether to say how each round ended.
    pub verbose: bool,
}

/// What the workers share.
struct Board {
    rounds: Mutex<Rounds>,
    tally: Mutex<Tally>,
}

struct Rounds {
    rng: Rng,
    until: Until,
    began: Instant,
    cells: Vec<Cell>,
    deck: Vec<Cell>,
    dealt: u64,
    stopped: bool,
}

/// One round to be played.
struct Turn {
    number: u64,
    cell: Cell,
    seed: u64,
}

impl Campaign {
    /// Plays. Returns what happened, and the first loss if there was one.
    pub async fn run(self) -> (Tally, Result<()>) {
        let rounds = Rounds {
            rng: Rng::with_seed(self.seed),
            until: self.until,
            began: Instant::now(),
            deck: Vec::new(),
            cells: self.cells,
            dealt: 0,
            stopped: false,
        };
        let board = Arc::new(Board { rounds: Mutex::new(rounds), tally: Mutex::default() });
        let mut workers = JoinSet::new();
        for _ in 0..self.workers {
            workers.spawn(work(Arc::clone(&board), self.seed, self.verbose));
        }
        let mut outcome = Ok(());
        while let Some(ended) = workers.join_next().await {
            outcome = outcome.and(ended.context("a worker panicked").and_then(|ended| ended));
        }
        let tally = lock(&board.tally).clone();
        (tally, outcome)
    }
}

async fn work(board: Arc<Board>, seed: u64, verbose: bool) -> Result<()> {
    let mut ground = Ground::new().await?;
    let mut played = 0;
    while let Some(turn) = board.deal() {
        if played == ROUNDS_PER_GROUND {
            ground = Ground::new().await?;
            played = 0;
        }
        played += 1;
        let began = Instant::now();
        match round::play(&mut ground, turn.cell, turn.number, turn.seed).await {
            Ok(report) => {
                lock(&board.tally).note(turn.cell, &report);
                if verbose {
                    tell(&turn, &report, began.elapsed());
                }
            }
            Err(problem) => {
                lock(&board.rounds).stopped = true;
                lock(&board.tally).note_loss(turn.cell);
                let what = format!("seed {seed}, round {}, {}: {problem:#}", turn.number, turn.cell);
                let kept = ground.keep(&what)?;
                return Err(problem.context(format!(
                    "seed {seed}, round {}, {}; the data dir is kept in {}",
                    turn.number,
                    turn.cell,
                    kept.display()
                )));
            }
        }
    }
    Ok(())
}

impl Board {
    fn deal(&self) -> Option<Turn> {
        let kills = lock(&self.tally).kills();
        lock(&self.rounds).deal(kills)
    }
}

impl Rounds {
    fn deal(&mut self, kills: u64) -> Option<Turn> {
        let over = match self.until {
            Until::Kills(wanted) => kills >= wanted && self.dealt >= self.cells.len() as u64,
            Until::Rounds(rounds) => self.dealt >= rounds,
            Until::Elapsed(limit) => self.began.elapsed() >= limit,
        };
        if over || self.stopped {
            return None;
        }
        if self.deck.is_empty() {
            self.deck.clone_from(&self.cells);
            self.rng.shuffle(&mut self.deck);
        }
        self.dealt += 1;
        Some(Turn { number: self.dealt, cell: self.deck.pop()?, seed: self.rng.u64(..) })
    }
}

#[expect(clippy::print_stderr, reason = "tells whoever watches how it goes")]
fn tell(turn: &Turn, report: &Report, took: Duration) {
    eprintln!(
        "round {:>5}  {:<28} {:<18} {:>2} kills  {:?}  {} ms",
        turn.number,
        turn.cell.fault,
        turn.cell.moment,
        report.kills,
        report.verdict,
        took.as_millis()
    );
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
