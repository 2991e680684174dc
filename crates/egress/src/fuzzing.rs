//! The fuzz target: bytes of a browser into the real service, and bytes of a site or a proxy back, over a network that is
//! only memory.
//!
//! An input is a letter for the route, what the browser sends, the line `--`, and what the network sends. Whatever it is, nothing
//! panics, nothing hangs, no address is connected to that the policy refuses, and what a site is sent as plain HTTP is
//! HTTP without a word of a proxy.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::{Egress, Exit, ExitName, Limits, Listener, Network, Policy, Route, Stream, UpstreamProxy, Way};

/// Between the browser's bytes and the network's.
const SEPARATOR: &[u8] = b"\n--\n";
/// How much fits between two ends. More than an input has, so that nobody waits for the other.
const PIPE_BYTES: usize = 1 << 20;
/// Time stands still while anything is to do, so this is just "nothing is to do any more".
const QUIET: Duration = Duration::from_millis(1);

thread_local! {
    static BENCH: Bench = Bench::new();
}

/// Runs one input.
pub fn egress_request(input: &[u8]) {
    BENCH.with(|bench| bench.runtime.block_on(bench.run(input)));
}

struct Bench {
    runtime: Runtime,
    network: Memory,
    listener: Listener,
}

impl Bench {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime can be made");
        let network = Memory::default();
        let egress = Egress::with_network(Policy::default(), network.clone(), Limits::default());
        let listener = runtime.block_on(egress.listen()).expect("a port is free");
        Self { runtime, network, listener }
    }

    /// Runs one input. Gives what the browser heard, and what each connection to the network was sent.
    async fn run(&self, input: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (kind, rest) = input.split_first().unwrap_or((&b'd', &[]));
        let cut = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let (browser, network) = match cut {
            Some(at) => (&rest[..at], &rest[at + SEPARATOR.len()..]),
            None => (rest, &[][..]),
        };
        *self.network.lock() = Script { answer: network.to_vec(), ..Script::default() };
        self.listener.set_route(route(*kind));
        let (near, far) = duplex(PIPE_BYTES);
        let (heard, ()) = tokio::join!(converse(near, browser), self.listener.serve(Stream::other(far)));
        // Cuts what is left of this input.
        self.listener.set_route(Route::Direct);
        quiet(self.listener.wait_until(|listener| listener.connections() == 0)).await.expect("all ends");
        let script = std::mem::take(&mut *self.network.lock());
        if !is_opaque(*kind, browser) {
            for sent in &script.sent {
                check_plain(sent);
            }
        }
        (heard, script.sent)
    }
}

fn route(kind: u8) -> Route {
    let proxy = |url: &str| {
        let proxy = UpstreamProxy::parse(url).expect("a proxy's URL").trusted();
        Route::Exit(Arc::new(Exit { name: ExitName::custom(), way: Way::Proxy(proxy) }))
    };
    match kind {
        b'h' => proxy("http://user:hush@192.0.2.1:3128"),
        b's' => proxy("socks5://user:hush@192.0.2.1:1080"),
        b'c' => Route::Closed { why: "Closed.".to_owned() },
        _ => Route::Direct,
    }
}

/// Says all of it, listens until nothing more comes, hangs up.
async fn converse(near: DuplexStream, bytes: &[u8]) -> Vec<u8> {
    let (mut reads, mut writes) = split(near);
    let mut heard = Vec::new();
    writes.write_all(bytes).await.ok();
    while let Some(Ok(1..)) = quiet(reads.read_buf(&mut heard)).await {}
    writes.shutdown().await.ok();
    quiet(reads.read_to_end(&mut heard)).await;
    assert!(!heard.windows(4).any(|window| window == b"hush"), "credentials");
    heard
}

async fn quiet<T>(work: impl Future<Output = T>) -> Option<T> {
    timeout(QUIET, work).await.ok()
}

/// Whether the network may be sent what is not HTTP.
fn is_opaque(kind: u8, browser: &[u8]) -> bool {
    let text = browser.to_ascii_lowercase();
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    kind == b's' || kind == b'h' || has(b"connect") || has(b"upgrade")
}

