//! Groups of processes: signalling them, and telling when nothing of them is left.

use std::fs;
use std::path::Path;
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

    /// Waits until every member is stopped, `within` at most, and tells whether that came true.
    pub(crate) async fn is_stopped(self, within: Duration) -> bool {
        let group = self.0.as_raw_nonzero().get();
        let stopped = || {
            let mut members = process_ids().filter_map(Stat::of).filter(|stat| stat.group == group);
            members.all(|stat| stat.is_over() || stat.is_stopped())
        };
        comes_true(within, stopped).await
    }

    /// Waits until no member runs, `within` at most, and tells whether that came true. A zombie does not run: where
    /// nobody reaps orphans, as in a container without an init, it would be waited for in vain.
    pub(crate) async fn is_gone(self, within: Duration) -> bool {
        comes_true(within, || self.is_empty()).await
    }

    fn is_empty(self) -> bool {
        if test_kill_process_group(self.0) == Err(Errno::SRCH) {
            return true;
        }
        !running_groups().any(|group| group == self.0.as_raw_nonzero().get())
    }
}

/// Processes that have left a browser's group: full Chromium's crash handlers, each a session leader of its own. They end
/// by themselves once nobody is left to watch, but a little later than the rest, and what they write is in the browser's
/// home: one that lives on would get in the way of the home's removal.
#[derive(Debug)]
pub(crate) struct Strays(Vec<(Pid, Stat)>);

impl Strays {
    /// Finds those that keep their crash database below a browser's home.
    pub(crate) fn of(home: &Path) -> Self {
        let database = [b"--database=", home.as_os_str().as_encoded_bytes(), b"/"].concat();
        let found = process_ids().filter(|pid| CommandLine::of(*pid).rests_of(&database).next().is_some());
        Self(
            found
                .filter_map(|pid| Some((Pid::from_raw(i32::try_from(pid).ok()?)?, Stat::of(pid)?)))
                .collect(),
        )
    }

    /// Waits until none of them runs, `within` at most, and tells whether that came true.
    pub(crate) async fn are_gone(&self, within: Duration) -> bool {
        comes_true(within, || self.running().next().is_none()).await
    }

    pub(crate) fn kill(&self) {
        for pid in self.running() {
            let _gone_already = kill_process(pid, Signal::KILL);
        }
    }

    fn running(&self) -> impl Iterator<Item = Pid> {
        let same = |pid: Pid, then: &Stat| {
            let now = u32::try_from(pid.as_raw_nonzero().get()).ok().and_then(Stat::of);
            now.is_some_and(|now| now.start_time == then.start_time && !now.is_over())
        };
        self.0.iter().filter(move |(pid, stat)| same(*pid, stat)).map(|(pid, _)| *pid)
    }
}

/// Looks until something holds, or the time is over. There is nothing to await: no event tells of a process that is not
/// our child.
async fn comes_true(within: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    true
}

/// Returns the group of every process of this machine that is not a zombie.
fn running_groups() -> impl Iterator<Item = i32> {
    process_ids().filter_map(Stat::of).filter(|stat| !stat.is_over()).map(|stat| stat.group)
}

/// Lists the machine's processes.
pub(crate) fn process_ids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `/proc/<pid>/cmdline`. A NUL is between arguments, or a space in a process that has renamed itself, as some versions of
/// Chromium do.
#[derive(Debug)]
pub(crate) struct CommandLine(Vec<u8>);

impl CommandLine {
    /// Reads a running process's; empty when there is no such process.
    pub(crate) fn of(pid: u32) -> Self {
        Self(fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
    }

    /// Tells whether an argument is this one.
    pub(crate) fn has(&self, argument: &[u8]) -> bool {
        self.rests_of(argument).any(|rest| matches!(rest.first(), None | Some(0 | b' ')))
    }

    /// Returns what follows each place where an argument starts with this.
    fn rests_of(&self, start: &[u8]) -> impl Iterator<Item = &[u8]> {
        let places =
            self.0.windows(start.len()).enumerate().filter(move |(at, found)| {
                *found == start && (*at == 0 || matches!(self.0[at - 1], 0 | b' '))
            });
        places.map(|(at, found)| &self.0[at + found.len()..])
    }
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

    /// Tells whether the process of this id leads a group.
    pub(crate) fn is_leader(&self, pid: u32) -> bool {
        u32::try_from(self.group) == Ok(pid)
    }

    /// Tells whether the process has ended and only waits to be reaped.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Tells whether the process is held by SIGSTOP.
    fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
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
    fn arguments_are_found_also_when_a_process_has_renamed_itself() {
        for line in [
            &b"chromium\0--user-data-dir=/a b/c\0--x\0"[..],
            b"chromium --user-data-dir=/a b/c --x",
            b"--user-data-dir=/a b/c",
        ] {
            let line = CommandLine(line.to_vec());
            assert!(line.has(b"--user-data-dir=/a b/c"), "{line:?}");
            assert!(!line.has(b"--user-data-dir=/a b"), "{line:?}");
            assert!(!line.has(b"user-data-dir=/a b/c"), "{line:?}");
        }
    }

    #[test]
    fn our_own_stat_can_be_read() {
        let stat = Stat::of(std::process::id()).unwrap();
        assert!(!stat.is_over());
        assert!(stat.start_time > 0);
    }
}
