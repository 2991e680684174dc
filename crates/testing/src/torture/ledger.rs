//! What was promised so far, and how a round ended.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cookie::Cookie;

/// Everything that a data dir owes its users.
#[derive(Debug, Default, Serialize)]
pub struct Ledger {
    /// Every receipt that was ever returned.
    pub promises: Vec<Promise>,
    /// What the head of each profile held when it was last looked at.
    pub profiles: BTreeMap<String, Standing>,
}

/// A receipt, and what was in the browser when it was given.
#[derive(Clone, Debug, Serialize)]
pub struct Promise {
    /// The profile's name.
    pub profile: String,
    /// The session that was saved.
    pub session: String,
    /// The revision's number.
    pub revision: u64,
    /// The snapshot's digest.
    pub digest: String,
    /// How many files it holds.
    pub files: u64,
    /// Their size.
    pub size_bytes: u64,
    /// How many cookies its portable state holds.
    pub cookies: u64,
    /// Cookies that were seen in the browser before it ended.
    pub logins: Vec<Cookie>,
    /// Whether retention may have let it go since.
    pub may_go: bool,
}

/// What a profile's head holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Standing {
    /// Every cookie.
    pub cookies: Vec<Cookie>,
    /// Whether the site found the member signed in and every kind of state whole.
    pub complete: bool,
}

/// How a round ended, when nothing was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The session was saved before the server ended, or in spite of the fault.
    Saved,
    /// The session was saved at the next start.
    Recovered,
    /// There was nothing to save: nobody had been told of the session, and its end says why.
    NothingToSave(String),
}

impl Ledger {
    /// Notes that retention lets all but the latest `keep` revisions of a profile go.
    pub fn release(&mut self, profile: &str, keep: usize) {
        let mut promises: Vec<_> =
            self.promises.iter_mut().filter(|promise| promise.profile == profile).collect();
        promises.sort_unstable_by_key(|promise| std::cmp::Reverse(promise.revision));
        promises.into_iter().skip(keep).for_each(|promise| promise.may_go = true);
    }

    /// Chooses a name: mostly a profile that there is, sometimes a new one.
    pub fn choose(&self, rng: &mut fastrand::Rng, number: u64) -> String {
        if rng.u32(0..3) == 0 {
            return format!("profile-{number}");
        }
        rng.choice(self.profiles.keys()).cloned().unwrap_or_else(|| format!("profile-{number}"))
    }
}
