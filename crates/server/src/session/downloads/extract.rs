//! Handing a page its last download: `window._anchorExtractDownloadData()`, for sessions with `browser.p2p_download`.
//!
//! # Who gets what
//!
//! A download can hold what no page may read: a page can have another site's answer saved by going there. So the bytes are given only
//! when a DevTools client asks for them, which the multiplexer hears ([`Mux::last_said`](roadstead_devtools::Mux::last_said)), in
//! the main frame, and only of a download that a frame of the same origin began in that page, or in one that it opened for that.
//!
//! # How Chromium behaves (148 and 156, measured, both builds)
//!
//! - A binding is in every context when the first script of a new document runs, and works after it was deleted. Without
//!   `Runtime.enable` nobody hears of calls; without `Page.enable` no script is added to documents.
//! - `Page.downloadWillBegin` comes in the session of the page whose frame, in the page's own process, began it; and before what tells
//!   of the page's next context.
//! - A binding tells which context called it by a number that another process may use again; `uniqueContextId` is never used again.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_api::{DownloadId, SessionId};
use roadstead_browser::{Attendant, Call, Page};
use roadstead_devtools::Event;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::{KeptFile, KeptRoot};
use crate::keys;

/// The global's name, which a client says when it asks.
pub(in crate::session) const GLOBAL: &str = "_anchorExtractDownloadData";
/// What defines it: a function of the binding's name and the secret.
const SCRIPT: &str = include_str!("extract.js");
/// What hands a page an answer: the secret, the call's number, a word, a text.
const ANSWER: &str = "function (...words) { globalThis._anchorExtractDownloadData(...words) }";
/// The largest file that a page is handed, in bytes. It is there several times meanwhile, as text.
const MOST: u64 = 64 << 20;
/// How much of a file goes in one message, in bytes. A multiple of three, so that the texts can be joined.
const PIECE_BYTES: u64 = 3 << 20;
/// How long a call waits for a download that is under way.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long ago a client may have asked. Longer than [`PATIENCE`].
const ASKED_WITHIN: Duration = Duration::from_mins(1);
/// How many calls are answered at once.
const AT_ONCE: usize = 4;
/// How long a page may take to take a piece.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How a download came out.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Its file has so many bytes.
    Whole(u64),
    /// There is none; why, in a sentence.
    Nothing(String),
}

/// What hands the pages of a session their downloads; clones share it.
#[derive(Clone)]
pub(in crate::session) struct Extract(Arc<Shared>);

struct Shared {
    kept: KeptRoot,
    session: SessionId,
    /// What the binding is called until the script has taken it away.
    binding: String,
    /// What an answer begins with.
    secret: String,
    /// By target id.
    tabs: Mutex<HashMap<String, Tab>>,
    /// As many as a session may have downloads.
    over: watch::Sender<HashMap<DownloadId, Outcome>>,
    answering: Arc<Semaphore>,
    tracker: TaskTracker,
}

/// A page, as far as it matters.
#[derive(Default)]
struct Tab {
    /// The main world of each frame in the page's process, by the frame's id.
    worlds: HashMap<String, World>,
    last: Option<Begun>,
}

/// The main world of a document in a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct World {
    /// Its context's number, which is its own as long as it is there.
    number: i64,
    /// Its context's name, which is its own for good.
    unique: String,
    origin: String,
}

impl World {
    /// Tells whether this and that are of one site's origin. One that is opaque is like nothing but itself.
    fn is_of(&self, other: &Self) -> bool {
        let named = self.origin.starts_with("http://") || self.origin.starts_with("https://");
        self.unique == other.unique || (named && self.origin == other.origin)
    }
}

/// The last download that began in a page.
struct Begun {
    id: DownloadId,
    /// Where.
    world: World,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    id: i64,
    origin: String,
    unique_id: String,
    aux_data: AuxData,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuxData {
    is_default: bool,
    frame_id: String,
}

/// A call of the global.
struct Asked {
    page: Arc<Page>,
    /// The context to be answered in.
    context: String,
    number: u32,
    secret: String,
}

impl Attendant for Extract {
    /// What a frame of another site downloads is none of the page's.
    fn enters_frames(&self) -> bool {
        false
    }

