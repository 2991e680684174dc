//! Messages of two clients and of a browser to the multiplexer; see `roadstead_devtools::fuzzing`.
//!
//! `cargo fuzz run id_rewriter --sanitizer none -- -max_len=4096`, in this repository's root.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| roadstead_devtools::fuzzing::id_rewriter(input));
