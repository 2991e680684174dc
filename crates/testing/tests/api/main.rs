//! The API as its clients see it, on a server with a fake browser: a tree like the routes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where, and that is enough")]

mod auth;
mod cdp;
mod envelopes;
mod openapi;
mod profiles;
mod sessions;
mod system;
