//! The task that owns a session, from its admission to its last receipt.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use roadstead_browser::Browser;
use roadstead_egress::Traffic;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{info, warn};

use super::admission::Place;
use super::capture::Capture;
use super::finish::Files;
use super::handle::{Command, Running, SessionHandle, SessionState};
use super::record::{EndReason, SessionStatus};
use super::request::SessionRequest;
use super::start::Started;
use super::users::SessionUser;
use super::way_out::WayOut;
use super::work_dir::WorkDir;
use super::{Asked, Context, Refusal, start};
use crate::clock;
use crate::db::{Admission, Admitted, NewSession};
use crate::error::{Error, Result};
use crate::profile::portable::{CapturedWhen, PortableState};

/// How old the portable state on disk may be while a session runs. A login that is lost to a crash is at most this new.
const CAPTURE_EVERY: Duration = Duration::from_secs(2);
/// How old the record of a running session's traffic may be. Who shows a session adds what is newer.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// How long the browser may take to tell its cookies while it runs. It answers in about a millisecond when it is well;
/// one that does not must not keep the session from ending.
const CAPTURE_TICK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it may take to tell them for the last time.
const CAPTURE_TIMEOUT: Duration = Duration::from_secs(5);

/// Owns one session.
pub(super) struct Driver {
    pub(super) context: Arc<Context>,
    pub(super) handle: SessionHandle,
    pub(super) publisher: watch::Sender<SessionState>,
    pub(super) work: WorkDir,
    /// What the last capture wrote.
    pub(super) portable: Option<PortableState>,
    capture: Capture,
    /// The traffic that is on record.
    recorded: Traffic,
    /// `None` once every handle is gone.
    commands: Option<mpsc::Receiver<Command>>,
    /// The right to run, given back just before the end is told: whoever is told may start another session at once.
    place: Option<Place>,
}

/// A session that runs: what it was admitted with, its browser, and its limits.
pub(super) struct Live {
    pub(super) browser: Browser,
    pub(super) way_out: Arc<WayOut>,
    pub(super) admission: Admission,
    pub(super) downloads: JoinHandle<()>,
    pub(super) recording: Option<JoinHandle<()>>,
    /// The browser's: nobody else is given it meanwhile.
    _user: SessionUser,
    deadline: Option<Instant>,
    idle_timeout: Option<Duration>,
}

impl Driver {
    pub(super) fn new(
        context: Arc<Context>,
        handle: SessionHandle,
        publisher: watch::Sender<SessionState>,
        commands: mpsc::Receiver<Command>,
        place: Place,
    ) -> Self {
        let work = context.work.of(handle.id());
        let (portable, capture) = (None, Capture::default());
        Self {
            context,
            handle,
            publisher,
            work,
            portable,
            capture,
            recorded: Traffic::default(),
            commands: Some(commands),
            place: Some(place),
        }
    }

    /// Runs the session. `ready` gets the handle when the browser is ready, or why it is not.
    pub(super) async fn run(
        mut self,
        asked: Asked,
        mut ready: oneshot::Sender<Result<SessionHandle, Refusal>>,
    ) {
        gauge!("roadstead_sessions").increment(1.0);
        let began = Instant::now();
        let mut profile = None;
        let files = match Box::pin(self.start(&asked, &mut ready)).await {
            Err(error) => {
                counter!("roadstead_session_starts_total", "outcome" => "failed").increment(1);
                drop(ready.send(Err(error)));
                Files::Worthless
            }
            Ok(mut live) => {
                profile = live.admission.profile;
                counter!("roadstead_session_starts_total", "outcome" => "ok").increment(1);
                histogram!("roadstead_session_start_seconds").record(began.elapsed());
                info!(
                    duration_ms = millis(began.elapsed()),
                    browser.pid = live.browser.pid(),
                    headless = asked.request.browser.headless,
                    profile.loaded = live.admission.head.is_some(),
                    "session runs"
                );
                // Nobody learnt the id of a session whose creator hung up: it would only wait for its timeouts.
                let reason = match ready.send(Ok(self.handle.clone())) {
                    Ok(()) => self.watch(&mut live).await,
                    Err(_) => EndReason::Requested,
                };
                self.finish(live, reason).await
            }
        };
        self.context.live().remove(&self.handle.id());
        drop(self.place.take());
        self.publisher.send_replace(SessionState::Ended);
        if let Some(profile) = profile {
            // The right to write may be free now.
            self.context.profiles.news().tell(profile);
        }
        fail::fail_point!("session-end-recorded");
        gauge!("roadstead_sessions").decrement(1.0);
        if files == Files::Worthless {
            self.remove_files().await;
        }
    }

