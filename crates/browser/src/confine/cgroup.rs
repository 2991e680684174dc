//! Control groups (cgroup v2): a bound on the memory and the number of tasks of a whole browser, where the machine's
//! administrator has delegated a part of the tree to us.
//!
//! ```text
//! <ours>/                 delegated: systemd's `Delegate=yes`, a container's root, or what the configuration names
//!     roadstead/          the server itself: a group with children of its own may hold no process
//!     session-<id>/       a browser: memory.max, pids.max, memory.oom.group
//! ```
//!
//! When a browser's memory is used up the kernel kills all of it at once, and `memory.events` tells that it did.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Limits;

/// Where control groups are mounted, on a machine that has version 2 alone, and beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// The extended attributes by which systemd says that a group is delegated.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];
/// The server's own group, below the delegated one.
const LEAF: &str = "roadstead";
/// The controllers that are of use here.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// The delegated group that browsers' groups are made in.
#[derive(Clone, Debug)]
pub struct Cgroups {
    root: PathBuf,
}

/// One browser's group. Removed when it is dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroups {
    /// Takes over the group that the configuration names, or the one that this process is in if that is delegated. `None` when
    /// there is none; an error when the named one cannot be used.
    ///
    /// This process moves into a group below it, so that there can be others beside.
    pub fn open(named: Option<&Path>) -> io::Result<Option<Self>> {
        let Some(root) = named.map(Path::to_owned).or_else(delegated) else {
            return Ok(None);
        };
        match take_over(&root) {
            Ok(()) => Ok(Some(Self { root })),
            Err(error) if named.is_some() => {
                Err(io::Error::new(error.kind(), format!("{}: {error}", root.display())))
            }
            Err(_) => Ok(None),
        }
    }

    /// Returns the group's directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Makes a browser's group. One of that name that an earlier server left is used.
    pub(crate) fn create(&self, name: &str, limits: &Limits) -> io::Result<Cgroup> {
        let group = Cgroup { path: self.root.join(format!("session-{name}")) };
        if let Err(error) = fs::create_dir(&group.path)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        group.limit("pids.max", Some(limits.tasks))?;
        group.limit("memory.max", limits.memory_bytes)?;
        // All or nothing: a browser that lost one process to the kernel is none that anybody could rely on.
        group.limit("memory.oom.group", Some(1))?;
        Ok(group)
    }
}

impl Cgroup {
    /// Returns the group's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether the kernel has killed processes of the group because its memory was used up.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        let kills = events.lines().filter_map(|line| line.strip_prefix("oom_kill "));
        kills.filter_map(|count| count.trim().parse::<u64>().ok()).any(|count| count > 0)
    }

    /// Writes a limit, where the controller is there.
    fn limit(&self, file: &str, value: Option<u64>) -> io::Result<()> {
        let value = value.map_or("max".to_owned(), |value| value.to_string());
        match fs::write(self.path.join(file), value) {
            // The controller is not delegated. The kernel lets nobody make a file here.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
            {
                Ok(())
            }
            written => written,
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It kills whatever left the browser's process group, too.
        let _none_left = fs::write(self.path.join("cgroup.kill"), "1");
        let _removed = fs::remove_dir(&self.path);
    }
}

/// Moves this process into a group.
pub(super) fn join(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

/// Finds the group of this process, if it is delegated.
fn delegated() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = MOUNTS.iter().map(Path::new).find(|mount| mount.join("cgroup.controllers").is_file())?;
    // A server that was started anew in the same unit is in its leaf already.
    let own = Path::new(own.strip_suffix(&format!("/{LEAF}")).unwrap_or(own));
    let found = mount.join(own);
    let marked = DELEGATED.iter().any(|mark| {
        let mut value = [0];
        rustix::fs::getxattr(&found, *mark, &mut value).is_ok_and(|length| value[..length] == *b"1")
    });
    // The root of a container's own tree has a type, the machine's has none.
    let containers = own.as_os_str().is_empty() && found.join("cgroup.type").is_file();
    (marked || containers).then_some(found)
}

/// Makes room for groups below this one.
fn take_over(root: &Path) -> io::Result<()> {
    let available = fs::read_to_string(root.join("cgroup.controllers"))?;
    let useful = available.split_whitespace().filter(|name| CONTROLLERS.contains(name));
    let wanted: Vec<_> = useful.map(|name| format!("+{name}")).collect();
    if wanted.is_empty() {
        return Err(io::Error::other("neither the memory nor the pids controller is there"));
    }
    let leaf = root.join(LEAF);
    if let Err(error) = fs::create_dir(&leaf)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    join(&leaf)?;
    fs::write(root.join("cgroup.subtree_control"), wanted.join(" "))
}
