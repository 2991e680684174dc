//! Follows one browser's downloads from their begin to their end, with no client attached.
//!
//! A task per session does, from before the browser opens its first page until its pipe has ended. Files are copied from the side:
//! what the browser tells meanwhile is heard.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use roadstead_api::{DownloadId, SessionId};
use roadstead_browser::UserId;
use roadstead_devtools::{CallError, Event, Mux};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tracing::{debug, warn};

use super::extract::{Extract, Outcome};
use super::{Download, DownloadState, KeptRoot};
use crate::clock;
use crate::config::FilesConfig;
use crate::db::Db;
use crate::lifecycle::Lifecycle;
use crate::session::files::FileName;
use crate::session::handle::SessionHandle;
use crate::session::shred::Shredder;

/// The most downloads of one session. More are stopped, and not on record: a page may begin thousands.
const MAX_COUNT: usize = 1_000;
/// The most at once. More are stopped, which is on record.
const MAX_AT_ONCE: usize = 64;
/// The longest address that is put on record, in characters. A `data:` URL is as long as its file.
const MAX_URL_CHARS: usize = 2_000;
/// How long the browser may take to stop a download, or to tell of a page.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// What clients are told of a download that can be fetched: the published API's event.
const READY: &str = "Anchor.downloadReady";
/// How often it is looked at whether one takes too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a session's downloads need.
pub(in crate::session) struct Capture {
    pub(in crate::session) db: Db,
    pub(in crate::session) kept: KeptRoot,
    pub(in crate::session) limits: FilesConfig,
    /// The session, which knows what opens a download.
    pub(in crate::session) handle: SessionHandle,
    /// Where the browser writes them.
    pub(in crate::session) room: PathBuf,
    /// The browser's user, if it is not ours.
    pub(in crate::session) user: Option<UserId>,
    /// What hands pages their downloads, if anything does. They go when the session ends, then.
    pub(in crate::session) extract: Option<Extract>,
    pub(in crate::session) shredder: Shredder,
    pub(in crate::session) lifecycle: Lifecycle,
}

/// One that is not over.
struct Running {
    began: Instant,
    created_at: Timestamp,
    url: String,
    origin: Option<String>,
    /// The page that it began in and the one that opened that; `None` while it may be any.
    pages: Option<Vec<String>>,
    original_name: String,
    received: u64,
    /// Why it was stopped, once it was.
    stopped: Option<String>,
}

/// A download whose page was asked for.
type Found = (DownloadId, Result<serde_json::Value, CallError>);
/// How copying a download came out.
type Copied = (DownloadId, std::io::Result<Option<u64>>);

struct Following {
    capture: Arc<Capture>,
    mux: Mux,
    running: HashMap<DownloadId, Running>,
    /// What the browser was asked, and has not answered.
    calls: JoinSet<Option<Found>>,
    copying: JoinSet<Copied>,
    count: usize,
    /// What is kept of this session, in bytes.
    kept_bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begin {
    guid: DownloadId,
    frame_id: String,
    url: String,
    suggested_filename: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    guid: DownloadId,
    total_bytes: f64,
    received_bytes: f64,
    state: String,
}

impl Capture {
    /// Follows the downloads that `events` tell of, until the browser's pipe has ended and all that it had finished is kept.
    pub(in crate::session) async fn run(self, mux: Mux, mut events: Receiver<Event>) {
        let mut following = Following {
            capture: Arc::new(self),
            mux,
            running: HashMap::new(),
            calls: JoinSet::new(),
            copying: JoinSet::new(),
            count: 0,
            kept_bytes: 0,
        };
        following.follow(&mut events).await;
        while let Ok(event) = events.try_recv() {
            following.heed(&event).await;
        }
        following.settle().await;
        following.capture.discard().await;
    }

    fn session(&self) -> SessionId {
        self.handle.id()
    }

