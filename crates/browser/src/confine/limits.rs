//! What the kernel counts per process or per user: open files, tasks, core dumps.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Order;

/// Sets the limits of this process, and of all that it becomes and starts.
pub(super) fn set(order: &Order) -> io::Result<()> {
    // A core dump holds every cookie and every page.
    lower(Resource::Core, 0)?;
    lower(Resource::Nofile, order.open_files)?;
    if order.user.is_some() {
        // The kernel counts the tasks of a user, so this means something only for a user of the browser's own.
        lower(Resource::Nproc, order.tasks)?;
    }
    Ok(())
}

/// Lowers a limit for good; one that is lower already stays.
fn lower(resource: Resource, to: u64) -> io::Result<()> {
    let to = getrlimit(resource).maximum.map_or(to, |maximum| maximum.min(to));
    Ok(setrlimit(resource, Rlimit { current: Some(to), maximum: Some(to) })?)
}
