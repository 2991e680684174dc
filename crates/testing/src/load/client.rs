//! A DevTools client that comes, talks and vanishes, time and again.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::ground::text;
use crate::program::Program;

/// How long one answer may take on a machine that has too much to do.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest time between two things that a client says: half of it on average, which is some 200 commands and 50
/// connections a second from 200 clients. Two cores do that for 20 browsers and have room for the reads.
const THOUGHT: Duration = Duration::from_secs(2);
/// The size of what a client asks for and never reads.
const UNREAD_BYTES: usize = 2 << 20;

/// Where clients of one session connect.
#[derive(Clone, Debug)]
pub struct Target {
    browser: String,
    page: String,
}

impl Target {
    /// Looks up the addresses of a session and its page.
    pub async fn of(program: &Program, session: &Value) -> Result<Self> {
        let pages = format!("/v1/sessions/{}/pages", text(&session["id"]));
        let pages = program.data(Method::GET, &pages, None).await?;
        let page = pages["items"][0]["cdp_url"].as_str().context("a session has a page")?;
        Ok(Self { browser: text(&session["cdp_url"]).to_owned(), page: page.to_owned() })
    }
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leave {
    /// With a closing handshake.
    Close,
    /// The connection ends, without a word.
    Drop,
    /// The connection is reset.
    Reset,
    /// Before the answer to what it asked.
    MidCommand,
    /// In the middle of a frame.
    MidFrame,
    /// In the middle of the handshake that would have opened it.
    MidHandshake,
    /// After a while in which it read nothing of a large answer.
    Unread,
    /// With a browser context and a page of its own left open.
    WithContext,
}

impl Leave {
    /// All but the last, which is the rare one: a page of its own is a process.
    const OFTEN: [Self; 7] = [
        Self::Close,
        Self::Drop,
        Self::Reset,
        Self::MidCommand,
        Self::MidFrame,
        Self::MidHandshake,
        Self::Unread,
    ];

    /// Chooses one.
    fn choose(rng: &mut Rng) -> Self {
        if rng.u8(..) < 8 {
            Self::WithContext
        } else {
            rng.choice(&Self::OFTEN).copied().unwrap_or(Self::Close)
        }
    }
}

/// What clients did.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// Connections that were made.
    pub connections: usize,
    /// Commands that were answered.
    pub answers: usize,
    left: BTreeMap<Leave, usize>,
    /// What went wrong, and how often.
    pub failures: BTreeMap<String, usize>,
}

impl Talk {
    /// Lists in how many ways clients left, and how often.
    pub fn leaves(&self) -> impl Iterator<Item = (Leave, usize)> {
        Leave::OFTEN
            .into_iter()
            .chain([Leave::WithContext])
            .map(|leave| (leave, self.left.get(&leave).copied().unwrap_or(0)))
    }
}

impl Sum for Talk {
    fn sum<I: Iterator<Item = Self>>(talks: I) -> Self {
        talks.fold(Self::default(), |mut all, talk| {
            all.connections += talk.connections;
            all.answers += talk.answers;
            for (leave, times) in talk.left {
                *all.left.entry(leave).or_default() += times;
            }
            for (failure, times) in talk.failures {
                *all.failures.entry(failure).or_default() += times;
            }
            all
        })
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clients: {} connections, {} answers; left:", self.connections, self.answers)?;
        self.leaves().try_for_each(|(leave, times)| write!(f, " {times} {leave:?}"))?;
        self.failures.iter().try_for_each(|(failure, times)| write!(f, "\n  {times} × {failure}"))
    }
}

/// Connects, talks and leaves until a moment.
pub async fn come_and_go(target: Target, mut rng: Rng, until: Instant) -> Talk {
    let mut talk = Talk::default();
    while Instant::now() < until {
        let leave = Leave::choose(&mut rng);
        match visit(&target, &mut rng, leave, until, &mut talk).await {
            Ok(()) => *talk.left.entry(leave).or_default() += 1,
            Err(problem) => *talk.failures.entry(format!("{leave:?}: {problem:#}")).or_default() += 1,
        }
        think(&mut rng, until).await;
    }
    talk
}

/// Does nothing for a while, as clients do.
async fn think(rng: &mut Rng, until: Instant) {
    let for_a_while = THOUGHT.mul_f64(rng.f64());
    sleep(for_a_while.min(until.saturating_duration_since(Instant::now()))).await;
}

async fn visit(target: &Target, rng: &mut Rng, leave: Leave, until: Instant, talk: &mut Talk) -> Result<()> {
    let whole = leave == Leave::WithContext || rng.bool();
    let url: Url = if whole { &target.browser } else { &target.page }.parse()?;
    let at = format!("{}:{}", url.host_str().context("a host")?, url.port().context("a port")?);
    let mut stream = TcpStream::connect(at).await?;
    if leave == Leave::MidHandshake {
        let path = url.path();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nupgrade: webso").as_bytes()).await?;
        talk.connections += 1;
        return Ok(());
    }
    let connected = timeout(PATIENCE, client_async(url.as_str(), stream)).await.context("no handshake")?;
    let mut client = Client { socket: connected?.0, whole, last_id: 0 };
    talk.connections += 1;
    for _ in 0..rng.u8(0..6) {
        client.say_something(rng).await?;
        talk.answers += 1;
        think(rng, until).await;
    }
    client.leave(leave, rng, until).await
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Whether it is connected to the whole browser; else to its page.
    whole: bool,
    last_id: u64,
}

