//! The egress against real servers on several loopback addresses. Every wait is for a level, with a deadline.

mod direct;
mod fixtures;
