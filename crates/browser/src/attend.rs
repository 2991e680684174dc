//! Doing something in every page of a browser, over the server's own connection, before the page's own scripts run.
//!
//! # How Chromium behaves (148 and 156, measured)
//!
//! - With `waitForDebuggerOnStart: false` a `window.open` popup stays at about:blank for good. With `true`, and
//!   `Runtime.runIfWaitingForDebugger`, it goes on as if nobody had looked, and nothing of it runs before we are ready.
//! - A new page waits until every session that wants it to has let it go: clients that do the same are not disturbed.
//! - A frame in a process of its own is a target of its own, which the session of the page around it attaches to.
//! - A page that goes to a site in another process takes along only what it has answered to: calls that are under way then are lost. A
//!   new page, which waits for us, loses none.
//! - Detaching lets everything go that waits for us: pages, and requests that are held.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use roadstead_devtools::{CallError, Event, Followed, Mux};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How long the browser may take for one call. Nothing depends on the answers.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the pages that are there may take to answer. One with a dialog answers nothing.
const FIRST_TIMEOUT: Duration = Duration::from_secs(2);
/// How many events may wait for us.
const WAITING: usize = 4_096;

/// A call of DevTools: the method and its parameters.
pub type Call = (&'static str, Value);

/// Does something in every page: those that exist, new tabs and popups, in every browser context.
pub trait Attendant: Send + Sync + 'static {
    /// Whether it has something to do in frames that are in a process of their own, too.
    fn enters_frames(&self) -> bool;

    /// What to call in a page, or such a frame, that was just met, in this order. It runs once it has taken the calls.
    fn greet(&self, page: &Arc<Page>) -> Vec<Call>;

    /// Hears what a page reports in the session that [`Self::greet`] called in, one event after the other. Never waits: what takes
    /// time goes into a task.
    fn heed(&self, page: &Arc<Page>, event: &Event);

    /// Forgets a page that is gone.
    fn part(&self, _page: &Page) {}
}

/// A page, or a frame in a process of its own, and the CDP session with it.
#[derive(Debug)]
pub struct Page {
    mux: Mux,
    session: String,
    target: String,
    opener: Option<String>,
    url: String,
    is_frame: bool,
}

impl Page {
    /// Returns its DevTools target id.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the target id of the page that opened it, if one did.
    pub fn opener(&self) -> Option<&str> {
        self.opener.as_deref()
    }

    /// Returns when a client last said the word to it that [`Mux::listen_for`] listens for.
    pub fn last_said(&self) -> Option<Instant> {
        self.mux.last_said(&self.target)
    }

    /// Whether it is a frame of a page, in a process of its own.
    pub fn is_frame(&self) -> bool {
        self.is_frame
    }

    /// Returns the address that it had, or was on its way to, when it was met.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a call in it. It is on its way when this returns.
    pub fn call(
        &self,
        method: &str,
        params: &Value,
        limit: Duration,
    ) -> impl Future<Output = Result<Value, CallError>> + Send + use<> {
        self.mux.ask(Some(&self.session), method, params, limit)
    }

    /// Makes calls in it, in this order, whose answers nobody needs.
    pub fn order(&self, calls: &[Call]) {
        tokio::spawn(self.send(calls));
    }

    /// Makes calls in it, in this order. All are on their way when this returns, and answered when what it returns is done.
    fn send(&self, calls: &[Call]) -> impl Future<Output = ()> + Send + use<> {
        let asked: Vec<_> =
            calls.iter().map(|(method, params)| self.call(method, params, CALL_TIMEOUT)).collect();
        async move {
            // A page that is gone answers with an error, and so does one whose dialog another has closed.
            for error in join_all(asked).await.into_iter().filter_map(Result::err) {
                tracing::trace!(%error, "a call in a page was refused");
            }
        }
    }
}

/// Has the attendants attend every page from now on. Returns once the pages that are there are attended; a task does the rest until
/// the pipe closes. Once per browser.
pub(crate) async fn attend(mux: &Mux, attendants: Vec<Arc<dyn Attendant>>) -> Result<(), CallError> {
    // In a CDP session of its own: at the pipe's root it would hear of every page that anybody attaches to, clients included.
    let answer = mux.call("Target.attachToBrowserTarget", json!({}), CALL_TIMEOUT).await?;
    let root = answer["sessionId"].as_str().unwrap_or_default().to_owned();
    let (taker, mut reported) = mpsc::channel(WAITING);
    let followed = mux.follow(&root, taker.clone());
    watch_pages(mux, &root, true).await?;
    let mut attending = Attending {
        mux: mux.clone(),
        root,
        attendants,
        taker,
        met: HashMap::new(),
        first: Some(JoinSet::new()),
        _followed: followed,
    };
    // The pages that are there were told of before the answer. Whatever our caller asks of them comes after what we do.
    while let Ok(event) = reported.try_recv() {
        attending.heed(&event);
    }
    let first = attending.first.take().unwrap_or_default();
    tokio::spawn(attending.run(reported));
    if timeout(FIRST_TIMEOUT, first.join_all()).await.is_err() {
        tracing::debug!("a page that was there does not answer, and is attended when it does");
    }
    Ok(())
}

