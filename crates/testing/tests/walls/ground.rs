//! What every test here stands on: programs with their walls up or down, sessions, and their browsers' processes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Method;
use roadstead_browser::{Build, Confinement, Executables, Landlock, LaunchOptions, Limits, UserId, Viewport};
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions, binary};
use serde_json::{Value, json};

/// How long anything may take that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// A user that nothing else on the machine runs as.
pub const STRANGER: UserId = UserId { uid: 1_999_999_999, gid: 1_999_999_999 };

/// Whether the walls are up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walls {
    Up,
    Down,
}

/// A place that everybody may walk through and list, so that what is closed in it is closed by a wall.
pub fn open_place() -> Result<Place> {
    let place = Place::new()?;
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(place)
}

/// Starts the program. With the walls down all browsers share a user, and nothing keeps them to their files.
pub async fn program(place: &Place, walls: Walls) -> Result<Program> {
    let config = match walls {
        Walls::Up => "[chromium]\nconfine = \"require\"\n".to_owned(),
        Walls::Down => format!("[chromium]\nconfine = \"off\"\nrun_as_uid = {}\n", STRANGER.uid),
    };
    Program::start(&place.data(), &ProgramOptions { config, ..ProgramOptions::default() }).await
}

/// A running session, its page, and its browser.
pub struct Session {
    pub id: String,
    pub page: Page,
    /// The main process.
    pub pid: u32,
}

impl Session {
    /// Starts one in the headless shell.
    pub async fn start(program: &Program) -> Result<Self> {
        Self::start_with(program, true).await
    }

    /// Starts one, in the headless shell or in full Chromium.
    pub async fn start_with(program: &Program, headless: bool) -> Result<Self> {
        let body = json!({"browser": {"headless": {"active": headless}}});
        let created = program.data(Method::POST, "/v1/sessions", Some(body)).await?;
        let id = text(&created["id"]).to_owned();
        let pid = browser_of(&id)?;
        Ok(Self { page: Page::open(text(&created["cdp_url"])).await?, id, pid })
    }

    /// Returns the session's work dir.
    pub fn work_dir(&self) -> Result<PathBuf> {
        let arguments = command_line(self.pid)?;
        let user_data = arguments.iter().find_map(|argument| argument.strip_prefix("--user-data-dir="));
        let user_data = Path::new(user_data.context("a browser names its user data dir")?);
        Ok(user_data.ancestors().nth(2).context("<work dir>/state/user-data")?.to_owned())
    }

    /// Ends it.
    pub async fn end(self, program: &Program) -> Result<Value> {
        program.data(Method::DELETE, &format!("/v1/sessions/{}", self.id), None).await
    }
}

/// Finds the main process of a session's browser.
fn browser_of(session: &str) -> Result<u32> {
    let names_it = |pid: &u32| {
        let arguments = command_line(*pid).unwrap_or_default();
        let own = |argument: &String| argument.starts_with("--user-data-dir=") && argument.contains(session);
        arguments.iter().any(own) && !arguments.iter().any(|argument| argument.starts_with("--type="))
    };
    let entries = std::fs::read_dir("/proc")?.flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(names_it).context("a running session has a browser")
}

fn command_line(pid: u32) -> Result<Vec<String>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    // A browser that has renamed itself has spaces instead.
    Ok(line
        .split(|byte| matches!(byte, 0 | b' '))
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect())
}

/// Returns a field of `/proc/<pid>/status`.
pub fn status(pid: u32, field: &str) -> Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let found = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(found.with_context(|| format!("no {field} in the status of {pid}"))?.trim().to_owned())
}

/// Tells whether this test may become other users.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Plans the launch of whatever is at `executable`, in directories below `dir`.
pub fn options(dir: &Path, executable: PathBuf, walls: Walls) -> Result<LaunchOptions> {
    let confinement = Confinement {
        launcher: binary()?,
        landlock: Landlock::Required,
        limits: Limits { open_files: 1_234, tasks: 2_345, memory_bytes: None },
        cgroups: None,
    };
    Ok(LaunchOptions {
        executable,
        build: Build::HeadlessShell,
        user_data_dir: dir.join("user-data"),
        home: dir.join("home"),
        viewport: Viewport { width: 800, height: 600 },
        fullscreen: false,
        disable_web_security: false,
        allow_popups: false,
        open_pdf_externally: false,
        display: None,
        sandbox: true,
        run_as: is_root().then_some(STRANGER),
        name: "walls".to_owned(),
        own_dirs: Vec::new(),
        shown_dirs: Vec::new(),
        extensions: Vec::new(),
        confinement: (walls == Walls::Up).then_some(confinement),
        proxy: None,
        restore_tabs: false,
        extra_args: Vec::new(),
        launch_timeout: PATIENCE,
    })
}

/// Finds the machine's headless shell.
pub fn headless_shell() -> Result<PathBuf> {
    Executables::find(None, None).headless_shell.context("the headless shell is installed")
}