/// Checks what a site was sent: the head, as far as it came.
fn check_plain(sent: &[u8]) {
    let Some(end) = sent.windows(4).position(|window| window == b"\r\n\r\n") else {
        return;
    };
    let head = &sent[..end];
    for (at, byte) in head.iter().enumerate() {
        let lone = match byte {
            b'\n' => at == 0 || head[at - 1] != b'\r',
            b'\r' => head.get(at + 1) != Some(&b'\n'),
            _ => *byte == 0,
        };
        assert!(!lone, "a site was sent {:?}", String::from_utf8_lossy(head));
    }
    let lines = String::from_utf8_lossy(head).to_lowercase();
    let mut names = lines.split("\r\n").skip(1).map(|line| line.split(':').next().unwrap_or_default());
    assert!(!names.clone().any(|name| name.starts_with("proxy-") || name == "via"), "{lines}");
    assert_eq!(names.clone().filter(|name| *name == "host").count(), 1, "{lines}");
    let framings = names.by_ref().filter(|name| ["content-length", "transfer-encoding"].contains(name));
    assert!(framings.count() < 2, "{lines}");
}

/// A network in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answer: Vec<u8>,
    sent: Vec<Vec<u8>>,
}

impl Memory {
    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Network for Memory {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let (public, private) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([10, 0, 0, 1]));
        match name.as_bytes().first() {
            Some(b'p') => Ok(vec![private]),
            Some(b'm') => Ok(vec![private, public]),
            Some(b'n') => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(vec![public]),
        }
    }

    async fn connect(&self, to: SocketAddr, _: Option<IpAddr>) -> io::Result<Stream> {
        let to_proxy = to.ip() == IpAddr::from([192, 0, 2, 1]);
        assert!(to_proxy || Policy::default().check_address(to.ip()).is_ok(), "connected to {to}");
        let (near, mut far) = duplex(PIPE_BYTES);
        let this = self.clone();
        let place = {
            let mut script = this.lock();
            script.sent.push(Vec::new());
            script.sent.len() - 1
        };
        let answer = self.lock().answer.clone();
        tokio::spawn(async move {
            let mut heard = Vec::new();
            // After the first words of the other side, as servers do.
            far.read_buf(&mut heard).await.ok();
            far.write_all(&answer).await.ok();
            while let Some(Ok(1..)) = quiet(far.read_buf(&mut heard)).await {}
            if let Some(sent) = this.lock().sent.get_mut(place) {
                *sent = heard;
            }
        });
        Ok(Stream::other(near))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A target that reaches nothing finds nothing.
    #[test]
    fn the_bench_reaches_the_site() {
        let run = |input: &str| BENCH.with(|bench| bench.runtime.block_on(bench.run(input.as_bytes())));
        let site = "\n--\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let (heard, sent) = run(&format!("dGET http://a.example/x HTTP/1.1\r\nHost: a\r\n\r\n{site}"));
        assert_eq!(String::from_utf8_lossy(&heard), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(sent, [b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"]);
        let (heard, sent) = run("dCONNECT a.example:1 HTTP/1.1\r\n\r\nhello\n--\nworld");
        assert_eq!((&*heard, &*sent[0]), (&b"HTTP/1.1 200 OK\r\n\r\nworld"[..], &b"hello"[..]));
        let (heard, sent) =
            run("sCONNECT a.example:1 HTTP/1.1\r\n\r\nhello\n--\n\x05\0\x05\0\0\x01abcd\0\0world");
        assert_eq!(&*heard, b"HTTP/1.1 200 OK\r\n\r\nworld");
        assert!(sent[0].ends_with(b"a.example\0\x01hello"), "{sent:?}");
        assert!(run("dCONNECT p.example:1 HTTP/1.1\r\n\r\n").1.is_empty());
    }

    /// What the fuzzer once found interesting stays right.
    #[test]
    fn the_corpus() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/egress_request");
        let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() >= 20, "{} inputs", inputs.len());
        for input in inputs {
            egress_request(&std::fs::read(input).unwrap());
        }
    }
}
