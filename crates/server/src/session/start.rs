//! Starting a session: files, browser, and what the files could not carry.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roadstead_api::SessionId;
use roadstead_browser::{
    Browser, Build, Executables, LaunchError, LaunchOptions, UserId, Viewport, process_start_time,
};
use tracing::{error, info, warn};

use super::Context;
use super::request::{BrowserRequest, SessionRequest};
use super::restore::{self, Restore};
use super::way_out::WayOut;
use super::work_dir::WorkDir;
use crate::config::Config;
use crate::db::Admission;
use crate::error::{Error, Result};
use crate::exits::choice::{ChosenBy, Way};
use crate::profile::portable::PortableState;

/// How long the browser may take to take cookies, or to answer any other call of ours while it starts.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a create waits for the initial URL to answer. A slower one goes on loading in the session.
const NAVIGATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Which browsers there are, and how they are started on this machine.
#[derive(Clone, Debug)]
pub struct BrowserSetup {
    /// The binaries.
    pub executables: Executables,
    /// The user that browsers run as, if not ours.
    pub run_as: Option<UserId>,
    /// Whether Chromium's sandbox is on.
    pub sandbox: bool,
    /// The X display for full Chromium.
    pub display: Option<String>,
    /// The operator's own arguments.
    pub extra_args: Vec<String>,
    /// How long a browser may take to answer for the first time.
    pub launch_timeout: Duration,
    /// The major version of each binary, and which file said so.
    versions: Arc<Mutex<HashMap<PathBuf, KnownVersion>>>,
}

/// A file by inode and modification time, and the major version that it named.
type KnownVersion = (Option<(u64, i64)>, Option<u32>);

impl BrowserSetup {
    /// Looks for browsers as the configuration says. None found is not an error here: `/readyz` and creates tell.
    pub fn find(config: &Config) -> Self {
        let chromium = &config.chromium;
        let root = rustix::process::geteuid().is_root();
        if !chromium.sandbox {
            warn!(
                "chromium.sandbox = false: a hostile page that breaks out of a renderer owns the browser's user"
            );
        }
        Self {
            executables: Executables::find(
                chromium.executable.as_deref(),
                chromium.headless_shell.as_deref(),
            ),
            run_as: root.then_some(UserId { uid: chromium.run_as_uid, gid: chromium.run_as_gid }),
            sandbox: chromium.sandbox,
            display: chromium.display.clone(),
            extra_args: chromium.extra_args.iter().map(|arg| arg.as_str().to_owned()).collect(),
            launch_timeout: Duration::from_secs(config.sessions.start_seconds),
            versions: Arc::default(),
        }
    }

    /// Returns the binary for a session: the headless shell for a headless one if there is one, else full Chromium.
    pub fn require(&self, headless: bool) -> Result<(Build, std::path::PathBuf)> {
        let found = &self.executables;
        let shell = found.headless_shell.clone().map(|path| (Build::HeadlessShell, path));
        let full = found.full.clone().map(|path| (Build::Full, path));
        let chosen = if headless { shell.or(full) } else { full };
        chosen.ok_or_else(|| {
            Error::Unavailable(if headless {
                "No browser is installed. Install Debian's chromium-headless-shell or chromium, or set chromium.executable; `roadstead doctor` tells more.".to_owned()
            } else {
                "Full Chromium is not installed. Install Debian's chromium, set chromium.executable, or ask for browser.headless.active: true; `roadstead doctor` tells more.".to_owned()
            })
        })
    }

    /// Returns the major version of the binary for a session, if it says one. A binary is asked once, and again when it has
    /// been replaced.
    pub async fn major_version(&self, headless: bool) -> Option<u32> {
        let (_, executable) = self.require(headless).ok()?;
        let identity = std::fs::metadata(&executable).ok().map(|found| (found.ino(), found.mtime()));
        let known = self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(&executable).copied();
        if let Some((of, major)) = known
            && of == identity
        {
            return major;
        }
        let major = roadstead_browser::ask_version(&executable).await;
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(executable, (identity, major));
        major
    }

    fn options(
        &self,
        work: &WorkDir,
        browser: &BrowserRequest,
        proxy: SocketAddr,
        restore_tabs: bool,
    ) -> Result<LaunchOptions> {
        let (build, executable) = self.require(browser.headless)?;
        Ok(LaunchOptions {
            executable,
            build,
            user_data_dir: work.user_data(),
            home: work.home(),
            viewport: Viewport { width: browser.width, height: browser.height },
            fullscreen: browser.fullscreen,
            disable_web_security: browser.disable_web_security,
            open_pdf_externally: !browser.pdf_viewer,
            display: if browser.headless { None } else { self.display.clone() },
            sandbox: self.sandbox,
            run_as: self.run_as,
            proxy: Some(proxy),
            restore_tabs,
            extra_args: self.extra_args.clone(),
            launch_timeout: self.launch_timeout,
        })
    }
}

/// Brings a session's browser up, with the profile's state in it and a way out that was checked. Dropping the future ends
/// whatever it started; the work dir is the caller's to remove.
pub(super) async fn start(
    context: &Arc<Context>,
    work: &WorkDir,
    id: SessionId,
    request: &SessionRequest,
    admission: &Admission,
) -> Result<(Browser, WayOut)> {
    let way_out = WayOut::open(&context.exits).await?;
    let (address, (browser, restore)) = both(
        open_way(context, &way_out, request, admission),
        launch(context, work, request, admission, way_out.listener()),
    )
    .await?;
    let report = match restore {
        Some(restore) => Some(restore.run(&browser).await.map_err(unresponsive)?),
        None => None,
    };
    let version = &browser.version().product;
    let started = process_start_time(browser.pid()).unwrap_or(0);
    // Together: neither needs the other, and each waits for something else (a disk, a browser).
    let (recorded, ordered) = tokio::join!(
        context.db.session_running(id, version, browser.pid(), started, report.as_ref(), address),
        give_orders(&browser, work, request, report.as_ref().is_some_and(|report| report.restored.tabs > 0)),
    );
    recorded.and(ordered)?;
    Ok((browser, way_out))
}

