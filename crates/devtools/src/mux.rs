//! The multiplexer itself: a reader, a writer, and the tables between them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tracing::debug;

use crate::client::{Client, ClientId, EndReason, Pushed, Queue, SendError};
use crate::message::{self, Outline, outline, to_browser, to_client, unquote};
use crate::pipe::{MAX_COMMAND_BYTES, MessageReader, write_message};
use crate::routes::{Asker, Owner, Routes, Target};
use crate::rules::{Decision, decide, downloads_into, redirect_downloads, tells_of_downloads};
use crate::scan::scan_object;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod bench;
mod own_events;

/// How much of clients' messages may wait for a browser that does not read, in KiB; then the clients wait.
const WRITE_BUDGET_KIB: u32 = 32 << 10;
/// How many events of ours a slow subscriber may be behind before it misses some.
const EVENTS: usize = 256;
/// How long attaching a client may take. Chromium does it in about a millisecond.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a client's messages go that name no CDP session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The browser.
    Browser,
    /// One target, by its id.
    Target(String),
}

/// Why a client could not be attached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The browser is gone, or does not answer.
    #[error("the browser does not answer")]
    Closed,
    /// There is no such target.
    #[error("there is no target {0}")]
    NoSuchTarget(String),
}

/// Why a call of the server's own failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The browser's pipe has ended.
    #[error("the browser is gone")]
    Closed,
    /// It did not answer in time.
    #[error("the browser did not answer in time")]
    TimedOut,
    /// It answered with an error of its own: the code, and Chromium's words.
    #[error("the browser refused ({0}): {1}")]
    Refused(i64, String),
}

/// An event of the pipe's own root, or of a CDP session that the server attached itself.
#[derive(Clone, Debug)]
pub struct Event {
    /// For example `Page.javascriptDialogOpening`.
    pub method: String,
    /// The event's parameters.
    pub params: Value,
    /// The CDP session that it came in; `None` for the pipe's own root.
    pub session: Option<String>,
}

/// Keeps the events of a CDP session on a way of their own, until dropped.
#[derive(Debug)]
pub struct Followed {
    shared: std::sync::Weak<Shared>,
    session: String,
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.followed().remove(&self.session);
        }
    }
}

/// How much a multiplexer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Attached clients.
    pub clients: usize,
    /// CDP sessions, the clients' and ours.
    pub sessions: usize,
    /// Requests without a reply yet.
    pub requests: usize,
}

/// A handle on the multiplexer of one browser; clones share it. The pipe's ends are held by its two tasks, which end when
/// the browser closes its side; the write end closes when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Mux(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    routes: Mutex<Routes>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    budget: Arc<Semaphore>,
    clients: watch::Sender<usize>,
    close_requested: watch::Sender<bool>,
    closed: watch::Sender<bool>,
    events: broadcast::Sender<Event>,
    /// By CDP session: where its events go, instead of to all subscribers.
    followed: Mutex<HashMap<String, mpsc::Sender<Event>>>,
    /// Where every download goes, once that is settled.
    downloads: OnceLock<String>,
    /// Whether a client has said what becomes of downloads. Chromium forgets ours with the end of the client's CDP session.
    downloads_touched: AtomicBool,
    /// What clients' messages are searched for.
    word: OnceLock<Finder<'static>>,
}

