//! The API as its clients see it, on a server with a fake browser: a tree like the routes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where, and that is enough")]
#![expect(clippy::too_many_lines, reason = "answers are shown whole")]

mod audit;
mod auth;
mod batches;
mod cdp;
mod certificates;
mod docs;
mod envelopes;
mod events;
mod exits;
mod extensions;
mod history;
mod identities;
mod legacy;
mod limits;
mod openapi;
mod profiles;
mod revisions;
mod sessions;
mod system;
mod walls;
mod webhooks;
