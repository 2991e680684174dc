//! Torture: sessions to which things happen, at moments that chance chooses, and a ledger of what was promised.
//!
//! ```text
//!  ┌ ground: one data dir, its site, its ledger ────────────────────────────────────────────────────────┐
//!  │ round: start ─ create ─ log in ─ end ─ stop   start again ─ is every promise kept? ─ stop ─ nothing left? │
//!  │                └──── fault, at a moment ───┘    └─ killed while it recovers, now and then                 │
//!  └─────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A [`Fault`] is what goes wrong, a [`Moment`] is when; the two are a [`Cell`] of the matrix. A [`round`] is one session
//! in one cell. Every choice comes from a seed; what the scheduler makes of it does not, so a seed that found something
//! finds it again most of the time, not always. [`campaign`] plays rounds on several grounds side by side, and
//! stops at the first loss: the data dir is then kept, with a description.
//!
//! What a round requires is in [`verify`]: a check of every byte passes; every receipt that was ever returned is listed,
//! and opens with what it claims; the head is a complete revision; what the last checkpoint held is there; a session
//! that its owner was told of is saved; its end says what happened; no profile waits for ever; no process and no
//! file of a session is left.

pub mod campaign;
mod cookie;
mod fault;
mod ground;
pub mod ledger;
mod moment;
mod pruning;
pub mod round;
mod strike;
mod tally;
pub mod verify;

use std::fmt;

pub use self::campaign::{Campaign, Until};
pub use self::fault::Fault;
pub use self::ground::Ground;
pub use self::ledger::Verdict;
pub use self::moment::Moment;
pub use self::tally::Tally;

/// One cell of the matrix: what goes wrong, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// What.
    pub fault: Fault,
    /// When.
    pub moment: Moment,
}

impl Cell {
    /// Every cell.
    pub fn all() -> Vec<Self> {
        let row = |fault| Moment::ALL.map(|moment| Self { fault, moment });
        Fault::ALL.into_iter().flat_map(row).collect()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.fault, self.moment)
    }
}
