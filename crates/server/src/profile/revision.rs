//! Revisions as the program knows them: why each was saved, what was asked of its save, and what is known of it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use roadstead_api::{Captured, HeldBack, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a revision was saved. The wire uses the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionCause {
    /// Its session ended.
    Ended,
    /// Its session was asked to save itself while it ran.
    Checkpoint,
    /// Its session's server died, or an earlier save failed.
    Recovered,
    /// Its files came from elsewhere.
    Imported,
    /// It repeats an earlier revision.
    RolledBack,
}

impl RevisionCause {
    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Checkpoint => "checkpoint",
            Self::Recovered => "recovered",
            Self::Imported => "imported",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Ended, Self::Checkpoint, Self::Recovered, Self::Imported, Self::RolledBack]
            .into_iter()
            .find(|cause| cause.as_str() == word)
    }
}

/// A revision as the database knows it.
#[derive(Clone, Debug)]
pub struct RevisionRecord {
    /// Its number, from 1.
    pub number: u64,
    /// The revision it came from.
    pub parent: Option<u64>,
    /// Whether it is the profile's head.
    pub head: bool,
    /// The session that was saved, if it was one.
    pub session: Option<SessionId>,
    /// When.
    pub saved_at: Timestamp,
    /// The snapshot's digest.
    pub digest: String,
    /// Its restored size in bytes.
    pub size_bytes: u64,
    /// What it added to the vault in bytes.
    pub added_bytes: u64,
    /// How many files it holds.
    pub files: u64,
    /// What it holds, by kind.
    pub captured: Captured,
    /// The browser that wrote it.
    pub browser_version: Option<String>,
    /// Why it was saved.
    pub cause: RevisionCause,
    /// The head that it does not descend from.
    pub diverged_from: Option<u64>,
    /// Why it did not become the head.
    pub held_back: Option<HeldBack>,
    /// Whether retention leaves it alone.
    pub pinned: bool,
}

/// What a session asks of its save. Kept with its sink, for the case that another server makes the save.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SaveOptions {
    /// Cookies without which the revision does not become the head.
    pub require_cookies: Vec<RequiredCookie>,
    /// Leaves the caches out.
    pub drop_caches: bool,
}

/// A cookie by its name and by a host that it is sent to, written `name@host`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequiredCookie {
    name: String,
    host: String,
}

impl RequiredCookie {
    /// Tells whether a `Network.Cookie` is this one.
    pub fn is(&self, cookie: &Value) -> bool {
        let domain = cookie["domain"].as_str().unwrap_or_default();
        let sent_to_host = match domain.strip_prefix('.') {
            // A leading dot means the domain and everything below it.
            Some(parent) => {
                let below = self.host.strip_suffix(parent);
                below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            None => domain.eq_ignore_ascii_case(&self.host),
        };
        sent_to_host && cookie["name"] == *self.name
    }
}

impl FromStr for RequiredCookie {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "must be name@host, sid@app.example for example";
        // A cookie's name may hold an @, a host may not.
        let (name, host) = text.rsplit_once('@').ok_or(FORM)?;
        let host = host.trim_start_matches('.').to_ascii_lowercase();
        if name.is_empty() || host.is_empty() || host.contains(['/', ' ']) {
            return Err(FORM);
        }
        Ok(Self { name: name.to_owned(), host })
    }
}

impl TryFrom<String> for RequiredCookie {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RequiredCookie> for String {
    fn from(cookie: RequiredCookie) -> Self {
        cookie.to_string()
    }
}

impl fmt::Display for RequiredCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.host)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_required_cookie_is_known_by_name_and_by_where_it_is_sent() {
        let required: RequiredCookie = "sid@App.example".parse().unwrap();
        for (name, domain, is) in [
            ("sid", "app.example", true),
            ("sid", ".app.example", true),
            ("sid", ".example", true),
            ("sid", "example", false),
            ("sid", "www.app.example", false),
            ("sid", ".p.example", false),
            ("Sid", "app.example", false),
        ] {
            assert_eq!(required.is(&json!({"name": name, "domain": domain})), is, "{name} {domain}");
        }
        assert_eq!(required.to_string(), "sid@app.example");
    }

    #[test]
    fn what_is_no_cookie_is_refused() {
        for wrong in ["", "sid", "@host", "sid@", "sid@a/b", "sid@."] {
            assert!(wrong.parse::<RequiredCookie>().is_err(), "{wrong}");
        }
        assert_eq!("a@b@c.example".parse::<RequiredCookie>().unwrap().to_string(), "a@b@c.example");
    }

    #[test]
    fn options_survive_being_stored() {
        let options =
            SaveOptions { require_cookies: vec!["sid@app.example".parse().unwrap()], drop_caches: true };
        let stored = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<SaveOptions>(&stored).unwrap(), options);
        assert_eq!(serde_json::from_str::<SaveOptions>("{}").unwrap(), SaveOptions::default());
    }
}
