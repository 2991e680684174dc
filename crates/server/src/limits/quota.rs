//! The rule: so many in a minute, each of which comes back a fixed time after the one before (GCRA, a bucket that leaks).
//!
//! All that is kept is one moment: when the quota is whole again. Taking one moves it by the time that one takes to come back;
//! there is one to take as long as that moment is no further than the window.

use std::time::Duration;

use tokio::time::Instant;

/// So many of something in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The policy's name in headers.
    pub name: &'static str,
    /// How many; at least 1.
    pub count: u32,
}

/// What is left of a quota after one was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Of which.
    pub quota: Quota,
    /// How many more may be taken now.
    pub remaining: u32,
    /// After what time all of it is there again.
    pub full_in: Duration,
}

impl Quota {
    /// The time that the count is for.
    pub const WINDOW: Duration = Duration::from_mins(1);

    /// The time after which one comes back.
    fn interval(&self) -> Duration {
        Self::WINDOW / self.count
    }

    /// Takes one. Returns when the quota is whole again, and what is left; or after what time there is one to take.
    pub(super) fn take(&self, whole_at: Option<Instant>, now: Instant) -> Result<(Instant, Left), Duration> {
        let full_in =
            whole_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now)) + self.interval();
        // The interval is cut to nanoseconds, so a whole quota is a little less than the window.
        let whole = self.interval() * self.count;
        match whole.checked_sub(full_in) {
            None => Err(full_in.saturating_sub(whole)),
            Some(rest) => {
                let remaining = rest.as_nanos() / self.interval().as_nanos();
                let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
                Ok((now + full_in, Left { quota: *self, remaining, full_in }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes at these moments, in milliseconds one after another. Returns which were granted.
    fn granted(quota: Quota, gaps: &[u64]) -> Vec<(Instant, Result<Left, Duration>)> {
        let (mut now, mut whole_at) = (Instant::now(), None);
        let mut answers = Vec::new();
        for gap in gaps {
            now += Duration::from_millis(*gap);
            let taken = quota.take(whole_at, now);
            whole_at = taken.map_or(whole_at, |(at, _)| Some(at));
            answers.push((now, taken.map(|(_, left)| left)));
        }
        answers
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_twice_the_count_and_no_burst_more_than_it(
            count in 1_u32..200, gaps in prop::collection::vec(0_u64..5_000, 1..400),
        ) {
            let quota = Quota { name: "test", count };
            let answers = granted(quota, &gaps);
            let taken: Vec<_> = answers.iter().filter(|(_, taken)| taken.is_ok()).map(|(at, _)| *at).collect();
            for (at, first) in taken.iter().enumerate() {
                let within = |span| taken[at..].iter().filter(|later| **later - *first < span).count();
                prop_assert!(within(Quota::WINDOW) <= 2 * count as usize);
                prop_assert!(within(Duration::from_millis(1)) <= count as usize);
            }
        }

        #[test]
        fn who_waits_as_long_as_told_is_let_in_and_not_a_moment_sooner(
            count in 1_u32..5_000, gaps in prop::collection::vec(0_u64..100, 1..300),
        ) {
            let quota = Quota { name: "test", count };
            let (mut now, mut whole_at) = (Instant::now(), None);
            for gap in gaps {
                now += Duration::from_millis(gap);
                match quota.take(whole_at, now) {
                    Ok((at, left)) => {
                        prop_assert!(left.remaining < count);
                        prop_assert!(left.full_in <= Quota::WINDOW);
                        whole_at = Some(at);
                    }
                    Err(wait) => {
                        prop_assert!(quota.take(whole_at, now + wait).is_ok());
                        prop_assert!(quota.take(whole_at, now + wait - Duration::from_nanos(1)).is_err());
                    }
                }
            }
        }

        #[test]
        fn an_honest_caller_is_never_refused(count in 1_u32..5_000, calls in 1_usize..300) {
            let quota = Quota { name: "test", count };
            let gap = 60_000_u64.div_ceil(u64::from(count));
            prop_assert!(granted(quota, &vec![gap; calls]).iter().all(|(_, taken)| taken.is_ok()));
        }

        #[test]
        fn a_whole_quota_can_be_taken_at_once(count in 1_u32..5_000) {
            let quota = Quota { name: "test", count };
            let answers = granted(quota, &vec![0; count as usize + 1]);
            let remaining = answers.iter().map_while(|(_, taken)| Some(taken.ok()?.remaining));
            prop_assert!(remaining.eq((0..count).rev()));
        }
    }
}
