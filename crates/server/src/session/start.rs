//! Starting a session: files, browser, and what the files could not carry.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use roadstead_api::{ProjectId, SessionId};
use roadstead_browser::{
    Attendant, Browser, Build, Cgroups, Confinement, DismissDialogs, Executables, Landlock, LaunchError,
    LaunchOptions, Limits, UserId, Viewport, landlock_support, process_start_time,
};
use roadstead_egress::Filter;
use tokio::task::JoinHandle;
use tracing::{Instrument as _, error, info, warn};

use super::Context;
use super::belongings::Belongings;
use super::certificates::trust;
use super::downloads::{Capture, Extract, GLOBAL};
use super::extensions::own;
use super::handle::SessionHandle;
use super::mask::{Masking, find_invalid};
use super::recordings::{Control, Recorder};
use super::request::{BrowserRequest, SessionRequest};
use super::restore::{self, Restore};
use super::users::{SessionUser, Users};
use super::way_out::WayOut;
use super::work_dir::WorkDir;
use crate::adblock::pages::Pages;
use crate::adblock::rules::Rules;
use crate::config::{ChromiumConfig, Config, Confine};
use crate::db::Admission;
use crate::error::{Error, Result};
use crate::exits::choice::{ChosenBy, Way};
use crate::profile::portable::PortableState;

/// How long the browser may take to take cookies, or to answer any other call of ours while it starts.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a create waits for the initial URL to answer. A slower one goes on loading in the session.
const NAVIGATION_TIMEOUT: Duration = Duration::from_secs(10);
/// This very program, in the child too, whatever has become of its file: the launcher.
const OURSELVES: &str = "/proc/self/exe";

/// Which browsers there are, and how they are started on this machine.
#[derive(Clone, Debug)]
pub struct BrowserSetup {
    /// The binaries.
    pub executables: Executables,
    /// The users that browsers run as.
    pub users: Users,
    /// The walls around each browser, once [`Self::confine`] has planned them.
    pub confinement: Option<Confinement>,
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
            users: Users::plan(chromium),
            confinement: None,
            sandbox: chromium.sandbox,
            display: chromium.display.clone(),
            extra_args: chromium.extra_args.iter().map(|arg| arg.as_str().to_owned()).collect(),
            launch_timeout: Duration::from_secs(config.sessions.start_seconds),
            versions: Arc::default(),
        }
    }

    /// Plans the walls around each browser. Fails where they are required and the kernel has none, and where the control group
    /// that the configuration names cannot be used.
    pub fn confine(&mut self, config: &ChromiumConfig) -> anyhow::Result<()> {
        self.confinement = walls(config)?;
        if let Some(walls) = &mut self.confinement {
            walls.cgroups =
                Cgroups::open(config.cgroup.as_deref()).context("failed to use chromium.cgroup")?;
        }
        Ok(())
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
        (id, work): (SessionId, &WorkDir),
        user: Option<UserId>,
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
            allow_popups: !browser.popup_blocker,
            open_pdf_externally: !browser.pdf_viewer,
            display: if browser.headless { None } else { self.display.clone() },
            sandbox: self.sandbox,
            run_as: user,
            name: id.to_string(),
            own_dirs: vec![work.downloads()],
            shown_dirs: vec![work.uploads(), work.agent(), work.extensions()],
            extensions: Vec::new(),
            confinement: self.confinement.clone(),
            proxy: Some(proxy),
            restore_tabs,
            extra_args: self.extra_args.clone(),
            launch_timeout: self.launch_timeout,
        })
    }
}

/// A session's browser, with what it needs for as long as it lives.
pub(super) struct Started {
    pub(super) browser: Browser,
    pub(super) way_out: WayOut,
    pub(super) user: SessionUser,
    /// The task that captures downloads; it ends some time after the browser.
    pub(super) downloads: JoinHandle<()>,
    /// What pauses the recording, if there is one, and the task that makes it; it too ends some time after the browser.
    pub(super) recording: Option<(Control, JoinHandle<()>)>,
}

/// Plans the walls that a configuration asks for, without control groups. Fails where they are required and the kernel has none.
pub fn walls(config: &ChromiumConfig) -> anyhow::Result<Option<Confinement>> {
    let landlock = match config.confine {
        Confine::Off => {
            warn!(
                "chromium.confine = off: a browser reaches whatever its user may, on this machine and around its exit"
            );
            return Ok(None);
        }
        Confine::BestEffort => Landlock::BestEffort,
        Confine::Require => Landlock::Required,
    };
    let support = landlock_support();
    if landlock == Landlock::Required && !support.suffices() {
        bail!(
            "chromium.confine = require: this kernel has no Landlock that restricts files and TCP (Linux 6.7 or newer, with landlock in its list of security modules)"
        );
    }
    if !support.suffices() {
        warn!(
            "browsers are not confined to their files and their port: the kernel's Landlock is too old, or off; `roadstead doctor` tells more"
        );
    }
    let limits = Limits {
        open_files: config.max_open_files,
        tasks: config.max_tasks,
        memory_bytes: config.max_memory_bytes(),
    };
    Ok(Some(Confinement { launcher: OURSELVES.into(), landlock, limits, cgroups: None }))
}

