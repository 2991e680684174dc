//! Sessions: one running browser each, with an id.
//!
//! ```text
//!  create                        end asked · idle · deadline · browser gone · shutdown
//!    │                                         │
//!    ▼            browser answers              ▼            saves have receipts
//! starting ───────────────────────► running ──────► stopping ───────────────────► completed | failed
//!    └──────────── browser does not start ─────────────────────────────────────► failed
//! ```
//!
//! Each session belongs to one task, its [`driver`]: it alone changes the session's state, in the database first, then
//! on a watch channel. Everyone else holds a [`SessionHandle`], reads the channel, and may ask for the end. A client
//! that hangs up changes nothing half-way.
//!
//! What is here: the registry of live sessions ([`Sessions`]), who may start one ([`admission`]), which tokens let into one
//! ([`access`]), where its files are ([`work_dir`]), whose they are ([`users`]) and how they are removed ([`shred`]), its way
//! out to the network ([`way_out`]), which files it is given ([`files`]), what it
//! downloads ([`downloads`]), what it shows ([`recordings`]) and what it does not ([`mask`]), what is kept of downloads and recordings and for how
//! long ([`keeping`]), what its project has uploaded for it ([`extensions`], [`certificates`],
//! [`belongings`]), how its browser is driven ([`drive`]), how it starts, runs and ends ([`driver`], [`start`], [`finish`]), and what happens to one whose
//! server died ([`recovery`]). What is not: how a profile is stored (`profile`), and HTTP.

pub mod access;
mod admission;
mod belongings;
mod capture;
pub mod certificates;
mod checkpoint;
pub mod downloads;
pub mod drive;
mod driver;
pub mod extensions;
pub mod files;
mod finish;
mod handle;
pub mod history;
mod keeping;
pub mod mask;
pub mod query;
pub mod record;
pub mod recordings;
mod recovery;
pub mod request;
mod restore;
mod shred;
mod start;
mod users;
mod way_out;
mod work_dir;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roadstead_api::{ProjectId, Receipt, SessionId};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::Instrument as _;

pub use self::admission::Turn;
pub use self::handle::{Attachment, PageInfo, Running, SessionHandle, SessionState};
pub use self::start::{BrowserSetup, walls};
pub use self::users::Users;
pub use self::way_out::WayOut;
pub use self::work_dir::WorkRoot;

use self::access::{Access, Scope};
use self::admission::{Place, Places};
use self::belongings::Belongings;
use self::downloads::KeptRoot;
use self::drive::Act;
use self::drive::content::{Content, Reading};
use self::driver::Driver;
use self::extensions::ExtensionRoot;
use self::files::Shelf;
use self::history::{History, HistoryQuery};
use self::query::{SessionFilter, SessionPage, SessionQuery};
use self::record::SessionRecord;
use self::recordings::{RecordingRoot, Videos};
use self::request::{ProfileUse, SessionRequest};
use self::shred::Shredder;
use crate::adblock::lists::Lists;
use crate::batch::record::BatchItemId;
use crate::caller::Caller;
use crate::config::{FilesConfig, RecordingsConfig, SessionsConfig};
use crate::db::{Blocked, Db};
use crate::error::{Error, Result, SESSION_UNREACHABLE};
use crate::exits::Exits;
use crate::exits::choice::{Choice, Wish};
use crate::lifecycle::Lifecycle;
use crate::profile::Profiles;
use crate::profile::news::Listener;

/// How many commands may wait for a session's driver; more wait at their callers.
const COMMANDS: usize = 8;

/// The directories that sessions have.
pub struct Roots {
    /// Of running sessions.
    pub work: WorkRoot,
    /// Of what was downloaded.
    pub kept: KeptRoot,
    /// Of recordings.
    pub reels: RecordingRoot,
    /// Of what projects uploaded.
    pub extensions: ExtensionRoot,
}

/// The registry of sessions; clones share it.
#[derive(Clone)]
pub struct Sessions(Arc<Context>);

/// What every driver needs.
struct Context {
    db: Db,
    profiles: Profiles,
    lifecycle: Lifecycle,
    work: WorkRoot,
    shredder: Shredder,
    browsers: BrowserSetup,
    exits: Exits,
    config: SessionsConfig,
    files: FilesConfig,
    kept: KeptRoot,
    recordings: RecordingsConfig,
    reels: RecordingRoot,
    videos: Videos,
    extensions: ExtensionRoot,
    lists: Lists,
    places: Places,
    live: Mutex<HashMap<SessionId, SessionHandle>>,
}

