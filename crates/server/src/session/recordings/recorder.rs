//! Takes a session's pictures, from its browser's start to its end.
//!
//! A task per session does. Every page has a screencast as long as it may be the one that is seen, since that is how Chromium tells
//! which pages are: a page in a tab behind another says so, and sends nothing. Of several that are seen (windows, or any page of
//! the headless shell) the newest is followed, as it is the one that is driven; the others' screencasts are stopped.
//!
//! Chromium has at most two pictures on their way, and drops what changes meanwhile. So one is acknowledged when the next may be
//! taken, which is what limits how many are made at all; and after two or more, once nothing comes any more, the screencast is begun
//! anew, which sends what is seen by now: the last change is not missed.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use metrics::counter;
use roadstead_api::{RecordingId, SessionId};
use roadstead_devtools::{CallError, Event, Followed, Mux};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::reel::{Moment, ReelWriter};
use super::{Recording, RecordingRoot, RecordingState, jpeg};
use crate::clock;
use crate::config::RecordingsConfig;
use crate::db::Db;
use crate::error::{Error, RECORDING_NOT_FOUND, Result};
use crate::session::driver::millis;

/// How long the browser may take to be attached to, or to begin a screencast. A page that is held by a client's debugger takes as
/// long as the client does.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How many events may wait for us. A page has two pictures on their way at most.
const WAITING: usize = 64;
/// The most pages that are looked at; more are not recorded.
const MAX_PAGES: usize = 500;

/// What a recording is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Record,
    Pause,
    /// To end, for it is to be deleted.
    Discard,
}

/// What others may ask of a recording that is made.
#[derive(Clone, Debug)]
pub struct Control {
    orders: Arc<watch::Sender<Order>>,
    /// Closed once the recording is over, and on record so.
    state: watch::Receiver<RecordingState>,
}

impl Control {
    /// Pauses it, and returns when no picture is taken any more.
    pub async fn pause(&self) -> Result<()> {
        self.order(Order::Pause, RecordingState::Paused).await
    }

    /// Goes on with it.
    pub async fn resume(&self) -> Result<()> {
        self.order(Order::Record, RecordingState::Recording).await
    }

    /// Ends it for good, and returns when it is on record.
    pub async fn discard(&self) {
        self.orders.send_replace(Order::Discard);
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }

    async fn order(&self, order: Order, wanted: RecordingState) -> Result<()> {
        self.orders.send_if_modified(|now| {
            let changes = *now != order && *now != Order::Discard;
            if changes {
                *now = order;
            }
            changes
        });
        let mut state = self.state.clone();
        let reached = state.wait_for(|state| *state == wanted || !state.is_live()).await.map(|state| *state);
        match reached {
            Ok(state) if state == wanted => Ok(()),
            Ok(RecordingState::Stopped) => {
                Err(Error::Conflict("The recording has been stopped; GET …/recordings tells why.".to_owned()))
            }
            Ok(_) | Err(_) => Err(RECORDING_NOT_FOUND),
        }
    }
}

/// What a session's recording needs.
pub(in crate::session) struct Recorder {
    db: Db,
    root: RecordingRoot,
    config: RecordingsConfig,
    session: SessionId,
    id: RecordingId,
    created_at: Timestamp,
    orders: watch::Receiver<Order>,
    state: watch::Sender<RecordingState>,
}

impl Recorder {
    /// Puts a recording on record that is about to begin.
    pub(in crate::session) async fn begin(
        db: Db,
        root: RecordingRoot,
        config: RecordingsConfig,
        session: SessionId,
    ) -> Result<(Self, Control)> {
        let (id, created_at) = (RecordingId::random(), clock::now());
        db.add_recording(session, id, created_at).await?;
        let (give, orders) = watch::channel(Order::Record);
        let (state, told) = watch::channel(RecordingState::Recording);
        let control = Control { orders: Arc::new(give), state: told };
        Ok((Self { db, root, config, session, id, created_at, orders, state }, control))
    }