/// Brings a session's browser up, with the profile's state in it and a way out that was checked. Dropping the future ends
/// whatever it started; the work dir is the caller's to remove.
pub(super) async fn start(
    context: &Arc<Context>,
    work: &WorkDir,
    handle: &SessionHandle,
    request: &SessionRequest,
    admission: &Admission,
) -> Result<Started> {
    let (id, project) = (handle.id(), handle.project());
    let blocks = request.browser.adblock.unwrap_or(context.lists.are_usual());
    let rules = blocks.then(|| context.lists.rules());
    let way_out = WayOut::open(&context.exits, rules.clone().map(|rules| rules as Arc<dyn Filter>)).await?;
    let (address, (browser, restore, user)) = both(
        open_way(context, &way_out, request, admission),
        launch(context, (id, work), (project, request), admission, way_out.listener()),
    )
    .await?;
    let tracker = context.lifecycle.tracker();
    let extract =
        request.browser.p2p_download.then(|| Extract::new(context.kept.clone(), id, tracker.clone()));
    if extract.is_some() {
        browser.mux().listen_for(GLOBAL);
    }
    let capture = Capture {
        db: context.db.clone(),
        kept: context.kept.clone(),
        limits: context.files.clone(),
        handle: handle.clone(),
        room: work.downloads(),
        user: user.id(),
        extract: extract.clone(),
        shredder: context.shredder_of(context.kept.path()),
        lifecycle: context.lifecycle.clone(),
    };
    // Before any page is shown that may download something by itself.
    let capturing = capture.run(browser.mux().clone(), browser.mux().subscribe()).in_current_span();
    let downloads = tracker.spawn(capturing);
    let report = match restore {
        Some(restore) => Some(restore.run(&browser).await.map_err(unresponsive)?),
        None => None,
    };
    // Before anything is recorded that is to be masked.
    attend(&browser, request, rules, extract).await?;
    let recording = begin_recording(context, id, request, &browser).await?;
    let version = &browser.version().product;
    let started = process_start_time(browser.pid()).unwrap_or(0);
    // Together: neither needs the other, and each waits for something else (a disk, a browser).
    let (recorded, ordered) = tokio::join!(
        context.db.session_running(id, version, browser.pid(), started, report.as_ref(), address),
        give_orders(&browser, work, request, report.as_ref().is_some_and(|report| report.restored.tabs > 0)),
    );
    recorded.and(ordered)?;
    Ok(Started { browser, way_out, user, downloads, recording })
}

/// Begins to record what the browser shows, if it is to be. What came back of the profile is there by now, and nobody else is.
async fn begin_recording(
    context: &Arc<Context>,
    id: SessionId,
    request: &SessionRequest,
    browser: &Browser,
) -> Result<Option<(Control, JoinHandle<()>)>> {
    if !context.is_recorded(request) {
        return Ok(None);
    }
    let (db, reels, config) = (context.db.clone(), context.reels.clone(), context.recordings.clone());
    let (recorder, control) = Recorder::begin(db, reels, config, id).await?;
    let recording = recorder.run(browser.mux().clone(), browser.mux().subscribe()).in_current_span();
    Ok(Some((control, context.lifecycle.tracker().spawn(recording))))
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
    (id, work): (SessionId, &WorkDir),
    (project, request): (ProjectId, &SessionRequest),
    admission: &'a Admission,
    proxy: SocketAddr,
) -> Result<(Browser, Option<Restore<'a>>, SessionUser)> {
    let (build, _) = context.browsers.require(request.browser.headless)?;
    let belongings = Belongings::find(&context.db, project, &request.browser).await?;
    let state = prepare_files(context, work, admission).await?;
    let popups_as_tabs = request.browser.force_popups_as_tabs && build == Build::Full;
    let extensions = unpack_extensions(context, work, (&belongings, popups_as_tabs), state.user.id()).await?;
    if !belongings.authorities.is_empty() {
        trust(&work.home(), &belongings.authorities).await?;
    }
    let tabs = request.profile.as_ref().is_some_and(|wanted| wanted.restore_tabs);
    let tabs_by_browser = tabs
        && admission
            .head
            .as_ref()
            .zip(state.portable.as_ref())
            .is_some_and(|(point, portable)| restore::browser_restores_tabs(build, point, portable));
    let options = LaunchOptions {
        extensions,
        ..context.browsers.options((id, work), state.user.id(), &request.browser, proxy, tabs_by_browser)?
    };
    let browser = Browser::launch(&options).await.map_err(|problem| launch_failed(&problem))?;
    require_loaded(&browser, &belongings).await?;
    require_understood(&browser, request).await?;
    if popups_as_tabs && !browser.has_extension(own::CHROMIUM_ID).await.map_err(unresponsive)? {
        return Err(Error::Unavailable(
            "Chromium does not load the extension that makes tabs of popups; leave out browser.force_popups_as_tabs.".to_owned(),
        ));
    }
    let restore = admission.head.as_ref().map(|point| Restore {
        point,
        portable: state.portable,
        files: state.files,
        bytes: state.bytes,
        tabs,
        tabs_by_browser,
        state_dir: work.state(),
        local_storage_written: state.local_storage_written,
    });
    Ok((browser, restore, state.user))
}

