//! What one may ask of the past: what sessions used, period by period. Pure: the edge parses it, the database answers it.

use jiff::Timestamp;

/// One page of what a project's sessions used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of sessions that were created then or later.
    pub from: Option<Timestamp>,
    /// Of sessions that were created then or earlier.
    pub to: Option<Timestamp>,
    /// How long a period is.
    pub granularity: Granularity,
    /// How many periods to a page.
    pub limit: u32,
    /// Which page, from 1.
    pub page: u32,
}

/// How long a period is. All are of UTC; a week begins on Monday.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// An hour.
    Hour,
    /// A day: the published API's default.
    #[default]
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
}

impl Granularity {
    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            _ => None,
        }
    }
}

/// What the sessions of one period used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Used {
    /// How many there were.
    pub sessions: u64,
    /// The bytes that went over their ways out, both ways.
    pub bytes: u64,
    /// How long they lived, in milliseconds.
    pub millis: u64,
    /// How many screenshots were taken over the API.
    pub screenshots: u64,
}

impl Used {
    /// Tells how long they lived, in hours, to the thousandth of one.
    pub fn hours(&self) -> f64 {
        const MILLIS_PER_THOUSANDTH: u64 = 3_600;
        let thousandths = u32::try_from((self.millis + MILLIS_PER_THOUSANDTH / 2) / MILLIS_PER_THOUSANDTH);
        f64::from(thousandths.unwrap_or(u32::MAX)) / 1000.0
    }
}

/// One page of the answer, and the sum of all pages.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Each period by its first moment, as the wire words it; oldest first. Those without sessions are left out.
    pub periods: Vec<(String, Used)>,
    /// How many periods there are, on all pages.
    pub total: u64,
    /// What all of them used.
    pub sum: Used,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_rounded_to_thousandths() {
        let hours = |millis| Used { millis, ..Used::default() }.hours().to_string();
        let rounded = [0, 1_799, 1_800, 3_600_000, 5_400_000].map(hours);
        assert_eq!(rounded, ["0", "0", "0.001", "1", "1.5"]);
    }
}
