//! One child process that leads a group of its own: spawn, wait, end, and nothing left of it.
//!
//! Knows nothing of the protocol. The owner awaits [`Process::finish`]; dropping it instead kills the group at once,
//! which is the safety net for a launch that is cancelled.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::confine::Cgroup;
use crate::group::{ProcessGroup, Strays};
use crate::stderr::StderrTail;

/// How long the other members of a group may take to follow their leader before they are killed. Chromium's end when
/// their channel to the browser process closes, within milliseconds.
const FOLLOW_GRACE: Duration = Duration::from_millis(500);
/// How long killed processes may take to be gone. Only a process stuck in the kernel takes longer than a few
/// milliseconds, and nothing that we could do would hurry it.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// How long a group may take to stop. Only a process in the middle of a slow read or write takes more than a millisecond.
const FREEZE_GRACE: Duration = Duration::from_secs(2);

/// A browser whose every process is stopped: its files do not change. Dropping it lets it go on.
#[derive(Debug)]
pub struct Frozen(ProcessGroup);

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.signal_all(Signal::CONT);
    }
}

/// A child and its group.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: u32,
    group: ProcessGroup,
    home: PathBuf,
    stderr: StderrTail,
    /// Removed, with whatever is left in it, when the process is seen out.
    cgroup: Option<Cgroup>,
    /// Whether nothing of the group is left, so that its number may be somebody else's by now.
    over: bool,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stderr_tail: String,
}

impl Process {
    /// Stops every process of the group where it is, until the returned hold is dropped. `None` when they do not all stop
    /// in time; then none is stopped.
    pub(crate) async fn freeze(&self) -> Option<Frozen> {
        let frozen = Frozen(self.group);
        self.group.signal_all(Signal::STOP);
        // Dropping it lets them go on.
        self.group.is_stopped(FREEZE_GRACE).await.then_some(frozen)
    }

    /// Spawns a command as the leader of a new group, with its stderr drained. What leaves the group is known by having its
    /// files in `home`.
    pub(crate) fn spawn(command: &mut Command, home: &Path, cgroup: Option<Cgroup>) -> io::Result<Self> {
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().expect("a child that was not waited for has an id");
        let group = ProcessGroup::led_by(pid).expect("a child's id is not 0");
        let stderr = StderrTail::of(child.stderr.take().expect("stderr is piped"));
        Ok(Self { child, pid, group, home: home.to_owned(), stderr, cgroup, over: false })
    }

    /// Returns the leader's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells whether the kernel has killed it because its memory was used up. Known where it has a control group.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::ran_out_of_memory)
    }

    /// Waits for the leader to end. Cancel-safe, and can be called again.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        self.child.wait().await.expect("a child of ours can be waited for")
    }

    /// Waits for the leader to end, `within` at most.
    pub(crate) async fn wait_within(&mut self, within: Duration) -> Option<ExitStatus> {
        timeout(within, self.wait()).await.ok()
    }

    /// Signals the leader alone, unless it has ended.
    pub(crate) fn signal_leader(&self, signal: Signal) {
        // Its number may be another's once it was waited for.
        if self.child.id().is_some() {
            self.group.signal_leader(signal);
        }
    }

    /// Kills every member of the group.
    pub(crate) fn kill(&self) {
        self.group.signal_all(Signal::KILL);
    }

    /// Sees the whole group out once its leader has ended or was killed: whoever does not follow is killed.
    pub(crate) async fn finish(mut self) -> Finished {
        let status = self.wait().await;
        if !self.group.is_gone(FOLLOW_GRACE).await {
            self.kill();
        }
        let strays = Strays::of(&self.home);
        if !strays.are_gone(FOLLOW_GRACE).await {
            strays.kill();
        }
        if !(self.group.is_gone(KILL_GRACE).await && strays.are_gone(KILL_GRACE).await) {
            tracing::error!(browser.pid = self.pid, "processes of a browser do not end even when killed");
        }
        self.over = true;
        drop(self.cgroup.take());
        Finished { status, stderr_tail: self.stderr.last_words().await }
    }

    /// Kills the group and sees it out.
    pub(crate) async fn abort(self) -> Finished {
        self.kill();
        self.finish().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.over {
            self.kill();
        }
    }
}