/// A message on its way to the browser, with its share of the write budget.
struct Outgoing {
    message: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

impl Mux {
    /// Starts to read and write a browser's pipe.
    pub fn start(
        from_browser: impl AsyncRead + Unpin + Send + 'static,
        to_browser: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Self {
        let (this, waiting) = Self::unstarted();
        tokio::spawn(write_all(to_browser, waiting));
        tokio::spawn(read_all(from_browser, Arc::downgrade(&this.0)));
        this
    }

    /// Makes one without its two tasks; what is for the browser comes out of the receiver.
    fn unstarted() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (outgoing, waiting) = mpsc::unbounded_channel();
        let shared = Shared {
            routes: Mutex::default(),
            outgoing,
            budget: Arc::new(Semaphore::new(WRITE_BUDGET_KIB as usize)),
            clients: watch::Sender::new(0),
            close_requested: watch::Sender::new(false),
            closed: watch::Sender::new(false),
            events: broadcast::Sender::new(EVENTS),
            followed: Mutex::default(),
            downloads: OnceLock::new(),
            downloads_touched: AtomicBool::new(false),
            word: OnceLock::new(),
        };
        (Self(Arc::new(shared)), waiting)
    }

    /// Attaches a client. Dropping the future attaches nobody, and leaves nothing.
    pub async fn attach(&self, root: Root) -> Result<Client, AttachError> {
        self.attach_as(root, "").await
    }

    /// Attaches a client as [`Self::attach`] does, with a label that nobody else sees: [`Self::tell_clients`] gives it back.
    pub async fn attach_as(&self, root: Root, label: &str) -> Result<Client, AttachError> {
        // In a task, so that a root that the browser has made finds its client, and is detached, if nobody waits.
        let (this, label) = (self.clone(), Arc::from(label));
        let attached = tokio::spawn(async move { this.attach_now(root, label).await }).await;
        attached.map_err(|_| AttachError::Closed)?
    }

    async fn attach_now(&self, root: Root, label: Arc<str>) -> Result<Client, AttachError> {
        let (method, params) = match &root {
            Root::Browser => ("Target.attachToBrowserTarget", json!({})),
            Root::Target(id) => ("Target.attachToTarget", json!({"targetId": id, "flatten": true})),
        };
        let answer =
            self.call(method, params, ATTACH_TIMEOUT).await.map_err(|error| match (error, root) {
                (CallError::Refused(..), Root::Target(id)) => AttachError::NoSuchTarget(id),
                _ => AttachError::Closed,
            })?;
        let session = answer["sessionId"].as_str().ok_or(AttachError::Closed)?;
        let queue = Arc::new(Queue::default());
        // A root that is not known any more was detached in the meantime.
        let id = self.routes().add_client(session, label, Arc::clone(&queue)).ok_or(AttachError::Closed)?;
        self.0.clients.send_modify(|count| *count += 1);
        if *self.0.closed.borrow() {
            queue.end(EndReason::BrowserGone);
        }
        Ok(Client::new(self.clone(), id, queue))
    }

    /// Makes a call of the server's own at the pipe's root.
    pub async fn call(&self, method: &str, params: Value, limit: Duration) -> Result<Value, CallError> {
        self.call_anywhere(None, method, params, limit).await
    }

    /// Makes a call of the server's own in a CDP session that it attached itself.
    pub async fn call_in(
        &self,
        session: &str,
        method: &str,
        params: Value,
        limit: Duration,
    ) -> Result<Value, CallError> {
        self.call_anywhere(Some(session), method, params, limit).await
    }

    async fn call_anywhere(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
        limit: Duration,
    ) -> Result<Value, CallError> {
        self.ask(session, method, &params, limit).await
    }

    /// Makes a call of the server's own, at the pipe's root or in a CDP session that it attached itself. It is on its way when this
    /// returns, so that calls keep their order whenever their answers are waited for.
    pub fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        params: &Value,
        limit: Duration,
    ) -> impl Future<Output = Result<Value, CallError>> + Send + use<> {
        let (reply, answered) = oneshot::channel();
        let id = self.routes().expect(Asker::Ourselves(reply));
        let is_closed = *self.0.closed.borrow();
        if is_closed {
            // Its end of the channel goes with it, which is the answer.
            self.routes().take_asker(id);
        } else {
            let mut message = json!({"id": id, "method": method, "params": params});
            if let Some(session) = session {
                message["sessionId"] = session.into();
            }
            self.write(message.to_string().into_bytes(), None);
        }
        let this = self.clone();
        async move {
            match timeout(limit, answered).await {
                Ok(answer) => answer.unwrap_or(Err(CallError::Closed)),
                Err(_) => {
                    this.routes().take_asker(id);
                    Err(CallError::TimedOut)
                }
            }
        }
    }

