//! The server's own calls, as typed as it needs them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::mux::{CallError, Mux};

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

    /// Lets downloads of the default context go into a directory.
    pub async fn set_download_behavior(&self, dir: &str, limit: Duration) -> Result<(), CallError> {
        let params = json!({"behavior": "allow", "downloadPath": dir});
        self.call("Browser.setDownloadBehavior", params, limit).await.map(drop)
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
        let attach = json!({"targetId": page, "flatten": true});
        let answer = self.call("Target.attachToTarget", attach, limit).await?;
        let session = answer["sessionId"].as_str().unwrap_or_default().to_owned();
        let navigated = self.call_in(&session, "Page.navigate", json!({"url": url}), limit).await;
        self.call("Target.detachFromTarget", json!({"sessionId": session}), limit).await?;
        navigated.map(drop)
    }
}