    /// Admits the session and brings its browser up. When that fails, the failure is on record and nothing is left.
    async fn start(
        &mut self,
        asked: &Asked,
        ready: &mut oneshot::Sender<Result<SessionHandle, Refusal>>,
    ) -> Result<Live, Refusal> {
        let request = &asked.request;
        // Only files of another browser make its version matter.
        let major = match &request.profile {
            Some(_) => self.context.browsers.major_version(request.browser.headless).await,
            None => None,
        };
        let admission = match self.context.db.admit_session(self.admission(asked, major)).await? {
            Admitted::Yes(admission) => admission,
            Admitted::NotYet(blocked) => return Err(Refusal::Blocked(blocked)),
        };
        let began = Instant::now();
        match self.bring_up(request, &admission, ready).await {
            Ok(Started { browser, way_out, user, downloads, recording }) => {
                let (control, recording) = recording.unzip();
                let way_out = Arc::new(way_out);
                self.publisher.send_replace(SessionState::Running(Running {
                    mux: browser.mux().clone(),
                    version: Arc::new(browser.version().clone()),
                    way_out: Arc::clone(&way_out),
                    recording: control,
                }));
                Ok(Live {
                    browser,
                    way_out,
                    downloads,
                    recording,
                    _user: user,
                    admission,
                    deadline: request.max_duration.map(|limit| began + limit),
                    idle_timeout: request.idle_timeout,
                })
            }
            Err(error) => {
                self.finish_unstarted(&error).await;
                Err(error.into())
            }
        }
    }

