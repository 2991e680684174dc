//! Mounts of the browser's own, where the launcher is root: a `/proc` that shows only what its user runs, and a `/dev/shm` that
//! is small and nobody else's.
//!
//! Landlock guards what is inside `/proc/<pid>`, but anybody may list processes and read their command lines. Containers often
//! forbid mounts; the other walls stand without these.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The size of `/dev/shm`, where Landlock does not forbid it altogether.
const SHM: &str = "size=64m,mode=1777";

/// Moves this process into mounts of its own, as far as the system lets it.
pub(super) fn separate() {
    const NOTHING: Option<&str> = None;
    let harmless = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let apart = unshare(CloneFlags::CLONE_NEWNS)
        // What is mounted here is seen nowhere else; what goes away elsewhere goes away here.
        .and_then(|()| mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_SLAVE, NOTHING));
    if apart.is_ok() {
        let _hidden = mount(Some("proc"), "/proc", Some("proc"), harmless, Some("hidepid=2"));
        let _bounded = mount(Some("tmpfs"), "/dev/shm", Some("tmpfs"), harmless, Some(SHM));
    }
}