    /// Records until the browser's pipe has ended, the recording is as large as it may be, or is to be deleted.
    pub(in crate::session) async fn run(self, mux: Mux, events: Receiver<Event>) {
        let mut taking = Taking::new(&self, mux);
        let ended = taking.record(&self, events).await;
        taking.let_go();
        let (state, detail) = match ended {
            End::WithSession => (RecordingState::Completed, None),
            End::Full => (RecordingState::Stopped, Some(too_large(self.config.max_bytes))),
            End::Failed(error) => {
                warn!(%error, "a recording could not be written");
                (RecordingState::Stopped, Some("The server could not write it.".to_owned()))
            }
        };
        let recording = self.recording(&mut taking, state, detail).await;
        counter!("roadstead_recordings_total", "state" => state.as_str()).increment(1);
        info!(
            state = state.as_str(),
            frames = recording.frames,
            bytes = recording.size,
            duration_ms = recording.duration_ms,
            "a recording ended"
        );
        self.tell(&recording).await;
    }

    /// Describes the recording as it is now, with the disk keeping all of it.
    async fn recording(
        &self,
        taking: &mut Taking,
        state: RecordingState,
        detail: Option<String>,
    ) -> Recording {
        let (frames, size) = taking.flush().await;
        let duration_ms = taking.time.at(Instant::now());
        Recording { id: self.id, state, detail, frames, size, duration_ms, created_at: self.created_at }
    }

    /// Puts the recording on record, and then tells those who wait.
    async fn tell(&self, recording: &Recording) {
        if let Err(error) = self.db.update_recording(recording).await {
            warn!(error = ?error, "failed to record what became of a recording");
        }
        self.state.send_replace(recording.state);
    }
}

fn too_large(most: u64) -> String {
    format!("It has reached the {most} bytes that a recording may have (recordings.max_bytes).")
}

/// Why no more pictures are taken.
enum End {
    WithSession,
    Full,
    Failed(std::io::Error),
}

/// The recording's own time, which stands still in a pause.
#[derive(Clone, Copy)]
struct Time {
    before: Duration,
    running_since: Option<Instant>,
}

impl Time {
    fn at(&self, now: Instant) -> u64 {
        let running = self.running_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        millis(self.before + running)
    }

    fn stop(&mut self, now: Instant) {
        if let Some(since) = self.running_since.take() {
            self.before += now.saturating_duration_since(since);
        }
    }

    fn go_on(&mut self, now: Instant) {
        self.running_since.get_or_insert(now);
    }
}

/// A page that may be seen.
struct Page {
    target: String,
    /// Our CDP session in it, once there is one.
    session: Option<(String, Followed)>,
    visible: bool,
    casting: bool,
    /// The pictures that it waits to have acknowledged.
    unacknowledged: Vec<Value>,
}

/// A picture that came and was not taken yet.
struct Pending {
    at_ms: u64,
    data: String,
}

struct Taking {
    mux: Mux,
    interval: Duration,
    cast: Value,
    most: u64,
    time: Time,
    /// The newest comes last.
    pages: Vec<Page>,
    pending: Option<Pending>,
    /// When the next picture may be taken.
    due: Instant,
    /// How many have come since nothing came for a while.
    burst: u32,
    /// The last one that was taken.
    last: Option<String>,
    writer: Option<ReelWriter>,
    taker: mpsc::Sender<Event>,
    frames: Option<mpsc::Receiver<Event>>,
    /// Attachments that were asked for: the target, and the CDP session.
    attaching: JoinSet<(String, Result<String, CallError>)>,
    /// Anything else that was.
    calls: JoinSet<()>,
}

