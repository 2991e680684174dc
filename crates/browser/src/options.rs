//! What a browser is launched with. Plain data: nothing here looks at the machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::confine::Confinement;

/// One of the two Chromium builds. Both read and write the same profile format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Build {
    /// The whole browser: a window on an X display, or `--headless=new` without one.
    Full,
    /// `chromium-headless-shell`: the old headless mode as a program of its own. Starts in under half the time.
    HeadlessShell,
}

/// The inner size of a page, in CSS pixels: what `window.innerWidth` and `window.innerHeight` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    /// Width in CSS pixels.
    pub width: u32,
    /// Height in CSS pixels.
    pub height: u32,
}

/// An operating system user and group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserId {
    /// The user.
    pub uid: u32,
    /// The group. The browser has no supplementary groups.
    pub gid: u32,
}

/// Everything that decides how a browser starts.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the API or the configuration"
)]
pub struct LaunchOptions {
    /// The binary to run.
    pub executable: PathBuf,
    /// Which build that binary is.
    pub build: Build,
    /// Chromium's user data dir. Made if it does not exist; belongs to this browser alone while it runs.
    pub user_data_dir: PathBuf,
    /// Where `HOME`, `TMPDIR` and the `XDG_*` dirs of the browser are. Made if it does not exist.
    pub home: PathBuf,
    /// The inner size of the first page, and of every page after it. Full Chromium's windows are 500 wide at least.
    pub viewport: Viewport,
    /// Whether the first window is full screen: full Chromium without its bars. The headless shell has none anyway.
    pub fullscreen: bool,
    /// Whether the same-origin policy is off.
    pub disable_web_security: bool,
    /// Whether pages may open windows that no hand has asked for. In the headless shell they always may.
    pub allow_popups: bool,
    /// Whether a PDF is downloaded instead of shown.
    pub open_pdf_externally: bool,
    /// The X display, such as `:99`, that full Chromium opens its window on. `None` means `--headless=new`.
    pub display: Option<String>,
    /// Whether Chromium's sandbox is on. Off only when the operator says so.
    pub sandbox: bool,
    /// The user that the browser runs as, if not ours. Needs a server that runs as root.
    pub run_as: Option<UserId>,
    /// What its control group is called, where it has one: a session's id.
    pub name: String,
    /// Directories that it may read and write besides the user data dir and the home.
    pub own_dirs: Vec<PathBuf>,
    /// Directories that it may read, and no more.
    pub shown_dirs: Vec<PathBuf>,
    /// Directories with unpacked extensions, which it must be able to read. Only full Chromium loads any.
    pub extensions: Vec<PathBuf>,
    /// The walls around it. `None` for trials and tests: nothing but its user and its own sandbox.
    pub confinement: Option<Confinement>,
    /// The proxy that all its traffic goes through, loopback included. `None` is the network itself, for trials and tests.
    pub proxy: Option<SocketAddr>,
    /// Whether full Chromium opens the tabs that were open when it last closed, with their history and session storage,
    /// instead of a blank page. The headless shell has no such thing.
    pub restore_tabs: bool,
    /// More command line flags, after ours. Chromium takes the last of two that contradict.
    pub extra_args: Vec<String>,
    /// How long the browser may take until its first reply.
    pub launch_timeout: Duration,
}

/// How long the polite ways to end a browser may take before the next, less polite one.
#[derive(Clone, Copy, Debug)]
pub struct Graces {
    /// From `Browser.close` to the first signal.
    pub close: Duration,
    /// From there to SIGKILL.
    pub term: Duration,
}
