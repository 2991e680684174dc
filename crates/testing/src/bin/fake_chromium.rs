//! A stand-in for Chromium: a real child process that speaks enough of the DevTools protocol for the server, in
//! milliseconds. It reads commands from standard input and writes answers to standard output, NUL-terminated; the wrapper
//! script that [`roadstead_testing::fake_browser`] writes ties those to the pipe's fds 3 and 4.
//!
//! It keeps cookies with an expiry in a file of the user data dir, and forgets the others, as Chromium does. Beyond the
//! protocol it knows `Fake.echo`, which answers its parameters, and `Fake.flood {count, bytes}`, which sends that many
//! events of that size to the caller.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

/// What it does instead of behaving, by its first argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vice {
    None,
    /// Ends before it has answered anything.
    ExitAtOnce,
    /// Never answers anything.
    Silent,
    /// Answers `Browser.close`, and stays.
    IgnoreClose,
}

struct FakeChromium {
    vice: Vice,
    user_data_dir: PathBuf,
    cookies: Vec<Value>,
    /// URLs of pages, by target id.
    pages: BTreeMap<String, String>,
    /// CDP sessions, and the session each was made in.
    sessions: BTreeMap<String, Option<String>>,
    made: u64,
}

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let vice = match args.first().map(String::as_str) {
        Some("--exit-at-once") => Vice::ExitAtOnce,
        Some("--silent") => Vice::Silent,
        Some("--ignore-close") => Vice::IgnoreClose,
        _ => Vice::None,
    };
    if vice == Vice::ExitAtOnce {
        eprintln!("fake-chromium: no reason to live");
        return ExitCode::from(1);
    }
    let dir = args.iter_mut().find_map(|arg| arg.strip_prefix("--user-data-dir="));
    let Some(user_data_dir) = dir.map(PathBuf::from) else {
        eprintln!("fake-chromium: no --user-data-dir");
        return ExitCode::from(2);
    };
    FakeChromium::new(vice, user_data_dir).converse()
}

impl FakeChromium {
    fn new(vice: Vice, user_data_dir: PathBuf) -> Self {
        let stored = std::fs::read(user_data_dir.join("Default/cookies.json")).unwrap_or_default();
        Self {
            vice,
            user_data_dir,
            cookies: serde_json::from_slice(&stored).unwrap_or_default(),
            pages: BTreeMap::from([("PAGE0".to_owned(), "about:blank".to_owned())]),
            sessions: BTreeMap::new(),
            made: 0,
        }
    }

    /// Answers until it is told to close, or the pipe is closed. Either way it flushes.
    fn converse(mut self) -> ExitCode {
        for message in std::io::stdin().lock().split(0) {
            let Ok(message) = message else { break };
            let message: Value = serde_json::from_slice(&message).expect("the server sends JSON");
            if self.vice == Vice::Silent {
                continue;
            }
            self.take(&message);
            if message["method"] == "Browser.close" && self.vice != Vice::IgnoreClose {
                break;
            }
        }
        self.flush();
        ExitCode::SUCCESS
    }

    fn flush(&self) {
        let kept: Vec<_> =
            self.cookies.iter().filter(|cookie| cookie["expires"].as_f64() > Some(0.0)).collect();
        let dir = self.user_data_dir.join("Default");
        let written = std::fs::create_dir_all(&dir)
            .and_then(|()| std::fs::write(dir.join("cookies.json"), json!(kept).to_string()));
        if let Err(error) = written {
            eprintln!("fake-chromium: {error}");
        }
    }

    fn take(&mut self, message: &Value) {
        let session = message["sessionId"].as_str();
        let answer = match session {
            Some(session) if !self.sessions.contains_key(session) => {
                Err((-32001, "Session with given id not found.".to_owned()))
            }
            _ => self.answer(session, message["method"].as_str().unwrap_or_default(), &message["params"]),
        };
        let mut reply = match answer {
            Ok(result) => json!({"id": message["id"], "result": result}),
            Err((code, message_text)) => {
                json!({"id": message["id"], "error": {"code": code, "message": message_text}})
            }
        };
        if let Some(session) = session {
            reply["sessionId"] = json!(session);
        }
        send(&reply);
    }

