//! Giving a browser back what its files do not carry, and telling what came back.
//!
//! It happens before anybody else has the browser: cookies first, then local storage that was captured and never reached
//! the files, then the tabs. What cannot be restored never keeps a session from starting: it is in the report.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use roadstead_api::{NotRestored, RestoreReport, RestoredCounts};
use roadstead_browser::{Browser, Build};
use roadstead_devtools::commands::PageTarget;
use roadstead_devtools::{CallError, Event, Mux};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::capture::origin_of;
use crate::clock;
use crate::db::StartingPoint;
use crate::profile::portable::{CapturedWhen, Items, PortableState, Tab, not_restored_cookie, same_cookie};

/// How long the browser may take to answer one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a page may take to begin to show what it is sent to. A slower one goes on loading in the session.
const PAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be restored, and how.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The revision that the files are of.
    pub point: &'a StartingPoint,
    /// The portable state that came with them.
    pub portable: Option<PortableState>,
    /// What the checkout wrote.
    pub files: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether the tabs come back.
    pub tabs: bool,
    /// Whether the browser itself was told to bring them back, with their history.
    pub tabs_by_browser: bool,
    /// The state's directory.
    pub state_dir: PathBuf,
    /// When its local storage had been written, before the browser opened it: see [`local_storage_written`].
    pub local_storage_written: Option<Timestamp>,
}

/// Tells whether the browser can bring the tabs back by itself, history included: full Chromium, from files that full
/// Chromium wrote and closed.
pub fn browser_restores_tabs(build: Build, point: &StartingPoint, portable: &PortableState) -> bool {
    let written_by_full =
        point.browser_version.as_deref().is_some_and(|version| version.starts_with("Chrome/"));
    build == Build::Full && written_by_full && portable.captured == CapturedWhen::Final
}

impl Restore<'_> {
    /// Restores, and reports. Errors: the browser stops answering.
    pub async fn run(self, browser: &Browser) -> Result<RestoreReport, CallError> {
        let opened_with = browser.version().product.clone();
        let mut report = RestoreReport {
            saved_with: self.point.browser_version.clone(),
            opened_with: Some(opened_with),
            captured: self.portable.as_ref().map(|state| state.captured.as_str().to_owned()),
            restored: RestoredCounts { files: self.files, bytes: self.bytes, ..RestoredCounts::default() },
            ..RestoreReport::default()
        };
        note_downgrade(&mut report, browser.version().major);
        note_device_bound(&mut report, &self.state_dir);
        if let Some(portable) = &self.portable {
            restore_cookies(browser.mux(), portable, &mut report).await?;
            restore_local_storage(browser.mux(), portable, self.local_storage_written, &mut report).await?;
            if self.tabs {
                self.restore_tabs(browser.mux(), &portable.contents.tabs, &mut report).await?;
            }
        }
        info!(
            profile.revision = self.point.number,
            restored.cookies = report.restored.cookies,
            restored.tabs = report.restored.tabs,
            restored.origins = report.restored.local_storage_origins,
            skipped = report.skipped.len(),
            impossible = report.impossible.len(),
            "restored the profile"
        );
        Ok(report)
    }

    async fn restore_tabs(
        &self,
        mux: &Mux,
        tabs: &[Tab],
        report: &mut RestoreReport,
    ) -> Result<(), CallError> {
        if self.tabs_by_browser {
            let shown =
                |pages: &[PageTarget]| pages.iter().filter(|page| origin_of(&page.url).is_some()).count();
            let pages = wait_for_pages(mux, |pages| shown(pages) >= tabs.len()).await?;
            report.restored.tabs = shown(&pages) as u64;
        } else {
            let blank = mux.first_page(CALL_TIMEOUT).await?;
            for (number, tab) in tabs.iter().enumerate() {
                // The page that every session starts with is the first tab's.
                let page = if number == 0 {
                    blank.clone()
                } else {
                    mux.open_page("about:blank", CALL_TIMEOUT).await?
                };
                match open_tab(mux, &page, tab).await {
                    Ok(()) => report.restored.tabs += 1,
                    Err(CallError::Closed) => return Err(CallError::Closed),
                    Err(problem) => report.impossible.push(NotRestored {
                        kind: "tab".to_owned(),
                        name: Some(tab.url.clone()),
                        reason: format!("it could not be opened: {problem}"),
                    }),
                }
            }
        }
        Ok(())
    }
}

/// A browser that is older than the one that saved has been allowed to open the files; what it made of them nobody knows.
fn note_downgrade(report: &mut RestoreReport, ours: u32) {
    let saved = report.saved_with.as_deref().and_then(roadstead_browser::major_version);
    if let Some(saved) = saved.filter(|saved| *saved > ours) {
        report.impossible.push(NotRestored {
            kind: "profile".to_owned(),
            name: None,
            reason: format!(
                "Chromium {saved} saved it and Chromium {ours} opened it: databases that are too new may have been started afresh"
            ),
        });
    }
}

