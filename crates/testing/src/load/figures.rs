//! What a server holds, as the kernel counts it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::place::Place;
use crate::processes;
use crate::program::Program;

/// How long a server may take to let go of what it holds. Idle threads of its pool go after ten seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// For how long the figures must stay the same to be steady.
const CALM: Duration = Duration::from_secs(2);
/// How often they are looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// What one server holds at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The memory of the server's own process, in bytes.
    pub resident_bytes: u64,
    /// Its open file descriptors, without those of its database: its pool makes connections when it needs them, to a bound.
    pub descriptors: usize,
    /// Its threads.
    pub threads: usize,
    /// The processes that it started, and that those did.
    pub processes: usize,
    /// The directories and files in its data dir's `work`, at the first level.
    pub work_dirs: usize,
}

impl Figures {
    /// The head of a table of figures.
    pub const TITLES: &str = "  memory  descriptors  threads  processes  work dirs";

    /// Counts.
    fn of(program: &Program, place: &Place) -> Result<Self> {
        let pid = program.pid()?;
        let of_process = |dir: &str| fs::read_dir(format!("/proc/{}/{dir}", pid.as_raw_nonzero()));
        // One that is closed meanwhile cannot be read.
        let descriptors = of_process("fd")?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let database = place.data().join("roadstead.db");
        let is_database =
            |path: &Path| path.to_string_lossy().starts_with(database.to_string_lossy().as_ref());
        Ok(Self {
            resident_bytes: program.resident_bytes()?,
            descriptors: descriptors.filter(|path| !is_database(path)).count(),
            threads: of_process("task")?.count(),
            processes: processes::descendants(pid).len(),
            work_dirs: fs::read_dir(place.work())?.count(),
        })
    }

    /// Tells whether these are not more than `others`, memory aside.
    pub fn is_within(&self, others: &Self) -> bool {
        self.descriptors <= others.descriptors
            && self.threads <= others.threads
            && self.processes <= others.processes
            && self.work_dirs <= others.work_dirs
    }

    /// Waits until nothing changes, memory and threads aside.
    pub async fn steady(program: &Program, place: &Place) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Self::of(program, place)?;
        let mut since = Instant::now();
        while since.elapsed() < CALM {
            if Instant::now() > deadline {
                bail!("the server's figures never came to rest: {last}");
            }
            sleep(PAUSE).await;
            let now = Self::of(program, place)?;
            if (now.descriptors, now.processes, now.work_dirs)
                != (last.descriptors, last.processes, last.work_dirs)
            {
                since = Instant::now();
            }
            last = now;
        }
        Ok(last)
    }

    /// Waits until no more is held than `others` say. Returns what is held then, or when patience ends.
    pub async fn within(others: &Self, program: &Program, place: &Place) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::of(program, place)?;
            if now.is_within(others) || Instant::now() > deadline {
                return Ok(now);
            }
            sleep(PAUSE).await;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.resident_bytes >> 20;
        write!(
            f,
            "{mib:4} MiB  {:11}  {:7}  {:9}  {:9}",
            self.descriptors, self.threads, self.processes, self.work_dirs
        )
    }
}
