//! Walls around one browser and everything that it starts: which files, which port, which user, how much of the machine.
//!
//! A launch runs not the browser but a launcher: this very program again, told by its first argument to call [`run`]. The
//! launcher builds the walls around itself and becomes the browser, so no moment of the browser's life is outside them,
//! and nothing has to happen between fork and exec, where only unsafe code could do it.
//!
//! In order, each a file here: a [`cgroup`] (memory, number of tasks), [`limits`] (open files, core dumps), mounts of its
//! own (root only: [`mounts`]), Landlock ([`landlock`]), and last the user.
//!
//! What each wall is worth without the others is in the project's `SECURITY.md`. Chromium's own sandbox is inside all this,
//! as it would be anywhere.

mod cgroup;
mod landlock;
mod limits;
mod mounts;
mod order;

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

pub use self::cgroup::{Cgroup, Cgroups};
pub use self::landlock::{Landlock, LandlockSupport, landlock_support};
pub(crate) use self::order::Order;

/// The first argument of a program that is to be the launcher. [`run`] takes the rest.
pub const CONFINE: &str = "confine";
/// The exit status of a launcher that could not build a wall, or not become the browser; its stderr says which, and why.
const FAILED: u8 = 125;

/// The walls around a browser.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// The program that becomes the launcher: one that calls [`run`] when its first argument is [`CONFINE`].
    pub launcher: PathBuf,
    /// What must hold of the kernel's Landlock.
    pub landlock: Landlock,
    /// How much of the machine the browser may take.
    pub limits: Limits,
    /// Where the browser's control group is made. `None` where none is delegated to us.
    pub cgroups: Option<Cgroups>,
}

/// How much of the machine one browser may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open files of each process.
    pub open_files: u64,
    /// Processes and threads, all together. Holds where there is a control group, or a user for this browser alone.
    pub tasks: u64,
    /// Memory of all processes together, in bytes; `None` is no limit. Holds where there is a control group.
    pub memory_bytes: Option<u64>,
}

/// Becomes the launcher: builds the walls that the first argument describes, and runs the program that the second one names
/// with the rest. Returns only when that failed, with the status to exit with; stderr has the reason.
///
/// To be called first thing in `main`: the process must have one thread.
#[expect(clippy::print_stderr, reason = "the browser's stderr is where its owner looks for the reason")]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let Err(error) = try_run(arguments.into_iter());
    eprintln!("roadstead {CONFINE}: {error}");
    FAILED
}

fn try_run(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
    let missing =
        || io::Error::other("an order and a program are expected; this command is the server's own");
    let order = arguments.next().and_then(|order| order.into_string().ok()).ok_or_else(missing)?;
    let program = arguments.next().ok_or_else(missing)?;
    let order: Order = serde_json::from_str(&order).map_err(|_| missing())?;
    if let Some(cgroup) = &order.cgroup {
        step("join the control group", cgroup::join(cgroup))?;
    }
    step("set the limits", limits::set(&order))?;
    if order.user.is_some() {
        mounts::separate();
    }
    step("restrict files and network by Landlock", landlock::restrict(&order))?;
    step("renounce new privileges", rustix::thread::set_no_new_privs(true).map_err(Into::into))?;
    let mut command = Command::new(&program);
    command.args(arguments);
    if let Some(user) = order.user {
        // The standard library drops the supplementary groups along with root.
        command.uid(user.uid).gid(user.gid);
    }
    Err(io::Error::other(format!("run the browser: {}", command.exec())))
}

fn step<T>(what: &str, done: io::Result<T>) -> io::Result<T> {
    done.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}
