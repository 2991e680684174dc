//! Browsers of a server that is no more.
//!
//! A browser whose server died sees its pipe close, flushes, and exits by itself, in 40 to 120 ms as measured. One that is
//! stuck does not. A process id alone does not identify it, since ids come round again; together with the process's start
//! time it does, until the machine restarts.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::group::{CommandLine, ProcessGroup, Stat, process_ids};

/// How long a browser may take to notice that its pipe has closed, and to flush.
const OWN_GRACE: Duration = Duration::from_secs(3);
/// How long it may take after SIGINT, and again after SIGTERM. Full Chromium flushes at the one, not at the other.
const SIGNAL_GRACE: Duration = Duration::from_secs(2);
/// How long killed processes may take to be gone.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// How often to look.
const PAUSE: Duration = Duration::from_millis(10);

/// What became of a browser of an earlier server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// It was not there any more.
    Gone,
    /// It ended by itself, flushed.
    ByItself,
    /// It ended when told to.
    Terminated,
    /// It had to be killed.
    Killed,
    /// It is still there: stuck in the kernel, or not ours to signal.
    Stuck,
}

/// Returns when a process started, in clock ticks since the machine's boot, or `None` if there is no such process.
/// Together with the id it names a process for as long as the machine is up.
pub fn process_start_time(pid: u32) -> Option<u64> {
    Stat::of(pid).map(|stat| stat.start_time)
}

/// Finds the browser that runs on a user data dir, by its command line: its pid and start time. For a server that died
/// between starting a browser and noting which process it is.
pub fn find_leftover(user_data_dir: &Path) -> Option<(u32, u64)> {
    let named = [b"--user-data-dir=", user_data_dir.as_os_str().as_encoded_bytes()].concat();
    process_ids().find_map(|pid| {
        let stat = Stat::of(pid).filter(|stat| stat.is_leader(pid) && !stat.is_over())?;
        CommandLine::of(pid).has(&named).then_some((pid, stat.start_time))
    })
}

/// Makes sure that a browser of an earlier server is gone, with its whole process group, and tells how that came about.
pub async fn end_leftover(pid: u32, start_time: u64) -> Leftover {
    let Some(group) = ProcessGroup::led_by(pid).filter(|_| is_its_group(pid, start_time)) else {
        return Leftover::Gone;
    };
    // Its server may have died while it held the browser still to read its files.
    group.signal_all(Signal::CONT);
    let how =
        if is_running(pid, start_time) { end_leader(pid, start_time, group).await } else { Leftover::Gone };
    if group.is_gone(PAUSE * 50).await {
        return how;
    }
    group.signal_all(Signal::KILL);
    if group.is_gone(KILL_GRACE).await { Leftover::Killed } else { Leftover::Stuck }
}

async fn end_leader(pid: u32, start_time: u64, group: ProcessGroup) -> Leftover {
    if has_ended(pid, start_time, OWN_GRACE).await {
        return Leftover::ByItself;
    }
    for signal in [Signal::INT, Signal::TERM] {
        group.signal_leader(signal);
        if has_ended(pid, start_time, SIGNAL_GRACE).await {
            return Leftover::Terminated;
        }
    }
    group.signal_all(Signal::KILL);
    Leftover::Killed
}

async fn has_ended(pid: u32, start_time: u64, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    while is_running(pid, start_time) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(PAUSE).await;
    }
    true
}

/// Tells whether the group of this number is the browser's. No process gets a number that is a group's, so when nobody has
/// it, what is left of the group outlived its leader: services that still write.
fn is_its_group(pid: u32, start_time: u64) -> bool {
    Stat::of(pid).is_none_or(|stat| stat.start_time == start_time)
}

fn is_running(pid: u32, start_time: u64) -> bool {
    Stat::of(pid).is_some_and(|stat| stat.start_time == start_time && !stat.is_over())
}