    /// Has every download go into this directory from now on, whatever a client says. It is settled once.
    pub(crate) fn settle_downloads(&self, dir: &str) {
        // A second one would only be the same again.
        let _settled = self.0.downloads.set(dir.to_owned());
    }

    /// Subscribes to the events of the pipe's root and of the server's own CDP sessions, from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// Has the events of a CDP session of the server's own go to `taker` alone from now on, past [`Self::subscribe`]: those of one
    /// that sends pictures are large, and nobody else's affair. One that comes while `taker` is full is lost.
    pub fn follow(&self, session: &str, taker: mpsc::Sender<Event>) -> Followed {
        self.0.followed().insert(session.to_owned(), taker);
        Followed { shared: Arc::downgrade(&self.0), session: session.to_owned() }
    }

    /// Completes once a client has asked for `Browser.close`, also if it has before.
    pub async fn close_requested(&self) {
        until_true(&self.0.close_requested).await;
    }

    /// Completes once the browser's pipe has ended, also if it has before.
    pub async fn closed(&self) {
        until_true(&self.0.closed).await;
    }

    /// Watches how many clients are attached.
    pub fn clients(&self) -> watch::Receiver<usize> {
        self.0.clients.subscribe()
    }

    /// Counts what is held.
    pub fn stats(&self) -> Stats {
        let (clients, sessions, requests) = self.routes().counts();
        Stats { clients, sessions, requests }
    }

    /// Takes one message of a client.
    pub(crate) async fn send_from(&self, client: ClientId, text: Bytes) -> Result<(), SendError> {
        // Rounded up: a flood of short messages is a flood as well.
        let kib = u32::try_from(text.len() >> 10).unwrap_or(u32::MAX).saturating_add(1).min(WRITE_BUDGET_KIB);
        let share = Some(Arc::clone(&self.0.budget).acquire_many_owned(kib).await.map_err(|_| SendError)?);
        let read = |text: &Bytes| check(text).and_then(|()| outline(text).map_err(|_| TWICE.to_owned()));
        let mut found = read(&text);
        let mut text = text;
        if let (Ok(outline), Some(dir)) = (&found, self.0.downloads.get())
            && tells_of_downloads(&text, outline)
        {
            self.0.downloads_touched.store(true, Ordering::Relaxed);
            if let Some(redirected) = redirect_downloads(&text, outline, dir) {
                text = redirected.into();
                found = read(&text);
            }
        }
        let mut routes = self.routes();
        let (root, queue) = routes.client(client).ok_or(SendError)?;
        let (root, queue) = (root.to_owned(), Arc::clone(queue));
        if *self.0.closed.borrow() || queue.has_ended() {
            return Err(SendError);
        }
        match judge(&routes, client, &text, found) {
            Verdict::Answer(answer) => {
                drop(routes);
                self.0.hand_over(client, &queue, answer);
            }
            Verdict::Close(answer) => {
                drop(routes);
                self.0.hand_over(client, &queue, answer);
                self.0.close_requested.send_replace(true);
            }
            Verdict::Forward(outline, id) => {
                let session = outline.session.as_ref().filter(|member| !message::is_unnamed(&text, member));
                let session = session.and_then(|member| unquote(&text[member.value.clone()]));
                let session = session.map_or_else(|| root.clone(), std::borrow::Cow::into_owned);
                if self.0.word.get().is_some_and(|word| word.find(&text).is_some()) {
                    routes.note_said(&session, Instant::now());
                }
                let ours = routes.expect(Asker::Client { client, id, session });
                drop(routes);
                self.write(to_browser(&text, &outline, ours, &root), share);
            }
        }
        Ok(())
    }

