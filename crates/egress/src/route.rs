//! The way that a listener's connections take.

use std::sync::Arc;

use crate::Exit;

/// The way that a listener's connections take. There is never another way out: when it fails, the request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nothing goes out yet. Requests wait for another route, for half a minute at most: what a browser asks for at its start
    /// is not lost because its exit is still being checked.
    Pending,
    /// Nothing goes out.
    Closed {
        /// A sentence for whoever reads the answer.
        why: String,
    },
    /// From this machine, as the system routes it.
    Direct,
    /// Through an exit.
    Exit(Arc<Exit>),
}