    fn answer(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: &Value,
    ) -> Result<Value, (i64, String)> {
        match method {
            "Browser.getVersion" => Ok(json!({
                "product": "FakeChromium/156.0.0.0", "userAgent": "Mozilla/5.0 (fake)", "protocolVersion": "1.3",
                "revision": "fake", "jsVersion": "0",
            })),
            "Browser.crash" => std::process::abort(),
            "Storage.getCookies" => Ok(json!({"cookies": self.cookies})),
            "Storage.setCookies" => self.set_cookies(params),
            "Target.getTargets" => {
                let pages: Vec<_> = self.pages.keys().map(|id| self.target_info(id)).collect();
                Ok(json!({"targetInfos": pages}))
            }
            "Target.createTarget" => {
                self.made += 1;
                let id = format!("PAGE{}", self.made);
                self.pages.insert(id.clone(), params["url"].as_str().unwrap_or("about:blank").to_owned());
                Ok(json!({"targetId": id}))
            }
            "Target.closeTarget" => self.close_target(params),
            "Target.attachToBrowserTarget" => {
                Ok(self.attach(session, json!({"type": "browser", "targetId": "BROWSER"})))
            }
            "Target.attachToTarget" => match params["targetId"].as_str() {
                Some(id) if self.pages.contains_key(id) => Ok(self.attach(session, self.target_info(id))),
                _ => Err((-32602, "No target with given id found".to_owned())),
            },
            "Target.detachFromTarget" => self.detach(params),
            "Page.navigate" => {
                let first = self.pages.values_mut().next().expect("there is a page");
                params["url"].as_str().unwrap_or_default().clone_into(first);
                Ok(json!({"frameId": "FRAME0"}))
            }
            "Fake.echo" => Ok(params.clone()),
            "Fake.flood" => {
                let filler =
                    "x".repeat(params["bytes"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0));
                for number in 0..params["count"].as_u64().unwrap_or(0) {
                    event(session, "Fake.drop", &json!({"number": number, "filler": filler}));
                }
                Ok(json!({}))
            }
            "Browser.close" | "Browser.setDownloadBehavior" | "Target.setAutoAttach" => Ok(json!({})),
            _ => Err((-32601, format!("'{method}' wasn't found"))),
        }
    }

    fn set_cookies(&mut self, params: &Value) -> Result<Value, (i64, String)> {
        for cookie in params["cookies"].as_array().into_iter().flatten() {
            let mut cookie = cookie.clone();
            let expires = cookie["expires"].as_f64().unwrap_or(-1.0);
            cookie["expires"] = json!(expires);
            cookie["session"] = json!(expires < 0.0);
            self.cookies.retain(|held| held["name"] != cookie["name"] || held["domain"] != cookie["domain"]);
            self.cookies.push(cookie);
        }
        Ok(json!({}))
    }

    fn target_info(&self, id: &str) -> Value {
        json!({"targetId": id, "type": "page", "title": "", "url": self.pages.get(id), "attached": false})
    }

    fn attach(&mut self, parent: Option<&str>, info: Value) -> Value {
        self.made += 1;
        let session = format!("SESSION{}", self.made);
        self.sessions.insert(session.clone(), parent.map(str::to_owned));
        event(
            parent,
            "Target.attachedToTarget",
            &json!({"sessionId": session, "targetInfo": info, "waitingForDebugger": false}),
        );
        json!({"sessionId": session})
    }

    fn detach(&mut self, params: &Value) -> Result<Value, (i64, String)> {
        let session = params["sessionId"].as_str().unwrap_or_default();
        match self.sessions.remove(session) {
            None => Err((-32602, "No session with given id".to_owned())),
            Some(parent) => {
                event(parent.as_deref(), "Target.detachedFromTarget", &json!({"sessionId": session}));
                Ok(json!({}))
            }
        }
    }

    /// Closes a page, and with it every CDP session: it does not keep book of which was whose.
    fn close_target(&mut self, params: &Value) -> Result<Value, (i64, String)> {
        let id = params["targetId"].as_str().unwrap_or_default();
        self.pages.remove(id).ok_or((-32602, "No target with given id found".to_owned()))?;
        for (session, parent) in std::mem::take(&mut self.sessions) {
            event(
                parent.as_deref(),
                "Target.detachedFromTarget",
                &json!({"sessionId": session, "targetId": id}),
            );
        }
        Ok(json!({"success": true}))
    }
}

fn event(session: Option<&str>, method: &str, params: &Value) {
    let mut message = json!({"method": method, "params": params});
    if let Some(session) = session {
        message["sessionId"] = json!(session);
    }
    send(&message);
}

fn send(message: &Value) {
    let mut out = std::io::stdout().lock();
    let sent = out
        .write_all(message.to_string().as_bytes())
        .and_then(|()| out.write_all(&[0]))
        .and_then(|()| out.flush());
    if sent.is_err() {
        // Nobody is left to read; Chromium would go too.
        std::process::exit(0);
    }
}
