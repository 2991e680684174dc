//! What the rest of the program holds of a session: its published state, and the two things one may ask of it.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use roadstead_api::{ProjectId, Receipt, SessionId};
use roadstead_devtools::{AttachError, ClientReceiver, ClientSender, Mux, Root};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::drive::content::{Content, Reading};
use super::drive::{Act, Controls};
use super::files::{Given, Incoming, Room, Shelf};
use super::record::EndReason;
use super::recordings::Control;
use super::way_out::WayOut;
use crate::audit::Actor;
use crate::db::Sink;
use crate::error::{Error, Result, SESSION_UNREACHABLE};

/// How long a browser may take to list its pages.
const PAGES_TIMEOUT: Duration = Duration::from_secs(10);

/// A session's state as its driver publishes it. The database holds the lasting half of the same news.
#[derive(Clone, Debug)]
pub enum SessionState {
    /// Its browser is not ready yet.
    Starting,
    /// Its browser answers, through this.
    Running(Running),
    /// Its browser is being ended and its sinks saved.
    Stopping(EndReason),
    /// Over; the record in the database is complete.
    Ended,
}

/// What only a running session has.
#[derive(Clone)]
pub struct Running {
    /// The way into its browser.
    pub mux: Mux,
    /// The browser's answer to `Browser.getVersion`.
    pub version: Arc<roadstead_browser::BrowserVersion>,
    /// Its way out to the network.
    pub way_out: Arc<WayOut>,
    /// Its recording, if it is recorded.
    pub recording: Option<Control>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("version", &self.version.product).finish_non_exhaustive()
    }
}

/// What a driver may be asked to do besides to end.
#[derive(Debug)]
pub(super) enum Command {
    /// To save the session while it runs.
    Checkpoint {
        /// What to save it into.
        sink: Sink,
        /// Gets the receipt, or why there is none.
        reply: oneshot::Sender<Result<Receipt>>,
    },
}

/// A handle on one live session; clones share it.
#[derive(Clone)]
pub struct SessionHandle(Arc<Shared>);

struct Shared {
    id: SessionId,
    project: ProjectId,
    access: Access,
    shelf: Shelf,
    end_requested: CancellationToken,
    /// Who asked first.
    ended_by: OnceLock<Actor>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<SessionState>,
    controls: Controls,
    /// How many callers drive the browser right now.
    drivers: watch::Sender<usize>,
}

/// Somebody who drives a session's browser, until dropped. The session is not idle meanwhile.
#[derive(Debug)]
pub struct AtTheWheel(watch::Sender<usize>);

impl AtTheWheel {
    fn take(drivers: &watch::Sender<usize>) -> Self {
        drivers.send_modify(|count| *count += 1);
        Self(drivers.clone())
    }
}

impl Drop for AtTheWheel {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Somebody who gives a session something, and wants to know whether it still runs.
#[derive(Debug)]
pub(super) struct Visit {
    _wheel: AtTheWheel,
    state: watch::Receiver<SessionState>,
}

impl Visit {
    /// Fails once the session does not run any more.
    pub(super) fn require_running(&self) -> Result<()> {
        match &*self.state.borrow() {
            SessionState::Running(_) => Ok(()),
            SessionState::Starting | SessionState::Stopping(_) | SessionState::Ended => {
                Err(SESSION_UNREACHABLE)
            }
        }
    }
}

/// One client's way into a session's browser. Dropping both ends detaches it, and may start the idle timer.
pub struct Attachment {
    /// Takes the client's messages.
    pub sender: ClientSender,
    /// Gives what the browser answers it.
    pub receiver: ClientReceiver,
}

/// A page of a session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PageInfo {
    /// Its DevTools target id.
    #[serde(rename = "targetId")]
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its URL.
    pub url: String,
}

impl SessionHandle {
    pub(super) fn new(
        id: SessionId,
        project: ProjectId,
        (access, shelf): (Access, Shelf),
        state: watch::Receiver<SessionState>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self(Arc::new(Shared {
            id,
            project,
            access,
            shelf,
            end_requested: CancellationToken::new(),
            ended_by: OnceLock::new(),
            commands,
            state,
            controls: Controls::default(),
            drivers: watch::Sender::new(0),
        }))
    }

    /// Saves the session into a profile while it runs, and returns the receipt.
    pub(super) async fn checkpoint(&self, sink: Sink) -> Result<Receipt> {
        let (reply, answered) = oneshot::channel();
        let command = Command::Checkpoint { sink, reply };
        self.0.commands.send(command).await.map_err(|_| SESSION_UNREACHABLE)?;
        answered.await.unwrap_or(Err(SESSION_UNREACHABLE))
    }

    /// Returns the session's id.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// Returns whose it is.
    pub fn project(&self) -> ProjectId {
        self.0.project
    }

    /// Returns the session's tokens. They live as long as it does, in memory only.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Returns the state as it is now.
    pub fn state(&self) -> SessionState {
        self.0.state.borrow().clone()
    }