    /// Forgets a client, and detaches its root in the browser.
    pub(crate) fn forget_client(&self, id: ClientId) {
        self.0.forget_client(id);
    }

    fn write(&self, message: Vec<u8>, share: Option<OwnedSemaphorePermit>) {
        self.0.write(message, share);
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.0.routes()
    }
}

const NOT_AN_OBJECT: &str = "Message must be an object";
const OTHER_MEMBER: &str = "Message has property other than 'id', 'method', 'sessionId', 'params'";
const TWICE: &str = "CBOR: duplicate map key";

/// Checks that a client's message is one message. A NUL would end it on the pipe, and what follows it would be a message
/// past every rule. Chromium answers broken JSON without an id, and such an answer could not be told from another's.
fn check(text: &[u8]) -> Result<(), String> {
    let broken =
        memchr::memchr(0, text).or_else(|| std::str::from_utf8(text).err().map(|error| error.valid_up_to()));
    if let Some(at) = broken {
        return Err(format!("JSON: invalid string at position {at}"));
    }
    match scan_object(text, |_| {}) {
        Ok(true) => Ok(()),
        Ok(false) => Err(NOT_AN_OBJECT.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What becomes of a client's message.
enum Verdict {
    Answer(Bytes),
    Close(Bytes),
    Forward(Outline, Bytes),
}

/// Judges a client's message. The errors have the codes and words of Chromium's own port.
fn judge(routes: &Routes, client: ClientId, text: &Bytes, found: Result<Outline, String>) -> Verdict {
    let error = |id: Option<i32>, code: i64, words: &str, session: Option<&str>| {
        let mut answer = json!({"error": {"code": code, "message": words}});
        if let Some(id) = id {
            answer["id"] = id.into();
        }
        if let Some(session) = session {
            answer["sessionId"] = session.into();
        }
        Verdict::Answer(answer.to_string().into())
    };
    let outline = match found {
        Ok(outline) => outline,
        Err(words) if words == NOT_AN_OBJECT => return error(None, -32600, &words, None),
        Err(words) => return error(None, -32700, &words, None),
    };
    let id = outline.id.clone().map(|place| text.slice(place));
    let Some((id, number)) =
        id.and_then(|id| message::read_id(&id).map(|number| (Bytes::from(number.to_string()), number)))
    else {
        return error(None, -32600, "Message must have integer 'id' property", None);
    };
    if let Some(other) = outline.other {
        // Chromium reads no further: where the id comes later its answer has none, and would be nobody's here.
        let read = outline.id.as_ref().is_some_and(|place| place.start < other);
        return error(read.then_some(number), -32600, OTHER_MEMBER, None);
    }
    let session = match &outline.session {
        None => None,
        Some(member) if message::is_unnamed(text, member) => None,
        Some(member) => match unquote(&text[member.value.clone()]) {
            None => return error(Some(number), -32600, "Message may have string 'sessionId' property", None),
            Some(session) if routes.owner(&session) != Some(Owner::Client(client)) => {
                // Like Chromium: from the root, not from a session that is not there.
                return error(Some(number), -32001, "Session with given id not found.", None);
            }
            Some(session) => Some(session),
        },
    };
    match decide(text, &outline) {
        Decision::Close => {
            let mut answer = json!({"id": number, "result": {}});
            if let Some(session) = session {
                answer["sessionId"] = session.into();
            }
            return Verdict::Close(answer.to_string().into());
        }
        Decision::Refuse(words) => return error(Some(number), -32000, words, session.as_deref()),
        Decision::Forward if text.len() > MAX_COMMAND_BYTES => {
            return error(Some(number), -32600, "Message is longer than Chromium reads", session.as_deref());
        }
        Decision::Forward => {}
    }
    Verdict::Forward(outline, id)
}

impl Shared {
    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_client(&self, id: ClientId) {
        let Some(root) = self.routes().remove_client(id) else {
            return;
        };
        self.clients.send_modify(|count| *count -= 1);
        self.command(Asker::Nobody, "Target.detachFromTarget", &json!({"sessionId": root}));
    }

    /// Sends a command whose result nobody needs.
    fn command(&self, asker: Asker, method: &str, params: &Value) {
        let id = self.routes().expect(asker);
        self.write(json!({"id": id, "method": method, "params": params}).to_string().into_bytes(), None);
    }

    /// Gives a client a message; one that does not read is ended at once, not when its connection gets to notice.
    fn hand_over(&self, client: ClientId, queue: &Queue, message: Bytes) {
        if queue.push(message) == Pushed::TooSlow {
            self.forget_client(client);
        }
    }

    /// Hands a message to the writer. If that has ended, the reader has or will, and tells everyone.
    fn write(&self, message: Vec<u8>, share: Option<OwnedSemaphorePermit>) {
        drop(self.outgoing.send(Outgoing { message, _share: share }));
    }

    /// Takes one message of the browser.
    fn deliver(&self, text: BytesMut) {
        let Ok(outline) = outline(&text) else {
            debug!("the browser sent something that is not a message");
            return;
        };
        let id = outline.id.clone().and_then(|place| std::str::from_utf8(&text[place]).ok()?.parse().ok());
        match id {
            Some(id) => self.deliver_reply(text, &outline, id),
            None => self.deliver_event(text, &outline),
        }
    }

    fn deliver_reply(&self, text: BytesMut, outline: &Outline, id: i32) {
        let mut routes = self.routes();
        match routes.take_asker(id) {
            None | Some(Asker::Nobody) => {}
            Some(Asker::Ourselves(reply)) => {
                drop(routes);
                drop(reply.send(read_reply(&text)));
            }
            Some(Asker::Fence(sessions)) => routes.forget_requests(&sessions),
            Some(Asker::Client { client, id, .. }) => {
                let Some((root, queue)) = routes.client(client) else {
                    return;
                };
                let strip = names(outline, &text, root);
                let queue = Arc::clone(queue);
                drop(routes);
                self.hand_over(client, &queue, to_client(text, outline, Some(&id), strip));
            }
        }
    }

    fn deliver_event(&self, text: BytesMut, outline: &Outline) {
        let method = outline.method.clone().and_then(|place| unquote(&text[place]));
        let session = outline.session.as_ref().and_then(|member| unquote(&text[member.value.clone()]));
        let (mut ended, mut fence) = (None, None);
        let mut routes = self.routes();
        let owner = session.as_ref().map_or(Some(Owner::Ourselves), |session| routes.owner(session));
        match method.as_deref() {
            Some("Target.attachedToTarget") => {
                if let Some((child, target)) = child_session(&text) {
                    routes.attached(&child, session.as_deref(), target);
                }
            }
            Some("Target.detachedFromTarget") => {
                if let Some((child, _)) = child_session(&text) {
                    let gone;
                    (ended, gone) = routes.detached(&child);
                    fence = routes.have_requests(&gone).then_some(gone);
                }
            }
            _ => {}
        }
        if let Some(gone) = fence {
            // Chromium forgets what was asked in a session that ends, but answers what came after its end. It takes commands in
            // order: when it has answered this one, it has answered all that it ever will.
            drop(routes);
            self.command(Asker::Fence(gone), "Browser.getVersion", &json!({}));
            routes = self.routes();
        }
        if method.as_deref() == Some("Target.detachedFromTarget")
            && let Some(dir) = self.downloads.get()
            && self.downloads_touched.load(Ordering::Relaxed)
        {
            // With the CDP session went whatever it had said of downloads, and ours with that.
            drop(routes);
            self.command(Asker::Nobody, "Browser.setDownloadBehavior", &downloads_into(dir));
            routes = self.routes();
        }
        if let Some((_, queue)) = ended.and_then(|client| routes.client(client)) {
            queue.end(EndReason::Detached);
        }
        match owner {
            None => {}
            Some(Owner::Ourselves) => {
                drop(routes);
                self.publish(&text);
            }
            Some(Owner::Client(client)) => {
                let Some((root, queue)) = routes.client(client) else {
                    return;
                };
                let strip = session.as_deref() == Some(root);
                let queue = Arc::clone(queue);
                drop(routes);
                drop(session);
                self.hand_over(client, &queue, to_client(text, outline, None, strip));
            }
        }
    }

    /// Tells our own subscribers of an event, if there are any.
    fn publish(&self, text: &[u8]) {
        #[derive(Deserialize)]
        struct Wire {
            method: String,
            #[serde(default)]
            params: Value,
            #[serde(rename = "sessionId")]
            session: Option<String>,
        }
        if self.events.receiver_count() == 0 && self.followed().is_empty() {
            return;
        }
        let Ok(Wire { method, params, session }) = serde_json::from_slice(text) else { return };
        let taker = session.as_ref().and_then(|session| self.followed().get(session).cloned());
        let event = Event { method, params, session };
        match taker {
            Some(taker) => drop(taker.try_send(event)),
            None => drop(self.events.send(event)),
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Event>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pipe has ended: nobody gets an answer any more.
    fn close(&self) {
        self.closed.send_replace(true);
        let mut routes = self.routes();
        routes.clear_askers();
        for queue in routes.queues() {
            queue.end(EndReason::BrowserGone);
        }
    }
}

fn names(outline: &Outline, text: &[u8], root: &str) -> bool {
    let session = outline.session.as_ref().and_then(|member| unquote(&text[member.value.clone()]));
    session.as_deref() == Some(root)
}

/// Reads the CDP session that an attached or detached event is about, and with what it is, where that is told.
fn child_session(text: &[u8]) -> Option<(String, Option<Target>)> {
    #[derive(Deserialize)]
    struct Wire {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "sessionId")]
        session: String,
        #[serde(rename = "targetInfo")]
        target: Option<Info>,
    }
    #[derive(Deserialize)]
    struct Info {
        #[serde(rename = "type")]
        kind: String,
        #[serde(rename = "targetId")]
        id: String,
    }
    let Params { session, target } = serde_json::from_slice::<Wire>(text).ok()?.params;
    let target = target.and_then(|Info { kind, id }| match kind.as_str() {
        "browser" => Some(Target::Browser),
        "page" => Some(Target::Page(id)),
        _ => None,
    });
    Some((session, target))
}

fn read_reply(text: &[u8]) -> Result<Value, CallError> {
    let mut reply: Value =
        serde_json::from_slice(text).map_err(|error| CallError::Refused(-32700, error.to_string()))?;
    match reply.get("error") {
        None => Ok(reply["result"].take()),
        Some(error) => Err(CallError::Refused(
            error["code"].as_i64().unwrap_or_default(),
            error["message"].as_str().unwrap_or_default().to_owned(),
        )),
    }
}

async fn write_all(mut pipe: impl AsyncWrite + Unpin, mut waiting: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(Outgoing { message, _share }) = waiting.recv().await {
        if write_message(&mut pipe, message).await.is_err() {
            return;
        }
    }
}

async fn read_all(pipe: impl AsyncRead + Unpin, shared: std::sync::Weak<Shared>) {
    let mut reader = MessageReader::new(pipe);
    loop {
        match reader.next().await {
            Ok(Some(text)) => match shared.upgrade() {
                Some(shared) => shared.deliver(text),
                None => return,
            },
            Ok(None) => break,
            Err(error) => {
                debug!(%error, "the browser's pipe broke");
                break;
            }
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.close();
    }
}

async fn until_true(level: &watch::Sender<bool>) {
    // The sender is ours, and we hold it while we wait.
    drop(level.subscribe().wait_for(|reached| *reached).await);
}
