//! Files that a session is given: streamed to disk, bounded, and shown to its browser once they are whole.
//!
//! What is here: where they are put ([`shelf`]), how one arrives ([`incoming`]), what becomes of an archive
//! ([`archive`]), and what a file may be called ([`name`]). What is
//! not: how it comes over the wire, which is `http`'s. All of it goes with the session's work dir.

pub(super) mod archive;
mod incoming;
mod name;
mod shelf;

pub use self::incoming::{Incoming, Stored};
pub use self::name::FileName;
pub use self::shelf::{Given, Room, Shelf};