    /// Returns the way into the browser, if the session runs.
    pub fn running(&self) -> Option<Running> {
        match &*self.0.state.borrow() {
            SessionState::Running(running) => Some(running.clone()),
            SessionState::Starting | SessionState::Stopping(_) | SessionState::Ended => None,
        }
    }

    /// Gives a client its own CDP session in the browser: at the browser's level, or in one page. `downloads_url` is where it reaches
    /// the session's downloads.
    pub async fn attach(&self, root: Root, downloads_url: &str) -> Result<Attachment> {
        let running = self.running().ok_or(SESSION_UNREACHABLE)?;
        let client = running.mux.attach_as(root, downloads_url).await.map_err(|error| match error {
            AttachError::NoSuchTarget(_) => Error::NotFound("Page not found."),
            AttachError::Closed => SESSION_UNREACHABLE,
        })?;
        let (sender, receiver) = client.split();
        Ok(Attachment { sender, receiver })
    }

    /// Lists the session's pages.
    pub async fn pages(&self) -> Result<Vec<PageInfo>> {
        let running = self.running().ok_or(SESSION_UNREACHABLE)?;
        let answer = running
            .mux
            .call("Target.getTargets", serde_json::json!({"filter": [{"type": "page"}]}), PAGES_TIMEOUT)
            .await
            .map_err(|_| Error::Timeout("The browser did not list its pages in time.".to_owned()))?;
        serde_json::from_value(answer["targetInfos"].clone())
            .map_err(|error| Error::internal("The browser's list of pages was not understood.", error))
    }

    /// Waits until the mouse and the keyboard are free, and acts with them in the selected tab. Once it has begun, it is to be
    /// brought to its end: whoever waits for it may hang up before, and must not after.
    pub(super) async fn begin_act<A: Act>(
        &self,
        act: A,
    ) -> Result<impl Future<Output = Result<A::Done>> + Send + use<A>> {
        let wheel = AtTheWheel::take(&self.0.drivers);
        let hands = self.0.controls.hands().await;
        let mux = self.running().ok_or(SESSION_UNREACHABLE)?.mux;
        let this = self.clone();
        Ok(async move {
            let _wheel = wheel;
            this.0.controls.perform(&mux, hands, act).await
        })
    }

    /// Sends the selected tab to a URL, and waits until it is loaded.
    pub async fn goto(&self, url: &str) -> Result<()> {
        let _wheel = AtTheWheel::take(&self.0.drivers);
        let Running { mux, way_out, .. } = self.running().ok_or(SESSION_UNREACHABLE)?;
        self.0.controls.goto(&mux, url, || way_out.traffic().last_problem).await
    }

    /// Begins to take a file. The session is not idle while it arrives.
    pub async fn receive(&self, room: Room) -> Result<Incoming> {
        let visit = Visit { _wheel: AtTheWheel::take(&self.0.drivers), state: self.0.state.clone() };
        self.0.shelf.begin(room, visit).await
    }

    /// Lists the files that the session was given.
    pub fn given(&self, room: Room) -> Vec<Given> {
        self.0.shelf.list(room)
    }

    /// Returns a picture of the selected tab, as PNG.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let _wheel = AtTheWheel::take(&self.0.drivers);
        let mux = self.running().ok_or(SESSION_UNREACHABLE)?.mux;
        self.0.controls.screenshot(&mux).await
    }

    /// Reads a page.
    pub(super) async fn read(&self, reading: &Reading) -> Result<Content> {
        let _wheel = AtTheWheel::take(&self.0.drivers);
        let Running { mux, way_out, .. } = self.running().ok_or(SESSION_UNREACHABLE)?;
        self.0.controls.read(&mux, reading, || way_out.traffic().last_problem).await
    }

    /// Watches how many callers drive the browser.
    pub(super) fn drivers(&self) -> watch::Receiver<usize> {
        self.0.drivers.subscribe()
    }

    /// Waits until the session stops to run: its connections are to be closed. Returns why.
    pub async fn stopping(&self) -> Option<EndReason> {
        let mut state = self.0.state.clone();
        let found =
            state.wait_for(|state| matches!(state, SessionState::Stopping(_) | SessionState::Ended)).await;
        match found.as_deref() {
            Ok(SessionState::Stopping(reason)) => Some(*reason),
            _ => None,
        }
    }

    /// Asks the session to end, and waits until it has: saves included.
    pub async fn end(&self, by: Actor) {
        drop(self.0.ended_by.set(by));
        self.0.end_requested.cancel();
        self.ended().await;
    }

    /// Waits until the session is over and its record complete. A driver that is gone is over too.
    pub async fn ended(&self) {
        let mut state = self.0.state.clone();
        drop(state.wait_for(|state| matches!(state, SessionState::Ended)).await);
    }

    /// Tells who asked the session to end, if somebody did.
    pub(super) fn ended_by(&self) -> Option<&Actor> {
        self.0.ended_by.get()
    }

    /// Completes when somebody has asked the session to end.
    pub(super) async fn end_requested(&self) {
        self.0.end_requested.cancelled().await;
    }
}
