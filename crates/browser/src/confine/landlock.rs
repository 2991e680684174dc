//! Landlock: a process may take rights away from itself and from all that it starts, for good, without being root.
//!
//! # What a browser may reach (Chromium 156, both builds, found by leaving out what it does not miss)
//!
//! | what | rights | why |
//! | --- | --- | --- |
//! | its own directories | all but running programs | profile, home, downloads |
//! | what it is shown | read | files for its file choosers |
//! | [`SYSTEM`] | read, run | libraries, fonts, certificates, the binary |
//! | [`DEVICES`] | read, write | what every program has |
//! | `/proc` | read, write | the sandbox writes `/proc/self/uid_map`; without it "No usable sandbox!" |
//! | one TCP port | connect | its egress listener |
//!
//! Nothing else can be opened, `/dev/shm` included: shared memory comes from `memfd_create` and from files in the home. No
//! port can be listened on. Signals and abstract Unix sockets reach no process outside (ABI 6). What Landlock (ABI 7) does
//! not cover: UDP, Unix sockets by path, and `stat(2)`, which tells that a file exists.
//!
//! A process inside cannot look into one outside by `ptrace`, nor by what `/proc/<pid>` guards with the same check:
//! `environ`, `mem`, `fd`, `cwd`, `root`, `maps`.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};
use serde::{Deserialize, Serialize};

use super::Order;

/// Files up to truncation (Linux 6.2) and TCP (6.7): what [`Landlock::Required`] requires.
const REQUIRED: ABI = ABI::V4;
/// Also devices' ioctls (6.10), signals and abstract sockets (6.12): the newest that this was tested on.
const WANTED: ABI = ABI::V6;

/// Read and run. What a system lacks is passed over.
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/opt/google/chrome",
    "/etc/alternatives",
    "/etc/chromium",
    "/etc/chromium.d",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/opt/chrome",
    "/etc/pki",
    "/etc/ssl",
    "/etc/timezone",
    "/var/cache/fontconfig",
    "/sys/devices/system/cpu",
];
/// Read and write.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What must hold of the kernel's Landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Landlock {
    /// It is used as far as the kernel has it.
    BestEffort,
    /// No browser starts where files and TCP cannot be restricted.
    Required,
}

/// How far the kernel can restrict a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LandlockSupport {
    /// Files, devices, TCP, signals and abstract sockets.
    Full,
    /// Some of it; the kernel's version of Landlock.
    Partial(u32),
    /// Nothing: the kernel was built, or booted, without it.
    None,
}

impl LandlockSupport {
    /// Tells whether [`Landlock::Required`] lets a browser start.
    pub fn suffices(self) -> bool {
        match self {
            Self::Full => true,
            Self::Partial(abi) => abi >= REQUIRED as u32,
            Self::None => false,
        }
    }
}

/// Asks the kernel what it can restrict. On a thread of its own, since the question is a restriction.
pub fn landlock_support() -> LandlockSupport {
    let asked = std::thread::spawn(|| {
        let status = ruleset(CompatLevel::BestEffort).and_then(RulesetCreated::restrict_self).ok()?;
        Some(match (status.ruleset, status.landlock) {
            (RulesetStatus::FullyEnforced, _) => LandlockSupport::Full,
            (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
                LandlockSupport::Partial(effective_abi as u32)
            }
            _ => LandlockSupport::None,
        })
    });
    asked.join().ok().flatten().unwrap_or(LandlockSupport::None)
}

/// Restricts the calling thread, and all that it starts, for good.
pub(super) fn restrict(order: &Order) -> io::Result<()> {
    try_restrict(order).map_err(io::Error::other)
}

fn try_restrict(order: &Order) -> Result<(), RulesetError> {
    let level = match order.landlock {
        Landlock::BestEffort => CompatLevel::BestEffort,
        Landlock::Required => CompatLevel::HardRequirement,
    };
    let own = AccessFs::from_all(WANTED) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    let read = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::Truncate;
    let system = SYSTEM.iter().map(Path::new).chain(order.readable.iter().map(AsRef::as_ref));
    let mut rules = allow(ruleset(level)?, order.own.iter().map(AsRef::as_ref), own)?;
    rules = allow(rules, system, read)?;
    let shown = order.shown.iter().map(AsRef::as_ref);
    rules = allow(rules, shown, AccessFs::ReadFile | AccessFs::ReadDir)?;
    rules = allow(rules, DEVICES.iter().map(Path::new), AccessFs::ReadFile | AccessFs::WriteFile)?;
    rules = allow(rules, [Path::new("/proc")], write)?;
    if let Some(port) = order.port {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self().map(drop)
}

/// Returns a ruleset that allows nothing yet.
fn ruleset(required: CompatLevel) -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(required)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(AccessNet::from_all(REQUIRED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()
}

/// Allows these accesses to paths and what is below them. What is not there needs no rule.
fn allow<'a>(
    mut rules: RulesetCreated,
    paths: impl IntoIterator<Item = &'a Path>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        let Ok(found) = PathFd::new(path) else { continue };
        // A right to a directory's entries means nothing for a file, and is an error.
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(WANTED) };
        rules = rules.add_rule(PathBeneath::new(found, access))?;
    }
    Ok(rules)
}