impl Taking {
    fn new(recorder: &Recorder, mux: Mux) -> Self {
        let (taker, frames) = mpsc::channel(WAITING);
        let now = Instant::now();
        Self {
            mux,
            interval: recorder.config.interval(),
            cast: json!({"format": "jpeg", "quality": recorder.config.quality}),
            most: recorder.config.max_bytes,
            time: Time { before: Duration::ZERO, running_since: Some(now) },
            pages: Vec::new(),
            pending: None,
            due: now,
            burst: 0,
            last: None,
            writer: None,
            taker,
            frames: Some(frames),
            attaching: JoinSet::new(),
            calls: JoinSet::new(),
        }
    }

    async fn record(&mut self, recorder: &Recorder, mut events: Receiver<Event>) -> End {
        let (root, session, id) = (recorder.root.clone(), recorder.session, recorder.id);
        let made = tokio::task::spawn_blocking(move || root.create(session, id)).await;
        match made.expect("making a file does not panic") {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => return End::Failed(error),
        }
        let mux = self.mux.clone();
        let mut frames = self.frames.take().expect("it is taken once");
        let mut orders = recorder.orders.clone();
        // Every page is told of, those that are there already too.
        self.ask(None, "Target.setDiscoverTargets", &json!({"discover": true, "filter": [{"type": "page"}]}));
        loop {
            let waits = self.burst > 0 || self.pages.iter().any(|page| !page.unacknowledged.is_empty());
            let taken = tokio::select! {
                () = mux.closed() => return End::WithSession,
                event = events.recv() => match event {
                    Ok(event) => { self.heed_target(&event); Ok(true) }
                    Err(RecvError::Lagged(missed)) => {
                        warn!(missed, "missed events of the browser's: a page may not be recorded");
                        Ok(true)
                    }
                    Err(RecvError::Closed) => return End::WithSession,
                },
                Some(event) = frames.recv() => self.heed_page(event).await,
                Some(attached) = self.attaching.join_next() => {
                    self.note_attached(attached.expect("attaching does not panic"));
                    Ok(true)
                }
                Some(_done) = self.calls.join_next() => Ok(true),
                () = sleep_until(self.due), if waits => self.tick().await,
                changed = orders.changed() => {
                    if changed.is_err() {
                        return End::WithSession;
                    }
                    let order = *orders.borrow_and_update();
                    if order == Order::Discard {
                        return End::WithSession;
                    }
                    self.obey(recorder, order).await
                }
            };
            match taken {
                Ok(true) => {}
                Ok(false) => return End::Full,
                Err(error) => return End::Failed(error),
            }
        }
    }

    async fn obey(&mut self, recorder: &Recorder, order: Order) -> std::io::Result<bool> {
        let now = Instant::now();
        if order == Order::Pause {
            // What was seen until now is in it.
            if !self.take().await? {
                return Ok(false);
            }
            self.time.stop(now);
        } else {
            self.time.go_on(now);
            // What is seen by now is told when a screencast begins.
            self.pages.iter_mut().for_each(|page| page.visible = false);
        }
        self.arrange();
        let state = if order == Order::Pause { RecordingState::Paused } else { RecordingState::Recording };
        let recording = recorder.recording(self, state, None).await;
        recorder.tell(&recording).await;
        Ok(true)
    }

    fn is_paused(&self) -> bool {
        self.time.running_since.is_none()
    }

    /// Hears of pages that come and go.
    fn heed_target(&mut self, event: &Event) {
        if event.session.is_some() {
            return;
        }
        match event.method.as_str() {
            "Target.targetCreated" if event.params["targetInfo"]["type"] == "page" => {
                if let Some(target) = event.params["targetInfo"]["targetId"].as_str() {
                    self.meet(target.to_owned());
                }
            }
            "Target.targetDestroyed" | "Target.targetCrashed" => {
                let gone = event.params["targetId"].as_str().unwrap_or_default();
                self.forget(|page| page.target == gone);
            }
            // A client can end our sessions, as every other.
            "Target.detachedFromTarget" => {
                let gone = event.params["sessionId"].as_str().unwrap_or_default();
                self.forget(|page| page.session.as_ref().is_some_and(|(session, _)| session == gone));
            }
            _ => {}
        }
    }