    fn greet(&self, page: &Arc<Page>) -> Vec<Call> {
        let Shared { binding, secret, .. } = &*self.0;
        self.tabs().insert(page.target().to_owned(), Tab::default());
        let source = format!("{}({}, {})", SCRIPT.trim_end(), json!(binding), json!(secret));
        vec![
            ("Page.enable", json!({})),
            ("Runtime.enable", json!({})),
            ("Runtime.addBinding", json!({"name": binding})),
            ("Page.addScriptToEvaluateOnNewDocument", json!({"source": source, "runImmediately": true})),
        ]
    }

    fn heed(&self, page: &Arc<Page>, event: &Event) {
        let params = &event.params;
        match event.method.as_str() {
            "Runtime.executionContextCreated" => self.create(page, &params["context"]),
            "Runtime.executionContextDestroyed" => {
                let gone = params["executionContextId"].as_i64();
                self.change(page, |tab| tab.worlds.retain(|_, world| Some(world.number) != gone));
            }
            "Runtime.executionContextsCleared" => self.change(page, |tab| tab.worlds.clear()),
            "Page.downloadWillBegin" => self.begin(page, params),
            "Runtime.bindingCalled" if params["name"] == self.0.binding.as_str() => self.hear(page, params),
            _ => {}
        }
    }

    fn part(&self, page: &Page) {
        self.tabs().remove(page.target());
    }
}

impl Extract {
    pub(in crate::session) fn new(kept: KeptRoot, session: SessionId, tracker: TaskTracker) -> Self {
        Self(Arc::new(Shared {
            kept,
            session,
            binding: keys::random_hex::<16>(),
            secret: keys::random_hex::<16>(),
            tabs: Mutex::default(),
            over: watch::Sender::default(),
            answering: Arc::new(Semaphore::new(AT_ONCE)),
            tracker,
        }))
    }

    /// Notes how a download came out.
    pub(super) fn note(&self, id: DownloadId, outcome: Outcome) {
        self.0.over.send_modify(|over| drop(over.insert(id, outcome)));
    }

    fn create(&self, page: &Page, context: &Value) {
        // Worlds of extensions have no frame.
        let Ok(Created { id, origin, unique_id, aux_data }) = Created::deserialize(context) else { return };
        if aux_data.is_default {
            let world = World { number: id, unique: unique_id, origin };
            self.change(page, |tab| drop(tab.worlds.insert(aux_data.frame_id, world)));
        }
    }

    fn begin(&self, page: &Page, params: &Value) {
        let (Ok(id), Some(frame)) = (DownloadId::deserialize(&params["guid"]), params["frameId"].as_str())
        else {
            return;
        };
        let mut tabs = self.tabs();
        let Some(tab) = tabs.get_mut(page.target()) else { return };
        let begins = tab.worlds.get(frame).cloned();
        let main = tab.worlds.get(page.target()).cloned();
        if let (Some(world), Some(main)) = (&begins, &main)
            && world.is_of(main)
        {
            tab.last = Some(Begun { id, world: main.clone() });
        }
        // One that a link opened for the download alone: it shows nothing, so nothing else can have begun it.
        let opener = page.opener().and_then(|opener| tabs.get_mut(opener));
        if let Some((opener, theirs)) =
            opener.and_then(|tab| Some((tab.worlds.get(page.opener()?)?.clone(), tab)))
            && begins
                .is_none_or(|world| world.origin.trim_matches([':', '/']).is_empty() || world.is_of(&opener))
        {
            theirs.last = Some(Begun { id, world: opener });
        }
    }

    fn hear(&self, page: &Arc<Page>, params: &Value) {
        let caller = params["executionContextId"].as_i64();
        let Some(number) = params["payload"].as_str().and_then(|number| number.parse().ok()) else { return };
        let tabs = self.tabs();
        let Some(tab) = tabs.get(page.target()) else { return };
        let main = tab.worlds.get(page.target());
        // Frames have no global, and no other world has: whoever else found the binding gets no answer.
        let Some(main) = main.filter(|main| Some(main.number) == caller) else { return };
        let asked = Asked {
            page: Arc::clone(page),
            context: main.unique.clone(),
            number,
            secret: self.0.secret.clone(),
        };
        let last = match &tab.last {
            _ if !is_asked_for(page) => Err(
                "Only a DevTools client is handed downloads: it has to call _anchorExtractDownloadData by its name.",
            ),
            None => Err("No download has begun in this page."),
            Some(last) if !last.world.is_of(main) => Err("The page's last download began at another site."),
            Some(last) => Ok(last.id),
        };
        drop(tabs);
        let place = Arc::clone(&self.0.answering).try_acquire_owned();
        match (last, place) {
            (Err(why), _) => asked.refuse(why),
            (_, Err(_)) => asked.refuse("Too many downloads are being handed out; try again later."),
            (Ok(id), Ok(place)) => {
                let this = self.clone();
                self.0.tracker.spawn(async move {
                    let _place = place;
                    this.answer(&asked, id).await;
                });
            }
        }
    }