/// Unpacks a session's extensions. Returns where they are.
async fn unpack_extensions(
    context: &Arc<Context>,
    work: &WorkDir,
    (belongings, popups_as_tabs): (&Belongings, bool),
    user: Option<UserId>,
) -> Result<Vec<PathBuf>> {
    let ids: Vec<_> = belongings.extensions.iter().map(|extension| extension.id).collect();
    let (root, work) = (context.extensions.clone(), work.clone());
    let unpack = move || {
        let own = popups_as_tabs.then(|| own::install(&work.extensions(), user));
        let uploaded = ids.into_iter().map(|id| root.install(id, &work, user));
        own.into_iter().chain(uploaded).collect()
    };
    tokio::task::spawn_blocking(unpack).await.expect("unpacking an extension does not panic")
}

/// Refuses extensions that the browser did not load: it says so nowhere.
async fn require_loaded(browser: &Browser, belongings: &Belongings) -> Result<()> {
    for extension in &belongings.extensions {
        if !browser.has_extension(&extension.chromium_id).await.map_err(unresponsive)? {
            return Err(Error::invalid(
                "browser.extensions",
                format!(
                    "Chromium does not load {}: its manifest or its files are not as they should be. Load it unpacked in a browser of your own (chrome://extensions), which says what is wrong",
                    extension.id
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses what is to be masked by rules that the browser cannot read.
async fn require_understood(browser: &Browser, request: &SessionRequest) -> Result<()> {
    let Some(mask) = &request.browser.mask else { return Ok(()) };
    match find_invalid(browser, mask).await.map_err(unresponsive)? {
        Some(invalid) => {
            Err(Error::invalid(&format!("browser.sensitive_data_mask.{}", invalid.field), invalid.why))
        }
        None => Ok(()),
    }
}

/// What the files of a session hold before its browser starts.
struct Prepared {
    portable: Option<PortableState>,
    local_storage_written: Option<Timestamp>,
    files: u64,
    bytes: u64,
    user: SessionUser,
}

/// Makes the work dir, checks the revision out into it, and hands it to the browser's user.
async fn prepare_files(context: &Arc<Context>, work: &WorkDir, admission: &Admission) -> Result<Prepared> {
    let (dir, users, among) = (work.clone(), context.browsers.users.clone(), context.work.path().to_owned());
    let user = blocking(move || {
        let user = users.take(&among);
        user.as_ref().map_or(Ok(()), |user| dir.create(user.id())).map(|()| user)
    })
    .await?;
    let user = user.ok_or_else(|| {
        Error::Unavailable("All users of chromium.session_users are taken; try again later.".to_owned())
    })?;
    let (mut files, mut bytes) = (0, 0);
    if let (Some(profile), Some(point)) = (admission.profile, &admission.head) {
        let written = context.profiles.checkout(profile, point.number, &point.digest, &work.state()).await?;
        (files, bytes) = (written.files, written.bytes);
    }
    let (room, owner) = (work.clone(), user.id());
    let (portable, local_storage_written) = blocking(move || {
        room.hand_over(owner)?;
        Ok((PortableState::read(&room.state())?, restore::local_storage_written(&room.state())))
    })
    .await?;
    Ok(Prepared { portable, local_storage_written, files, bytes, user })
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
    mux.capture_downloads(&downloads.to_string_lossy(), CALL_TIMEOUT).await.map_err(unresponsive)?;
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

/// Has every page attended by who has something to do there.
async fn attend(
    browser: &Browser,
    request: &SessionRequest,
    rules: Option<Arc<Rules>>,
    extract: Option<Extract>,
) -> Result<()> {
    let wished = &request.browser;
    let mut attendants: Vec<Arc<dyn Attendant>> = Vec::new();
    if wished.disable_dialogs {
        attendants.push(Arc::new(DismissDialogs));
    }
    if let Some(extract) = extract {
        attendants.push(Arc::new(extract));
    }
    // Who did not ask gets it at the way out, which costs pages nothing.
    if let Some(rules) = rules.filter(|_| wished.adblock == Some(true)) {
        attendants.push(Arc::new(Pages::new(rules)));
    }
    if let Some(mask) = &wished.mask {
        attendants.push(Arc::new(Masking::new(mask)));
    }
    if attendants.is_empty() { Ok(()) } else { browser.attend(attendants).await.map_err(unresponsive) }
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
