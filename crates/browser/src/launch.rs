//! From options to a browser that has answered: files, pipes, spawn, first reply.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use roadstead_devtools::Mux;
use rustix::pipe::fcntl_setpipe_size;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::Instant;

use crate::browser::BrowserVersion;
use crate::confine::{CONFINE, Cgroup, Confinement, Order};
use crate::environment::{TEMPORARY_DIR, environment};
use crate::flags::plan_args;
use crate::options::LaunchOptions;
use crate::ownership::give_to;
use crate::process::{Finished, Process};
use crate::user_data_dir::prepare_user_data_dir;

/// Chromium reads commands here and writes replies there: fixed by `--remote-debugging-pipe`.
const COMMANDS_FD: i32 = 3;
const REPLIES_FD: i32 = 4;
/// Linux's default limit for a pipe that root has not raised. A pipe of 64 KiB makes a 5 MB screenshot 80 wake-ups.
const PIPE_BYTES: usize = 1 << 20;
/// The exit code of full Chromium when another process has the user data dir (`RESULT_CODE_PROFILE_IN_USE`).
const PROFILE_IN_USE: i32 = 21;

/// Why a browser did not start. Whatever the reason, none of its processes is left.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The user data dir or the home could not be made ready.
    #[error("prepare the browser's directories")]
    Prepare(#[source] io::Error),
    /// The binary could not be run.
    #[error("run {executable}", executable = .executable.display())]
    Spawn {
        /// The binary.
        executable: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another browser has the user data dir.
    #[error("use the user data dir: another browser has it")]
    InUse,
    /// The browser ended before its first reply.
    #[error("start the browser: it ended at once ({status})")]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// The end of its stderr.
        stderr_tail: String,
    },
    /// The browser lived but closed its pipe, or spoke something else on it.
    #[error("talk to the browser: {reason}")]
    NoConversation {
        /// What was wrong.
        reason: String,
        /// The end of its stderr.
        stderr_tail: String,
    },
    /// The browser did not answer in time.
    #[error("start the browser: no answer within {after:?}")]
    TimedOut {
        /// How long it had.
        after: Duration,
        /// The end of its stderr.
        stderr_tail: String,
    },
}

impl LaunchError {
    /// Returns the end of the browser's stderr; empty if it never ran or said nothing.
    pub fn stderr_tail(&self) -> &str {
        match self {
            Self::Exited { stderr_tail, .. }
            | Self::NoConversation { stderr_tail, .. }
            | Self::TimedOut { stderr_tail, .. } => stderr_tail,
            Self::Prepare(_) | Self::Spawn { .. } | Self::InUse => "",
        }
    }
}

/// A browser that has answered.
pub(crate) struct Launched {
    pub(crate) process: Process,
    pub(crate) mux: Mux,
    pub(crate) version: BrowserVersion,
}

/// Launches a browser. Dropping the future kills what it has started.
pub(crate) async fn launch(options: &LaunchOptions) -> Result<Launched, LaunchError> {
    let deadline = Instant::now() + options.launch_timeout;
    let files = options.clone();
    tokio::task::spawn_blocking(move || prepare_files(&files))
        .await
        .expect("preparing files does not panic")
        .map_err(prepare_failed)?;
    let ours_and_theirs = Pipes::open().map_err(LaunchError::Prepare)?;
    let Pipes { to_browser, from_browser, commands, replies } = ours_and_theirs;
    let cgroup = make_cgroup(options).map_err(LaunchError::Prepare)?;
    let mut command = command(options, cgroup.as_ref(), commands, replies).map_err(LaunchError::Prepare)?;
    let spawned = Process::spawn(&mut command, &options.home, cgroup);
    // The command holds the browser's ends of the pipes: while ours stay open nobody sees the browser close them.
    drop(command);
    let process =
        spawned.map_err(|source| LaunchError::Spawn { executable: options.executable.clone(), source })?;
    let mux = Mux::start(from_browser, to_browser);
    converse(process, mux, deadline, options.launch_timeout).await
}