impl Sessions {
    /// Makes the registry.
    pub fn new(
        db: Db,
        profiles: Profiles,
        lifecycle: Lifecycle,
        Roots { work, kept, reels, extensions }: Roots,
        browsers: BrowserSetup,
        (exits, lists): (Exits, Lists),
        (config, files, recordings): (SessionsConfig, FilesConfig, RecordingsConfig),
    ) -> Self {
        let videos = Videos::new(reels.clone(), recordings.clone(), browsers.users.clone(), work.path());
        let shredder = Shredder::new(work.path(), config.shred, lifecycle.tracker().clone());
        let places = Places::new(config.max_concurrent, config.queue_wait());
        Self(Arc::new(Context {
            db,
            profiles,
            lifecycle,
            work,
            shredder,
            browsers,
            exits,
            config,
            files,
            kept,
            recordings,
            reels,
            videos,
            extensions,
            lists,
            places,
            live: Mutex::new(HashMap::new()),
        }))
    }

    /// Starts a session and returns once its browser is ready, with the profile in it.
    ///
    /// Errors: no place in time ([`Error::TooManySessions`]), unknown profile, no such browser, a browser that does not
    /// start ([`Error::Unavailable`]), a way out that does not work ([`Error::WayOutFailed`]), a server that is shutting down.
    pub async fn create(&self, caller: &Caller, request: SessionRequest) -> Result<SessionHandle> {
        self.create_when_free(caller, request, Standing::Awaited).await
    }

    /// Starts a session for an item of a batch, on its turn. As [`Self::create`], but no place is waited for in vain.
    pub async fn create_in_batch(
        &self,
        caller: &Caller,
        request: SessionRequest,
        item: BatchItemId,
        turn: Turn,
    ) -> Result<SessionHandle> {
        self.create_when_free(caller, request, Standing::InBatch(item, Some(turn))).await
    }

    /// Waits for the turn of a batch's session.
    pub async fn turn(&self) -> Turn {
        self.0.places.turn().await
    }

    /// Refuses what no session can be started with, or not on this server, without starting one.
    pub fn require_possible(&self, request: &SessionRequest) -> Result<()> {
        self.refuse_when_stopping()?;
        self.0.browsers.require(request.browser.headless)?;
        self.0.exits.choice(&request.way).map(drop)
    }

    /// Refuses what names something that its project does not have.
    pub async fn require_belongings(&self, project: ProjectId, request: &SessionRequest) -> Result<()> {
        Belongings::find(&self.0.db, project, &request.browser).await.map(drop)
    }

    async fn create_when_free(
        &self,
        caller: &Caller,
        request: SessionRequest,
        mut standing: Standing,
    ) -> Result<SessionHandle> {
        self.require_possible(&request)?;
        self.require_belongings(caller.project, &request).await?;
        let way = self.0.exits.choice(&request.way)?;
        let deadlines = Deadlines::of(&request, Instant::now());
        let mut listener = self.0.profiles.news().listen();
        loop {
            self.wait_until_unblocked(caller, &request, &deadlines, &mut listener, &mut standing).await?;
            match self.start(caller, &request, &way, &mut standing).await {
                // Somebody else was quicker; nothing is on record yet.
                Err(Refusal::Blocked(blocked)) if !deadlines.are_over(&blocked) => {}
                Err(refusal) => return Err(refusal.into_error(&request)),
                Ok(handle) => return Ok(handle),
            }
        }
    }

    /// Waits, without holding a place, until nothing keeps the session from starting on its profile.
    async fn wait_until_unblocked(
        &self,
        caller: &Caller,
        request: &SessionRequest,
        deadlines: &Deadlines,
        listener: &mut Listener,
        standing: &mut Standing,
    ) -> Result<()> {
        let Some(wanted) = &request.profile else { return Ok(()) };
        while let Some(blocked) = self.0.db.blocked(caller, wanted).await? {
            self.refuse_when_stopping()?;
            standing.step_back();
            if !listener.wait(None, deadlines.of_block(&blocked)).await {
                return Err(blocked.into_error(&wanted.name));
            }
        }
        Ok(())
    }

