//! Requests to the egress; see `roadstead_egress::fuzzing`.
//!
//! `cargo fuzz run egress_request --sanitizer none -- -max_len=4096`, in this repository's root.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| roadstead_egress::fuzzing::egress_request(input));
