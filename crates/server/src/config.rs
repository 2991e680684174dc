//! Configuration: one struct per section of `roadstead.toml`, parsed into valid domain types.
//!
//! A key arrives with the feature that it steers. An unknown key is an error that names it, since a misspelt limit that
//! is silently ignored is worse than a server that does not start. The only secrets are the passwords of proxies: no `Debug` and
//! no error tells them.

mod adblock;
mod chromium;
mod egress;
mod extra_arg;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod origin;
mod recordings;
mod server;
mod webhooks;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

pub use self::adblock::AdblockConfig;
pub use self::chromium::{ChromiumConfig, Confine, UserRange};
pub use self::egress::{EgressConfig, ExitConfig};
pub use self::extra_arg::ExtraArg;
pub use self::files::FilesConfig;
pub use self::origin::WebOrigin;
pub use self::recordings::RecordingsConfig;
pub use self::server::{PublicUrl, ServerConfig, TlsConfig, TrustedProxies};
pub use self::webhooks::WebhooksConfig;

/// The whole configuration; every section has defaults, so an empty file is a valid one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the root key is, if not in the data dir. Said by `--root-key-file`, never by the file: who reads the configuration
    /// should not learn it.
    #[serde(skip)]
    pub root_key_file: Option<PathBuf>,
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
    /// What advertisements are known by.
    pub adblock: AdblockConfig,
    /// How much may go into sessions.
    pub files: FilesConfig,
    /// Where events may be posted to, and how patiently.
    pub webhooks: WebhooksConfig,
    /// Whether and how sessions are recorded.
    pub recordings: RecordingsConfig,
    /// How long the audit log is kept.
    pub audit: AuditConfig,
    /// How often callers may do what.
    pub limits: LimitsConfig,
}

/// `[audit]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// For how many days an entry is kept; at least 30.
    pub keep_days: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { keep_days: 365 }
    }
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// How many sessions a key may create in a minute; 0 is no limit.
    pub creates_per_minute: u32,
    /// How many wrong keys and tokens an address may come with in a minute; 0 is no limit.
    pub failed_auth_per_minute: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { creates_per_minute: 600, failed_auth_per_minute: 30 }
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
    /// Whether a session's files are written over before they are removed.
    pub shred: bool,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            max_concurrent: 50,
            queue_wait_seconds: 30,
            start_seconds: 30,
            close_grace_seconds: 10,
            shred: true,
        }
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

/// The most sessions a configuration may allow: more is a typing error, or a machine we have not met.
const MAX_CONCURRENT: usize = 100_000;

/// The database itself refuses to forget anything sooner.
const MIN_AUDIT_DAYS: u32 = 30;

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
        config.server.check()?;
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
        config.adblock.check()?;
        config.chromium.check()?;
        config.files.check()?;
        config.webhooks.check()?;
        config.recordings.check()?;
        if config.audit.keep_days < MIN_AUDIT_DAYS {
            bail!("audit.keep_days must be at least {MIN_AUDIT_DAYS}");
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
            "[adblock]\nlists = [\"relative\"]",
            "[chromium]\nrun_as_uid = 0",
            "[chromium]\nrun_as_gid = 5",
            "[chromium]\nsession_users = \"0-9\"",
            "[chromium]\nsession_users = \"9-8\"",
            "[chromium]\nsession_users = \"1000\"",
            "[chromium]\nsession_users = \"1-4294967296\"",
            "[chromium]\nconfine = \"maybe\"",
            "[chromium]\nmax_tasks = 10",
            "[chromium]\nmax_open_files = 10",
            "[chromium]\nmax_memory_mib = 10",
            "[chromium]\ncgroup = \"relative\"",
            "[profile]\nkeep_last = 0",
            "[profile]\nmax_bytes = 0",
            "[profile]\nkeep_days = -1",
            "[audit]\nkeep_days = 29",
            "[files]\nmax_upload_mib = 0",
            "[files]\nmax_uploads_mib = 100000000",
            "[files]\nupload_seconds = 0",
            "[files]\nmax_archive_files = 0",
            "[files]\nmax_download_mib = 0",
            "[files]\ndownload_seconds = 0",
            "[files]\nkeep_downloads_minutes = 100000000",
            "[webhooks]\ntimeout_seconds = 0",
            "[webhooks]\ntimeout_seconds = 301",
            "[webhooks]\nretry_base_ms = 0",
            "[recordings]\nframes_per_second = 0",
            "[recordings]\nframes_per_second = 31",
            "[recordings]\nquality = 0",
            "[recordings]\nquality = 101",
            "[recordings]\nmax_bytes = 0",
            "[recordings]\nvideo_seconds = 0",
            "[recordings]\nkeep_minutes = 100000000",
            "[recordings]\nffmpeg = \"relative\"",
            "[limits]\ncreates_per_minute = -1",
            "[chromium]\nextra_args = [\"--no-sandbox\"]",
            "[server]\npublic_url = \"ftp://x\"",
            "[server]\npublic_url = \"https://x/path\"",
            "[server]\npublic_url = \"x\"",
            "[server]\ntrusted_proxies = [\"x\"]",
            "[server]\nallowed_origins = [\"*\"]",
            "[server]\nallowed_hosts = [\"box.lan:8700\"]",
            "[server]\nheader_seconds = 0",
            "[server]\nping_seconds = 100000",
            "[server]\nmax_connections = 0",
            "[server]\ntls = { certificate = \"x\" }",
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
