//! Blocking in pages: what they load, and what they show.
//!
//! # How Chromium behaves (148, measured)
//!
//! - A request that is held is told of with its whole body, twice: as text and as base64. So what scripts send (`fetch`, XHR) is
//!   never held, and blocked by host at the way out only.
//! - Nothing is told of navigations in a session without the Page domain. The Runtime domain, which a page can notice, is not needed: a call that waits for a promise hears of what comes up later.
//! - Several sessions may hold a page's requests; each gets to see them in turn, so clients go on with theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use roadstead_browser::{Attendant, Call, Page};
use roadstead_devtools::{CallError, Event};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rules::Rules;

/// What is done once in each document: a function of selectors, and of whether names are asked for.
const HIDE: &str = include_str!("hide.js");
/// What the world is called that it is done in.
const WORLD: &str = "roadstead-adblock";
/// How long a page may take to make a world.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a document may have no new names, before it is asked again.
const QUIET: Duration = Duration::from_hours(1);
/// The requests that are held: all but those whose bodies a script makes.
const HELD: [&str; 8] = ["Document", "Stylesheet", "Image", "Media", "Font", "Script", "Ping", "Other"];

/// Blocks in the pages of one browser.
pub struct Pages {
    rules: Arc<Rules>,
    /// The address of each frame, by target and frame.
    frames: Mutex<HashMap<String, HashMap<String, String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    request_id: String,
    request: Asked,
    frame_id: String,
    resource_type: String,
}

#[derive(Deserialize)]
struct Asked {
    url: String,
}

/// Names of elements that have come up in a document.
#[derive(Deserialize)]
struct Names {
    classes: Vec<String>,
    ids: Vec<String>,
}

impl Pages {
    /// Blocks by these rules.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules, frames: Mutex::default() }
    }

    fn is_blocked(&self, page: &Page, held: &Held) -> bool {
        let kind = match held.resource_type.as_str() {
            // A page is where somebody wanted to go.
            "Document" if !page.is_frame() && held.frame_id == page.target() => return false,
            "Document" => "subdocument",
            "Stylesheet" => "stylesheet",
            "Image" => "image",
            "Media" => "media",
            "Font" => "font",
            "Script" => "script",
            "Ping" => "ping",
            _ => "other",
        };
        let source = {
            let frames = self.frames();
            let of_page = frames.get(page.target());
            // A frame that has not gone anywhere is part of the page around it.
            let of = |frame: &str| of_page.and_then(|frames| frames.get(frame)).filter(|url| is_web(url));
            of(&held.frame_id).or_else(|| of(page.target())).cloned()
        };
        let source = source.as_deref().unwrap_or_else(|| page.url());
        self.rules.blocks(&held.request.url, source, kind) && !self.rules.excepts(source)
    }

    fn judge(&self, page: &Page, held: &Held) {
        let id = &held.request_id;
        let verdict = if self.is_blocked(page, held) {
            counter!("roadstead_adblock_blocked_total", "where" => "page").increment(1);
            ("Fetch.failRequest", json!({"requestId": id, "errorReason": "BlockedByClient"}))
        } else {
            ("Fetch.continueRequest", json!({"requestId": id}))
        };
        page.order(&[verdict]);
    }

    /// Goes to work in a document that a frame has just come to.
    fn enter(&self, page: &Arc<Page>, frame: &str, url: &str) {
        self.frames().entry(page.target().to_owned()).or_default().insert(frame.to_owned(), url.to_owned());
        if is_web(url) && !self.rules.excepts(url) {
            let hiding = hide(Arc::clone(page), Arc::clone(&self.rules), frame.to_owned(), url.to_owned());
            tokio::spawn(async move {
                // The document is gone, most likely.
                if let Err(error) = hiding.await {
                    tracing::trace!(%error, "nothing more is hidden in a document");
                }
            });
        }
    }

    fn frames(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, String>>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attendant for Pages {
    fn enters_frames(&self) -> bool {
        true
    }

    fn greet(&self, page: &Arc<Page>) -> Vec<Call> {
        let patterns: Vec<_> = HELD.iter().map(|kind| json!({"resourceType": kind})).collect();
        // A document that is there already is not told of.
        self.enter(page, page.target(), page.url());
        vec![("Page.enable", json!({})), ("Fetch.enable", json!({"patterns": patterns}))]
    }

    fn heed(&self, page: &Arc<Page>, event: &Event) {
        match event.method.as_str() {
            "Fetch.requestPaused" => match Held::deserialize(&event.params) {
                Ok(held) => self.judge(page, &held),
                Err(error) => tracing::debug!(%error, "a held request was not understood"),
            },
            "Page.frameNavigated" => {
                let frame = &event.params["frame"];
                if let (Some(id), Some(url)) = (frame["id"].as_str(), frame["url"].as_str()) {
                    self.enter(page, id, url);
                }
            }
            "Page.frameDetached" => {
                let frame = event.params["frameId"].as_str().unwrap_or_default();
                if let Some(frames) = self.frames().get_mut(page.target()) {
                    frames.remove(frame);
                }
            }
            _ => {}
        }
    }

    fn part(&self, page: &Page) {
        self.frames().remove(page.target());
    }
}

/// Hides what the rules name in a document, for as long as it is there.
async fn hide(page: Arc<Page>, rules: Arc<Rules>, frame: String, url: String) -> Result<(), CallError> {
    let hiding = rules.hiding(&url);
    if !hiding.asks && hiding.selectors.is_empty() {
        return Ok(());
    }
    let world = json!({"frameId": frame, "worldName": WORLD});
    let world = page.call("Page.createIsolatedWorld", &world, CALL_TIMEOUT).await?;
    let world = &world["executionContextId"];
    let mut work = format!("({HIDE})({}, {})", json!(hiding.selectors), hiding.asks);
    loop {
        let params =
            json!({"expression": work, "contextId": world, "awaitPromise": true, "returnByValue": true});
        let hidden = match page.call("Runtime.evaluate", &params, QUIET).await {
            Ok(answer) => match Names::deserialize(&answer["result"]["value"]) {
                Ok(Names { classes, ids }) => rules.hidden(&classes, &ids, &hiding),
                // Nothing is asked for.
                Err(_) => return Ok(()),
            },
            Err(CallError::TimedOut) => Vec::new(),
            Err(error) => return Err(error),
        };
        work = format!("hideAndAsk({})", Value::from(hidden));
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}