    /// Starts a session, once: a place, a driver, a browser.
    async fn start(
        &self,
        caller: &Caller,
        request: &SessionRequest,
        way: &Choice,
        standing: &mut Standing,
    ) -> Result<SessionHandle, Refusal> {
        let (place, batch_item, _start) = standing.take_place(&self.0.places).await?;
        self.refuse_when_stopping()?;
        let id = SessionId::random();
        let (publisher, state) = watch::channel(SessionState::Starting);
        let (commands, given) = mpsc::channel(COMMANDS);
        let access = Access::new(request.token_only);
        let files = Shelf::new(self.0.work.of(id), self.0.files.clone());
        let handle = SessionHandle::new(id, caller.project, (access, files), state, commands);
        let (ready, started) = oneshot::channel();
        let driver = Driver::new(Arc::clone(&self.0), handle.clone(), publisher, given, place);
        let asked = Asked { caller: caller.clone(), request: request.clone(), way: way.clone(), batch_item };
        let span = tracing::info_span!(parent: None, "session", session.id = %id);
        self.0.live().insert(id, handle);
        self.0.lifecycle.tracker().spawn(driver.run(asked, ready).instrument(span));
        started.await.unwrap_or_else(|_| {
            Err(Error::Unavailable("The session ended while it started.".to_owned()).into())
        })
    }

    /// Saves a running session into one of its project's profiles now. The session goes on, and so do its clients.
    pub async fn checkpoint(&self, project: ProjectId, id: SessionId, profile: &str) -> Result<Receipt> {
        let handle = self.find(project, id).ok_or(SESSION_UNREACHABLE)?;
        let sink = self.0.db.checkpoint_sink(project, id, profile).await?;
        handle.checkpoint(sink).await
    }

    /// Changes a running session's way out to the network. It is checked first: one that does not work changes nothing. The
    /// browser goes on; its connections over the way before are cut. Returns the session's record.
    ///
    /// A caller who hangs up meanwhile changes nothing about it: the change is made, or not made, as a whole.
    pub async fn change_way(&self, caller: &Caller, id: SessionId, wish: Wish) -> Result<SessionRecord> {
        let handle = self.find(caller.project, id).ok_or(SESSION_UNREACHABLE)?;
        let running = handle.running().ok_or(SESSION_UNREACHABLE)?;
        let choice = self.0.exits.choice(&wish)?;
        let (context, actor) = (Arc::clone(&self.0), caller.actor());
        let change = async move {
            let _only_one = running.way_out.begin_change().await;
            let (way, pinned) = context.db.plan_way(id, &choice).await?;
            let opened = context.exits.open(&way, wish.custom(), pinned).await?;
            context.db.change_way(id, &way, opened.address, &actor).await?;
            running.way_out.switch(way, opened);
            Ok::<_, Error>(())
        };
        let changed = self.0.lifecycle.tracker().spawn(change.in_current_span()).await;
        changed.expect("changing a way out does not panic")?;
        self.record(caller.project, id).await
    }

    /// Returns one of a project's sessions while it runs.
    pub fn find(&self, project: ProjectId, id: SessionId) -> Option<SessionHandle> {
        self.0
            .live()
            .get(&id)
            .filter(|handle| handle.project() == project && handle.running().is_some())
            .cloned()
    }

    /// Returns the running session in which a token opens what needs `wanted`.
    pub fn find_by_token(&self, id: SessionId, token: &str, wanted: Scope) -> Option<SessionHandle> {
        self.find_open(id, |access| access.opens(token, wanted))
    }

    /// Returns a running session whose tokens let somebody in.
    pub fn find_open(&self, id: SessionId, lets_in: impl FnOnce(&Access) -> bool) -> Option<SessionHandle> {
        self.0
            .live()
            .get(&id)
            .filter(|handle| lets_in(handle.access()) && handle.running().is_some())
            .cloned()
    }

    /// Finds one of a project's sessions to drive its browser.
    ///
    /// Errors: there is none; or it does not run, and why.
    pub async fn require_running(&self, project: ProjectId, id: SessionId) -> Result<SessionHandle> {
        if let Some(handle) = self.find(project, id) {
            return Ok(handle);
        }
        let record = self.0.db.session(project, id).await?;
        let reason = record.reason.map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
        Err(Error::Conflict(format!("The session does not run: it is {}{reason}.", record.status.as_str())))
    }

    /// Does something with the mouse, the keyboard or the clipboard of a running session. A caller who hangs up while it
    /// is done does not stop it half-way.
    pub async fn act<A: Act>(&self, project: ProjectId, id: SessionId, act: A) -> Result<A::Done> {
        let begun = self.require_running(project, id).await?.begin_act(act).await?;
        let done = self.0.lifecycle.tracker().spawn(begun.in_current_span()).await;
        done.expect("driving a browser does not panic")
    }

