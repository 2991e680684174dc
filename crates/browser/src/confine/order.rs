//! What the launcher is told, as the one argument that it reads.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Confinement, Landlock};
use crate::options::{LaunchOptions, UserId};

/// The walls of one browser, all resolved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// What the kernel must be able to do.
    pub(super) landlock: Landlock,
    /// Directories that the browser may do anything in but run programs.
    pub(super) own: Vec<PathBuf>,
    /// Files and directories that it may read and run, besides the system's own.
    pub(super) readable: Vec<PathBuf>,
    /// Directories that it may read, and no more.
    pub(super) shown: Vec<PathBuf>,
    /// The one TCP port that it may connect to.
    pub(super) port: Option<u16>,
    /// The user that it becomes.
    pub(super) user: Option<UserId>,
    pub(super) open_files: u64,
    pub(super) tasks: u64,
    /// The control group that it joins, a directory.
    pub(super) cgroup: Option<PathBuf>,
}

/// What the environment may name for the browser to read (see [`crate::environment`]).
const NAMED_BY_ENVIRONMENT: [&str; 4] =
    ["FONTCONFIG_FILE", "FONTCONFIG_PATH", "LD_LIBRARY_PATH", "XAUTHORITY"];

impl Order {
    /// Plans the walls of a launch.
    pub(crate) fn plan(options: &LaunchOptions, confinement: &Confinement, cgroup: Option<&Path>) -> Self {
        let mut own = vec![options.user_data_dir.clone(), options.home.clone()];
        own.extend(options.own_dirs.iter().cloned());
        let mut readable: Vec<_> = options.executable.parent().map(Path::to_owned).into_iter().collect();
        let named = NAMED_BY_ENVIRONMENT.iter().filter_map(std::env::var_os);
        readable.extend(named.flat_map(|value| std::env::split_paths(&value).collect::<Vec<_>>()));
        readable.retain(|path| path.is_absolute());
        Self {
            landlock: confinement.landlock,
            own,
            readable,
            shown: options.shown_dirs.clone(),
            port: options.proxy.map(|proxy| proxy.port()),
            user: options.run_as,
            open_files: confinement.limits.open_files,
            tasks: confinement.limits.tasks,
            cgroup: cgroup.map(Path::to_owned),
        }
    }

    /// Puts the order into an argument. Fails when a path is not text.
    pub(crate) fn to_argument(&self) -> io::Result<String> {
        serde_json::to_string(self).map_err(io::Error::other)
    }
}
