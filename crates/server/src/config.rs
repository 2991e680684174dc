//! Configuration: one struct per section of `roadstead.toml`, parsed into valid domain types.
//!
//! A key arrives with the feature that it steers. An unknown key is an error that names it, since a misspelt limit that
//! is silently ignored is worse than a server that does not start. The only secrets are the passwords of proxies: no `Debug` and
//! no error tells them.

mod egress;
mod extra_arg;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

pub use self::egress::{EgressConfig, ExitConfig};
pub use self::extra_arg::ExtraArg;

/// The whole configuration; every section has defaults, so an empty file is a valid one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the server shows itself.
    pub server: ServerConfig,
    /// How many sessions, and how they end.
    pub sessions: SessionsConfig,
    /// Which browsers, and how they run.
    pub chromium: ChromiumConfig,
    /// How large profiles may be, and which of their revisions are kept.
    pub profile: ProfileConfig,
    /// Where browsers may go, and over which exits.
    pub egress: EgressConfig,
}

/// `[server]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The URL under which clients reach this server, for `cdp_url`; by default each request's own `Host` is used.
    pub public_url: Option<PublicUrl>,
}

/// An `http` or `https` URL without a path, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl {
    secure: bool,
    authority: String,
}

impl PublicUrl {
    /// Returns the matching WebSocket origin, `ws://host:port` or `wss://host:port`.
    pub fn websocket_origin(&self) -> String {
        format!("{}://{}", if self.secure { "wss" } else { "ws" }, self.authority)
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("public_url must look like https://browsers.example.com, not {text:?}");
        let uri: http::Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        if !matches!(scheme, "http" | "https") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        Ok(Self { secure: scheme == "https", authority: authority.to_string() })
    }
}

/// `[sessions]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionsConfig {
    /// How many sessions may run at once, over all projects.
    pub max_concurrent: usize,
    /// How long a create waits for a free place before it is refused with 429, in seconds.
    pub queue_wait_seconds: u64,
    /// How long a browser may take to answer for the first time, in seconds.
    pub start_seconds: u64,
    /// How long a browser may take to end by itself after `Browser.close`, in seconds; it flushes its cookies meanwhile.
    pub close_grace_seconds: u64,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { max_concurrent: 50, queue_wait_seconds: 30, start_seconds: 30, close_grace_seconds: 10 }
    }
}

impl SessionsConfig {
    /// [`Self::queue_wait_seconds`] as a duration.
    pub const fn queue_wait(&self) -> Duration {
        Duration::from_secs(self.queue_wait_seconds)
    }
}

/// `[profile]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileConfig {
    /// How many of the latest revisions are kept.
    pub keep_last: usize,
    /// For how many days (UTC, today included) the last revision of each day is kept besides.
    pub keep_days: u32,
    /// How large a revision may be when it is checked out, in bytes; no limit when absent. Over it the caches are left out,
    /// the largest first; a profile that is still too large fails its save.
    pub max_bytes: Option<u64>,
}

impl Default for ProfileConfig {
    fn default() -> Self {
        Self { keep_last: 10, keep_days: 7, max_bytes: None }
    }
}

/// `[chromium]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChromiumConfig {
    /// Full Chromium's binary; found in the usual places when absent.
    pub executable: Option<PathBuf>,
    /// The headless shell's binary; found in the usual places when absent.
    pub headless_shell: Option<PathBuf>,
    /// Whether Chromium's own sandbox is on. Off means that a hostile page owns the browser's user.
    pub sandbox: bool,
    /// The X display for full Chromium, an Xvfb's `:99` for example; without one it runs with `--headless=new`.
    pub display: Option<String>,
    /// The unprivileged user that browsers run as when the server was started as root, by numeric id.
    pub run_as_uid: u32,
    /// That user's group, by numeric id.
    pub run_as_gid: u32,
    /// More arguments for every browser, after the server's own.
    pub extra_args: Vec<ExtraArg>,
}

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