    fn meet(&mut self, target: String) {
        if self.pages.len() >= MAX_PAGES || self.pages.iter().any(|page| page.target == target) {
            return;
        }
        let page = Page {
            target: target.clone(),
            session: None,
            visible: false,
            casting: false,
            unacknowledged: Vec::new(),
        };
        self.pages.push(page);
        let mux = self.mux.clone();
        self.attaching.spawn(async move {
            let attached = mux.attach_to_target(&target, CALL_TIMEOUT).await;
            (target, attached)
        });
    }

    fn forget(&mut self, is_gone: impl Fn(&Page) -> bool) {
        let before = self.pages.len();
        self.pages.retain(|page| !is_gone(page));
        if self.pages.len() < before {
            self.arrange();
        }
    }

    fn note_attached(&mut self, (target, attached): (String, Result<String, CallError>)) {
        match attached {
            Ok(session) => {
                let followed = self.mux.follow(&session, self.taker.clone());
                if let Some(page) = self.pages.iter_mut().find(|page| page.target == target) {
                    page.session = Some((session, followed));
                    self.arrange();
                }
            }
            Err(error) => {
                debug!(%error, "a page could not be attached to");
                self.pages.retain(|page| page.target != target);
            }
        }
    }

    /// Returns the page that is followed: the newest that is seen.
    fn followed(&self) -> Option<usize> {
        self.pages.iter().rposition(|page| page.visible && page.session.is_some())
    }

    /// Sees to it that the right pages have a screencast.
    fn arrange(&mut self) {
        let followed = self.followed().filter(|_| !self.is_paused());
        for at in 0..self.pages.len() {
            let page = &mut self.pages[at];
            let Some((session, _)) = &page.session else { continue };
            let session = session.clone();
            let is_wanted = match followed {
                _ if self.time.running_since.is_none() => false,
                Some(followed) => at == followed || !page.visible,
                // Which one is seen is told when a screencast begins.
                None => true,
            };
            if is_wanted && !page.casting {
                page.casting = true;
                page.unacknowledged.clear();
                let cast = self.cast.clone();
                self.ask(Some(&session), "Page.startScreencast", &cast);
            } else if !is_wanted && page.casting {
                page.casting = false;
                page.unacknowledged.clear();
                self.ask(Some(&session), "Page.stopScreencast", &json!({}));
            }
        }
    }

    /// Hears of a page: what it shows, or whether it is seen.
    async fn heed_page(&mut self, mut event: Event) -> std::io::Result<bool> {
        let Some(at) = self.pages.iter().position(|page| {
            page.session.as_ref().map(|(session, _)| session.as_str()) == event.session.as_deref()
        }) else {
            return Ok(true);
        };
        match event.method.as_str() {
            "Page.screencastVisibilityChanged" => {
                self.pages[at].visible = event.params["visible"] == true;
                self.arrange();
                Ok(true)
            }
            "Page.screencastFrame" => {
                self.pages[at].unacknowledged.push(event.params["sessionId"].take());
                if self.is_paused() || !self.pages[at].casting {
                    return Ok(true);
                }
                if self.followed() != Some(at) {
                    // It may be seen any moment, and then has something to send.
                    self.acknowledge(at, usize::MAX);
                    return Ok(true);
                }
                self.burst += 1;
                if let Value::String(data) = event.params["data"].take() {
                    self.pending = Some(Pending { at_ms: self.time.at(Instant::now()), data });
                }
                if Instant::now() < self.due { Ok(true) } else { self.take().await }
            }
            _ => Ok(true),
        }
    }

