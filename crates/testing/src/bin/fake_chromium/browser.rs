//! The fake's state and its browser-level methods: targets, CDP sessions, contexts, cookies.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::cookies::Cookies;
use crate::page;
use crate::screencast;
use crate::wire::Request;

/// What the caller does after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Read,
    Close,
}

/// The version that it says it is of.
pub const VERSION: &str = "156.0.0.0";

/// An error of the protocol: a code, and words.
pub type Refusal = (i64, String);

/// A page.
pub struct Page {
    pub url: String,
    context: String,
}

/// One attachment to the browser or to a page.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an order of its own that the protocol can give")]
struct Session {
    /// `None` is the browser.
    page: Option<String>,
    parent: Option<String>,
    auto_attach: bool,
    waits: bool,
    discovers: bool,
    page_events: bool,
    casts: bool,
}

/// The whole browser.
pub struct FakeBrowser {
    pages: BTreeMap<String, Page>,
    /// By id; the pipe's own root has the key "".
    sessions: BTreeMap<String, Session>,
    contexts: Vec<String>,
    cookies: Cookies,
    headless_shell: bool,
    /// Where downloads go, once that was said.
    downloads: Option<String>,
    made: u64,
    events: Vec<Value>,
}

impl FakeBrowser {
    pub fn open(dir: &Path, headless_shell: bool) -> io::Result<Self> {
        let mut this = Self {
            pages: BTreeMap::new(),
            sessions: BTreeMap::from([(String::new(), Session::default())]),
            contexts: Vec::new(),
            cookies: Cookies::open(dir)?,
            headless_shell,
            downloads: None,
            made: 0,
            events: Vec::new(),
        };
        this.create_page("about:blank", "");
        Ok(this)
    }

    pub fn flush(&self) -> io::Result<()> {
        self.cookies.flush()
    }

    /// Answers a request: the events that it causes come first, as in Chromium.
    pub fn answer(&mut self, request: &Request) -> (Vec<Value>, Next) {
        let session = request.session.as_deref().unwrap_or_default();
        let outcome = if self.sessions.contains_key(session) {
            self.dispatch(session, &request.method, &request.params)
        } else {
            Err((-32001, "Session with given id not found.".to_owned()))
        };
        let closes = request.method == "Browser.close" && outcome.is_ok();
        let mut reply = match outcome {
            Ok(result) => json!({"id": request.id, "result": result}),
            Err((code, message)) => json!({"id": request.id, "error": {"code": code, "message": message}}),
        };
        if let Some(session) = &request.session {
            reply["sessionId"] = session.as_str().into();
        }
        let mut messages = std::mem::take(&mut self.events);
        messages.push(reply);
        (messages, if closes { Next::Close } else { Next::Read })
    }

    fn dispatch(&mut self, session: &str, method: &str, params: &Value) -> Result<Value, Refusal> {
        let context = params["browserContextId"].as_str().unwrap_or_default();
        match method {
            "Browser.getVersion" => Ok(self.version()),
            "Browser.crash" => std::process::abort(),
            "Fake.echo" => Ok(params.clone()),
            "Fake.flood" => {
                let filler =
                    "x".repeat(params["bytes"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0));
                for number in 0..params["count"].as_u64().unwrap_or(0) {
                    self.emit(session, "Fake.drop", &json!({"number": number, "filler": filler}));
                }
                Ok(json!({}))
            }
            "Browser.close" | "Target.activateTarget" => Ok(json!({})),
            "Browser.setDownloadBehavior" => {
                self.downloads = params["downloadPath"].as_str().map(str::to_owned);
                Ok(json!({}))
            }
            "Browser.cancelDownload" => {
                self.tell_of_download(&params["guid"], "canceled", 0);
                Ok(json!({}))
            }
            "Fake.download" => self.download(params),
            "Storage.getCookies" => Ok(json!({"cookies": self.cookies.all(context)})),
            "Storage.setCookies" => {
                self.cookies.set(context, &params["cookies"]).map_err(|words| (-32602, words.to_owned()))?;
                Ok(json!({}))
            }
            "Storage.clearCookies" => {
                self.cookies.clear(context);
                Ok(json!({}))
            }
            _ if method.starts_with("Target.") => self.target(session, method, params),
            _ => self.page_method(session, method, params),
        }
    }