/// What tells of targets of one type, or does not any more.
fn watch(kind: &str, watch: bool) -> Value {
    json!({
        "autoAttach": watch,
        "waitForDebuggerOnStart": watch,
        "flatten": true,
        "filter": [{"type": kind}, {"exclude": true}],
    })
}

async fn watch_pages(mux: &Mux, root: &str, on: bool) -> Result<(), CallError> {
    mux.call_in(root, "Target.setAutoAttach", watch("page", on), CALL_TIMEOUT).await.map(drop)
}

struct Attending {
    mux: Mux,
    /// The CDP session with the browser that tells of pages.
    root: String,
    attendants: Vec<Arc<dyn Attendant>>,
    taker: mpsc::Sender<Event>,
    /// By CDP session.
    met: HashMap<String, Met>,
    /// What the pages that were there before us have to answer; none once we have met them.
    first: Option<JoinSet<()>>,
    _followed: Followed,
}

struct Met {
    page: Arc<Page>,
    _followed: Followed,
}

impl Attending {
    async fn run(mut self, mut reported: mpsc::Receiver<Event>) {
        let mux = self.mux.clone();
        loop {
            tokio::select! {
                Some(event) = reported.recv() => {
                    // It was full with this one: one may have been lost, and something waits for us for good.
                    let full = reported.len() + 1 >= WAITING;
                    self.heed(&event);
                    if full {
                        self.start_over().await;
                    }
                }
                () = mux.closed() => return,
            }
        }
    }

    /// A page may wait for us that we have not heard of. Letting go of all and attaching again frees every one.
    async fn start_over(&self) {
        for on in [false, true] {
            if let Err(error) = watch_pages(&self.mux, &self.root, on).await {
                tracing::debug!(%error, "the browser did not take the order to tell of pages again");
            }
        }
    }

    fn heed(&mut self, event: &Event) {
        if event.method.starts_with("Target.") {
            return self.heed_target(event);
        }
        let met = event.session.as_ref().and_then(|session| self.met.get(session));
        if let Some(Met { page, .. }) = met {
            self.wanted(page.is_frame).for_each(|attendant| attendant.heed(page, event));
        }
    }

    fn heed_target(&mut self, event: &Event) {
        let Some(session) = event.params["sessionId"].as_str() else { return };
        match event.method.as_str() {
            "Target.attachedToTarget" => self.meet(session.to_owned(), &event.params["targetInfo"]),
            "Target.detachedFromTarget" => self.part(session),
            _ => {}
        }
    }

    fn meet(&mut self, session: String, info: &Value) {
        let is_frame = match info["type"].as_str() {
            Some("page") => false,
            Some("iframe") => true,
            _ => return,
        };
        let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
        let (target, url) = (text("targetId"), text("url"));
        let opener = info["openerId"].as_str().map(str::to_owned);
        let page = Page { mux: self.mux.clone(), session: session.clone(), target, opener, url, is_frame };
        let page = Arc::new(page);
        let followed = self.mux.follow(&session, self.taker.clone());
        let mut calls: Vec<Call> =
            self.wanted(is_frame).flat_map(|attendant| attendant.greet(&page)).collect();
        if self.wanted(true).next().is_some() {
            calls.push(("Target.setAutoAttach", watch("iframe", true)));
        }
        calls.push(("Runtime.runIfWaitingForDebugger", json!({})));
        match &mut self.first {
            Some(first) => drop(first.spawn(page.send(&calls))),
            None => page.order(&calls),
        }
        self.met.insert(session, Met { page, _followed: followed });
    }

    fn part(&mut self, session: &str) {
        if let Some(Met { page, .. }) = self.met.remove(session) {
            self.wanted(page.is_frame).for_each(|attendant| attendant.part(&page));
        }
    }

    fn wanted(&self, is_frame: bool) -> impl Iterator<Item = &Arc<dyn Attendant>> {
        self.attendants.iter().filter(move |attendant| !is_frame || attendant.enters_frames())
    }
}
