//! What a session is asked to be: the domain form of the body of `POST /v1/sessions`.
//!
//! The edge (`http`) converts the wire body into this once; everything below reads only this. The body itself is kept
//! as `configuration`, to be echoed.

use std::time::Duration;

use roadstead_api::ProfileName;
use serde_json::Value;

/// A validated request for a session.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// Where the first page goes once the profile is restored.
    pub initial_url: Option<String>,
    /// Labels to find the session by.
    pub tags: Vec<String>,
    /// The hard limit on the session's life; `None` means none.
    pub max_duration: Option<Duration>,
    /// How long the session lives with nobody connected; `None` means for ever.
    pub idle_timeout: Option<Duration>,
    /// The profile to start from, and whether to save into it.
    pub profile: Option<ProfileUse>,
    /// The browser's shape.
    pub browser: BrowserRequest,
    /// The body as the caller sent it (`{}` when there was none), for the echo.
    pub configuration: Value,
}

/// How a session uses a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileUse {
    /// Which one, within the caller's project.
    pub name: ProfileName,
    /// Whether the session is saved into it when it ends; the profile is created if it is new.
    pub persist: bool,
}

/// What the browser is asked to look and behave like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the published API")]
pub struct BrowserRequest {
    /// Headless shell when true, full Chromium otherwise.
    pub headless: bool,
    /// The page's inner width in CSS pixels.
    pub width: u32,
    /// The page's inner height in CSS pixels.
    pub height: u32,
    /// Starts fullscreen.
    pub fullscreen: bool,
    /// Switches the same-origin policy off.
    pub disable_web_security: bool,
    /// Dismisses alert, confirm and prompt at once.
    pub disable_dialogs: bool,
    /// Shows PDFs in a page; downloads them when false.
    pub pdf_viewer: bool,
}

impl Default for BrowserRequest {
    fn default() -> Self {
        Self {
            headless: false,
            width: 1440,
            height: 900,
            fullscreen: false,
            disable_web_security: false,
            disable_dialogs: false,
            pdf_viewer: true,
        }
    }
}

/// `session.timeout.max_duration` when the caller names none: 20 minutes (the published API's default).
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_mins(20);
/// `session.timeout.idle_timeout` when the caller names none: 5 minutes (the published API's default).
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_mins(5);

impl Default for SessionRequest {
    fn default() -> Self {
        Self {
            initial_url: None,
            tags: Vec::new(),
            max_duration: Some(DEFAULT_MAX_DURATION),
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            profile: None,
            browser: BrowserRequest::default(),
            configuration: Value::Object(serde_json::Map::new()),
        }
    }
}