    /// Pretends that a page downloads a text; one that is `null` has no end.
    fn download(&mut self, params: &Value) -> Result<Value, Refusal> {
        let begin = json!({"frameId": "none", "guid": params["guid"], "url": params["url"], "suggestedFilename": params["name"]});
        self.emit("", "Browser.downloadWillBegin", &begin);
        let (Some(guid), Some(text)) = (params["guid"].as_str(), params["text"].as_str()) else {
            self.tell_of_download(&params["guid"], "inProgress", params["received"].as_u64().unwrap_or(1));
            return Ok(json!({}));
        };
        let dir = self.downloads.as_deref().ok_or((-32000, "nobody said where downloads go".to_owned()))?;
        std::fs::write(Path::new(dir).join(guid), text).map_err(|error| (-32000, error.to_string()))?;
        self.tell_of_download(&params["guid"], "completed", text.len() as u64);
        Ok(json!({}))
    }

    fn tell_of_download(&mut self, guid: &Value, state: &str, received: u64) {
        let progress = json!({"guid": guid, "totalBytes": 0, "receivedBytes": received, "state": state});
        self.emit("", "Browser.downloadProgress", &progress);
    }

    fn version(&self) -> Value {
        let name = if self.headless_shell { "FakeHeadlessChromium" } else { "FakeChromium" };
        json!({
            "protocolVersion": "1.3",
            "product": format!("{name}/{VERSION}"),
            "revision": "@fake",
            "userAgent": format!("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) {name}/{VERSION} Safari/537.36"),
            "jsVersion": "15.6",
        })
    }

    fn target(&mut self, session: &str, method: &str, params: &Value) -> Result<Value, Refusal> {
        let text = |key: &str| params[key].as_str().unwrap_or_default();
        match method {
            "Target.getTargets" => {
                let all: Vec<Value> = self.pages.keys().map(|id| self.info(id)).collect();
                Ok(json!({"targetInfos": all}))
            }
            "Target.getTargetInfo" => {
                let own = self.sessions[session].page.clone().unwrap_or_default();
                let id = if text("targetId").is_empty() { own.as_str() } else { text("targetId") };
                Ok(json!({"targetInfo": self.info_or_browser(id)?}))
            }
            "Target.createTarget" => {
                Ok(json!({"targetId": self.create_page(text("url"), text("browserContextId"))}))
            }
            "Target.closeTarget" => self.close_page(text("targetId")),
            "Target.createBrowserContext" => {
                let id = self.make_id();
                self.contexts.push(id.clone());
                Ok(json!({"browserContextId": id}))
            }
            "Target.disposeBrowserContext" => self.dispose_context(text("browserContextId")),
            "Target.getBrowserContexts" => Ok(json!({"browserContextIds": self.contexts})),
            "Target.attachToBrowserTarget" => Ok(json!({"sessionId": self.attach(None, session, false)})),
            "Target.attachToTarget" => {
                self.info_or_browser(text("targetId"))?;
                Ok(json!({"sessionId": self.attach(Some(text("targetId")), session, false)}))
            }
            "Target.detachFromTarget" => self.detach(text("sessionId")),
            "Target.setAutoAttach" => self.set_auto_attach(session, params),
            "Target.setDiscoverTargets" => {
                let on = params["discover"].as_bool().unwrap_or(false);
                self.sessions.get_mut(session).expect("checked by answer").discovers = on;
                for info in self.pages.keys().filter(|_| on).map(|id| self.info(id)).collect::<Vec<_>>() {
                    self.emit(session, "Target.targetCreated", &json!({"targetInfo": info}));
                }
                Ok(json!({}))
            }
            _ => Err(unknown(method)),
        }
    }

