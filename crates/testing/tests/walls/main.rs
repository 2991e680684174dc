//! The walls around a browser, each seen from inside: by a program in a browser's place, and by a client with full DevTools
//! power over a real one. Each is tried once more with the wall open, where the same attempt must succeed: an attempt that
//! fails anyway proves nothing.
//!
//! The server's own walls are in `tests/api`; what a browser may not reach over its exit is in `tests/exits`.

mod ground;

mod downloads;
mod files;
mod launcher;
mod memory;
mod strangers;
mod words;
