//! What a checkout reads back; see `roadstead_vault::fuzzing` and `roadstead_server::fuzzing`.
//!
//! `cargo fuzz run snapshot_metadata --sanitizer none -- -max_len=4096`, in this repository's root.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    roadstead_vault::fuzzing::snapshot_metadata(input);
    roadstead_server::fuzzing::portable_state(input);
});
