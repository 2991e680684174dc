//! An upstream proxy as people rent them: HTTP or SOCKS5, with a user and a password, and names of its own that nobody else can
//! resolve. It remembers what it was asked for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Who may use every upstream.
pub const USER: &str = "harbour";
/// With which password. It must turn up nowhere else.
pub const PASSWORD: &str = "mast-and-sail";

/// How to speak with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, with Basic authentication.
    Http,
    /// SOCKS5, with user name and password.
    Socks5,
}

/// A running proxy. Dropping it, or stopping it, cuts everything that goes through it.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    protocol: Protocol,
    asked: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

/// What every connection needs.
#[derive(Clone, Debug)]
struct Desk {
    protocol: Protocol,
    /// Where connections are made from.
    source: IpAddr,
    /// Where every name leads.
    site: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Listens on `address`; connects from `source`, and to `site` whatever the name.
    pub async fn start(
        protocol: Protocol,
        address: SocketAddr,
        source: IpAddr,
        site: SocketAddr,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let desk = Desk { protocol, source, site, asked: Arc::clone(&asked) };
        let server = tokio::spawn(async move {
            // Dropped with the task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let desk = desk.clone();
                connections.spawn(async move { drop(desk.serve(client).await) });
            }
        });
        Ok(Self { address, protocol, asked, server })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its URL, with a password.
    pub fn url(&self, password: &str) -> String {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Socks5 => "socks5",
        };
        format!("{scheme}://{USER}:{password}@{}", self.address)
    }

    /// Returns the `host:port` of everything that it was asked for, by those who may.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops it at once.
    pub async fn stop(&mut self) {
        self.server.abort();
        drop((&mut self.server).await);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    async fn serve(self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        match self.protocol {
            Protocol::Http => self.serve_http(client).await,
            Protocol::Socks5 => self.serve_socks5(client).await,
        }
    }

    async fn serve_http(self, mut client: TcpStream) -> io::Result<()> {
        let (head, begun) = read_head(&mut client).await?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let login = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let field = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let allowed = text
            .lines()
            .filter_map(field)
            .any(|(name, value)| name == "proxy-authorization" && value == login);
        if !allowed {
            let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return client.write_all(refusal).await;
        }
        let mut words = text.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if method == "CONNECT" {
            let mut site = self.connect(target).await?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            return copy_bidirectional(&mut client, &mut site).await.map(drop);
        }
        let place = target.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let place = if place.contains(':') { place } else { format!("{place}:80") };
        let mut site = self.connect(&place).await?;
        // One request a connection, so that each is seen; what the proxy alone may know does not go on.
        let kept = text.trim_end().lines().filter(|line| {
            !matches!(field(line), Some((name, _)) if name == "proxy-authorization" || name == "connection")
        });
        let head = kept.collect::<Vec<_>>().join("\r\n") + "\r\nconnection: close\r\n\r\n";
        site.write_all(&[head.as_bytes(), &begun].concat()).await?;
        copy_bidirectional(&mut client, &mut site).await.map(drop)
    }

    async fn serve_socks5(self, mut client: TcpStream) -> io::Result<()> {
        const VERSION: u8 = 5;
        const PASSWORD_METHOD: u8 = 2;
        let methods = read_counted(&mut client, &[VERSION]).await?;
        if !methods.contains(&PASSWORD_METHOD) {
            return client.write_all(&[VERSION, 0xff]).await;
        }
        client.write_all(&[VERSION, PASSWORD_METHOD]).await?;
        let user = read_counted(&mut client, &[1]).await?;
        let password = read_counted(&mut client, &[]).await?;
        if user != USER.as_bytes() || password != PASSWORD.as_bytes() {
            return client.write_all(&[1, 1]).await;
        }
        client.write_all(&[1, 0]).await?;
        let mut request = [0; 4];
        client.read_exact(&mut request).await?;
        let host = match request[3] {
            1 => IpAddr::from(read_array::<4>(&mut client).await?).to_string(),
            4 => format!("[{}]", IpAddr::from(read_array::<16>(&mut client).await?)),
            _ => String::from_utf8_lossy(&read_counted(&mut client, &[]).await?).into_owned(),
        };
        let port = u16::from_be_bytes(read_array(&mut client).await?);
        let Ok(mut site) = self.connect(&format!("{host}:{port}")).await else {
            return client.write_all(&[VERSION, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        };
        client.write_all(&[VERSION, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        copy_bidirectional(&mut client, &mut site).await.map(drop)
    }

    /// Connects from the proxy's own address: to an address as it is, to the site for any name.
    async fn connect(&self, place: &str) -> io::Result<TcpStream> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(place.to_owned());
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.source, 0))?;
        let site = socket.connect(place.parse().unwrap_or(self.site)).await?;
        site.set_nodelay(true)?;
        Ok(site)
    }
}

/// Reads a request's head, and what came with it of the body.
async fn read_head(client: &mut TcpStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    loop {
        if let Some(place) = head.windows(END.len()).position(|bytes| bytes == END) {
            let body = head.split_off(place + END.len());
            return Ok((head, body));
        }
        if client.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn read_array<const LENGTH: usize>(client: &mut TcpStream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Reads `before`, then a byte that counts, then as many bytes.
async fn read_counted(client: &mut TcpStream, before: &[u8]) -> io::Result<Vec<u8>> {
    let mut start = vec![0; before.len()];
    client.read_exact(&mut start).await?;
    if start != before {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}