/// Sessions that a site has bound to a key of the device that saved the profile cannot be renewed with other keys.
fn note_device_bound(report: &mut RestoreReport, state_dir: &Path) {
    /// The database is a page of 4 KiB per table and index as long as it holds no session.
    const EMPTY_BYTES: u64 = 24 << 10;
    let store = state_dir.join("user-data/Default/Device Bound Sessions");
    if std::fs::metadata(store).is_ok_and(|found| found.len() > EMPTY_BYTES) {
        report.impossible.push(NotRestored {
            kind: "device_bound_session".to_owned(),
            name: None,
            reason: "a site bound its cookies to a key of the device that saved them: they last until they expire, and are renewed only there".to_owned(),
        });
    }
}

async fn restore_cookies(
    mux: &Mux,
    portable: &PortableState,
    report: &mut RestoreReport,
) -> Result<(), CallError> {
    let present =
        if portable.needs_present_cookies() { mux.cookies(CALL_TIMEOUT).await? } else { Vec::new() };
    let plan = portable.plan_cookies(&present, clock::now());
    report.skipped.extend(plan.skipped);
    if plan.set.is_empty() {
        return Ok(());
    }
    // One that the browser refuses makes it refuse them all.
    if let Err(CallError::Refused(..)) = mux.set_cookies(plan.set.clone(), CALL_TIMEOUT).await {
        for cookie in &plan.set {
            match mux.set_cookies(vec![cookie.clone()], CALL_TIMEOUT).await {
                Ok(()) | Err(CallError::Refused(..)) => {}
                Err(problem) => return Err(problem),
            }
        }
    }
    let present = mux.cookies(CALL_TIMEOUT).await?;
    for cookie in &plan.set {
        if present.iter().any(|held| same_cookie(held, cookie)) {
            report.restored.cookies += 1;
        } else {
            report.impossible.push(not_restored_cookie(cookie, "the browser did not take it"));
        }
    }
    Ok(())
}

/// Puts back local storage that a checkpoint holds and the files do not, or hold older.
///
/// Chromium writes local storage some seconds late. When its files were written after the capture, that says little: it may
/// have been for another origin, or the storage service was behind the pages. So a captured value always counts, being two
/// seconds old at most; but a key that the capture lacks is then taken for a new one, and stays.
async fn restore_local_storage(
    mux: &Mux,
    portable: &PortableState,
    written: Option<Timestamp>,
    report: &mut RestoreReport,
) -> Result<(), CallError> {
    if portable.captured == CapturedWhen::Final || portable.contents.local_storage.is_empty() {
        return Ok(());
    }
    let files_may_be_newer = written.zip(portable.at).is_some_and(|(written, captured)| written > captured);
    let page = mux.open_page("about:blank", CALL_TIMEOUT).await?;
    let restored = put_local_storage(mux, &page, portable, files_may_be_newer, report).await;
    mux.close_page(&page, CALL_TIMEOUT).await?;
    // A client must not find it among the session's pages, and take it for the first.
    wait_for_pages(mux, |pages| pages.iter().all(|open| open.id != page)).await?;
    restored
}

