//! The program's one wall clock. Durations are measured with `tokio::time::Instant`, never with this.

use jiff::Timestamp;

/// Returns the present moment, to the millisecond, which is what the database keeps.
#[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).expect("a moment cut to milliseconds is in range")
}