    async fn answer(&self, asked: &Asked, id: DownloadId) {
        let handed = match self.open(id).await {
            Ok(file) => asked.hand_over(file).await,
            Err(why) => return asked.refuse(&why),
        };
        if let Err(error) = handed {
            debug!(%error, "a page was not handed its download");
            asked.refuse("The download could not be read.");
        }
    }

    /// Waits for a download, and opens it; or says why it cannot be handed out.
    async fn open(&self, id: DownloadId) -> Result<KeptFile, String> {
        let mut over = self.0.over.subscribe();
        let outcome = match timeout(PATIENCE, over.wait_for(|over| over.contains_key(&id))).await {
            Ok(Ok(over)) => over.get(&id).cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        let place = format!("/v1/sessions/{}/downloads", self.0.session);
        let size = match outcome {
            Some(Outcome::Whole(size)) if size > MOST => {
                return Err(format!(
                    "The download is larger than the {} MiB that a page is handed; fetch it from Anchor.downloadReady's p2pDownloadUrl, or from {place}.",
                    MOST >> 20
                ));
            }
            Some(Outcome::Whole(size)) => size,
            Some(Outcome::Nothing(why)) => return Err(format!("The download has no file. {why}")),
            None => {
                return Err(format!(
                    "The download is not whole after {} s; it will be in {place}.",
                    PATIENCE.as_secs()
                ));
            }
        };
        let (kept, session) = (self.0.kept.clone(), self.0.session);
        let opened = tokio::task::spawn_blocking(move || kept.read(session, id, size)).await;
        opened.expect("opening a file does not panic").map_err(|_| "The download is gone.".to_owned())
    }

    fn change(&self, page: &Page, change: impl FnOnce(&mut Tab)) {
        if let Some(tab) = self.tabs().get_mut(page.target()) {
            change(tab);
        }
    }

    /// Locks the tabs: plain data, which a panic elsewhere cannot leave half-changed.
    fn tabs(&self) -> MutexGuard<'_, HashMap<String, Tab>> {
        self.0.tabs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether a client has just asked a page for a download.
fn is_asked_for(page: &Page) -> bool {
    page.last_said().is_some_and(|said| said.elapsed() < ASKED_WITHIN)
}

impl Asked {
    /// Hands a file over piece by piece; the next is read when the page has taken the one before.
    async fn hand_over(&self, kept: KeptFile) -> io::Result<()> {
        let mut file = kept.file()?;
        loop {
            let reading = tokio::task::spawn_blocking(move || {
                let mut piece = Vec::new();
                (&mut file).take(PIECE_BYTES).read_to_end(&mut piece)?;
                Ok::<_, io::Error>((STANDARD.encode(piece), file))
            });
            let (piece, rest) = reading.await.expect("reading a file does not panic")?;
            let word = if piece.is_empty() { "whole" } else { "piece" };
            let (method, params) = self.answer(word, &piece);
            self.page.call(method, &params, CALL_TIMEOUT).await.map_err(io::Error::other)?;
            if piece.is_empty() {
                return Ok(());
            }
            file = rest;
        }
    }

    fn refuse(&self, why: &str) {
        self.page.order(&[self.answer("refused", why)]);
    }

    fn answer(&self, word: &str, text: &str) -> Call {
        let words = [json!(self.secret), json!(self.number), json!(word), json!(text)];
        let arguments: Vec<_> = words.into_iter().map(|value| json!({"value": value})).collect();
        let params = json!({
            "functionDeclaration": ANSWER, "uniqueContextId": self.context, "arguments": arguments, "silent": true,
        });
        ("Runtime.callFunctionOn", params)
    }
}
