//! Who has taken how much, for as many as fit: memory is bounded whatever an attacker does.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use super::quota::{Left, Quota};

/// How many are told apart. An entry is some 50 bytes.
const MOST: usize = 10_000;

/// When each one's quota is whole again. Whoever has no entry has a whole one.
#[derive(Debug)]
pub(super) struct Table<K>(HashMap<K, Instant>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash> Table<K> {
    pub(super) fn take(&mut self, quota: &Quota, of: K, now: Instant) -> Result<Left, Duration> {
        let known = self.0.get(&of).copied();
        let (whole_at, left) = quota.take(known, now)?;
        if known.is_none() {
            self.make_room(now);
        }
        self.0.insert(of, whole_at);
        Ok(left)
    }

    /// Forgets those whose quota is whole again, and if there are none, those who have taken least: who has none left is
    /// remembered longest, however many others come. A tenth at a time, so that not everyone who is new pays for it.
    fn make_room(&mut self, now: Instant) {
        if self.0.len() < MOST {
            return;
        }
        self.0.retain(|_, whole_at| *whole_at > now);
        if self.0.len() < MOST {
            return;
        }
        let mut moments: Vec<_> = self.0.values().copied().collect();
        let (_, limit, _) = moments.select_nth_unstable(MOST / 10);
        let limit = *limit;
        self.0.retain(|_, whole_at| *whole_at > limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { name: "test", count: 3 };

    #[test]
    fn it_stays_small_and_remembers_who_has_none_left() {
        let mut table = Table::default();
        let start = Instant::now();
        for _ in 0..3 {
            table.take(&QUOTA, u64::MAX, start).unwrap();
        }
        for other in 0..5 * MOST as u64 {
            let now = start + Duration::from_micros(other);
            table.take(&QUOTA, other, now).unwrap();
            assert!(table.0.len() <= MOST, "{}", table.0.len());
            assert!(table.take(&QUOTA, u64::MAX, now).is_err(), "forgotten after {other} others");
        }
    }

    #[test]
    fn who_has_a_whole_quota_is_forgotten_first() {
        let mut table = Table::default();
        let start = Instant::now();
        for other in 0..MOST as u64 {
            table.take(&QUOTA, other, start).unwrap();
        }
        table.take(&QUOTA, u64::MAX, start + Quota::WINDOW).unwrap();
        assert_eq!(table.0.len(), 1);
    }
}
