//! Cookies as the torture compares them: what a browser, a checkpoint and a revision say of the same one.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A cookie, as far as a restore must bring it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    name: String,
    domain: String,
    path: String,
    value: String,
    expires: f64,
    /// Whether it has no expiry.
    session: bool,
    #[serde(default)]
    partition_key: Value,
}

/// The portable state of a session or of a revision: `portable.json`, as the server writes it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Portable {
    /// `checkpoint` or `final`.
    pub captured: String,
    /// The cookies.
    pub cookies: Vec<Cookie>,
}

impl Cookie {
    /// Reads the answer to `Storage.getCookies`.
    pub fn all(answer: &Value) -> Result<Vec<Self>> {
        serde_json::from_value(answer["cookies"].clone()).context("a browser lists its cookies")
    }

    /// Tells whether a browser keeps it in its files.
    pub fn is_persistent(&self) -> bool {
        !self.session
    }

    fn is_the_same_as(&self, other: &Self) -> bool {
        let identity = |cookie: &Self| {
            (cookie.name.clone(), cookie.domain.clone(), cookie.path.clone(), cookie.partition_key.clone())
        };
        identity(self) == identity(other)
    }

    /// Tells whether `held` brings this cookie back: itself, or one that a site set over it later. What was set later is
    /// one of `later`, or, for a cookie in the browser's own files, anything that expires later.
    fn is_kept_by(&self, held: &[Self], later: &[Self]) -> bool {
        held.iter().filter(|found| self.is_the_same_as(found)).any(|found| {
            found.value == self.value
                || later.iter().any(|later| later.is_the_same_as(found) && later.value == found.value)
                || (!self.session && found.expires > self.expires)
        })
    }
}

/// Its name and the start of its value: enough to tell one login from another.
impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:.6}", self.name, self.value)
    }
}

/// Names the cookies of `promised` that `held` does not bring back; see [`Cookie::is_kept_by`].
pub fn missing(promised: &[Cookie], held: &[Cookie], later: &[Cookie]) -> Vec<String> {
    let lost = promised.iter().filter(|cookie| !cookie.is_kept_by(held, later));
    lost.map(Cookie::to_string).collect()
}

impl Portable {
    /// Reads the file in a state directory; `None` when there is none.
    pub fn read(state: &Path) -> Result<Option<Self>> {
        let path = state.join("portable.json");
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => serde_json::from_slice(&read?).with_context(|| path.display().to_string()).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cookie(name: &str, value: &str, expires: f64) -> Cookie {
        let cookie = json!({"name": name, "domain": "a", "path": "/", "value": value, "expires": expires,
            "session": expires < 0.0});
        serde_json::from_value(cookie).unwrap()
    }

    #[test]
    fn a_cookie_is_kept_by_itself_or_by_one_set_later() {
        let promised = [cookie("session", "1", -1.0), cookie("member", "1", 5.0)];
        assert!(missing(&promised, &promised, &[]).is_empty());
        assert_eq!(missing(&promised, &promised[1..], &[]), ["session=1"]);
        let later = [cookie("session", "2", -1.0), cookie("member", "2", 6.0)];
        assert_eq!(missing(&promised, &later, &[]), ["session=1"], "nothing tells that it is newer");
        assert!(missing(&promised, &later, &later).is_empty());
        let older = [cookie("session", "1", -1.0), cookie("member", "0", 4.0)];
        assert_eq!(missing(&promised, &older, &[]), ["member=1"]);
    }
}
