//! Capturing what a running browser holds and its files do not, or not yet: cookies, and the storage of its open pages.
//!
//! A capture runs every other second beside whatever the clients do, so it must be cheap and must never be waited for long:
//! it attaches to each page once and enables nothing there, and a page that does not answer (an open dialog, an endless
//! loop) keeps what it last told.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use roadstead_devtools::commands::{PageTarget, StorageKind};
use roadstead_devtools::{CallError, Mux};

use crate::profile::portable::{Contents, Items, Tab};

/// How long a page may take to tell its storage. It answers in about half a millisecond when it is well.
const PAGE_TIMEOUT: Duration = Duration::from_millis(500);
/// The largest local storage, in bytes of keys and values, that is read again every other second. Chromium writes a larger
/// one by itself, a few seconds late.
const MAX_LOCAL_BYTES: usize = 256 << 10;
/// For how many captures a larger one is left alone.
const LARGE_PAUSE: u32 = 15;

/// Captures one browser, time and again.
#[derive(Debug, Default)]
pub struct Capture {
    pages: HashMap<String, Page>,
    /// How long the storage of each origin that is too large is still left alone.
    large: HashMap<String, u32>,
}

/// A page that we have attached to.
#[derive(Debug, Clone)]
struct Page {
    session: String,
    told: Told,
}

/// What a page last told.
#[derive(Debug, Clone, Default)]
struct Told {
    url: String,
    session_storage: Items,
    local_storage: Option<(String, Items)>,
}

impl Capture {
    /// Captures the cookies, and of every page what it tells in time.
    ///
    /// Errors: the browser itself does not answer within `limit`.
    pub async fn contents(&mut self, mux: &Mux, limit: Duration) -> Result<Contents, CallError> {
        let (cookies, targets) = tokio::try_join!(mux.cookies(limit), mux.pages(limit))?;
        self.pages.retain(|id, _| targets.iter().any(|target| target.id == *id));
        self.large.retain(|_, pause| {
            *pause -= 1;
            *pause > 0
        });
        let told = join_all(targets.iter().map(|target| self.ask(mux, target))).await;
        let mut contents = Contents { cookies, ..Contents::default() };
        for (target, page) in targets.iter().zip(told) {
            if let Some(page) = page {
                self.pages.insert(target.id.clone(), page);
            }
            let told = self.pages.get(&target.id).map(|page| page.told.clone());
            let told = told.filter(|told| origin_of(&told.url) == origin_of(&target.url)).unwrap_or_default();
            self.keep_local(told.local_storage, &mut contents.local_storage);
            if is_worth_reopening(&target.url) {
                let session_storage = told.session_storage;
                contents.tabs.push(Tab { url: target.url.clone(), session_storage });
            }
        }
        Ok(contents)
    }

    /// Asks a page for its storage; `None` when it does not answer, or shows nothing that has any.
    async fn ask(&self, mux: &Mux, target: &PageTarget) -> Option<Page> {
        let origin = origin_of(&target.url)?;
        let known = self.pages.get(&target.id).map(|page| page.session.clone());
        let session = match known {
            Some(session) => session,
            None => mux.attach_to_target(&target.id, PAGE_TIMEOUT).await.ok()?,
        };
        let local = async {
            if self.large.contains_key(origin) {
                return Ok(None);
            }
            mux.storage_items(&session, origin, StorageKind::Local, PAGE_TIMEOUT).await.map(Some)
        };
        let of_tab = mux.storage_items(&session, origin, StorageKind::Session, PAGE_TIMEOUT);
        let told = match tokio::try_join!(of_tab, local) {
            Ok((session_storage, local)) => Told {
                url: target.url.clone(),
                session_storage,
                local_storage: local.map(|items| (origin.to_owned(), items)),
            },
            // It stays attached: the next capture asks again.
            Err(_) => self.pages.get(&target.id).map(|page| page.told.clone()).unwrap_or_default(),
        };
        Some(Page { session, told })
    }

    fn keep_local(&mut self, told: Option<(String, Items)>, kept: &mut BTreeMap<String, Items>) {
        let Some((origin, items)) = told else { return };
        let bytes: usize = items.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_LOCAL_BYTES {
            self.large.insert(origin, LARGE_PAUSE);
        } else {
            kept.insert(origin, items);
        }
    }
}

/// Returns the origin of a web page's address, as Chromium writes it: `https://a.example:8443`.
pub fn origin_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    url.get(..scheme.len() + "://".len() + host.len())
}

/// Tells whether a tab that shows this is worth opening again. An empty one is not, and a page of the browser's own, or one
/// that lives in its memory, cannot be.
fn is_worth_reopening(url: &str) -> bool {
    origin_of(url).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_cut_out_of_an_address() {
        for (url, origin) in [
            ("https://a.example/b?c#d", Some("https://a.example")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("https://a.example?b", Some("https://a.example")),
            ("about:blank", None),
            ("chrome://settings/", None),
            ("data:text/html,x", None),
            ("http://", None),
        ] {
            assert_eq!(origin_of(url), origin, "{url}");
        }
    }

    #[test]
    fn a_large_storage_is_left_out_and_left_alone_for_a_while() {
        let mut capture = Capture::default();
        let mut kept = BTreeMap::new();
        let large = vec![("k".to_owned(), "v".repeat(MAX_LOCAL_BYTES))];
        capture.keep_local(Some(("https://a.example".to_owned(), large)), &mut kept);
        capture.keep_local(Some(("https://b.example".to_owned(), vec![("k".into(), "v".into())])), &mut kept);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["https://b.example"]);
        assert!(capture.large.contains_key("https://a.example"));
    }
}
