//! A page of a session, driven over a plain DevTools connection as a client would drive it. One call at a time: enough for
//! a test or a demonstration, and nothing of a browser library hides what the server answers.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long one call, or one condition, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// The first page of a browser, over a connection of its own. Dropping it disconnects, and ends nothing.
#[derive(Debug)]
pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    last_id: u64,
}

impl Page {
    /// Connects to `cdp_url` and attaches to the page that every session starts with.
    pub async fn open(cdp_url: &str) -> Result<Self> {
        let (socket, _) = connect_async(cdp_url).await.context("failed to connect to the browser")?;
        let mut page = Self { socket, session: None, last_id: 0 };
        let targets = page.call("Target.getTargets", json!({})).await?;
        let targets = targets["targetInfos"].as_array().context("a browser lists its targets")?;
        let first =
            targets.iter().find(|target| target["type"] == "page").context("a session starts with a page")?;
        let attach = json!({"targetId": first["targetId"], "flatten": true});
        let attached = page.call("Target.attachToTarget", attach).await?;
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        Ok(page)
    }

    /// Connects to one page's own address, as `/v1/sessions/{id}/pages` has it.
    pub async fn open_page(cdp_url: &str) -> Result<Self> {
        let (socket, _) = connect_async(cdp_url).await.context("failed to connect to the page")?;
        Ok(Self { socket, session: None, last_id: 0 })
    }

    /// Calls a method of the page and returns its result. Events that arrive meanwhile are skipped.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.call_in(self.session.clone(), method, params).await
    }

    /// Calls a method of the browser around the page, which only a connection to the whole browser has.
    pub async fn call_browser(&mut self, method: &str, params: Value) -> Result<Value> {
        self.call_in(None, method, params).await
    }

    /// Returns the CDP session that the page is attached in; none over a page's own address.
    pub fn cdp_session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Calls a method in a CDP session, or around all of them.
    pub async fn call_in(&mut self, session: Option<String>, method: &str, params: Value) -> Result<Value> {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).await?;
        timeout(PATIENCE, self.answer()).await.with_context(|| format!("{method}: no answer in time"))?
    }

    async fn answer(&mut self) -> Result<Value> {
        loop {
            let message = self.socket.next().await.context("the connection was closed")??;
            let Message::Text(text) = message else { continue };
            let mut message: Value = serde_json::from_str(&text)?;
            if message["id"] != self.last_id {
                continue;
            }
            if message["error"].is_object() {
                bail!("the browser refused: {}", message["error"]);
            }
            return Ok(message["result"].take());
        }
    }

    /// Waits for the next event of the page with a name, and returns its parameters. Others that arrive meanwhile are skipped.
    pub async fn event(&mut self, method: &str) -> Result<Value> {
        Ok(self.event_anywhere(method).await?["params"].take())
    }

    /// Waits for the next event with a name, and returns all of it, with the CDP session that it came in. Others are skipped.
    pub async fn event_anywhere(&mut self, method: &str) -> Result<Value> {
        let next = async {
            loop {
                let message = self.socket.next().await.context("the connection was closed")??;
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text)?;
                if message["method"] == method {
                    return Ok(message);
                }
            }
        };
        timeout(PATIENCE, next).await.with_context(|| format!("{method}: it did not come in time"))?
    }

    /// Evaluates a JavaScript expression in the page and returns its value, once it is settled if it is a promise.
    pub async fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", params).await?;
        if answer["exceptionDetails"].is_object() {
            bail!("the page threw: {}", answer["exceptionDetails"]);
        }
        Ok(answer["result"]["value"].take())
    }

    /// Goes to `url`.
    pub async fn goto(&mut self, url: &str) -> Result<()> {
        let answer = self.call("Page.navigate", json!({"url": url})).await?;
        if let Some(error) = answer["errorText"].as_str() {
            bail!("failed to open {url}: {error}");
        }
        Ok(())
    }

    /// Goes to `url`, and waits until everything in it is loaded.
    pub async fn visit(&mut self, url: &str) -> Result<()> {
        self.goto(url).await?;
        self.wait_for("document.readyState === 'complete'").await
    }

    /// Evaluates a JavaScript expression in the page's only frame, which must show the origins site's `/puppet`.
    pub async fn evaluate_in_puppet(&mut self, expression: &str) -> Result<Value> {
        let ask = format!(
            "new Promise((resolve, reject) => {{
                addEventListener('message', ({{ data }}) => 'error' in data ? reject(data.error) : resolve(data.value));
                frames[0].postMessage({}, '*');
            }})",
            json!(expression)
        );
        self.evaluate(&ask).await
    }

    /// Waits until a JavaScript expression is true. While the page changes it has no value, and is asked again.
    pub async fn wait_for(&mut self, expression: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.evaluate(expression).await;
            if matches!(value, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the page never came to {expression}: {value:?}");
            }
            sleep(PAUSE).await;
        }
    }

    /// Puts the cursor into the field that `selector` finds, and types.
    pub async fn type_into(&mut self, selector: &str, text: &str) -> Result<()> {
        self.evaluate(&format!("document.querySelector({}).focus()", json!(selector))).await?;
        self.call("Input.insertText", json!({"text": text})).await?;
        Ok(())
    }
}
