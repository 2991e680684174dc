//! The portable state: what a user data dir cannot carry, read and written over DevTools.
//!
//! Chromium forgets cookies without an expiry when it ends, whatever the files say, so they are kept in a small JSON file
//! beside the user data dir and set again before the first page loads. Persistent cookies are in that file too: after a
//! crash they may not have reached Chromium's own database yet (it writes about every 30 seconds). So is the local storage
//! of the pages that are open (written a few seconds late), and each tab's address and session storage, which no file of
//! the headless shell has at all.
//!
//! A cookie is kept as `Storage.getCookies` gave it, with its partition key and source scheme; nothing is interpreted
//! that need not be.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::{fs, io};

use jiff::Timestamp;
use roadstead_api::{CookieCounts, NotRestored};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file's name, beside the user data dir.
pub const FILE_NAME: &str = "portable.json";
/// What a write that was cut off leaves beside it, as a glob in gitignore's syntax.
pub const UNFINISHED: &str = "/.portable-*";

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortableState {
    /// The format's version. The first had no more than cookies.
    version: u32,
    /// When in the session's life it was captured.
    pub captured: CapturedWhen,
    /// When on the clock.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// What was captured.
    #[serde(flatten)]
    pub contents: Contents,
}

/// What is captured of a running browser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// The cookies of the browser's default context, as `Storage.getCookies` returns them.
    pub cookies: Vec<Value>,
    /// Its tabs.
    #[serde(default)]
    pub tabs: Vec<Tab>,
    /// The local storage of the origins that its tabs show.
    #[serde(default)]
    pub local_storage: BTreeMap<String, Items>,
}

/// The keys and values of one storage area.
pub type Items = Vec<(String, String)>;

/// An open tab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    /// Its address.
    pub url: String,
    /// What its session storage holds for the address's origin.
    #[serde(default)]
    pub session_storage: Items,
}

/// When in a session's life its portable state was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapturedWhen {
    /// While it ran; the browser's files may be older or newer.
    Checkpoint,
    /// Just before its browser was closed in the orderly way; the browser's files are as new.
    Final,
}

impl CapturedWhen {
    /// Returns the word for the restore report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Final => "final",
        }
    }
}

/// Which cookies to set in a browser, and which not.
#[derive(Debug, Default, PartialEq)]
pub struct CookiePlan {
    /// To be set, as `Network.CookieParam`.
    pub set: Vec<Value>,
    /// Left out, and why.
    pub skipped: Vec<NotRestored>,
}

/// What [`PortableState::write`] writes to: what the file was before. The two trade places, so that what an older one held is
/// written over by the next, and none is left to the disk's free blocks.
const SPARE_NAME: &str = ".portable-spare";

const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;

impl PortableState {
    /// Makes the state out of what was captured at a moment.
    pub fn new(captured: CapturedWhen, at: Timestamp, contents: Contents) -> Self {
        Self { version: *VERSIONS.end(), captured, at: Some(at), contents }
    }

