//! The framing of the DevTools pipe; see `roadstead_devtools::fuzzing`.
//!
//! `cargo fuzz run pipe_framing --sanitizer none -- -max_len=4096`, in this repository's root.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| roadstead_devtools::fuzzing::pipe_framing(input));
