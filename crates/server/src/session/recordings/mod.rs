//! Recordings: what a session's browser showed, as pictures with the moments at which they were taken.
//!
//! ```text
//! <data>/recordings/<session id>/reel        ours, 0600: the pictures, sealed
//! <data>/recordings/<session id>/video-<n>   ours, 0600: the video of the first n of them, sealed
//! ```
//!
//! The [`recorder`] takes the pictures over the server's own DevTools pipe, with a screencast of the page that is seen: Chromium
//! sends a picture when the page has changed, and no other before the last one was acknowledged. So a page that does not change
//! costs nothing, and withholding the acknowledgement is what limits how many are taken. Clients' own screencasts are theirs.
//!
//! Pictures are sealed one by one as they come ([`reel`]), so that no page is ever on the disk in the clear, and what a server that
//! was killed had recorded is there after it. They are kept for a while after the session's end ([`kept`]). A video is made of
//! them by ffmpeg when somebody wants one ([`video`]).

mod jpeg;
mod kept;
mod matroska;
mod record;
mod recorder;
mod reel;
mod video;

pub use self::kept::RecordingRoot;
pub use self::record::{Recording, RecordingState};
pub use self::recorder::Control;
pub(super) use self::recorder::Recorder;
pub use self::reel::{Moment, Reel};
pub use self::video::{Video, Videos};
