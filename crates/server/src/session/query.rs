//! What one may ask the list of sessions. Pure: the edge parses it, the database answers it.

use jiff::Timestamp;

use super::record::SessionRecord;

/// One page of a project's sessions, live and over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionQuery {
    /// Which sessions.
    pub filter: SessionFilter,
    /// By what they are ordered.
    pub sort: SortBy,
    /// In which direction.
    pub order: SortOrder,
    /// How many to a page.
    pub limit: u32,
    /// Which page, from 1.
    pub page: u32,
}

/// Which sessions; an empty filter is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Parts of labels, whatever their case; a session has a label for each.
    pub search: Vec<String>,
    /// The status, as the wire words it. An unknown word matches nothing.
    pub status: Option<String>,
    /// Labels; a session has all of them.
    pub tags: Vec<String>,
    /// Hosts that the session's browser asked for; it has asked for all of them.
    pub domains: Vec<String>,
    /// Created then or later.
    pub created_from: Option<Timestamp>,
    /// Created then or earlier.
    pub created_to: Option<Timestamp>,
    /// The batch that it was started for, as the wire words it. An unknown one matches nothing.
    pub batch_id: Option<String>,
    /// Whether a task started it; none did.
    pub task_initiated: Option<bool>,
    /// Whether it is a playground session; none is.
    pub playground: Option<bool>,
    /// Whether it goes over a proxy or an exit.
    pub proxy: Option<bool>,
    /// Whether it has the patched browser; none has.
    pub extra_stealth: Option<bool>,
    /// Part of the profile's name, whatever its case.
    pub profile_name: Option<String>,
}

/// What sessions are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// When they were created.
    #[default]
    CreatedAt,
    /// Their ids.
    SessionId,
    /// What they cost, which is nothing.
    UsedCredits,
    /// The names of the keys that created them.
    ApiKeyName,
}

/// The direction of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Smallest and oldest first: the published API's default.
    #[default]
    Ascending,
    /// Greatest and newest first.
    Descending,
}

/// One page of the answer.
#[derive(Clone, Debug)]
pub struct SessionPage {
    /// The sessions on the page.
    pub sessions: Vec<SessionRecord>,
    /// How many match, on all pages.
    pub total: u64,
}

impl SessionQuery {
    /// Returns how many sessions come before this page.
    pub fn offset(&self) -> u64 {
        u64::from(self.page.saturating_sub(1)) * u64::from(self.limit)
    }

    /// Returns how many pages `total` sessions fill.
    pub fn pages(&self, total: u64) -> u64 {
        total.div_ceil(u64::from(self.limit.max(1)))
    }
}

impl SessionFilter {
    /// Tells whether the filter asks for something that no session of this server has.
    pub fn matches_nothing(&self) -> bool {
        let flags = [self.task_initiated, self.playground, self.extra_stealth];
        flags.contains(&Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_one() {
        let query = |page| SessionQuery {
            filter: SessionFilter::default(),
            sort: SortBy::default(),
            order: SortOrder::default(),
            limit: 10,
            page,
        };
        assert_eq!((query(1).offset(), query(3).offset()), (0, 20));
        assert_eq!(query(u32::MAX).offset(), 10 * u64::from(u32::MAX - 1));
        assert_eq!((query(1).pages(0), query(1).pages(10), query(1).pages(11)), (0, 1, 2));
    }

    #[test]
    fn what_nothing_has_matches_nothing_and_what_all_lack_matches_all() {
        let lacking =
            SessionFilter { extra_stealth: Some(false), playground: Some(false), ..SessionFilter::default() };
        assert!(!lacking.matches_nothing());
        for having in [
            SessionFilter { extra_stealth: Some(true), ..SessionFilter::default() },
            SessionFilter { task_initiated: Some(true), ..SessionFilter::default() },
            SessionFilter { playground: Some(true), ..SessionFilter::default() },
        ] {
            assert!(having.matches_nothing(), "{having:?}");
        }
    }
}
