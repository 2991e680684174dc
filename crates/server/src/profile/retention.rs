//! Which revisions are kept. Pure.

use std::collections::HashSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::RevisionRecord;
use crate::config::ProfileConfig;

/// Chooses the revisions that may go, newest first.
///
/// Kept are the head, pinned ones, the latest `keep_last`, and the latest of each of the last `keep_days` days (UTC, today
/// included).
pub fn plan_removal(revisions: &[RevisionRecord], config: &ProfileConfig, now: Timestamp) -> Vec<u64> {
    let mut newest_first: Vec<_> = revisions.iter().collect();
    newest_first.sort_unstable_by_key(|revision| std::cmp::Reverse(revision.number));
    let first_day = first_day(now, config.keep_days);
    let mut days = HashSet::new();
    let mut doomed = Vec::new();
    for (place, revision) in newest_first.into_iter().enumerate() {
        let day = day_of(revision.saved_at);
        let is_last_of_day = first_day.is_some_and(|first| day >= first) && days.insert(day);
        let is_recent = place < config.keep_last;
        if !(revision.head || revision.pinned || is_recent || is_last_of_day) {
            doomed.push(revision.number);
        }
    }
    doomed
}

fn day_of(moment: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(moment).date()
}

/// The first of the last `days` days; `None` for none.
fn first_day(now: Timestamp, days: u32) -> Option<Date> {
    let before = i64::from(days).checked_sub(1).filter(|before| *before >= 0)?;
    Some(day_of(now).saturating_sub(before.days()))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use roadstead_api::Captured;

    use super::*;
    use crate::profile::RevisionCause;

    fn revision(number: u64, saved_at: Timestamp) -> RevisionRecord {
        RevisionRecord {
            number,
            parent: None,
            head: false,
            session: None,
            saved_at,
            digest: String::new(),
            size_bytes: 0,
            added_bytes: 0,
            files: 0,
            captured: Captured::default(),
            browser_version: None,
            cause: RevisionCause::Ended,
            diverged_from: None,
            held_back: None,
            pinned: false,
        }
    }

    fn config(keep_last: usize, keep_days: u32) -> ProfileConfig {
        ProfileConfig { keep_last, keep_days, ..ProfileConfig::default() }
    }

    fn noon() -> Timestamp {
        "2026-03-10T12:00:00Z".parse().unwrap()
    }

    fn hours(number: i64) -> SignedDuration {
        SignedDuration::from_hours(number)
    }

    #[test]
    fn the_latest_are_kept_and_one_a_day() {
        // Two a day, for ten days; number 20 is the latest.
        let revisions: Vec<_> = (1..=20u64)
            .map(|number| revision(number, noon() - hours(12 * (20 - i64::try_from(number).unwrap()))))
            .collect();
        let doomed = plan_removal(&revisions, &config(3, 4), noon());
        let kept: Vec<_> = revisions
            .iter()
            .map(|revision| revision.number)
            .filter(|number| !doomed.contains(number))
            .collect();
        // 18 to 20 are the latest. Noon and midnight of a day are the same day: 20 and 19, 18 and 17, …
        assert_eq!(kept, [14, 16, 18, 19, 20]);
        assert_eq!(plan_removal(&revisions, &config(20, 0), noon()), Vec::<u64>::new());
        assert_eq!(plan_removal(&revisions, &config(1, 0), noon()).len(), 19);
    }

    proptest! {
        #[test]
        fn the_head_the_pinned_and_the_latest_never_go(
            flags in prop::collection::vec((any::<bool>(), 0i64..1000), 0..40),
            head in 0usize..40, keep_last in 0usize..12, keep_days in 0u32..9,
        ) {
            let mut revisions: Vec<_> = flags.iter().zip(1u64..).map(|((pinned, age), number)| {
                RevisionRecord { pinned: *pinned, ..revision(number, noon() - hours(*age)) }
            }).collect();
            if let Some(revision) = revisions.get_mut(head) {
                revision.head = true;
            }
            let doomed = plan_removal(&revisions, &config(keep_last, keep_days), noon());
            let latest = revisions.len().saturating_sub(keep_last);
            for (place, revision) in revisions.iter().enumerate() {
                if revision.head || revision.pinned || place >= latest {
                    prop_assert!(!doomed.contains(&revision.number));
                }
            }
            // What is kept beyond those is at most one a day.
            let extra = revisions.len() - doomed.len();
            let due = revisions.iter().enumerate().filter(|(place, revision)| {
                revision.head || revision.pinned || *place >= latest
            }).count();
            prop_assert!(extra <= due + keep_days as usize);
        }
    }
}
