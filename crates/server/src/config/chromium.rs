//! `[chromium]`: which browsers, and the walls around each.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::ExtraArg;

/// A number that nobody uses by convention: above what systemd gives to containers, below what it gives to foreign files.
const FIRST_USER: u32 = 1_900_000_000;
/// As many as there can be sessions.
const USERS: u32 = 100_000;
/// Below these no page opens.
const MIN_TASKS: u64 = 256;
const MIN_OPEN_FILES: u64 = 256;
const MIN_MEMORY_MIB: u64 = 256;

/// `[chromium]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChromiumConfig {
    /// Full Chromium's binary; found in the usual places when absent.
    pub executable: Option<PathBuf>,
    /// The headless shell's binary; found in the usual places when absent.
    pub headless_shell: Option<PathBuf>,
    /// Whether Chromium's own sandbox is on. Off means that a hostile page owns the browser's user.
    pub sandbox: bool,
    /// The X display for full Chromium, an Xvfb's `:99` for example; without one it runs with `--headless=new`.
    pub display: Option<String>,
    /// Whether each browser is kept to its own files and its own port.
    pub confine: Confine,
    /// The numbers of the users that browsers run as when the server was started as root: one for each session.
    pub session_users: UserRange,
    /// One unprivileged user for all browsers instead, by number.
    pub run_as_uid: Option<u32>,
    /// That user's group; the group of the same number when absent.
    pub run_as_gid: Option<u32>,
    /// How many files each process of a browser may have open.
    pub max_open_files: u64,
    /// How many processes and threads a browser may have, where it has a control group or a user of its own.
    pub max_tasks: u64,
    /// How much memory a browser may take, in MiB, where it has a control group; 0 is no limit.
    pub max_memory_mib: u64,
    /// The control group (cgroup v2) that browsers' own are made in; the server's own, where that is delegated, when absent.
    pub cgroup: Option<PathBuf>,
    /// More arguments for every browser, after the server's own.
    pub extra_args: Vec<ExtraArg>,
}

impl Default for ChromiumConfig {
    fn default() -> Self {
        Self {
            executable: None,
            headless_shell: None,
            sandbox: true,
            display: None,
            confine: Confine::BestEffort,
            session_users: UserRange { first: FIRST_USER, last: FIRST_USER + USERS - 1 },
            run_as_uid: None,
            run_as_gid: None,
            max_open_files: 8_192,
            max_tasks: 4_096,
            max_memory_mib: 4_096,
            cgroup: None,
            extra_args: Vec::new(),
        }
    }
}

impl ChromiumConfig {
    /// Checks what the types do not.
    pub(super) fn check(&self) -> Result<()> {
        if self.run_as_uid == Some(0) || self.run_as_gid == Some(0) {
            bail!(
                "chromium.run_as_uid and run_as_gid must not be 0: Chromium's sandbox does not work as root"
            );
        }
        if self.run_as_uid.is_none() && self.run_as_gid.is_some() {
            bail!("chromium.run_as_gid needs chromium.run_as_uid");
        }
        if self.max_tasks < MIN_TASKS {
            bail!("chromium.max_tasks must be at least {MIN_TASKS}");
        }
        if self.max_open_files < MIN_OPEN_FILES {
            bail!("chromium.max_open_files must be at least {MIN_OPEN_FILES}");
        }
        if (1..MIN_MEMORY_MIB).contains(&self.max_memory_mib) {
            bail!("chromium.max_memory_mib must be at least {MIN_MEMORY_MIB}, or 0 for no limit");
        }
        if self.cgroup.as_ref().is_some_and(|path| path.is_relative()) {
            bail!("chromium.cgroup must be an absolute path, below /sys/fs/cgroup");
        }
        Ok(())
    }

    /// [`Self::max_memory_mib`] in bytes; `None` is no limit.
    pub fn max_memory_bytes(&self) -> Option<u64> {
        (self.max_memory_mib > 0).then(|| self.max_memory_mib.saturating_mul(1 << 20))
    }
}

/// How much is asked of the kernel's Landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confine {
    /// No server starts where a browser cannot be kept to its files and its port.
    Require,
    /// As far as the kernel can; `roadstead doctor` says how far.
    BestEffort,
    /// Not at all, and no other limit either: browsers are started directly.
    Off,
}

/// Numbers of users, written `first-last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UserRange {
    first: u32,
    last: u32,
}

impl UserRange {
    /// Returns the numbers.
    pub const fn numbers(self) -> RangeInclusive<u32> {
        self.first..=self.last
    }
}

impl TryFrom<String> for UserRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong =
            || format!("must be two numbers of users, 1900000000-1900099999 for example, not {text:?}");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
        let (first, last) = (number(first)?, number(last)?);
        // The last number of all means "no user" to the kernel.
        if first == 0 || last < first || last == u32::MAX {
            return Err(wrong());
        }
        Ok(Self { first, last })
    }
}
