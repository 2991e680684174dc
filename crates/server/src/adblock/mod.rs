//! Blocking advertisements and trackers, by filter lists in EasyList's syntax.
//!
//! It is done in two places. At the session's way out ([`rules::Rules`] as a [`roadstead_egress::Filter`]) whole hosts are refused,
//! which costs a page nothing, and works in every frame, worker and browser. In its pages ([`pages::Pages`]) what a page loads is
//! held against the whole rules, and what they name is hidden.
//!
//! The engine is the `adblock` crate, Brave's own.

pub mod lists;
pub mod pages;
pub mod rules;