impl Client {
    async fn say_something(&mut self, rng: &mut Rng) -> Result<()> {
        match rng.u8(0..6) {
            0 => {
                let version = self.call(None, "Browser.getVersion", json!({})).await?;
                ensure!(version["result"]["product"].is_string(), "{version}");
            }
            1 => {
                let targets = self.call(None, "Target.getTargets", json!({})).await?;
                ensure!(targets["result"]["targetInfos"].is_array(), "{targets}");
            }
            2 => {
                let refused =
                    self.call(None, "No.such", json!({"of": "t".repeat(rng.usize(0..4096))})).await?;
                ensure!(refused["error"]["code"] == -32601, "{refused}");
            }
            3 => {
                self.socket.send(Message::text("{\"id\": 1, \"method")).await?;
                let refused = self.answer(|message| message["error"].is_object()).await?;
                ensure!(refused["error"]["code"] == -32700, "{refused}");
            }
            _ => {
                let session = self.page().await?;
                let (character, times) = (rng.alphanumeric(), rng.usize(1..65536));
                let expression = format!("'{character}'.repeat({times})");
                let params = json!({"expression": expression, "returnByValue": true});
                let answer = self.call(session.as_deref(), "Runtime.evaluate", params).await?;
                let value = answer["result"]["result"]["value"].as_str().unwrap_or_default();
                let right = value.len() == times && value.chars().all(|each| each == character);
                ensure!(right, "{times} × {character} asked for, {} characters came", value.len());
            }
        }
        Ok(())
    }

    /// Attaches to the session's first page, where that is needed.
    async fn page(&mut self) -> Result<Option<String>> {
        if !self.whole {
            return Ok(None);
        }
        let targets = self.call(None, "Target.getTargets", json!({})).await?;
        let targets = targets["result"]["targetInfos"].as_array().cloned().unwrap_or_default();
        // Others have pages too, which may go at any moment.
        let page = targets.iter().find(|target| {
            target["type"] == "page" && target["url"].as_str().is_some_and(|url| url.ends_with("/whoami"))
        });
        let params = json!({"targetId": page.context("no page")?["targetId"], "flatten": true});
        let attached = self.call(None, "Target.attachToTarget", params).await?;
        let session = attached["result"]["sessionId"].as_str().with_context(|| attached.to_string())?;
        Ok(Some(session.to_owned()))
    }

    async fn leave(mut self, leave: Leave, rng: &mut Rng, until: Instant) -> Result<()> {
        match leave {
            Leave::Close => {
                self.socket.close(None).await?;
                while let Some(Ok(_)) = timeout(PATIENCE, self.socket.next()).await.context("not closed")? {}
            }
            Leave::Drop | Leave::MidHandshake => {}
            Leave::Reset => self.socket.get_ref().set_zero_linger()?,
            Leave::MidCommand => {
                self.ask(None, "Target.getTargets", json!({})).await?;
            }
            Leave::MidFrame => {
                // A masked text of 4096 bytes, of which six are sent.
                let frame = [0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, b'{', b'"', b'i', b'd', b'"', b':'];
                self.socket.get_mut().write_all(&frame).await?;
            }
            Leave::Unread => {
                let session = self.page().await?;
                let params =
                    json!({"expression": format!("'x'.repeat({UNREAD_BYTES})"), "returnByValue": true});
                self.ask(session.as_deref(), "Runtime.evaluate", params).await?;
                think(rng, until).await;
            }
            Leave::WithContext => {
                let params = json!({"disposeOnDetach": true});
                let context = self.call(None, "Target.createBrowserContext", params).await?;
                let id = &context["result"]["browserContextId"];
                ensure!(id.is_string(), "{context}");
                let params = json!({"url": "about:blank", "browserContextId": id});
                let page = self.call(None, "Target.createTarget", params).await?;
                ensure!(page["result"]["targetId"].is_string(), "{page}");
            }
        }
        Ok(())
    }

    async fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<()> {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    /// Calls a method, and returns the whole answer.
    async fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        self.ask(session, method, params).await?;
        let id = self.last_id;
        self.answer(|message| message["id"] == id).await.with_context(|| method.to_owned())
    }

    /// Waits for a message; events and what came too late are skipped.
    async fn answer(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = timeout(PATIENCE, async {
            loop {
                let message = self.socket.next().await.context("the connection was closed")??;
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text)?;
                if wanted(&message) {
                    return Ok(message);
                }
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => bail!("no answer in time"),
        }
    }
}
