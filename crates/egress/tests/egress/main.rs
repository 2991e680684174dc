//! The egress against real servers on several loopback addresses. Every wait is for a level, with a deadline.

mod cut;
mod direct;
mod exits;
mod fixtures;
mod proxies;
