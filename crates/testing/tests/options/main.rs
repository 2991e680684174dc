//! What a session can be given, seen from inside its real browser: extensions, authorities, windows.

mod certificates;
mod extensions;
mod ground;
mod mask;
mod popups;
