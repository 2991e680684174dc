//! The result of a campaign: a row per cell.

use std::collections::BTreeMap;
use std::fmt;

use super::ledger::Verdict;
use super::round::Report;
use super::{Cell, Fault, Moment};

/// What happened in each cell so far.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Cell, Row>);

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    rounds: u64,
    kills: u64,
    saved: u64,
    recovered: u64,
    nothing_to_save: u64,
    lost: u64,
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.kills += other.kills;
        self.saved += other.saved;
        self.recovered += other.recovered;
        self.nothing_to_save += other.nothing_to_save;
        self.lost += other.lost;
    }
}

impl Tally {
    /// Notes a round in which nothing was lost.
    pub fn note(&mut self, cell: Cell, report: &Report) {
        let row = self.0.entry(cell).or_default();
        row.rounds += 1;
        row.kills += u64::from(report.kills);
        match report.verdict {
            Verdict::Saved => row.saved += 1,
            Verdict::Recovered => row.recovered += 1,
            Verdict::NothingToSave(_) => row.nothing_to_save += 1,
        }
    }

    /// Notes a round in which something was.
    pub fn note_loss(&mut self, cell: Cell) {
        let row = self.0.entry(cell).or_default();
        row.rounds += 1;
        row.lost += 1;
    }

    /// Returns how many signals reached a process.
    pub fn kills(&self) -> u64 {
        self.total().kills
    }

    /// Returns how many rounds were played.
    pub fn rounds(&self) -> u64 {
        self.total().rounds
    }

    /// Returns the cells that nothing happened in yet.
    pub fn missing(&self) -> Vec<Cell> {
        Cell::all().into_iter().filter(|cell| !self.0.contains_key(cell)).collect()
    }

    fn total(&self) -> Row {
        let mut total = Row::default();
        self.0.values().for_each(|row| total.add(row));
        total
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:<18} {:>6} {:>6} {:>6} {:>10} {:>16} {:>5}",
            "what", "when", "rounds", "kills", "saved", "recovered", "nothing to save", "lost"
        )?;
        for fault in Fault::ALL {
            for moment in Moment::ALL {
                if let Some(row) = self.0.get(&Cell { fault, moment }) {
                    write_row(f, &fault.to_string(), &moment.to_string(), row)?;
                }
            }
        }
        write_row(f, "all", "", &self.total())
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, what: &str, when: &str, row: &Row) -> fmt::Result {
    let Row { rounds, kills, saved, recovered, nothing_to_save, lost } = row;
    writeln!(
        f,
        "{what:<28} {when:<18} {rounds:>6} {kills:>6} {saved:>6} {recovered:>10} {nothing_to_save:>16} {lost:>5}"
    )
}