    /// Takes the picture that is pending, and has one more sent; or lets the page send again; or looks once more at one that is quiet
    /// now. False when there is no room.
    async fn tick(&mut self) -> std::io::Result<bool> {
        self.due = Instant::now() + self.interval;
        if self.pending.is_some() {
            for at in 0..self.pages.len() {
                self.acknowledge(at, 1);
            }
            return self.take().await;
        }
        if self.pages.iter().any(|page| !page.unacknowledged.is_empty()) {
            for at in 0..self.pages.len() {
                self.acknowledge(at, usize::MAX);
            }
        } else if std::mem::take(&mut self.burst) > 1 {
            self.look_again();
        }
        Ok(true)
    }

    /// Takes the picture that is pending, if it is another one than the last. False when there is no room.
    async fn take(&mut self) -> std::io::Result<bool> {
        let Some(Pending { at_ms, data }) = self.pending.take() else { return Ok(true) };
        self.due = Instant::now() + self.interval;
        if self.last.as_ref() == Some(&data) {
            return Ok(true);
        }
        let most = self.most;
        let Some(mut writer) = self.writer.take() else { return Ok(true) };
        let added = tokio::task::spawn_blocking(move || {
            let picture = BASE64_STANDARD.decode(&data).unwrap_or_default();
            let added = match jpeg::size(&picture) {
                Some((width, height)) => writer.add(Moment { at_ms, width, height }, &picture, most),
                None => Ok(true),
            };
            (writer, data, added)
        });
        let (writer, last, added) = added.await.expect("writing a picture does not panic");
        self.writer = Some(writer);
        self.last = Some(last);
        if matches!(added, Ok(true)) {
            counter!("roadstead_recorded_pictures_total").increment(1);
        }
        added
    }

    /// Has what is seen sent, whether or not it changes.
    fn look_again(&mut self) {
        let Some(at) = self.followed().filter(|at| self.pages[*at].casting && !self.is_paused()) else {
            return;
        };
        self.pages[at].casting = false;
        if let Some((session, _)) = &self.pages[at].session {
            let session = session.clone();
            self.ask(Some(&session), "Page.stopScreencast", &json!({}));
        }
        self.arrange();
    }

    /// Acknowledges so many of a page's pictures, the oldest first.
    fn acknowledge(&mut self, at: usize, most: usize) {
        let page = &mut self.pages[at];
        let Some((session, _)) = &page.session else { return };
        let session = session.clone();
        let count = most.min(page.unacknowledged.len());
        for number in page.unacknowledged.drain(..count).collect::<Vec<_>>() {
            self.ask(Some(&session), "Page.screencastFrameAck", &json!({"sessionId": number}));
        }
    }

    /// Has the browser do something, without waiting for it.
    fn ask(&mut self, session: Option<&str>, method: &'static str, params: &Value) {
        let answer = self.mux.ask(session, method, params, CALL_TIMEOUT);
        self.calls.spawn(async move {
            if let Err(error) = answer.await {
                debug!(%error, method, "a page is not recorded");
            }
        });
    }

    /// Leaves every page alone.
    fn let_go(&mut self) {
        let sessions: Vec<_> =
            self.pages.drain(..).filter_map(|page| page.session).map(|(session, _)| session).collect();
        for session in sessions {
            self.ask(None, "Target.detachFromTarget", &json!({"sessionId": session}));
        }
        // The answers are nobody's.
        self.calls.detach_all();
        self.attaching.abort_all();
    }

    /// Has the disk keep what there is. Returns how many pictures, and how many bytes.
    async fn flush(&mut self) -> (u64, u64) {
        let Some(writer) = self.writer.take() else { return (0, 0) };
        let flushed = tokio::task::spawn_blocking(move || {
            if let Err(error) = writer.finish() {
                warn!(%error, "a recording may not be on the disk as a whole");
            }
            writer
        });
        let writer = flushed.await.expect("flushing a file does not panic");
        let tally = writer.tally();
        self.writer = Some(writer);
        tally
    }
}
