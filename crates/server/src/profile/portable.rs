//! The portable state: what a user data dir cannot carry, read and written over DevTools.
//!
//! Chromium forgets cookies without an expiry when it ends, whatever the files say, so they are kept in a small JSON file
//! beside the user data dir and set again before the first page loads. Persistent cookies are in that file too: after a
//! crash they may not have reached Chromium's own database yet (it writes about every 30 seconds).
//!
//! A cookie is kept as `Storage.getCookies` gave it, with its partition key and source scheme; nothing is interpreted
//! that need not be.

use std::io::Write as _;
use std::path::Path;
use std::{fs, io};

use roadstead_api::CookieCounts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file's name, beside the user data dir.
pub const FILE_NAME: &str = "portable.json";
/// What a write that was cut off leaves beside it, as a glob in gitignore's syntax.
pub const UNFINISHED: &str = "/.portable-*";

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortableState {
    /// The format's version.
    version: u32,
    /// When in the session's life it was captured.
    captured: Captured,
    /// The cookies of the browser's default context, as `Storage.getCookies` returns them.
    cookies: Vec<Value>,
}

/// When in a session's life its portable state was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Captured {
    /// While it ran; the browser's files may be older or newer.
    Checkpoint,
    /// Just before its browser was closed in the orderly way; the browser's files are as new.
    Final,
}

const VERSION: u32 = 1;

impl PortableState {
    /// Makes the state out of the browser's cookies.
    pub fn new(captured: Captured, cookies: Vec<Value>) -> Self {
        Self { version: VERSION, captured, cookies }
    }

    /// Makes the same state out of one that was captured just before its browser closed in the orderly way.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self { captured: Captured::Final, ..self }
    }

    /// Reads the file in `state_dir`; `None` when there is none.
    ///
    /// A file that cannot be understood is an error: restoring without it would silently log the user out.
    pub fn read(state_dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(state_dir.join(FILE_NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let state: Self = serde_json::from_slice(&text)?;
        if state.version != VERSION {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the portable state has an unknown version",
            ));
        }
        Ok(Some(state))
    }

    /// Writes the file into `state_dir`: complete or absent, and on disk when this returns.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".portable-").tempfile_in(state_dir)?;
        serde_json::to_writer(&mut file, self)?;
        file.flush()?;
        file.as_file().sync_all()?;
        fail::fail_point!("portable-written");
        file.persist(state_dir.join(FILE_NAME)).map_err(|error| error.error)?;
        fs::File::open(state_dir)?.sync_all()?;
        fail::fail_point!("portable-renamed");
        Ok(())
    }

    /// Tells whether another state would restore the same.
    pub fn same_cookies(&self, cookies: &[Value]) -> bool {
        self.cookies == cookies
    }

    /// Counts the cookies by class.
    pub fn counts(&self) -> CookieCounts {
        let count =
            |class: fn(&Value) -> bool| self.cookies.iter().filter(|cookie| class(cookie)).count() as u64;
        CookieCounts {
            total: self.cookies.len() as u64,
            session: count(is_session),
            partitioned: count(|cookie| cookie.get("partitionKey").is_some()),
            http_only: count(|cookie| cookie["httpOnly"] == true),
        }
    }

    /// Chooses the cookies to set in a browser that has just opened the files and holds `present`.
    ///
    /// Those without an expiry always. Persistent ones only after a crash, and only where the files lack them or hold an
    /// older one: a site that renews a cookie moves its expiry.
    pub fn plan_restore(&self, present: &[Value]) -> Vec<Value> {
        self.cookies
            .iter()
            .filter(|cookie| {
                is_session(cookie) || (self.captured == Captured::Checkpoint && !has_as_new(present, cookie))
            })
            .map(to_cookie_param)
            .collect()
    }

    /// Tells whether `plan_restore` needs to know what the browser holds.
    pub fn needs_present_cookies(&self) -> bool {
        self.captured == Captured::Checkpoint
    }
}

fn is_session(cookie: &Value) -> bool {
    cookie["session"] == true
}

fn has_as_new(present: &[Value], cookie: &Value) -> bool {
    let identity =
        |cookie: &Value| ["name", "domain", "path", "partitionKey"].map(|key| cookie.get(key).cloned());
    let expires = |cookie: &Value| cookie["expires"].as_f64().unwrap_or(-1.0);
    present.iter().any(|held| identity(held) == identity(cookie) && expires(held) >= expires(cookie))
}

/// Turns `Network.Cookie` into `Network.CookieParam`: the same but for what only a report has, and an expiry of -1.
fn to_cookie_param(cookie: &Value) -> Value {
    let mut param = cookie.clone();
    if let Some(fields) = param.as_object_mut() {
        fields.remove("size");
        if fields.remove("session") == Some(Value::Bool(true)) {
            fields.remove("expires");
        }
        fields.remove("partitionKeyOpaque");
    }
    param
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cookie(name: &str, expires: f64) -> Value {
        json!({"name": name, "value": "v", "domain": "a.example", "path": "/", "expires": expires, "size": 2,
            "httpOnly": true, "secure": true, "session": expires < 0.0, "priority": "Medium", "sourceScheme": "Secure",
            "sourcePort": 443})
    }

    #[test]
    fn a_final_capture_restores_only_what_files_cannot_carry() {
        let state = PortableState::new(Captured::Final, vec![cookie("session", -1.0), cookie("kept", 2e9)]);
        let plan = state.plan_restore(&[]);
        assert_eq!(plan.len(), 1);
        assert_eq!(plan[0]["name"], "session");
        assert_eq!(plan[0].get("expires"), None);
        assert_eq!(plan[0].get("size"), None);
    }

    #[test]
    fn a_checkpoint_restores_persistent_cookies_that_the_files_lack_or_hold_older() {
        let state = PortableState::new(
            Captured::Checkpoint,
            vec![cookie("session", -1.0), cookie("lacking", 2e9), cookie("older", 2e9), cookie("newer", 2e9)],
        );
        let plan = state.plan_restore(&[cookie("older", 1e9), cookie("newer", 3e9)]);
        let names: Vec<_> = plan.iter().map(|cookie| cookie["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["session", "lacking", "older"]);
    }

    #[test]
    fn a_partitioned_cookie_is_not_taken_for_its_unpartitioned_namesake() {
        let mut partitioned = cookie("a", 2e9);
        partitioned["partitionKey"] =
            json!({"topLevelSite": "https://top.example", "hasCrossSiteAncestor": true});
        let state = PortableState::new(Captured::Checkpoint, vec![partitioned]);
        let plan = state.plan_restore(&[cookie("a", 3e9)]);
        assert_eq!(plan[0]["partitionKey"]["topLevelSite"], "https://top.example");
        assert_eq!(state.counts(), CookieCounts { total: 1, session: 0, partitioned: 1, http_only: 1 });
    }

    #[test]
    fn the_file_comes_back_as_it_was_and_a_broken_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(PortableState::read(dir.path()).unwrap(), None);
        let state = PortableState::new(Captured::Final, vec![cookie("a", -1.0)]);
        state.write(dir.path()).unwrap();
        assert_eq!(PortableState::read(dir.path()).unwrap(), Some(state));
        fs::write(dir.path().join(FILE_NAME), "{").unwrap();
        assert!(PortableState::read(dir.path()).is_err());
    }
}
