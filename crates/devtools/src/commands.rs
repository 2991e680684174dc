//! The server's own calls, as typed as it needs them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::mux::{CallError, Mux};
use crate::rules::downloads_into;

/// How often it is looked whether a page is gone. It takes some milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A page of the default context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageTarget {
    /// Its DevTools target id.
    pub id: String,
    /// Its address.
    pub url: String,
}

/// The two storages that a page's scripts know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageKind {
    /// One per origin; outlives the tab.
    Local,
    /// One per origin and tab.
    Session,
}

impl Mux {
    /// Returns every cookie of the default context, as `Network.Cookie` objects.
    pub async fn cookies(&self, limit: Duration) -> Result<Vec<Value>, CallError> {
        match self.call("Storage.getCookies", json!({}), limit).await?["cookies"].take() {
            Value::Array(cookies) => Ok(cookies),
            _ => Err(CallError::Refused(0, "no list of cookies".to_owned())),
        }
    }

    /// Sets cookies in the default context, given as `Network.CookieParam` objects.
    pub async fn set_cookies(&self, cookies: Vec<Value>, limit: Duration) -> Result<(), CallError> {
        self.call("Storage.setCookies", json!({"cookies": cookies}), limit).await.map(drop)
    }

    /// Lets downloads go into a directory, each under its id: those of the default context at once, and all others that a
    /// client allows, wherever it wants them. [`Mux::subscribe`] tells of each, whoever allowed it: `Browser.downloadWillBegin`
    /// and `Browser.downloadProgress`.
    pub async fn capture_downloads(&self, dir: &str, limit: Duration) -> Result<(), CallError> {
        self.settle_downloads(dir);
        self.call("Browser.setDownloadBehavior", downloads_into(dir), limit).await.map(drop)
    }

    /// Lists the pages of the default context. Those of a client's own contexts are nobody's but the client's.
    pub async fn pages(&self, limit: Duration) -> Result<Vec<PageTarget>, CallError> {
        let pages = json!({"filter": [{"type": "page"}]});
        let (contexts, mut targets) = tokio::try_join!(
            self.call("Target.getBrowserContexts", json!({}), limit),
            self.call("Target.getTargets", pages, limit),
        )?;
        let others = contexts["browserContextIds"].as_array().cloned().unwrap_or_default();
        let mut pages = Vec::new();
        for mut target in targets["targetInfos"].as_array_mut().map(std::mem::take).unwrap_or_default() {
            if !others.contains(&target["browserContextId"])
                && let (Value::String(id), Value::String(url)) =
                    (target["targetId"].take(), target["url"].take())
            {
                pages.push(PageTarget { id, url });
            }
        }
        Ok(pages)
    }

    /// Opens a page in the default context, without bringing it to the front, and returns its target id.
    pub async fn open_page(&self, url: &str, limit: Duration) -> Result<String, CallError> {
        let params = json!({"url": url, "background": true});
        match self.call("Target.createTarget", params, limit).await?["targetId"].take() {
            Value::String(id) => Ok(id),
            _ => Err(CallError::Refused(0, "no target id".to_owned())),
        }
    }

    /// Closes a page.
    pub async fn close_page(&self, target: &str, limit: Duration) -> Result<(), CallError> {
        self.call("Target.closeTarget", json!({"targetId": target}), limit).await.map(drop)
    }

    /// Closes a page, and waits until it is gone: Chromium answers before, and others may take it for theirs meanwhile.
    pub async fn see_page_out(&self, target: &str, limit: Duration) -> Result<(), CallError> {
        self.close_page(target, limit).await?;
        let gone = async {
            loop {
                let targets = self.call("Target.getTargets", json!({}), limit).await?;
                let mut targets = targets["targetInfos"].as_array().into_iter().flatten();
                if targets.all(|found| found["targetId"] != target) {
                    return Ok(());
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(limit, gone).await.unwrap_or(Err(CallError::TimedOut))
    }

    /// Attaches to a target, and returns the id of the CDP session. With no domain enabled in it, a page does not notice.
    pub async fn attach_to_target(&self, target: &str, limit: Duration) -> Result<String, CallError> {
        let params = json!({"targetId": target, "flatten": true});
        match self.call("Target.attachToTarget", params, limit).await?["sessionId"].take() {
            Value::String(session) => Ok(session),
            _ => Err(CallError::Refused(0, "no session id".to_owned())),
        }
    }

    /// Ends a CDP session of our own.
    pub async fn detach(&self, session: &str, limit: Duration) -> Result<(), CallError> {
        self.call("Target.detachFromTarget", json!({"sessionId": session}), limit).await.map(drop)
    }

    /// Returns a storage area of the origin that a page shows, as keys and values.
    pub async fn storage_items(
        &self,
        session: &str,
        origin: &str,
        kind: StorageKind,
        limit: Duration,
    ) -> Result<Vec<(String, String)>, CallError> {
        let area = json!({"storageKey": format!("{origin}/"), "isLocalStorage": kind == StorageKind::Local});
        let mut answer =
            self.call_in(session, "DOMStorage.getDOMStorageItems", json!({"storageId": area}), limit).await?;
        let items = serde_json::from_value(answer["entries"].take());
        items.map_err(|_| CallError::Refused(0, "no list of pairs".to_owned()))
    }

    /// Returns the id of the first page.
    pub async fn first_page(&self, limit: Duration) -> Result<String, CallError> {
        let answer = self.call("Target.getTargets", json!({"filter": [{"type": "page"}]}), limit).await?;
        let id = answer["targetInfos"][0]["targetId"].as_str().map(str::to_owned);
        id.ok_or_else(|| CallError::Refused(0, "there is no page".to_owned()))
    }

    /// Sends the first page to a URL, and waits until the site has answered: the page goes on loading after that.
    pub async fn navigate_first_page(&self, url: &str, limit: Duration) -> Result<(), CallError> {
        let page = self.first_page(limit).await?;
        let session = self.attach_to_target(&page, limit).await?;
        let navigated = self.call_in(&session, "Page.navigate", json!({"url": url}), limit).await;
        self.detach(&session, limit).await?;
        navigated.map(drop)
    }
}
