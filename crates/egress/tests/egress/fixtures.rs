//! Sites, browsers and helpers for the tests.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roadstead_egress::{Egress, Listener, Policy, Route};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits with the deadline.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// An egress that lets browsers reach loopback.
pub fn loopback_egress() -> Egress {
    Egress::new(loopback_policy())
}

pub fn loopback_policy() -> Policy {
    Policy { allow: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()], ..Policy::default() }
}

/// A listener whose route is direct.
pub async fn direct(egress: &Egress) -> Listener {
    let listener = egress.listen().await.unwrap();
    listener.set_route(Route::Direct);
    listener
}

/// What a site saw of one connection or request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Who was connected.
    pub from: IpAddr,
    pub head: String,
}

/// A server that runs a script on every connection; it ends when dropped.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

/// A connection on the server's side.
pub struct Peer {
    pub io: Box<dyn Duplex>,
    from: IpAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    rest: Vec<u8>,
}

pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Server {
    pub async fn start<F, R>(ip: &str, script: F) -> Self
    where
        F: Fn(Peer) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        Self::start_wrapped(ip, |stream| async move { Some(Box::new(stream) as Box<dyn Duplex>) }, script)
            .await
    }

    /// With something around every connection, such as TLS.
    pub async fn start_wrapped<W, V, F, R>(ip: &str, wrap: W, script: F) -> Self
    where
        W: Fn(TcpStream) -> V + Clone + Send + Sync + 'static,
        V: Future<Output = Option<Box<dyn Duplex>>> + Send,
        F: Fn(Peer) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        let socket = TcpListener::bind((ip, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let mut tasks = JoinSet::new();
        let log = Arc::clone(&seen);
        tasks.spawn(async move {
            // Dropped with the server, and so are all its connections.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, peer)) = socket.accept().await else { continue };
                stream.set_nodelay(true).unwrap();
                let (script, wrap, seen) = (script.clone(), wrap.clone(), Arc::clone(&log));
                connections.spawn(async move {
                    let Some(io) = wrap(stream).await else { return };
                    script(Peer { io, from: peer.ip(), seen, rest: Vec::new() }).await;
                });
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn heads(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.head).collect()
    }
}

impl Peer {
    /// Reads a message's head, with its empty line; `None` at the end.
    pub async fn head(&mut self) -> Option<String> {
        let head = read_head(&mut self.io, &mut self.rest).await?;
        self.note(&head);
        Some(head)
    }

    pub fn note(&self, head: &str) {
        self.seen.lock().unwrap().push(Seen { from: self.from, head: head.to_owned() });
    }

    pub fn from(&self) -> IpAddr {
        self.from
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        // A peer that is gone is the test's matter.
        self.io.write_all(text.as_ref()).await.ok();
        self.io.flush().await.ok();
    }

    /// Reads exactly this many bytes.
    pub async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.rest.len() < length {
            if self.io.read_buf(&mut self.rest).await.ok()? == 0 {
                return None;
            }
        }
        Some(self.rest.drain(..length).collect())
    }

    /// What came together with the head.
    pub fn early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// Reads until the end.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut all = self.early();
        self.io.read_to_end(&mut all).await.ok();
        all
    }
}

async fn read_head(io: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            return Some(String::from_utf8_lossy(&rest.drain(..end + 4).collect::<Vec<_>>()).into_owned());
        }
        if io.read_buf(rest).await.ok()? == 0 {
            return None;
        }
    }
}

/// A site that answers every request with its path and the address it sees, and keeps connections.
pub async fn hello(ip: &str) -> Server {
    Server::start(ip, |mut peer: Peer| async move {
        while let Some(head) = peer.head().await {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let text = format!("{path} from {}", peer.from());
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
        }
    })
    .await
}

/// A site that sends back what it gets, and ends when that ends.
pub async fn echo(ip: &str) -> Server {
    Server::start(ip, |mut peer: Peer| async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = peer.io.read(&mut buffer).await {
            if peer.io.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
        peer.io.shutdown().await.ok();
    })
    .await
}

/// A browser's connection to its listener.
pub struct Browser {
    pub io: TcpStream,
    rest: Vec<u8>,
}

/// An answer: the head, and the content as far as its length was told.
#[derive(Debug)]
pub struct Answered {
    pub head: String,
    pub body: String,
}

impl Answered {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

impl Browser {
    pub async fn connect(listener: &Listener) -> Self {
        let io = TcpStream::connect(listener.address()).await.unwrap();
        io.set_nodelay(true).unwrap();
        Self { io, rest: Vec::new() }
    }

    /// A connection with a tunnel on it.
    pub async fn tunnel(listener: &Listener, to: impl std::fmt::Display) -> Self {
        let mut browser = Self::connect(listener).await;
        let answered = browser.ask(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
        assert_eq!(answered.status(), 200, "{answered:?}");
        browser
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        within("sending", self.io.write_all(text.as_ref())).await.unwrap();
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &str) -> Answered {
        self.send(request).await;
        self.answer(request.starts_with("HEAD ") || request.starts_with("CONNECT ")).await
    }

    pub async fn get(&mut self, url: &str) -> Answered {
        let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        self.ask(&format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
    }

    pub async fn head(&mut self) -> Option<String> {
        within("an answer's head", read_head(&mut self.io, &mut self.rest)).await
    }

    async fn answer(&mut self, no_content: bool) -> Answered {
        let head = self.head().await.unwrap_or_default();
        let find = |name: &str| {
            head.lines()
                .find_map(|line| line.to_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
        };
        let failed = !head.starts_with("HTTP/1.1 2");
        let body = if no_content && !failed {
            Vec::new()
        } else if let Some(length) = find("content-length:") {
            self.exactly(length.parse().unwrap()).await
        } else if find("transfer-encoding:").is_some() {
            self.chunked().await
        } else {
            Vec::new()
        };
        Answered { head, body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(self.exactly(1).await);
            }
            let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            body.extend(self.exactly(length).await);
            self.exactly(2).await;
            if length == 0 {
                return body;
            }
        }
    }

    pub async fn exactly(&mut self, length: usize) -> Vec<u8> {
        let read = async {
            while self.rest.len() < length {
                assert_ne!(self.io.read_buf(&mut self.rest).await.unwrap(), 0, "an early end");
            }
        };
        within("bytes", read).await;
        self.rest.drain(..length).collect()
    }

    /// Reads until the end, or until the connection is reset: then the result is an error.
    pub async fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut all = std::mem::take(&mut self.rest);
        within("the end", self.io.read_to_end(&mut all)).await?;
        Ok(all)
    }
}
