//! What a session can be given, seen from inside its real browser: extensions, authorities, windows,
//! and what is kept from it: advertisements.

mod adblock;
mod certificates;
mod extensions;
mod ground;
mod popups;