    /// Makes the same state out of one that was captured just before its browser closed in the orderly way.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self { captured: CapturedWhen::Final, ..self }
    }

    /// Reads the file in `state_dir`; `None` when there is none.
    ///
    /// A file that cannot be understood is an error: restoring without it would silently log the user out.
    pub fn read(state_dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(state_dir.join(FILE_NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Self::parse(&text).map(Some)
    }

    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        let state: Self = serde_json::from_slice(text)?;
        if !VERSIONS.contains(&state.version) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the portable state has an unknown version",
            ));
        }
        Ok(state)
    }

    /// Writes the file into `state_dir`: complete or absent, and on disk when this returns.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        let (path, spare) = (state_dir.join(FILE_NAME), state_dir.join(SPARE_NAME));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&spare)?;
        let mut text = serde_json::to_vec(self)?;
        // Over all that the file held before. White space behind JSON means nothing.
        text.resize(text.len().max(usize::try_from(file.metadata()?.len()).unwrap_or(0)), b' ');
        file.write_all(&text)?;
        file.sync_all()?;
        fail::fail_point!("portable-written");
        trade_places(&spare, &path)?;
        fs::File::open(state_dir)?.sync_all()?;
        fail::fail_point!("portable-renamed");
        Ok(())
    }

    /// Counts the cookies by class.
    pub fn counts(&self) -> CookieCounts {
        let count = |class: fn(&Value) -> bool| {
            self.contents.cookies.iter().filter(|cookie| class(cookie)).count() as u64
        };
        CookieCounts {
            total: self.contents.cookies.len() as u64,
            session: count(is_session),
            persistent: count(|cookie| !is_session(cookie)),
            secure: count(|cookie| cookie["secure"] == true),
            partitioned: count(|cookie| cookie.get("partitionKey").is_some()),
            http_only: count(|cookie| cookie["httpOnly"] == true),
        }
    }

    /// Chooses the cookies to set in a browser that has just opened the files and holds `present`.
    ///
    /// Those without an expiry always. Persistent ones only after a crash, and only where the files lack them or hold an
    /// older one: a site that renews a cookie moves its expiry. One whose time is over comes back in no way.
    pub fn plan_cookies(&self, present: &[Value], now: Timestamp) -> CookiePlan {
        let mut plan = CookiePlan::default();
        for cookie in &self.contents.cookies {
            if is_expired(cookie, now) {
                plan.skipped.push(not_restored_cookie(cookie, "it has expired"));
            } else if is_session(cookie)
                || (self.captured == CapturedWhen::Checkpoint && !has_as_new(present, cookie))
            {
                plan.set.push(to_cookie_param(cookie));
            }
        }
        plan
    }

    /// Tells whether `plan_cookies` needs to know what the browser holds.
    pub fn needs_present_cookies(&self) -> bool {
        self.captured == CapturedWhen::Checkpoint
    }
}

fn is_session(cookie: &Value) -> bool {
    cookie["session"] == true
}

/// Says of a cookie that it did not come back. Its value is nobody's business.
pub fn not_restored_cookie(cookie: &Value, reason: &str) -> NotRestored {
    let text = |key: &str| cookie[key].as_str().unwrap_or_default();
    let name = format!("{}@{}", text("name"), text("domain"));
    NotRestored { kind: "cookie".to_owned(), name: Some(name), reason: reason.to_owned() }
}

/// Tells whether two reports are of the same cookie, whatever its value.
pub fn same_cookie(one: &Value, other: &Value) -> bool {
    let identity =
        |cookie: &Value| ["name", "domain", "path", "partitionKey"].map(|key| cookie.get(key).cloned());
    identity(one) == identity(other)
}

fn expires(cookie: &Value) -> f64 {
    cookie["expires"].as_f64().unwrap_or(-1.0)
}

fn is_expired(cookie: &Value, now: Timestamp) -> bool {
    !is_session(cookie) && expires(cookie) <= now.as_duration().as_secs_f64()
}

