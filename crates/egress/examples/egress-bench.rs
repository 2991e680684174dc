//! Times the proxy against going without it, side by side in one run, and prints medians as a table.
//!
//! `cargo run --release -p roadstead-egress --example egress-bench [rounds]`. Site, proxy and client are processes of their own, all on
//! this machine, so "direct" has two of them to share the processors and "tunnel" and "plain" have three. Memory and
//! processor time are those of the proxy's process alone.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use roadstead_egress::{Egress, Policy, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What one download weighs.
const DOWNLOAD: usize = 1 << 30;
/// How many connections a round makes, and how many at a time.
const CONNECTIONS: usize = 4_000;
const AT_A_TIME: usize = 16;
/// How many small requests a round makes on one connection.
const REQUESTS: usize = 5_000;
/// How many tunnels are open while memory is measured.
const TUNNELS: usize = 1_000;

/// How a request gets to its site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Direct,
    /// CONNECT, as for https.
    Tunnel,
    /// The absolute form, as for http.
    Plain,
}

const PATHS: [Path; 3] = [Path::Direct, Path::Tunnel, Path::Plain];

#[tokio::main]
async fn main() -> io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("site") => site().await,
        Some("proxy") => proxy().await,
        rounds => bench(rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(7)).await,
    }
}

/// Answers `GET /bytes/N` with so many bytes.
async fn site() -> io::Result<()> {
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", socket.local_addr()?);
    let block = Box::leak(vec![b'x'; 256 << 10].into_boxed_slice());
    loop {
        let (mut stream, _) = socket.accept().await?;
        stream.set_nodelay(true)?;
        let block: &[u8] = block;
        tokio::spawn(async move {
            let mut head = Vec::new();
            while let Ok(1..) = stream.read_buf(&mut head).await {
                if !head.ends_with(b"\r\n\r\n") {
                    continue;
                }
                let text = String::from_utf8_lossy(&head);
                let path = text.split(' ').nth(1).unwrap_or_default();
                let mut left: usize = path.trim_start_matches("/bytes/").parse().unwrap_or(0);
                let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n").into_bytes();
                let first = left.min(1024);
                answer.extend_from_slice(&block[..first]);
                left -= first;
                stream.write_all(&answer).await?;
                while left > 0 {
                    let part = left.min(block.len());
                    stream.write_all(&block[..part]).await?;
                    left -= part;
                }
                head.clear();
            }
            io::Result::Ok(())
        });
    }
}

/// Proxies until its input ends.
async fn proxy() -> io::Result<()> {
    let allow = vec!["127.0.0.0/8".parse().map_err(io::Error::other)?];
    let egress = Egress::new(Policy { allow, ..Policy::default() });
    let listener = egress.listen().await?;
    listener.set_route(Route::Direct);
    println!("{}", listener.address());
    tokio::task::spawn_blocking(|| io::stdin().lines().for_each(drop)).await?;
    Ok(())
}

/// A process of this program, which ends with the value.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(what: &str) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }

    /// Resident memory, in KiB.
    fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0))
    }

    /// Processor time so far; the kernel counts it in hundredths of a second.
    fn processor(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A connection on which requests may be sent, and what stands before their path.
struct Client {
    stream: TcpStream,
    prefix: String,
    site: SocketAddr,
    buffer: Vec<u8>,
}

impl Client {
    async fn open(path: Path, site: SocketAddr, proxy: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(if path == Path::Direct { site } else { proxy }).await?;
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; 256 << 10];
        if path == Path::Tunnel {
            stream.write_all(format!("CONNECT {site} HTTP/1.1\r\nHost: {site}\r\n\r\n").as_bytes()).await?;
            let read = stream.read(&mut buffer).await?;
            assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "no tunnel");
        }
        let prefix = if path == Path::Plain { format!("http://{site}") } else { String::new() };
        Ok(Self { stream, prefix, site, buffer })
    }

    async fn get(&mut self, bytes: usize) -> io::Result<()> {
        let Self { prefix, site, .. } = self;
        let request = format!("GET {prefix}/bytes/{bytes} HTTP/1.1\r\nHost: {site}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let (mut read, mut head) = (0, None);
        while head.is_none_or(|head| read < head + bytes) {
            let more = self.stream.read(&mut self.buffer).await?;
            assert_ne!(more, 0, "an early end");
            if head.is_none() {
                head = self.buffer[..more].windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4);
            }
            read += more;
        }
        Ok(())
    }
}

async fn bench(rounds: usize) -> io::Result<()> {
    let (site, proxy) = (Process::start("site")?, Process::start("proxy")?);
    let (to, via) = (site.address, proxy.address);
    let mut table = [const { Vec::new() }; PATHS.len()];
    for _ in 0..rounds {
        for (path, rows) in PATHS.into_iter().zip(&mut table) {
            rows.push(round(path, to, via, &proxy).await?);
        }
    }
    println!(
        "| | download, MB/s | proxy's processor, s per GB | new connections/s | small request, p50 µs | p99 µs |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (path, rows) in PATHS.into_iter().zip(&table) {
        let column = |number: usize| median(rows.iter().map(|row| row[number]).collect());
        let [speed, processor, connections, p50, p99] = [0, 1, 2, 3, 4].map(column);
        println!("| {path:?} | {speed:.0} | {processor:.2} | {connections:.0} | {p50:.0} | {p99:.0} |");
    }
    memory(to, via, &proxy).await
}

/// One round over one path: the table's columns.
async fn round(path: Path, to: SocketAddr, via: SocketAddr, proxy: &Process) -> io::Result<[f64; 5]> {
    let mut client = Client::open(path, to, via).await?;
    let (began, processor) = (Instant::now(), proxy.processor()?);
    client.get(DOWNLOAD).await?;
    let took = began.elapsed();
    let processor = proxy.processor()?.saturating_sub(processor);
    let speed = 1024.0 * 1.048_576 / took.as_secs_f64();

    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..AT_A_TIME {
        workers.spawn(async move {
            for _ in 0..CONNECTIONS / AT_A_TIME {
                Client::open(path, to, via).await?.get(100).await?;
            }
            io::Result::Ok(())
        });
    }
    for worker in workers.join_all().await {
        worker?;
    }
    let per_second =
        f64::from(u32::try_from(CONNECTIONS).unwrap_or(u32::MAX)) / began.elapsed().as_secs_f64();

    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        client.get(100).await?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok([speed, processor.as_secs_f64() / 1.073, per_second, times[REQUESTS / 2], times[REQUESTS * 99 / 100]])
}

async fn memory(to: SocketAddr, via: SocketAddr, proxy: &Process) -> io::Result<()> {
    let before = proxy.resident()?;
    let mut tunnels = Vec::with_capacity(TUNNELS);
    for _ in 0..TUNNELS {
        let mut tunnel = Client::open(Path::Tunnel, to, via).await?;
        // Used, and idle again.
        tunnel.get(100_000).await?;
        tunnel.buffer = Vec::new();
        tunnels.push(tunnel);
    }
    let after = proxy.resident()?;
    let each = (after.saturating_sub(before)) * 1024 / TUNNELS as u64;
    println!(
        "\nresident: {before} KiB before, {after} KiB with {TUNNELS} tunnels that were used and are idle ({each} bytes each)"
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
