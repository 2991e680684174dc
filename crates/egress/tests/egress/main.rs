//! The egress against real servers on several loopback addresses. Every wait is for a level, with a deadline.

mod check;
mod cut;
mod direct;
mod exits;
mod fixtures;
mod http;
mod malformed;
mod policy;
mod proxies;
