//! What sessions' browsers download: captured without any client, kept for a while after a session's end, and handed out.
//!
//! ```text
//! <data>/downloads/<session id>/<download id>    ours, 0600
//! ```
//!
//! A browser writes a download into a room of its own, under the download's id. When it is whole it is copied out of there
//! ([`kept`]): the browser may be hostile, and would go on writing to a file that it has open. Then it is on record. One that is too
//! large, takes too long, or is one too many is stopped ([`capture`]), which is on record too; the session goes on.
//!
//! Clients hear of each that is whole (`Anchor.downloadReady`). In a session with `browser.p2p_download` the page that it began in is
//! handed it when a client asks ([`extract`]), and nothing of it outlives the session.
//!
//! Bytes come before rows, and a row goes before its bytes: a crash leaves garbage at worst, which the next start removes.

mod capture;
mod extract;
mod kept;
mod record;

pub(super) use self::capture::Capture;
pub(super) use self::extract::{Extract, GLOBAL};
pub use self::kept::{KeptFile, KeptRoot};
pub use self::record::{Download, DownloadState};