    /// Reads a page of a running session. A caller who hangs up meanwhile leaves no page behind.
    pub async fn read(&self, project: ProjectId, id: SessionId, reading: Reading) -> Result<Content> {
        let handle = self.require_running(project, id).await?;
        let read = async move { handle.read(&reading).await };
        let done = self.0.lifecycle.tracker().spawn(read.in_current_span()).await;
        done.expect("reading a page does not panic")
    }

    /// Starts a session for one piece of work, does it, and ends the session, also when the caller hangs up meanwhile.
    pub async fn with_one<W, T>(
        &self,
        caller: &Caller,
        request: SessionRequest,
        work: impl FnOnce(SessionId) -> W + Send + 'static,
    ) -> Result<T>
    where
        W: Future<Output = Result<T>> + Send,
        T: Send + 'static,
    {
        let (this, caller) = (self.clone(), caller.clone());
        let whole = async move {
            // Nobody would look for it.
            let request = SessionRequest { recording: Some(false), ..request };
            let session = this.create(&caller, request).await?;
            let done = work(session.id()).await;
            session.end(caller.actor()).await;
            done
        };
        let done = self.0.lifecycle.tracker().spawn(whole.in_current_span()).await;
        done.expect("a piece of work in a session does not panic")
    }

    /// Ends one of a project's sessions, waits for its saves, and returns its record. One that is over is just returned.
    pub async fn end(&self, caller: &Caller, id: SessionId) -> Result<SessionRecord> {
        let live = self.0.live().get(&id).filter(|handle| handle.project() == caller.project).cloned();
        if let Some(handle) = live {
            handle.end(caller.actor()).await;
        }
        self.0.db.session(caller.project, id).await
    }

    /// Ends all of a project's sessions side by side, waits for their saves, and returns their records.
    pub async fn end_all(&self, caller: &Caller) -> Result<Vec<SessionRecord>> {
        self.end_where(caller, |_| true).await
    }

    /// Ends those of a project's sessions that are named and live, as [`Self::end_all`] does, and returns their records.
    pub async fn end_these(&self, caller: &Caller, ids: &[SessionId]) -> Result<Vec<SessionRecord>> {
        let ids: HashSet<_> = ids.iter().collect();
        self.end_where(caller, |id| ids.contains(&id)).await
    }

    async fn end_where(
        &self,
        caller: &Caller,
        wanted: impl Fn(SessionId) -> bool,
    ) -> Result<Vec<SessionRecord>> {
        let project = caller.project;
        let wanted = |handle: &&SessionHandle| handle.project() == project && wanted(handle.id());
        let live: Vec<_> = self.0.live().values().filter(wanted).cloned().collect();
        futures_util::future::join_all(live.iter().map(|handle| handle.end(caller.actor()))).await;
        let mut records = Vec::with_capacity(live.len());
        for handle in &live {
            records.push(self.0.db.session(project, handle.id()).await?);
        }
        Ok(records)
    }

    /// Returns what is known of one of a project's sessions, live or over.
    pub async fn record(&self, project: ProjectId, id: SessionId) -> Result<SessionRecord> {
        let mut record = self.0.db.session(project, id).await?;
        self.describe(&mut record);
        Ok(record)
    }

    /// Lists a project's sessions, live and over.
    pub async fn list(&self, project: ProjectId, query: SessionQuery) -> Result<SessionPage> {
        let mut page = self.0.db.sessions(project, &query).await?;
        page.sessions.iter_mut().for_each(|record| self.describe(record));
        Ok(page)
    }

    /// Adds what a running session knows of its own traffic: the database is some seconds behind.
    fn describe(&self, record: &mut SessionRecord) {
        if let Some(running) = self.find(record.project, record.id).and_then(|handle| handle.running()) {
            running.way_out.describe(record);
        }
    }

    /// Lists a project's live sessions.
    pub async fn live(&self, project: ProjectId, filter: SessionFilter) -> Result<Vec<SessionRecord>> {
        self.0.db.live_sessions(project, &filter).await
    }

    /// Sums up what a project's sessions used, period by period.
    pub async fn history(&self, project: ProjectId, query: &HistoryQuery) -> Result<History> {
        self.0.db.history(project, query).await
    }

