//! What goes wrong.

use std::fmt;

use fastrand::Rng;

use super::Moment;

/// Something that goes wrong while a session runs, or while it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The browser's main process gets SIGKILL.
    BrowserKilled,
    /// One renderer gets SIGKILL: a page crashes, the browser lives.
    RendererKilled,
    /// The server gets SIGKILL.
    ServerKilled,
    /// The server and the browser get SIGKILL, in either order.
    BothKilled,
    /// The server gets SIGTERM, and again before it is done.
    TerminatedTwice,
    /// The vault's disk has no room left.
    DiskFull,
    /// The vault's first operations fail.
    VaultBroken,
    /// The database fails when the revision is published.
    DatabaseBroken,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 8] = [
        Self::BrowserKilled,
        Self::RendererKilled,
        Self::ServerKilled,
        Self::BothKilled,
        Self::TerminatedTwice,
        Self::DiskFull,
        Self::VaultBroken,
        Self::DatabaseBroken,
    ];

    /// Tells whether it is done by a signal; the others are armed before the server starts.
    pub const fn is_signal(self) -> bool {
        !matches!(self, Self::DiskFull | Self::VaultBroken | Self::DatabaseBroken)
    }

    /// Tells whether the server is gone afterwards.
    pub const fn ends_server(self) -> bool {
        matches!(self, Self::ServerKilled | Self::BothKilled | Self::TerminatedTwice)
    }

    /// Returns what the server's failpoints are to do; nothing for a signal.
    ///
    /// While a session is being saved the disk fills up, or breaks, part of the way: a save of a known
    /// profile puts four objects. Before that it is so from the start.
    pub fn failpoints(self, moment: Moment, rng: &mut Rng) -> String {
        let after = if moment.is_late() { rng.u32(1..4) } else { 0 };
        let after = if after == 0 { String::new() } else { format!("{after}*off->") };
        match self {
            Self::DiskFull => format!("vault-put={after}return(full)"),
            Self::VaultBroken => format!("vault-put={after}{}*return(io)->off", rng.u32(1..4)),
            Self::DatabaseBroken => "save-row=1*return->off".to_owned(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BrowserKilled => "Chromium SIGKILL",
            Self::RendererKilled => "renderer SIGKILL",
            Self::ServerKilled => "server SIGKILL",
            Self::BothKilled => "server and Chromium SIGKILL",
            Self::TerminatedTwice => "server SIGTERM twice",
            Self::DiskFull => "disk full",
            Self::VaultBroken => "vault I/O error",
            Self::DatabaseBroken => "database error at publish",
        })
    }
}