/// Waits for the first reply, the end of the process, or the deadline, whichever comes first.
async fn converse(
    mut process: Process,
    mux: Mux,
    deadline: Instant,
    allowed: Duration,
) -> Result<Launched, LaunchError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let first = tokio::select! {
        biased;
        version = BrowserVersion::ask(&mux, left) => version,
        _status = process.wait() => Err("it ended".to_owned()),
    };
    let reason = match first {
        Ok(version) => return Ok(Launched { process, mux, version }),
        Err(reason) => reason,
    };
    if Instant::now() >= deadline {
        let Finished { stderr_tail, .. } = process.abort().await;
        return Err(LaunchError::TimedOut { after: allowed, stderr_tail });
    }
    // A process that ends closes its pipe a little before it can be waited for.
    if process.wait_within(Duration::from_millis(250)).await.is_some() {
        let Finished { status, stderr_tail } = process.finish().await;
        if status.code() == Some(PROFILE_IN_USE) {
            return Err(LaunchError::InUse);
        }
        return Err(LaunchError::Exited { status, stderr_tail });
    }
    let Finished { stderr_tail, .. } = process.abort().await;
    Err(LaunchError::NoConversation { reason, stderr_tail })
}

fn prepare_failed(error: io::Error) -> LaunchError {
    if error.kind() == io::ErrorKind::AddrInUse { LaunchError::InUse } else { LaunchError::Prepare(error) }
}

fn prepare_files(options: &LaunchOptions) -> io::Result<()> {
    prepare_user_data_dir(&options.user_data_dir, options.open_pdf_externally)?;
    std::fs::create_dir_all(options.home.join(TEMPORARY_DIR))?;
    if let Some(user) = options.run_as {
        give_to(&options.user_data_dir, user)?;
        give_to(&options.home, user)?;
    }
    Ok(())
}

fn make_cgroup(options: &LaunchOptions) -> io::Result<Option<Cgroup>> {
    let Some(Confinement { cgroups: Some(cgroups), limits, .. }) = &options.confinement else {
        return Ok(None);
    };
    cgroups.create(&options.name, limits).map(Some)
}

fn command(
    options: &LaunchOptions,
    cgroup: Option<&Cgroup>,
    commands: OwnedFd,
    replies: OwnedFd,
) -> io::Result<Command> {
    let mut command = match &options.confinement {
        Some(confinement) => confined(options, confinement, cgroup)?,
        None => unconfined(options),
    };
    command.args(plan_args(options)).current_dir(&options.home).env_clear().envs(environment(options));
    command
        .fd_mappings(vec![
            FdMapping { parent_fd: commands, child_fd: COMMANDS_FD },
            FdMapping { parent_fd: replies, child_fd: REPLIES_FD },
        ])
        .expect("two different fds");
    Ok(command)
}

/// A launcher, which builds the walls and becomes the browser.
fn confined(
    options: &LaunchOptions,
    confinement: &Confinement,
    cgroup: Option<&Cgroup>,
) -> io::Result<Command> {
    let order = Order::plan(options, confinement, cgroup.map(Cgroup::path));
    let mut command = Command::new(&confinement.launcher);
    command.arg(CONFINE).arg(order.to_argument()?).arg(&options.executable);
    Ok(command)
}

fn unconfined(options: &LaunchOptions) -> Command {
    let mut command = Command::new(&options.executable);
    if let Some(user) = options.run_as {
        // The standard library drops the supplementary groups along with root.
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// Both pipes: our ends for tokio, the browser's ends blocking, as it expects them.
struct Pipes {
    to_browser: pipe::Sender,
    from_browser: pipe::Receiver,
    commands: OwnedFd,
    replies: OwnedFd,
}

impl Pipes {
    fn open() -> io::Result<Self> {
        let (to_browser, commands) = pipe::pipe()?;
        let (replies, from_browser) = pipe::pipe()?;
        for end in [to_browser.as_fd(), from_browser.as_fd()] {
            // Past the machine's limit for unprivileged users the pipe stays small, which only costs speed.
            let _small = fcntl_setpipe_size(end, PIPE_BYTES);
        }
        Ok(Self {
            to_browser,
            from_browser,
            commands: commands.into_blocking_fd()?,
            replies: replies.into_blocking_fd()?,
        })
    }
}
