//! A process group: signalling it, and telling when nothing of it is left.

use std::fs;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::time::{Instant, sleep};

/// The first pause between two looks. Members usually go within a few milliseconds of their leader.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The group that a browser leads: itself, its zygotes, renderers, GPU and utility processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessGroup(Pid);

impl ProcessGroup {
    /// Names the group that this process leads. `None` for 0, which is nobody's.
    pub(crate) fn led_by(pid: u32) -> Option<Self> {
        i32::try_from(pid).ok().and_then(Pid::from_raw).map(Self)
    }

    /// Signals the leader alone.
    pub(crate) fn signal_leader(self, signal: Signal) {
        // Gone already is what any signal of ours is for.
        let _gone_already = kill_process(self.0, signal);
    }

    /// Signals every member.
    pub(crate) fn signal_all(self, signal: Signal) {
        let _gone_already = kill_process_group(self.0, signal);
    }

    /// Waits until no member runs, `within` at most, and tells whether that came true. A zombie does not run: where
    /// nobody reaps orphans, as in a container without an init, it would be waited for in vain.
    pub(crate) async fn is_gone(self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut pause = FIRST_PAUSE;
        loop {
            if self.is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn is_empty(self) -> bool {
        if test_kill_process_group(self.0) == Err(Errno::SRCH) {
            return true;
        }
        !running_groups().any(|group| group == self.0.as_raw_nonzero().get())
    }
}

/// Returns the group of every process of this machine that is not a zombie.
fn running_groups() -> impl Iterator<Item = i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| Stat::parse(&stat))
        .filter(|stat| !stat.is_over())
        .map(|stat| stat.group)
}

/// What we need of `/proc/<pid>/stat` (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    state: char,
    group: i32,
    /// Clock ticks between the machine's boot and the process's start.
    pub(crate) start_time: u64,
}

impl Stat {
    /// Reads a running process's.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Tells whether the process has ended and only waits to be reaped.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let start_time = fields.nth(16)?.parse().ok()?;
        Some(Self { state, group, start_time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_a_name_with_parentheses() {
        let text = "2410 (a) b (c) S 1 2409 2408 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 99321 5 6 7";
        let expected = Stat { state: 'S', group: 2409, start_time: 99321 };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn our_own_stat_can_be_read() {
        let stat = Stat::of(std::process::id()).unwrap();
        assert!(!stat.is_over());
        assert!(stat.start_time > 0);
    }
}