async fn put_local_storage(
    mux: &Mux,
    page: &str,
    portable: &PortableState,
    keep_others: bool,
    report: &mut RestoreReport,
) -> Result<(), CallError> {
    let session = mux.attach_to_target(page, CALL_TIMEOUT).await?;
    let mut stage = Stage { mux, session: &session, events: mux.subscribe() };
    stage.set_up().await?;
    for (origin, items) in &portable.contents.local_storage {
        match stage.put(origin, items, keep_others).await {
            Ok(true) => report.restored.local_storage_origins += 1,
            Ok(false) => {}
            Err(CallError::Closed) => return Err(CallError::Closed),
            Err(problem) => {
                warn!(error = %problem, "an origin's local storage could not be put back");
                report.impossible.push(NotRestored {
                    kind: "local_storage".to_owned(),
                    name: Some(origin.clone()),
                    reason: "the browser did not take it; the files' own is there, up to some seconds older"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// A page that shows an empty document of any origin, without asking the network for it.
struct Stage<'a> {
    mux: &'a Mux,
    session: &'a str,
    events: broadcast::Receiver<Event>,
}

impl Stage<'_> {
    async fn set_up(&self) -> Result<(), CallError> {
        self.call("Network.enable", json!({})).await?;
        // A service worker would answer in our place.
        self.call("Network.setBypassServiceWorker", json!({"bypass": true})).await?;
        self.call("Fetch.enable", json!({"patterns": [{"urlPattern": "*"}]})).await?;
        Ok(())
    }

    /// Puts an origin's items into its local storage, and removes all others unless they are to be kept; returns whether
    /// anything had to be done.
    async fn put(&mut self, origin: &str, items: &Items, keep_others: bool) -> Result<bool, CallError> {
        self.show(origin).await?;
        let script = format!(
            "(([items, keepOthers]) => {{
                const wanted = new Map(items);
                let changed = false;
                if (!keepOthers)
                    for (const key of Object.keys(localStorage))
                        if (!wanted.has(key)) {{ localStorage.removeItem(key); changed = true; }}
                for (const [key, value] of wanted) {{
                    if (localStorage.getItem(key) === value) continue;
                    localStorage.setItem(key, value);
                    changed = true;
                }}
                return changed;
            }})({})",
            json!([items, keep_others])
        );
        let answer =
            self.call("Runtime.evaluate", json!({"expression": script, "returnByValue": true})).await?;
        answer["result"]["value"]
            .as_bool()
            .ok_or_else(|| CallError::Refused(0, "the script failed".to_owned()))
    }

    /// Navigates to an origin and answers the request with an empty document.
    async fn show(&mut self, origin: &str) -> Result<(), CallError> {
        let url = json!({"url": format!("{origin}/")});
        let navigated = self.mux.call_in(self.session, "Page.navigate", url, CALL_TIMEOUT);
        let answered = answer_request(self.mux, self.session, &mut self.events);
        let (navigated, ()) = tokio::try_join!(navigated, answered)?;
        match navigated["errorText"].as_str() {
            None => Ok(()),
            Some(problem) => Err(CallError::Refused(0, problem.to_owned())),
        }
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        self.mux.call_in(self.session, method, params, CALL_TIMEOUT).await
    }
}

async fn answer_request(
    mux: &Mux,
    session: &str,
    events: &mut broadcast::Receiver<Event>,
) -> Result<(), CallError> {
    let request = timeout(PAGE_TIMEOUT, async {
        loop {
            match events.recv().await {
                Ok(event)
                    if event.method == "Fetch.requestPaused" && event.session.as_deref() == Some(session) =>
                {
                    return event.params["requestId"].as_str().map(str::to_owned);
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    })
    .await
    .map_err(|_| CallError::TimedOut)?
    .ok_or(CallError::Closed)?;
    let answer = json!({
        "requestId": request, "responseCode": 200, "body": BASE64_STANDARD.encode("<!doctype html>"),
        "responseHeaders": [{"name": "content-type", "value": "text/html"}, {"name": "cache-control", "value": "no-store"}],
    });
    mux.call_in(session, "Fetch.fulfillRequest", answer, CALL_TIMEOUT).await.map(drop)
}

/// Opens a tab's address, with its session storage there before the first script of the page runs.
async fn open_tab(mux: &Mux, page: &str, tab: &Tab) -> Result<(), CallError> {
    let session = mux.attach_to_target(page, CALL_TIMEOUT).await?;
    let call = async |method: &str, params: Value, limit| mux.call_in(&session, method, params, limit).await;
    call("Page.enable", json!({}), CALL_TIMEOUT).await?;
    let origin = origin_of(&tab.url).unwrap_or_default();
    let script = format!(
        "(([origin, items]) => {{ if (location.origin === origin && window === top)
            for (const [key, value] of items) sessionStorage.setItem(key, value); }})({})",
        json!([origin, tab.session_storage])
    );
    let source = json!({"source": script, "runImmediately": false});
    let added = call("Page.addScriptToEvaluateOnNewDocument", source, CALL_TIMEOUT).await?;
    let navigated = call("Page.navigate", json!({"url": tab.url}), PAGE_TIMEOUT).await;
    // A page without scripts of its own has no place yet for ours to run in; this makes one.
    let asked = call("Runtime.evaluate", json!({"expression": "0"}), PAGE_TIMEOUT).await;
    let remove = json!({"identifier": added["identifier"]});
    call("Page.removeScriptToEvaluateOnNewDocument", remove, CALL_TIMEOUT).await?;
    mux.detach(&session, CALL_TIMEOUT).await?;
    match navigated.and(asked) {
        // It goes on loading.
        Ok(_) | Err(CallError::TimedOut) => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// Waits until the session's pages are as wanted, and returns them. One that takes too long is not waited for.
async fn wait_for_pages(
    mux: &Mux,
    wanted: impl Fn(&[PageTarget]) -> bool,
) -> Result<Vec<PageTarget>, CallError> {
    let deadline = Instant::now() + PAGE_TIMEOUT;
    let mut events = mux.subscribe();
    mux.call("Target.setDiscoverTargets", json!({"discover": true}), CALL_TIMEOUT).await?;
    let pages = loop {
        let pages = mux.pages(CALL_TIMEOUT).await?;
        if wanted(&pages) {
            break pages;
        }
        // Any news of a target is a reason to look again.
        match tokio::time::timeout_at(deadline, events.recv()).await {
            Err(_) => break pages,
            Ok(Err(broadcast::error::RecvError::Closed)) => return Err(CallError::Closed),
            Ok(_) => {}
        }
    };
    mux.call("Target.setDiscoverTargets", json!({"discover": false}), CALL_TIMEOUT).await?;
    Ok(pages)
}

/// Returns when the local storage in a state's directory was last written. Of use only before a browser has opened it, which
/// writes files anew.
pub fn local_storage_written(state_dir: &Path) -> Option<Timestamp> {
    let dir = state_dir.join("user-data/Default/Local Storage/leveldb");
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let times = entries.filter_map(|entry| entry.metadata().ok()?.modified().ok());
    times.max().and_then(|time| Timestamp::try_from(time).ok())
}
