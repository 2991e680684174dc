//! The network as the rest sees it: names to addresses, addresses to connections. Tests and fuzzing bring their own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::Semaphore;

use crate::Stream;

/// How many names may be looked up at once: `getaddrinfo` holds a thread for each, and tokio has 512.
const LOOKUPS: usize = 128;
/// How long a connection may be silent before the system asks whether the peer is there, and how often it then asks: the
/// figure that Chromium sets on its own sockets.
const KEEPALIVE: Duration = Duration::from_secs(45);

/// Where names are resolved and connections made.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Looks a name up. The answer's order is kept among the addresses of a family.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
    /// Connects, from an address of this machine when one is given.
    async fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Stream>;
}

/// This machine's own network.
#[derive(Debug)]
pub struct SystemNetwork {
    lookups: Semaphore,
}

impl Default for SystemNetwork {
    fn default() -> Self {
        Self { lookups: Semaphore::new(LOOKUPS) }
    }
}

#[async_trait]
impl Network for SystemNetwork {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let _place = self.lookups.acquire().await.map_err(io::Error::other)?;
        Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }

    async fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Stream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = from {
            // The port is chosen when connecting, so that one address has all its ports towards each destination.
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(SocketAddr::new(from, 0))?;
        }
        socket.set_nodelay(true)?;
        socket.set_keepalive(true)?;
        rustix::net::sockopt::set_tcp_keepidle(&socket, KEEPALIVE)?;
        rustix::net::sockopt::set_tcp_keepintvl(&socket, KEEPALIVE)?;
        let stream: TcpStream = socket.connect(to).await?;
        Ok(stream.into())
    }
}