    fn admission<'a>(&self, asked: &'a Asked, browser_major: Option<u32>) -> NewSession<'a> {
        let Asked { caller, request, way, batch_item } = asked;
        NewSession {
            id: self.handle.id(),
            caller,
            configuration: &request.configuration,
            tags: &request.tags,
            headless: request.browser.headless,
            recording: self.context.is_recorded(request),
            profile: request.profile.as_ref(),
            browser_major,
            way,
            batch_item: *batch_item,
        }
    }

    /// Brings the browser up, unless the end is asked for first, or nobody waits for it any more.
    async fn bring_up(
        &self,
        request: &SessionRequest,
        admission: &Admission,
        ready: &mut oneshot::Sender<Result<SessionHandle, Refusal>>,
    ) -> Result<Started> {
        tokio::select! {
            started = start::start(&self.context, &self.work, &self.handle, request, admission) => started,
            () = self.handle.end_requested() => {
                Err(Error::Unavailable("The session was ended while it started.".to_owned()))
            }
            () = ready.closed() => {
                Err(Error::Unavailable("The client hung up while the session started.".to_owned()))
            }
            () = self.context.lifecycle.soft().cancelled() => {
                Err(Error::Unavailable("The server is shutting down; try again later.".to_owned()))
            }
        }
    }

    /// Waits for the first reason to end, capturing meanwhile, and obeying.
    async fn watch(&mut self, live: &mut Live) -> EndReason {
        let mux = live.browser.mux().clone();
        let (mut clients, mut drivers) = (mux.clients(), self.handle.drivers());
        let mut idle_since = Some(Instant::now());
        let mut captures = interval(CAPTURE_EVERY);
        captures.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut counts = interval(COUNT_EVERY);
        counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let idle_at = idle_since.zip(live.idle_timeout).map(|(since, timeout)| since + timeout);
            tokio::select! {
                () = live.browser.exited() => return why_gone(&live.browser),
                () = self.handle.end_requested() => return EndReason::Requested,
                () = mux.close_requested() => return EndReason::Requested,
                () = self.context.lifecycle.soft().cancelled() => return EndReason::Shutdown,
                () = until(live.deadline) => return EndReason::Deadline,
                () = until(idle_at) => return EndReason::Idle,
                changed = clients.changed() => {
                    let nobody = changed.is_err() || *clients.borrow_and_update() == 0;
                    let nobody = nobody && *drivers.borrow() == 0;
                    idle_since = nobody.then(|| idle_since.unwrap_or_else(Instant::now));
                }
                _ = drivers.changed() => {
                    let nobody = *drivers.borrow_and_update() == 0 && *clients.borrow() == 0;
                    // Also where somebody came and went before we looked: it is idle from now on.
                    idle_since = nobody.then(Instant::now);
                }
                command = next(&mut self.commands) => self.obey(command, live).await,
                _ = captures.tick() => self.capture_if_changed(&live.browser).await,
                _ = counts.tick() => self.record_traffic(&live.way_out).await,
            }
        }
    }

    async fn obey(&mut self, command: Option<Command>, live: &Live) {
        match command {
            None => self.commands = None,
            Some(Command::Checkpoint { sink, reply }) => {
                // Whoever asked may have gone: the checkpoint is made all the same.
                drop(reply.send(self.checkpoint(&live.browser, &sink).await));
            }
        }
    }

    /// Puts what went over the session's way out on record, if it is news. A failure is logged, and mended by the next time.
    pub(super) async fn record_traffic(&mut self, way_out: &WayOut) {
        let traffic = way_out.traffic();
        if traffic == self.recorded {
            return;
        }
        match self.context.db.record_traffic(self.handle.id(), &traffic).await {
            Ok(()) => self.recorded = traffic,
            Err(error) => warn!(error = ?error, "failed to record the session's traffic"),
        }
    }

    /// Writes the portable state to the work dir if it changed. A failure is logged, and tried again at the next tick.
    async fn capture_if_changed(&mut self, browser: &Browser) {
        let Ok(contents) = self.capture.contents(browser.mux(), CAPTURE_TICK_TIMEOUT).await else {
            return;
        };
        if self.portable.as_ref().is_some_and(|last| last.contents == contents) {
            return;
        }
        self.write_portable(PortableState::new(CapturedWhen::Checkpoint, clock::now(), contents)).await;
    }

    /// Captures the portable state at a moment that matters: before the browser is closed, or held still. Returns whether it
    /// was captured; when it was not, what was captured last stays, at most some seconds old.
    ///
    /// Until a browser has closed this is one more checkpoint: one that is killed meanwhile has not written its cookies to
    /// its own files.
    pub(super) async fn capture(&mut self, browser: &Browser) -> bool {
        match self.capture.contents(browser.mux(), CAPTURE_TIMEOUT).await {
            Ok(contents) if self.portable.as_ref().is_some_and(|last| last.contents == contents) => true,
            Ok(contents) => {
                self.write_portable(PortableState::new(CapturedWhen::Checkpoint, clock::now(), contents))
                    .await
            }
            Err(error) => {
                warn!(%error, "the browser did not tell its cookies; the last capture is used");
                false
            }
        }
    }

    /// Notes that the browser has closed, and flushed, right after its state was captured.
    pub(super) async fn seal(&mut self) {
        if let Some(captured) = self.portable.clone() {
            self.write_portable(captured.sealed()).await;
        }
    }

    /// Writes the portable state to the work dir. Returns whether that succeeded; a failure is logged.
    async fn write_portable(&mut self, state: PortableState) -> bool {
        let dir = self.work.state();
        let written = tokio::task::spawn_blocking(move || state.write(&dir).map(|()| state)).await;
        match written.expect("writing the portable state does not panic") {
            Ok(state) => {
                self.portable = Some(state);
                true
            }
            Err(error) => {
                warn!(%error, "failed to write the portable state");
                false
            }
        }
    }

    /// Puts a session's end on record. The database failing here is logged: the next start repairs the row.
    pub(super) async fn record_end(&self, status: SessionStatus, reason: EndReason, detail: Option<&str>) {
        let by = self.handle.ended_by().filter(|_| reason == EndReason::Requested);
        let recorded = self.context.db.finish_session(self.handle.id(), status, reason, detail, by).await;
        if let Err(error) = recorded {
            tracing::error!(error = ?error, "failed to record the session's end");
        }
        counter!("roadstead_session_ends_total", "status" => status.as_str(), "reason" => reason.as_str())
            .increment(1);
    }
}

/// Tells why a browser has ended that nobody asked to.
fn why_gone(browser: &Browser) -> EndReason {
    if browser.ran_out_of_memory() { EndReason::OutOfMemory } else { EndReason::BrowserExited }
}

/// Waits for the next command; for ever once nobody can give one.
async fn next(commands: &mut Option<mpsc::Receiver<Command>>) -> Option<Command> {
    match commands {
        Some(commands) => commands.recv().await,
        None => pending().await,
    }
}

/// Sleeps until a moment, or for ever when there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// A duration in whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
