//! The DevTools protocol over a pipe, for many clients at once.
//!
//! What is here: framing ([`pipe`]), reading and rewriting the ids of a message ([`message`]), the multiplexer ([`Mux`]),
//! and the server's own calls ([`commands`]). What is not: a process, HTTP, a database.
//!
//! # The rules
//!
//! One browser, one pipe. Each client has a root of its own: a browser-level CDP session
//! (`Target.attachToBrowserTarget`), or one target's. A message of a client without a `sessionId` goes to its root; one
//! with a `sessionId` must name a CDP session that descends from its root, or it is answered like Chromium answers an
//! unknown one. Descendants are learnt from the browser's `Target.attachedToTarget` events, and forgotten with
//! `Target.detachedFromTarget`, with the parent, or with the client. Message ids are made unique on the way in and
//! restored on the way out. A client therefore sees its own CDP sessions and replies, and nobody else's.
//!
//! `Browser.close` is not forwarded: it is answered, and [`Mux::close_requested`] tells the browser's owner, who ends it
//! the orderly way; so is one inside a `Target.sendMessageToTarget`. `Target.setRemoteLocations` is refused: full Chromium
//! connects to the addresses in it past its proxy; so is a `Target.createBrowserContext` with a proxy of its own, and
//! `Target.exposeDevToolsProtocol`, which gives a page the protocol past these rules. A message that is not one JSON text, or that Chromium would not read to
//! its end ([`MAX_COMMAND_BYTES`](pipe::MAX_COMMAND_BYTES)), is answered here. Everything else passes. `Browser.crash`
//! crashes the browser, as asked; `Target.setAutoAttach`, `setDiscoverTargets` and the like act on the client's root alone, as
//! Chromium scopes them. A client cannot detach its own root: only what attached a CDP session may detach it.
//!
//! A client that does not read is dropped alone, past [`CLIENT_QUEUE_BYTES`]. A client that writes faster than the
//! browser reads waits.

#[cfg(test)]
mod arbitrary;
mod client;
pub mod commands;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod message;
mod mux;
pub mod pipe;
mod routes;
mod rules;
mod scan;

pub use client::{CLIENT_QUEUE_BYTES, Client, ClientReceiver, ClientSender, EndReason, SendError};
pub use mux::{AttachError, CallError, Event, Followed, Mux, Root, Stats};
pub use pipe::MAX_MESSAGE_BYTES;

/// What Chromium 156 answers at `/json/protocol`, minified. The pipe has no such request, so it was asked once, over a
/// debugging port, and is served from here.
pub const PROTOCOL_JSON: &str = include_str!("../protocol.json");