    /// Removes what is not to outlive the session. What cannot be removed now goes at the next start.
    async fn discard(&self) {
        if self.extract.is_none() {
            return;
        }
        let tools = (&self.db, &self.shredder);
        if let Err(error) = self.kept.discard(tools, self.session(), &self.lifecycle).await {
            warn!(error = ?error, "failed to remove a session's downloads");
        }
    }
}

impl Following {
    async fn follow(&mut self, events: &mut Receiver<Event>) {
        let mux = self.mux.clone();
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.heed(&event).await,
                    // What ended meanwhile is found when the session ends.
                    Err(RecvError::Lagged(missed)) => warn!(missed, "missed events of the browser's"),
                    Err(RecvError::Closed) => return,
                },
                Some(found) = self.calls.join_next() => {
                    if let Some(found) = found.expect("asking does not panic") {
                        self.note_page(found);
                    }
                }
                Some(copied) = self.copying.join_next() => {
                    self.note_copied(copied.expect("copying does not panic")).await;
                }
                _ = looks.tick() => self.stop_late(),
                () = mux.closed() => return,
            }
        }
    }

    async fn heed(&mut self, event: &Event) {
        if event.session.is_some() {
            return;
        }
        match event.method.as_str() {
            "Browser.downloadWillBegin" => match Begin::deserialize(&event.params) {
                Ok(begin) => self.begin(begin),
                Err(error) => debug!(%error, "the browser began a download that was not understood"),
            },
            "Browser.downloadProgress" => match Progress::deserialize(&event.params) {
                Ok(progress) => self.go_on(&progress).await,
                Err(error) => debug!(%error, "the browser told of a download, and was not understood"),
            },
            _ => {}
        }
    }

    fn begin(&mut self, begin: Begin) {
        self.count += 1;
        if self.count > MAX_COUNT {
            if self.count == MAX_COUNT + 1 {
                warn!("the session has begun {MAX_COUNT} downloads; more are stopped");
            }
            self.cancel(begin.guid);
            return;
        }
        let Begin { guid, frame_id, url, suggested_filename } = begin;
        let running = Running {
            began: Instant::now(),
            created_at: clock::now(),
            url: cut(&url),
            origin: None,
            pages: None,
            original_name: suggested_filename.chars().take(MAX_URL_CHARS).collect(),
            received: 0,
            stopped: None,
        };
        self.running.insert(guid, running);
        if self.running.len() > MAX_AT_ONCE {
            self.stop(guid, format!("It was one too many: {MAX_AT_ONCE} run at once, at most."));
            return;
        }
        let mux = self.mux.clone();
        self.calls.spawn(async move {
            let page = json!({"targetId": frame_id});
            Some((guid, mux.call("Target.getTargetInfo", page, CALL_TIMEOUT).await))
        });
    }

    /// Notes the page that a download was found on. A frame that is no page of its own is not known by that name.
    fn note_page(&mut self, (id, page): Found) {
        let (Some(running), Ok(page)) = (self.running.get_mut(&id), page) else { return };
        let info = &page["targetInfo"];
        running.origin = info["url"].as_str().map(cut).filter(|url| !url.is_empty());
        if info["type"] == "page" {
            let named = |member: &str| info[member].as_str().map(str::to_owned);
            running.pages = Some(named("targetId").into_iter().chain(named("openerId")).collect());
        }
    }

    async fn go_on(&mut self, progress: &Progress) {
        let id = progress.guid;
        let Some(running) = self.running.get_mut(&id) else { return };
        // Of one that was canceled it says 0.
        running.received = running.received.max(whole(progress.received_bytes));
        match progress.state.as_str() {
            "completed" => self.copy(id),
            "canceled" => {
                let stopped = running.stopped.take();
                let state = if stopped.is_some() { DownloadState::Stopped } else { DownloadState::Canceled };
                let why = stopped.unwrap_or_else(|| "It was given up before it was whole.".to_owned());
                self.give_up(id, state, why).await;
            }
            _ => self.hold_to_limits(id, whole(progress.total_bytes)),
        }
    }

    /// Stops a download that is larger than it may be, or says that it will be.
    fn hold_to_limits(&mut self, id: DownloadId, announced: u64) {
        let (one, all) = (self.capture.limits.max_download(), self.capture.limits.max_downloads());
        let bytes = self.running.get(&id).map_or(0, |running| running.received.max(announced));
        let others = self.running.iter().filter(|(other, _)| **other != id).map(|(_, other)| other.received);
        if bytes > one {
            self.stop(id, too_large(one));
        } else if bytes + others.sum::<u64>() + self.kept_bytes > all {
            self.stop(id, no_room(all));
        }
    }

    fn stop_late(&mut self) {
        let time = self.capture.limits.download_time();
        let late = self.running.iter().filter(|(_, running)| running.began.elapsed() > time);
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.stop(
                id,
                format!("It was not whole after {} s, the longest that a download may take.", time.as_secs()),
            );
        }
    }

    fn stop(&mut self, id: DownloadId, why: String) {
        if let Some(running) = self.running.get_mut(&id)
            && running.stopped.is_none()
        {
            running.stopped = Some(why);
            self.cancel(id);
        }
    }

    /// Has the browser stop a download. It says so in an event of its own.
    fn cancel(&mut self, id: DownloadId) {
        let mux = self.mux.clone();
        self.calls.spawn(async move {
            let guid = json!({"guid": id});
            if let Err(error) = mux.call("Browser.cancelDownload", guid, CALL_TIMEOUT).await {
                debug!(%error, "the browser did not stop a download: it may be over");
            }
            None
        });
    }

    /// Copies a file that is whole, from the side.
    fn copy(&mut self, id: DownloadId) {
        let capture = Arc::clone(&self.capture);
        let left = capture.limits.max_downloads().saturating_sub(self.kept_bytes);
        let most = capture.limits.max_download().min(left);
        self.copying.spawn(async move {
            let copied = tokio::task::spawn_blocking(move || {
                let from = (capture.room.as_path(), capture.user.map(|user| user.uid));
                capture.kept.take_from(from, (capture.session(), id), most)
            });
            (id, copied.await.expect("copying a download does not panic"))
        });
    }

    async fn note_copied(&mut self, (id, copied): Copied) {
        let limits = &self.capture.limits;
        match copied {
            Ok(Some(bytes)) => {
                self.kept_bytes += bytes;
                if let Some(running) = self.running.get_mut(&id) {
                    running.received = bytes;
                }
                self.record(id, DownloadState::Completed, None).await;
            }
            // It was quicker than we.
            Ok(None) => {
                let why = match self.kept_bytes {
                    0 => too_large(limits.max_download()),
                    _ => no_room(limits.max_downloads()),
                };
                self.give_up(id, DownloadState::Stopped, why).await;
            }
            Err(error) => {
                warn!(%error, "a download could not be kept");
                self.give_up(
                    id,
                    DownloadState::Interrupted,
                    "The server could not keep its file.".to_owned(),
                )
                .await;
            }
        }
    }

    async fn give_up(&mut self, id: DownloadId, state: DownloadState, why: String) {
        self.record(id, state, Some(why)).await;
    }

    /// Puts a download that is over on record.
    async fn record(&mut self, id: DownloadId, state: DownloadState, detail: Option<String>) {
        let Some(running) = self.running.remove(&id) else { return };
        counter!("roadstead_downloads_total", "state" => state.as_str()).increment(1);
        let download = Download {
            id,
            state,
            detail,
            url: running.url,
            origin_url: running.origin,
            suggested_name: FileName::of(&running.original_name).to_string(),
            original_name: running.original_name,
            size: running.received,
            duration_ms: crate::session::driver::millis(running.began.elapsed()),
            created_at: running.created_at,
        };
        let recorded = self.capture.db.add_download(self.capture.session(), &download).await;
        if let Some(extract) = &self.capture.extract {
            extract.note(id, outcome(&download));
        }
        match recorded {
            Err(error) => warn!(error = ?error, "failed to record a download"),
            Ok(()) if state == DownloadState::Completed => self.tell(&download, running.pages.as_deref()),
            Ok(()) => {}
        }
    }

    /// Tells clients of a download that can be fetched, each where it reaches the server itself.
    fn tell(&self, download: &Download, pages: Option<&[String]>) {
        let token = self.capture.handle.access().download_token(download.id);
        self.mux.tell_clients(READY, pages, |downloads_url| {
            json!({
                "p2pDownloadUrl": format!("{downloads_url}/{}?token={token}", download.id),
                "guid": download.id,
                "suggestedFilename": download.suggested_name,
                "url": download.url,
                "totalBytes": download.size,
            })
        });
    }

    /// Sees everything to its end once the browser is gone: a file that is there under its own name was whole.
    async fn settle(&mut self) {
        while let Some(copied) = self.copying.join_next().await {
            self.note_copied(copied.expect("copying does not panic")).await;
        }
        for id in self.running.keys().copied().collect::<Vec<_>>() {
            if self.capture.room.join(id.to_string()).is_file() {
                self.copy(id);
                while let Some(copied) = self.copying.join_next().await {
                    self.note_copied(copied.expect("copying does not panic")).await;
                }
            } else {
                let why = "The session ended before it was whole.".to_owned();
                self.give_up(id, DownloadState::Interrupted, why).await;
            }
        }
    }
}

fn outcome(download: &Download) -> Outcome {
    match (download.state, &download.detail) {
        (DownloadState::Completed, _) => Outcome::Whole(download.size),
        (_, why) => Outcome::Nothing(why.clone().unwrap_or_default()),
    }
}

fn too_large(most: u64) -> String {
    format!("It was larger than the {} MiB that a download may have.", most >> 20)
}

fn no_room(most: u64) -> String {
    format!("There was no room for it: all downloads of a session may have {} MiB together.", most >> 20)
}

/// Shortens an address to what is put on record.
fn cut(url: impl AsRef<str>) -> String {
    url.as_ref().chars().take(MAX_URL_CHARS).collect()
}

/// Reads a number of bytes, which DevTools has as a floating-point number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion that saturates is meant"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}
