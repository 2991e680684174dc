//! The egress against real servers on several loopback addresses. Every wait is for a level, with a deadline.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails the test")]

mod check;
mod contents;
mod cut;
mod direct;
mod exits;
mod filters;
mod fixtures;
mod http;
mod malformed;
mod metrics;
mod policy;
mod proxies;