impl Default for ChromiumConfig {
    fn default() -> Self {
        Self {
            executable: None,
            headless_shell: None,
            sandbox: true,
            display: None,
            run_as_uid: NOBODY,
            run_as_gid: NOBODY,
            extra_args: Vec::new(),
        }
    }
}

/// The most sessions a configuration may allow: more is a typing error, or a machine we have not met.
const MAX_CONCURRENT: usize = 100_000;

impl Config {
    /// Reads the file at `path`, or returns the defaults when there is none to read.
    ///
    /// Errors name the file, the line, and the unknown or invalid key.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read the configuration file {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("failed to read the configuration file {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| readable(&error, text))?;
        let sessions = &config.sessions;
        if !(1..=MAX_CONCURRENT).contains(&sessions.max_concurrent) {
            bail!("sessions.max_concurrent must be between 1 and {MAX_CONCURRENT}");
        }
        if sessions.start_seconds == 0 {
            bail!("sessions.start_seconds must be at least 1");
        }
        if config.profile.keep_last == 0 {
            bail!("profile.keep_last must be at least 1: the head is always kept");
        }
        if config.profile.max_bytes == Some(0) {
            bail!("profile.max_bytes must be at least 1; leave it out for no limit");
        }
        if config.chromium.run_as_uid == 0 {
            bail!("chromium.run_as_uid must not be 0: Chromium's sandbox does not work as root");
        }
        Ok(config)
    }
}

/// The keys whose values are never told.
const SECRET: [&str; 2] = ["password", "url"];

/// Says what is wrong with a file, and on which line. The library's own message shows the line, which may hold a password.
fn readable(error: &toml::de::Error, text: &str) -> anyhow::Error {
    let Some(span) = error.span() else {
        return anyhow!("{}", error.message());
    };
    let above = text.get(..span.start).unwrap_or(text).matches('\n').count();
    let (line, number) = (text.lines().nth(above).unwrap_or_default().trim_start(), above + 1);
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key = line.split(|c| !bare(c)).next().unwrap_or_default();
    // A line that is torn may have a piece of a value where another has its key.
    let is_torn = toml::from_str::<toml::Table>(text).is_err();
    match key {
        // The message may repeat the value.
        key if SECRET.contains(&key) => {
            anyhow!("line {number} ({key}): its value must be a string in quotes")
        }
        key if key.is_empty() || is_torn => anyhow!("line {number}: {}", error.message()),
        key => anyhow!("line {number} ({key}): {}", error.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named() {
        for (text, key) in [
            ("[sessions]\nmax_concurent = 3", "max_concurent"),
            ("[sesions]\nmax_concurrent = 3", "sesions"),
            ("egress = 1", "egress"),
            ("[egress]\nalow = []", "alow"),
            ("[[egress.exits]]\nname = \"a\"\nkind = \"proxy\"\nurll = \"x\"", "urll"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn values_are_checked() {
        for text in [
            "[sessions]\nmax_concurrent = 0",
            "[sessions]\nmax_concurrent = -1",
            "[sessions]\nstart_seconds = 0",
            "[chromium]\nrun_as_uid = 0",
            "[profile]\nkeep_last = 0",
            "[profile]\nmax_bytes = 0",
            "[profile]\nkeep_days = -1",
            "[chromium]\nextra_args = [\"--no-sandbox\"]",
            "[server]\npublic_url = \"ftp://x\"",
            "[server]\npublic_url = \"https://x/path\"",
            "[server]\npublic_url = \"x\"",
        ] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn extra_arguments_keep_their_order() {
        let config = Config::parse("[chromium]\nextra_args = [\"--lang=de\", \"--mute-audio\"]").unwrap();
        let args: Vec<_> = config.chromium.extra_args.iter().map(ExtraArg::as_str).collect();
        assert_eq!(args, ["--lang=de", "--mute-audio"]);
    }

    #[test]
    fn a_public_url_becomes_a_websocket_origin() {
        let config = Config::parse("[server]\npublic_url = \"https://b.example:8443/\"").unwrap();
        assert_eq!(config.server.public_url.unwrap().websocket_origin(), "wss://b.example:8443");
        assert!(Config::parse("").unwrap().chromium.sandbox);
    }
}