fn has_as_new(present: &[Value], cookie: &Value) -> bool {
    present.iter().any(|held| same_cookie(held, cookie) && expires(held) >= expires(cookie))
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

/// Puts a complete file in another one's place, in one step. Where the file system can, that one is kept under the first name.
fn trade_places(spare: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, spare, CWD, path, RenameFlags::EXCHANGE) {
        Err(_) => fs::rename(spare, path),
        Ok(()) => Ok(()),
    }
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

    fn now() -> Timestamp {
        Timestamp::from_second(1_000_000_000).unwrap()
    }

    fn state(captured: CapturedWhen, cookies: Vec<Value>) -> PortableState {
        PortableState::new(captured, now(), Contents { cookies, ..Contents::default() })
    }

    fn names(cookies: &[Value]) -> Vec<&str> {
        cookies.iter().map(|cookie| cookie["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_final_capture_restores_only_what_files_cannot_carry() {
        let state = state(CapturedWhen::Final, vec![cookie("session", -1.0), cookie("kept", 2e9)]);
        let plan = state.plan_cookies(&[], now()).set;
        assert_eq!(names(&plan), ["session"]);
        assert_eq!(plan[0].get("expires"), None);
        assert_eq!(plan[0].get("size"), None);
    }

    #[test]
    fn a_checkpoint_restores_persistent_cookies_that_the_files_lack_or_hold_older() {
        let cookies =
            vec![cookie("session", -1.0), cookie("lacking", 2e9), cookie("older", 2e9), cookie("newer", 2e9)];
        let present = [cookie("older", 1.5e9), cookie("newer", 3e9)];
        let plan = state(CapturedWhen::Checkpoint, cookies).plan_cookies(&present, now());
        assert_eq!(names(&plan.set), ["session", "lacking", "older"]);
    }

    #[test]
    fn a_shorter_state_leaves_nothing_of_a_longer_one() {
        let dir = tempfile::tempdir().unwrap();
        let long = state(CapturedWhen::Final, vec![cookie("a-long-and-secret-name", -1.0); 10]);
        let short = state(CapturedWhen::Final, vec![cookie("short", -1.0)]);
        for state in [&long, &short, &short, &long, &short, &short] {
            state.write(dir.path()).unwrap();
            assert_eq!(PortableState::read(dir.path()).unwrap().as_ref(), Some(state));
        }
        let longest = serde_json::to_vec(&long).unwrap().len();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            assert_eq!(
                text.len(),
                longest,
                "a file that is cut gives what it held to the disk's free blocks"
            );
            assert!(!text.contains("a-long-and-secret-name"), "{text}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no file comes and goes");
    }

    #[test]
    fn an_expired_cookie_is_reported_and_not_restored() {
        for captured in [CapturedWhen::Checkpoint, CapturedWhen::Final] {
            let plan = state(captured, vec![cookie("old", 9e8)]).plan_cookies(&[], now());
            assert_eq!(plan.set, Vec::<Value>::new());
            assert_eq!(plan.skipped[0].name.as_deref(), Some("old@a.example"));
            assert_eq!(plan.skipped[0].reason, "it has expired");
        }
    }

    #[test]
    fn a_partitioned_cookie_is_not_taken_for_its_unpartitioned_namesake() {
        let mut partitioned = cookie("a", 2e9);
        partitioned["partitionKey"] =
            json!({"topLevelSite": "https://top.example", "hasCrossSiteAncestor": true});
        let state = state(CapturedWhen::Checkpoint, vec![partitioned]);
        let plan = state.plan_cookies(&[cookie("a", 3e9)], now());
        assert_eq!(plan.set[0]["partitionKey"]["topLevelSite"], "https://top.example");
        let counts =
            CookieCounts { total: 1, session: 0, persistent: 1, secure: 1, partitioned: 1, http_only: 1 };
        assert_eq!(state.counts(), counts);
    }

    #[test]
    fn the_file_comes_back_as_it_was_and_a_broken_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(PortableState::read(dir.path()).unwrap(), None);
        let mut state = state(CapturedWhen::Final, vec![cookie("a", -1.0)]);
        state.contents.tabs = vec![Tab {
            url: "https://a.example/".to_owned(),
            session_storage: vec![("k".into(), "ö".into())],
        }];
        state.write(dir.path()).unwrap();
        assert_eq!(PortableState::read(dir.path()).unwrap(), Some(state));
        fs::write(dir.path().join(FILE_NAME), "{").unwrap();
        assert!(PortableState::read(dir.path()).is_err());
        fs::write(dir.path().join(FILE_NAME), r#"{"version":3,"captured":"final","cookies":[]}"#).unwrap();
        assert!(PortableState::read(dir.path()).is_err());
    }

    #[test]
    fn a_state_of_the_first_version_is_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), r#"{"version":1,"captured":"checkpoint","cookies":[]}"#)
            .unwrap();
        let state = PortableState::read(dir.path()).unwrap().unwrap();
        assert_eq!((state.captured, state.at), (CapturedWhen::Checkpoint, None));
        assert_eq!(state.contents, Contents::default());
    }
}