    fn page_method(&mut self, session: &str, method: &str, params: &Value) -> Result<Value, Refusal> {
        let Some(id) = self.sessions[session].page.clone() else {
            return Err(unknown(method));
        };
        if method == "Page.navigate"
            && params["url"].as_str().is_some_and(|url| url.ends_with("/fake-download"))
        {
            let guid = uuid::Uuid::new_v4().to_string();
            self.download(
                &json!({"guid": guid, "url": params["url"], "name": "fake.txt", "text": "contents"}),
            )?;
            return Ok(json!({"errorText": "net::ERR_ABORTED"}));
        }
        if method == "Page.enable" {
            self.sessions.get_mut(session).expect("checked by answer").page_events = true;
        }
        if let Some(casts) = screencast::order(method) {
            self.sessions.get_mut(session).expect("checked by answer").casts = casts;
            if casts {
                self.emit(session, "Page.screencastVisibilityChanged", &json!({"visible": true}));
                self.show(&id, session);
            }
            return Ok(json!({}));
        }
        let loader = self.make_id();
        let page =
            self.pages.get_mut(&id).ok_or((-32000, "Inspected target navigated or closed".to_owned()))?;
        let (result, events) = page::answer(page, &id, &loader, method, params)?;
        let watchers =
            self.sessions.iter().filter(|(_, other)| other.page.as_ref() == Some(&id) && other.page_events);
        for watcher in watchers.map(|(watcher, _)| watcher.clone()).collect::<Vec<_>>() {
            for (name, params) in &events {
                self.emit(&watcher, name, params);
            }
        }
        if !events.is_empty() {
            let watchers =
                self.sessions.iter().filter(|(_, other)| other.page.as_ref() == Some(&id) && other.casts);
            for watcher in watchers.map(|(watcher, _)| watcher.clone()).collect::<Vec<_>>() {
                self.show(&id, &watcher);
            }
            self.announce("Target.targetInfoChanged", &json!({"targetInfo": self.info(&id)}));
        }
        Ok(result)
    }

    /// Sends a picture of a page.
    fn show(&mut self, page: &str, session: &str) {
        let picture = screencast::picture(self.pages.get(page).map_or("", |page| &page.url));
        self.emit(
            session,
            "Page.screencastFrame",
            &json!({"data": picture, "sessionId": 1, "metadata": {"timestamp": 1.0}}),
        );
    }

    fn create_page(&mut self, url: &str, context: &str) -> String {
        let id = self.make_id();
        self.pages.insert(id.clone(), Page { url: url.to_owned(), context: context.to_owned() });
        self.announce("Target.targetCreated", &json!({"targetInfo": self.info(&id)}));
        let watchers =
            self.sessions.iter().filter(|(_, session)| session.auto_attach && session.page.is_none());
        for (watcher, waits) in watchers.map(|(id, session)| (id.clone(), session.waits)).collect::<Vec<_>>()
        {
            self.attach(Some(&id), &watcher, waits);
        }
        id
    }

    fn close_page(&mut self, id: &str) -> Result<Value, Refusal> {
        if self.pages.remove(id).is_none() {
            return Err(no_target());
        }
        let attached = self.sessions.iter().filter(|(_, session)| session.page.as_deref() == Some(id));
        for session in attached.map(|(session, _)| session.clone()).collect::<Vec<_>>() {
            self.detach(&session)?;
        }
        self.announce("Target.targetDestroyed", &json!({"targetId": id}));
        Ok(json!({"success": true}))
    }

