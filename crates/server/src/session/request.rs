//! What a session is asked to be: the domain form of the body of `POST /v1/sessions`.
//!
//! The edge (`http`) converts the wire body into this once; everything below reads only this. The body itself is kept
//! as `configuration`, to be echoed.

use std::time::Duration;

use roadstead_api::{ExtensionId, ProfileName};
use serde_json::Value;

use crate::exits::choice::Wish;
use crate::profile::SaveOptions;
use crate::session::mask::Mask;

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
    /// The way out to the network that it wishes for.
    pub way: Wish,
    /// The browser's shape.
    pub browser: BrowserRequest,
    /// Whether what it shows is recorded; as the configuration says when nobody said.
    pub recording: Option<bool>,
    /// Starts without a token of its own: only minted ones let in.
    pub token_only: bool,
    /// The body as the caller sent it (`{}` when there was none), for the echo.
    pub configuration: Value,
}

/// How a session uses a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the API")]
pub struct ProfileUse {
    /// Which one, within the caller's project.
    pub name: ProfileName,
    /// Whether the session is saved into it when it ends; the profile is created if it is new.
    pub persist: bool,
    /// The revision to start from.
    pub start: StartFrom,
    /// Whether the session is to be the profile's only writer.
    pub exclusive: bool,
    /// How long to wait for another writer to end.
    pub wait_for_writer: Duration,
    /// How long to wait for the revision of [`StartFrom::AtLeast`].
    pub wait_for_revision: Duration,
    /// What is asked of the save.
    pub save: SaveOptions,
    /// Opens the tabs that were open.
    pub restore_tabs: bool,
    /// Opens what a newer major version of the browser wrote.
    pub allow_downgrade: bool,
}

/// Which revision of a profile a session starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// The head.
    Head,
    /// This one, whatever the head is.
    Revision(u64),
    /// The head, once it is this one or a later one.
    AtLeast(u64),
}

impl ProfileUse {
    /// Uses a profile as somebody does who asks for nothing but its name.
    pub fn new(name: ProfileName, persist: bool) -> Self {
        Self {
            name,
            persist,
            start: StartFrom::Head,
            exclusive: false,
            wait_for_writer: Duration::ZERO,
            wait_for_revision: DEFAULT_REVISION_WAIT,
            save: SaveOptions::default(),
            restore_tabs: false,
            allow_downgrade: false,
        }
    }
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
    /// Blocks windows that no hand has opened. Only full Chromium can.
    pub popup_blocker: bool,
    /// Opens windows as tabs. The headless shell has no windows.
    pub force_popups_as_tabs: bool,
    /// Hands pages their downloads, and keeps none beyond the session.
    pub p2p_download: bool,
    /// Whether advertisements are blocked: at its way out and in its pages, or not at all. When nobody said, as the configuration
    /// has it, and at the way out only.
    pub adblock: Option<bool>,
    /// Uploaded extensions to load, each once.
    pub extensions: Vec<ExtensionId>,
    /// Names of uploaded certificates to trust, each once.
    pub ca_certificates: Vec<String>,
    /// What is masked in pages, if anything is.
    pub mask: Option<Mask>,
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
            popup_blocker: true,
            force_popups_as_tabs: false,
            p2p_download: false,
            adblock: None,
            extensions: Vec::new(),
            ca_certificates: Vec::new(),
            mask: None,
        }
    }
}

/// How long a session waits for `browser.profile.min_revision` when the caller does not say: a save that is under way ends
/// within that time.
pub const DEFAULT_REVISION_WAIT: Duration = Duration::from_secs(10);
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
            way: Wish::default(),
            browser: BrowserRequest::default(),
            recording: None,
            token_only: false,
            configuration: Value::Object(serde_json::Map::new()),
        }
    }
}
