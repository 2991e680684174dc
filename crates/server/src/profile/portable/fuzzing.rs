//! The fuzz target: any text as the portable state. Nothing panics, what is read is written as the same, and each cookie is
//! planned or reported once, without its value.

use jiff::Timestamp;
use serde_json::Value;

use super::PortableState;

/// Runs one input; its letter is `p`. The others of the corpus are the vault's.
pub fn portable_state(input: &[u8]) {
    let Some((b'p', text)) = input.split_first() else { return };
    let Ok(state) = PortableState::parse(text) else { return };
    let written = serde_json::to_vec(&state).expect("what was read can be written");
    let again = PortableState::parse(&written).expect("what was written can be read");
    assert_eq!(again, state, "it comes back as it was");
    let cookies = &state.contents.cookies;
    assert_eq!(state.counts().total, cookies.len() as u64);
    for present in [&[][..], cookies] {
        let plan = state.plan_cookies(present, Timestamp::UNIX_EPOCH);
        assert!(plan.set.len() + plan.skipped.len() <= cookies.len(), "a cookie is planned once");
        for cookie in &plan.set {
            check_param(cookie);
        }
    }
}

/// Chromium refuses all cookies of a command if one has a member that it does not know.
fn check_param(cookie: &Value) {
    for reported in ["size", "session", "partitionKeyOpaque"] {
        assert!(cookie.get(reported).is_none(), "{reported} is only of a report");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_and_what_is_near_it() {
        let words = [
            "\"session\":true",
            "\"expires\":-1",
            "\"expires\":1e999",
            "\"partitionKey\":{",
            "\"tabs\":[",
            "\"version\":2",
            "\"captured\":\"final\"",
            "null",
            "{",
            "[",
            "\"\"",
            "2026-01-01T00:00:00Z",
            "\"local_storage\":{\"a\":[[\"k\",\"v\"]]}",
        ];
        roadstead_replay::replay("snapshot_metadata", 20_000, &words, portable_state);
    }
}
