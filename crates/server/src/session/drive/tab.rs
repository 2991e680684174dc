//! The selected tab, and our way into it.
//!
//! Which tab is selected? In full Chromium a window shows one page, and the others say that they are hidden. In the headless
//! shell, which has no tabs, every page says that it is visible, and most that they have the focus, so that the focus tells
//! nothing. So: the newest of those that are visible, as a window that was opened last is in front. Chromium lists pages in
//! any order; the newest is the one that we saw last for the first time, and of several that we see for the first time, the
//! one whose document is the newest. Where no visible page answers it is the newest that does not: in full Chromium a page
//! with a dialog is in front, and silent.
//!
//! [`Tabs`] keeps one CDP session for each page: a new one each time would leave one more isolated world in the page each
//! time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use roadstead_devtools::commands::PageTarget;
use roadstead_devtools::{CallError, Mux};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::{CALL_TIMEOUT, NO_SUCH_SESSION, failed};
use crate::error::{Error, Result};

/// How long a page may take to tell how it looks. One that is busy for longer can still be sent elsewhere.
const LOOK_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long to wait for the next document when a script's own went away.
const NEXT_DOCUMENT: Duration = Duration::from_millis(20);
/// The name of our isolated world. One name is one world, however often it is asked for.
const WORLD: &str = "roadstead";

/// The pages that we know.
#[derive(Debug, Default)]
pub struct Tabs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By target id.
    pages: HashMap<String, KnownPage>,
    /// How often we have looked.
    looks: u64,
}

#[derive(Clone, Debug)]
struct KnownPage {
    /// With which look it was seen first.
    since: u64,
    /// Our CDP session in it.
    session: Option<String>,
}

/// A page that is driven.
#[derive(Clone, Debug)]
pub struct Tab {
    mux: Mux,
    target: String,
    session: String,
    /// Where scripts run: a CDP session, and the id of a frame in it.
    world: (String, String),
    looks: Option<Looks>,
}

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Looks {
    visible: bool,
    focused: bool,
    /// The viewport, in CSS pixels, scroll bars included.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// When its document began, in milliseconds; no two documents of a tab began at once.
    pub began: f64,
}

const LOOK: &str = "({
    visible: document.visibilityState === 'visible', focused: document.hasFocus(),
    width: innerWidth, height: innerHeight, began: performance.timeOrigin,
})";

impl Tabs {
    /// Finds the selected tab. Errors: there is none; the browser is gone.
    pub async fn selected(&self, mux: &Mux) -> Result<Tab> {
        let pages = mux.pages(CALL_TIMEOUT).await.map_err(failed)?;
        self.meet(&pages);
        let tabs = join_all(pages.iter().map(|page| self.open(mux, page))).await;
        let tabs = tabs.into_iter().collect::<Result<Vec<_>, CallError>>().map_err(failed)?;
        let mut tabs: Vec<Tab> = tabs.into_iter().flatten().collect();
        self.sort_by_age(&mut tabs);
        let visible = |tab: &Tab| tab.looks.is_some_and(|looks| looks.visible);
        let silent = |tab: &Tab| tab.looks.is_none();
        let found = tabs.iter().rposition(visible).or_else(|| tabs.iter().rposition(silent));
        let found = found.or_else(|| tabs.len().checked_sub(1));
        found.map(|found| tabs.swap_remove(found)).ok_or_else(|| {
            Error::Conflict("The session has no open page; open one over DevTools first.".to_owned())
        })
    }

    /// Finds the tab at a place in the browser's list of pages. Errors: there are not so many; the browser is gone.
    pub async fn at(&self, mux: &Mux, place: usize) -> Result<Tab> {
        let pages = mux.pages(CALL_TIMEOUT).await.map_err(failed)?;
        self.meet(&pages);
        let count = pages.len();
        let page = pages.get(place).ok_or_else(|| {
            Error::invalid("page_index", format!("there are {count} pages, counted from 0"))
        })?;
        self.open(mux, page).await.map_err(failed)?.ok_or_else(closed)
    }

    /// Finds the tab of a page. Errors: it is closed; the browser is gone.
    pub async fn with_id(&self, mux: &Mux, id: &str) -> Result<Tab> {
        let pages = mux.pages(CALL_TIMEOUT).await.map_err(failed)?;
        self.meet(&pages);
        let page = pages.iter().find(|page| page.id == id).ok_or_else(closed)?;
        self.open(mux, page).await.map_err(failed)?.ok_or_else(closed)
    }

    /// Notes which pages there are.
    fn meet(&self, pages: &[PageTarget]) {
        let mut known = self.known();
        known.looks += 1;
        let since = known.looks;
        known.pages.retain(|id, _| pages.iter().any(|page| page.id == *id));
        for page in pages {
            known.pages.entry(page.id.clone()).or_insert(KnownPage { since, session: None });
        }
    }

    /// The newest come last.
    fn sort_by_age(&self, tabs: &mut [Tab]) {
        let known = self.known();
        let since = |tab: &Tab| known.pages.get(&tab.target).map(|page| page.since);
        let began = |tab: &Tab| tab.looks.map_or(0.0, |looks| looks.began);
        tabs.sort_by(|a, b| since(a).cmp(&since(b)).then(began(a).total_cmp(&began(b))));
    }

