//! Bodies of requests to the API; see `roadstead_server::fuzzing`.
//!
//! `cargo fuzz run request_bodies --sanitizer none -- -max_len=4096`, in this repository's root.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| roadstead_server::fuzzing::request_bodies(input));