/// Checks the way out and launches the browser side by side: the check needs no browser, and what a browser asks for meanwhile
/// waits at its listener. A launch that failed ends the check; a check that failed waits for the launch, whose files are
/// still being written.
async fn both<A, B>(
    opening: impl Future<Output = Result<A>>,
    launching: impl Future<Output = Result<B>>,
) -> Result<(A, B)> {
    let mut opening = pin!(opening);
    let mut launching = pin!(launching);
    tokio::select! {
        launched = &mut launching => {
            let launched = launched?;
            Ok((opening.await?, launched))
        }
        opened = &mut opening => {
            let launched = launching.await;
            Ok((opened?, launched?))
        }
    }
}

/// Checks the session's way out, and opens it to its browser. Returns the address that sites see, where it is known.
async fn open_way(
    context: &Arc<Context>,
    way_out: &WayOut,
    request: &SessionRequest,
    admission: &Admission,
) -> Result<Option<IpAddr>> {
    let Admission { way, pinned, profile, .. } = admission;
    let opened = context.exits.open(way, request.way.custom(), *pinned).await?;
    let address = opened.address;
    if let (Way::Exit { by: ChosenBy::Profile, .. }, Some(observed), Some(profile)) =
        (way, opened.observed, profile)
        && *pinned != Some(observed)
    {
        context.db.remember_exit_address(*profile, observed).await?;
    }
    way_out.switch(way.clone(), opened);
    Ok(address)
}

/// Prepares the session's files and launches its browser on them. Returns what is left to be restored.
async fn launch<'a>(
    context: &Arc<Context>,
    work: &WorkDir,
    request: &SessionRequest,
    admission: &'a Admission,
    proxy: SocketAddr,
) -> Result<(Browser, Option<Restore<'a>>)> {
    let state = prepare_files(context, work, admission).await?;
    let tabs = request.profile.as_ref().is_some_and(|wanted| wanted.restore_tabs);
    let (build, _) = context.browsers.require(request.browser.headless)?;
    let tabs_by_browser = tabs
        && admission
            .head
            .as_ref()
            .zip(state.portable.as_ref())
            .is_some_and(|(point, portable)| restore::browser_restores_tabs(build, point, portable));
    let options = context.browsers.options(work, &request.browser, proxy, tabs_by_browser)?;
    let browser = Browser::launch(&options).await.map_err(|problem| launch_failed(&problem))?;
    let restore = admission.head.as_ref().map(|point| Restore {
        point,
        portable: state.portable,
        files: state.files,
        bytes: state.bytes,
        tabs,
        tabs_by_browser,
        state_dir: work.state(),
    });
    Ok((browser, restore))
}

/// What the files of a session hold before its browser starts.
struct Prepared {
    portable: Option<PortableState>,
    files: u64,
    bytes: u64,
}

/// Makes the work dir, checks the revision out into it, and hands it to the browser's user.
async fn prepare_files(context: &Arc<Context>, work: &WorkDir, admission: &Admission) -> Result<Prepared> {
    let room = work.clone();
    blocking(move || room.create()).await?;
    let (mut files, mut bytes) = (0, 0);
    if let (Some(profile), Some(point)) = (admission.profile, &admission.head) {
        let written = context.profiles.checkout(profile, point.number, &point.digest, &work.state()).await?;
        (files, bytes) = (written.files, written.bytes);
    }
    let room = work.clone();
    let portable = blocking(move || {
        room.hand_over()?;
        PortableState::read(&room.state())
    })
    .await?;
    Ok(Prepared { portable, files, bytes })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.expect("preparing files does not panic");
    done.map_err(|error| Error::internal("The session's files could not be prepared.", error))
}

/// Gives the browser its orders. `tabs` tells whether it shows some that were brought back.
async fn give_orders(browser: &Browser, work: &WorkDir, request: &SessionRequest, tabs: bool) -> Result<()> {
    let mux = browser.mux();
    let downloads = work.downloads();
    mux.set_download_behavior(&downloads.to_string_lossy(), CALL_TIMEOUT).await.map_err(unresponsive)?;
    if request.browser.disable_dialogs {
        browser.dismiss_dialogs().await.map_err(unresponsive)?;
    }
    if let Some(url) = &request.initial_url {
        // A page that does not load is the page's affair: the browser shows its error page, and the session is there.
        // It does not take the place of a tab that was asked for.
        let shown = if tabs {
            mux.open_page(url, NAVIGATION_TIMEOUT).await.map(drop)
        } else {
            mux.navigate_first_page(url, NAVIGATION_TIMEOUT).await
        };
        if let Err(problem) = shown {
            info!(error = %problem, "the initial URL did not answer in time");
        }
    }
    Ok(())
}

fn launch_failed(problem: &LaunchError) -> Error {
    error!(error = ?problem, stderr = problem.stderr_tail(), "the browser did not start");
    Error::Unavailable(
        "The browser did not start. The server's log has its last words, and `roadstead doctor` checks the usual causes."
            .to_owned(),
    )
}

fn unresponsive(problem: impl std::error::Error + Send + Sync + 'static) -> Error {
    warn!(error = %problem, "the browser did not answer while it started");
    Error::Unavailable("The browser stopped answering while it started; try again.".to_owned())
}