    /// Returns a picture of the selected tab of a running session, as PNG, and counts it.
    pub async fn screenshot(&self, project: ProjectId, id: SessionId) -> Result<Vec<u8>> {
        let picture = self.require_running(project, id).await?.screenshot().await?;
        if let Err(error) = self.0.db.count_screenshot(id).await {
            // The picture is taken all the same.
            tracing::error!(error = ?error, "failed to count a screenshot");
        }
        Ok(picture)
    }

    /// Returns a session's labels.
    pub async fn tags(&self, project: ProjectId, id: SessionId) -> Result<Vec<String>> {
        Ok(self.0.db.session(project, id).await?.tags)
    }

    /// Replaces a session's labels.
    pub async fn set_tags(&self, project: ProjectId, id: SessionId, tags: Vec<String>) -> Result<()> {
        self.0.db.set_session_tags(project, id, &tags).await
    }

    /// Saves or gives up what an earlier server left unfinished, and removes files that belong to nobody.
    pub async fn recover(&self) -> Result<()> {
        recovery::recover(&self.0).await
    }

    /// Returns which browsers there are.
    pub fn browsers(&self) -> &BrowserSetup {
        &self.0.browsers
    }

    fn refuse_when_stopping(&self) -> Result<()> {
        if self.0.lifecycle.soft().is_cancelled() {
            return Err(Error::Unavailable("The server is shutting down; try again later.".to_owned()));
        }
        Ok(())
    }
}

/// What a driver is asked for.
struct Asked {
    caller: Caller,
    request: SessionRequest,
    /// What the session may have of what it wishes for.
    way: Choice,
    /// What it is started for, if it is one of a batch.
    batch_item: Option<BatchItemId>,
}

/// How a session that is asked for comes by its place.
enum Standing {
    /// Somebody waits for it, and for a place only so long.
    Awaited,
    /// It is one of a batch, and has its turn unless it has given it back.
    InBatch(BatchItemId, Option<Turn>),
}

impl Standing {
    /// Gives a turn back, to whoever can use it now.
    fn step_back(&mut self) {
        if let Self::InBatch(_, turn) = self {
            drop(turn.take());
        }
    }

    /// Takes the place; what comes beside it is to be held while the session starts.
    async fn take_place(
        &mut self,
        places: &Places,
    ) -> Result<(Place, Option<BatchItemId>, Option<OwnedSemaphorePermit>)> {
        match self {
            Self::Awaited => Ok((places.take().await?, None, None)),
            Self::InBatch(item, turn) => {
                let Turn { place, start } = match turn.take() {
                    Some(turn) => turn,
                    None => places.turn().await,
                };
                Ok((place, Some(*item), Some(start)))
            }
        }
    }
}

/// Why a session did not start.
#[derive(Debug)]
enum Refusal {
    /// Its profile is not free, or not new enough; nothing is on record.
    Blocked(Blocked),
    /// Anything else.
    Failed(Error),
}

impl Refusal {
    fn into_error(self, request: &SessionRequest) -> Error {
        match (self, &request.profile) {
            (Self::Failed(error), _) => error,
            (Self::Blocked(blocked), Some(wanted)) => blocked.into_error(&wanted.name),
            (Self::Blocked(_), None) => unreachable!("only a profile blocks a session"),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Until when a session waits for what.
struct Deadlines {
    writer: Instant,
    revision: Instant,
}

impl Deadlines {
    fn of(request: &SessionRequest, now: Instant) -> Self {
        let wait = |wait: fn(&ProfileUse) -> Duration| request.profile.as_ref().map_or(Duration::ZERO, wait);
        Self {
            writer: now + wait(|wanted| wanted.wait_for_writer),
            revision: now + wait(|wanted| wanted.wait_for_revision),
        }
    }

    fn of_block(&self, blocked: &Blocked) -> Instant {
        match blocked {
            Blocked::Writer { .. } => self.writer,
            Blocked::Behind { .. } => self.revision,
        }
    }

    fn are_over(&self, blocked: &Blocked) -> bool {
        Instant::now() >= self.of_block(blocked)
    }
}

impl Context {
    /// Tells whether a session is recorded.
    fn is_recorded(&self, request: &SessionRequest) -> bool {
        request.recording.unwrap_or(self.recordings.active)
    }

    /// Makes what removes directories below one where something is kept.
    fn shredder_of(&self, root: &Path) -> Shredder {
        Shredder::new(root, self.config.shred, self.lifecycle.tracker().clone())
    }

    /// Locks the registry. It holds plain data, which a panic elsewhere cannot leave half-changed.
    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, SessionHandle>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