    /// Gets into a page, and looks at it. `None` when it is closed by now. Errors: the browser is gone.
    async fn open(&self, mux: &Mux, page: &PageTarget) -> Result<Option<Tab>, CallError> {
        let known = self.known().pages.get(&page.id).and_then(|page| page.session.clone());
        let session = match known {
            Some(session) => session,
            None => match mux.attach_to_target(&page.id, CALL_TIMEOUT).await {
                Ok(session) => session,
                Err(CallError::Closed) => return Err(CallError::Closed),
                Err(error) => {
                    debug!(%error, "a page could not be attached to");
                    return Ok(None);
                }
            },
        };
        self.keep_session(&page.id, Some(session.clone()));
        let tab = Tab {
            mux: mux.clone(),
            target: page.id.clone(),
            world: (session.clone(), page.id.clone()),
            session,
            looks: None,
        };
        match tab.run(LOOK, Activation::None, LOOK_TIMEOUT).await {
            Ok(looks) => Ok(Some(Tab { looks: serde_json::from_value(looks).ok(), ..tab })),
            Err(CallError::Closed) => Err(CallError::Closed),
            Err(CallError::Refused(NO_SUCH_SESSION, _)) => {
                // A client can end our session, as every other. The next time it is a new one.
                self.keep_session(&page.id, None);
                Ok(None)
            }
            Err(CallError::TimedOut | CallError::Refused(..)) => Ok(Some(tab)),
        }
    }

    fn keep_session(&self, page: &str, session: Option<String>) {
        if let Some(page) = self.known().pages.get_mut(page) {
            page.session = session;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the page takes a script for something that its user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// It does not.
    None,
    /// It does: some things are only allowed to users.
    User,
}

impl Tab {
    /// Returns the browser's multiplexer.
    pub fn mux(&self) -> &Mux {
        &self.mux
    }

    /// Returns the page's target id.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns our CDP session in it.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Returns the same tab, whose scripts run in a frame.
    pub fn in_frame(&self, session: &str, frame: &str) -> Self {
        Self { world: (session.to_owned(), frame.to_owned()), ..self.clone() }
    }

    /// Returns how the page looks. `None` when it did not answer.
    pub fn looks(&self) -> Option<Looks> {
        self.looks
    }

    /// Gives the page the focus if it has none: a new window of full Chromium gives it to nothing.
    pub async fn take_focus(&self) -> Result<()> {
        match self.looks {
            Some(looks) if !looks.focused => self.input("Page.bringToFront", json!({})).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Calls a method of the page.
    pub async fn call(&self, method: &str, params: Value, limit: Duration) -> Result<Value, CallError> {
        self.mux.call_in(&self.session, method, params, limit).await
    }

    /// Calls a method of the page that has nothing to tell.
    pub async fn input(&self, method: &str, params: Value) -> Result<()> {
        self.call(method, params, CALL_TIMEOUT).await.map(drop).map_err(failed)
    }

    /// Runs a script in the isolated world, and returns its value.
    pub async fn evaluate(&self, script: &str) -> Result<Value> {
        self.run(script, Activation::None, CALL_TIMEOUT).await.map_err(failed)
    }

    /// Runs a script in the isolated world of the document that is there, and waits for its promise. Where the document goes
    /// away meanwhile, it runs again in the next one, until `limit`.
    pub async fn run(
        &self,
        script: &str,
        activation: Activation,
        limit: Duration,
    ) -> Result<Value, CallError> {
        self.run_each(|| script.to_owned(), activation, limit).await
    }

    /// The same with a script that differs from document to document.
    pub async fn run_each(
        &self,
        script: impl Fn() -> String,
        activation: Activation,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.run_once(&script(), activation, left).await {
                Err(CallError::Refused(code, _)) if code != NO_SUCH_SESSION && !left.is_zero() => {
                    sleep(NEXT_DOCUMENT.min(left)).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn run_once(
        &self,
        script: &str,
        activation: Activation,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let (session, frame) = &self.world;
        let world = json!({"frameId": frame, "worldName": WORLD});
        let world = self.mux.call_in(session, "Page.createIsolatedWorld", world, limit).await?;
        let params = json!({
            "expression": script, "contextId": world["executionContextId"], "awaitPromise": true, "returnByValue": true,
            "userGesture": activation == Activation::User,
        });
        let mut answer = self.mux.call_in(session, "Runtime.evaluate", params, limit).await?;
        match answer["exceptionDetails"].get("text") {
            None => Ok(answer["result"]["value"].take()),
            Some(_) => {
                let what = &answer["exceptionDetails"]["exception"]["description"];
                Err(CallError::Refused(
                    0,
                    format!("a script of ours failed: {}", what.as_str().unwrap_or_default()),
                ))
            }
        }
    }
}

impl Looks {
    /// Checks that a point is in the viewport. `x` and `y` name the fields that it came from.
    pub fn require_inside(&self, (x, y): (&str, &str), at: super::Point) -> Result<()> {
        let Self { width, height, .. } = self;
        for (field, value, size) in [(x, at.x, width), (y, at.y, height)] {
            if !(0.0..*size).contains(&value) {
                return Err(Error::invalid(
                    field,
                    format!("{value} is outside the page's viewport, which is {width} × {height}"),
                ));
            }
        }
        Ok(())
    }
}

fn closed() -> Error {
    Error::Conflict("The page was closed meanwhile; try again.".to_owned())
}

/// Returns how a page looks, or that it does not answer.
pub fn require_looks(tab: &Tab) -> Result<Looks> {
    tab.looks().ok_or_else(|| failed(CallError::TimedOut))
}