    fn dispose_context(&mut self, context: &str) -> Result<Value, Refusal> {
        let Some(place) = self.contexts.iter().position(|id| id == context) else {
            return Err((-32602, format!("Failed to find context with id {context}")));
        };
        self.contexts.remove(place);
        self.cookies.clear(context);
        let pages = self.pages.iter().filter(|(_, page)| page.context == context);
        for page in pages.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.close_page(&page)?;
        }
        Ok(json!({}))
    }

    fn set_auto_attach(&mut self, session: &str, params: &Value) -> Result<Value, Refusal> {
        let on = params["autoAttach"].as_bool().unwrap_or(false);
        let this = self.sessions.get_mut(session).expect("checked by answer");
        let before = std::mem::replace(&mut this.auto_attach, on);
        this.waits = params["waitForDebuggerOnStart"].as_bool().unwrap_or(false);
        if this.page.is_some() || on == before {
            return Ok(json!({}));
        }
        if on {
            for page in self.pages.keys().cloned().collect::<Vec<_>>() {
                self.attach(Some(&page), session, false);
            }
            return Ok(json!({}));
        }
        let children = self.sessions.iter().filter(|(_, other)| other.parent.as_deref() == Some(session));
        let pages = children.filter(|(_, child)| child.page.is_some());
        for child in pages.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.detach(&child)?;
        }
        Ok(json!({}))
    }

    fn attach(&mut self, page: Option<&str>, parent: &str, waiting: bool) -> String {
        let id = self.make_id();
        let session =
            Session { page: page.map(str::to_owned), parent: Some(parent.to_owned()), ..Session::default() };
        self.sessions.insert(id.clone(), session);
        let info = self.info_or_browser(page.unwrap_or_default()).expect("the caller has checked");
        let params = json!({"sessionId": id, "targetInfo": info, "waitingForDebugger": waiting});
        self.emit(parent, "Target.attachedToTarget", &params);
        id
    }

    /// Ends a session and all that were made through it.
    fn detach(&mut self, id: &str) -> Result<Value, Refusal> {
        let Some(Session { page, parent: Some(parent), .. }) = self.sessions.remove(id) else {
            return Err((-32602, "No session with given id".to_owned()));
        };
        let children = self.sessions.iter().filter(|(_, other)| other.parent.as_deref() == Some(id));
        for child in children.map(|(child, _)| child.clone()).collect::<Vec<_>>() {
            self.detach(&child)?;
        }
        let mut params = json!({"sessionId": id});
        if let Some(page) = page {
            params["targetId"] = page.into();
        }
        self.emit(&parent, "Target.detachedFromTarget", &params);
        Ok(json!({}))
    }

    fn info_or_browser(&self, id: &str) -> Result<Value, Refusal> {
        if id.is_empty() {
            return Ok(
                json!({"targetId": "fake-browser", "type": "browser", "title": "", "url": "", "attached": true, "canAccessOpener": false}),
            );
        }
        if self.pages.contains_key(id) { Ok(self.info(id)) } else { Err(no_target()) }
    }

    fn info(&self, id: &str) -> Value {
        let page = &self.pages[id];
        let attached = self.sessions.values().any(|session| session.page.as_deref() == Some(id));
        let context = if page.context.is_empty() { "fake-default-context" } else { &page.context };
        json!({
            "targetId": id,
            "type": "page",
            "title": page::title(&page.url),
            "url": page.url,
            "attached": attached,
            "canAccessOpener": false,
            "browserContextId": context,
        })
    }

    /// Tells every session that discovers targets.
    fn announce(&mut self, method: &str, params: &Value) {
        let listening = self.sessions.iter().filter(|(_, session)| session.discovers);
        for session in listening.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.emit(&session, method, params);
        }
    }

    fn emit(&mut self, session: &str, method: &str, params: &Value) {
        let mut event = json!({"method": method, "params": params});
        if !session.is_empty() && self.sessions.contains_key(session) {
            event["sessionId"] = session.into();
        }
        self.events.push(event);
    }

    /// Makes an id that looks like Chromium's: 32 upper-case hex digits, never the same in two runs.
    fn make_id(&mut self) -> String {
        self.made += 1;
        format!("{:016X}{:016X}", u64::from(std::process::id()), self.made)
    }
}

fn unknown(method: &str) -> Refusal {
    (-32601, format!("'{method}' wasn't found"))
}

fn no_target() -> Refusal {
    (-32602, "No target with given id found".to_owned())
}
