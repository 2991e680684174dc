//! One way out: from a destination to a connection, with every check on the way.
//!
//! Names are resolved once, here or by the proxy, and only addresses that passed are connected to: an answer that changes
//! afterwards changes nothing.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::connect::connect_any;
use crate::egress::Shared;
use crate::failure::{Failure, Trouble, words};
use crate::{Destination, Exit, ExitName, Host, Scheme, Stream, UpstreamProxy, Way, http_proxy, socks5, tls};

/// One way out.
pub(crate) struct Dialer {
    shared: Arc<Shared>,
    /// `None`: direct.
    exit: Option<Arc<Exit>>,
    tls: OnceCell<TlsConnector>,
}

impl Dialer {
    pub fn new(shared: Arc<Shared>, exit: Option<Arc<Exit>>) -> Self {
        Self { shared, exit, tls: OnceCell::new() }
    }

    pub fn exit_name(&self) -> Option<&ExitName> {
        self.exit.as_ref().map(|exit| &exit.name)
    }

    /// The proxy that plain HTTP is sent to in the absolute form.
    pub fn http_proxy(&self) -> Option<&UpstreamProxy> {
        self.proxy().map(|(_, proxy)| proxy).filter(|proxy| proxy.scheme != Scheme::Socks5)
    }

    fn proxy(&self) -> Option<(&ExitName, &UpstreamProxy)> {
        match self.exit.as_deref() {
            Some(Exit { name, way: Way::Proxy(proxy) }) => Some((name, proxy)),
            _ => None,
        }
    }

    /// Connects so that the bytes go to the destination.
    pub async fn open(&self, destination: &Destination) -> Result<Stream, Failure> {
        match self.proxy() {
            None => self.open_here(destination).await,
            Some((name, proxy)) => {
                self.check_unresolved(destination)?;
                self.open_through(proxy, destination).await.map_err(|trouble| Failure::hop(name, trouble))
            }
        }
    }

    /// Connects for plain HTTP: to the destination, or to the proxy that takes requests for it.
    pub async fn open_plain(&self, destination: &Destination) -> Result<Stream, Failure> {
        match self.proxy() {
            Some((name, proxy)) if proxy.scheme != Scheme::Socks5 => {
                self.check_unresolved(destination)?;
                self.reach(proxy).await.map_err(|trouble| Failure::hop(name, trouble))
            }
            _ => self.open(destination).await,
        }
    }

    /// Connects to the exit's proxy and logs in as far as that goes without asking for a destination.
    pub async fn try_proxy(&self, proxy: &UpstreamProxy) -> Result<(), Trouble> {
        let mut stream = self.reach(proxy).await?;
        if proxy.scheme == Scheme::Socks5 {
            let greeting = socks5::greet(&mut stream, proxy.credentials.as_ref());
            timeout(self.shared.limits.handshake, greeting).await.map_err(|_| Trouble::TimedOut)??;
        }
        Ok(())
    }

    async fn open_here(&self, destination: &Destination) -> Result<Stream, Failure> {
        self.shared.policy.check_port(destination.port)?;
        let mut addresses = self.addresses(destination).await?;
        let from = self.source_address();
        if let (Some(from), Some(exit)) = (from, self.exit_name()) {
            addresses.retain(|address| address.is_ipv4() == from.is_ipv4());
            if addresses.is_empty() {
                let family = if from.is_ipv4() { "IPv4" } else { "IPv6" };
                return Err(Failure::Family {
                    target: destination.host.to_string(),
                    family,
                    exit: exit.clone(),
                });
            }
        }
        let network = &*self.shared.network;
        let opened =
            connect_any(network, &addresses, destination.port, from, self.shared.limits.connect).await;
        opened.map_err(|error| {
            let (target, exit) = (destination.to_string(), self.exit_name().cloned());
            match error.kind() {
                io::ErrorKind::TimedOut => Failure::ConnectTimeout { target, exit },
                _ => Failure::Unreachable { target, exit, why: words(&error) },
            }
        })
    }

    fn source_address(&self) -> Option<IpAddr> {
        match self.exit.as_deref() {
            Some(Exit { way: Way::SourceAddress(address), .. }) => Some(*address),
            _ => None,
        }
    }

    /// The destination's addresses that may be connected to. Refused when there are some and none of them may.
    async fn addresses(&self, destination: &Destination) -> Result<Vec<IpAddr>, Failure> {
        let found = match &destination.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => match self.shared.policy.check_name(name)? {
                Some(addresses) => addresses,
                None => self.resolve(name).await?,
            },
        };
        let mut refusal = None;
        let mut passed = Vec::with_capacity(found.len());
        for address in found {
            match self.shared.check(address, destination.port) {
                Ok(()) => passed.push(address),
                Err(why) => drop(refusal.get_or_insert(why)),
            }
        }
        match refusal {
            Some(refusal) if passed.is_empty() => Err(refusal.into()),
            _ => Ok(passed),
        }
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let unresolved = |why| Failure::Unresolved { name: name.to_owned(), why };
        match timeout(self.shared.limits.resolve, self.shared.network.resolve(name)).await {
            Err(_) => Err(Failure::ResolveTimeout(name.to_owned())),
            // The resolver's own words differ between systems, and say little.
            Ok(Err(_)) => Err(unresolved(String::new())),
            Ok(Ok(addresses)) if addresses.is_empty() => Err(unresolved("it has no addresses".to_owned())),
            Ok(Ok(addresses)) => Ok(addresses),
        }
    }

    /// Checks what can be checked of a destination that the proxy resolves.
    fn check_unresolved(&self, destination: &Destination) -> Result<(), Failure> {
        self.shared.policy.check_port(destination.port)?;
        match &destination.host {
            Host::Address(address) => self.shared.check(*address, destination.port)?,
            Host::Name(name) => {
                for address in self.shared.policy.check_name(name)?.unwrap_or_default() {
                    self.shared.own.check(address, destination.port)?;
                }
            }
        }
        Ok(())
    }

    async fn open_through(&self, proxy: &UpstreamProxy, to: &Destination) -> Result<Stream, Trouble> {
        let mut stream = self.reach(proxy).await?;
        let credentials = proxy.credentials.as_ref();
        let shake = async {
            if proxy.scheme != Scheme::Socks5 {
                return http_proxy::connect(stream, to, credentials, self.shared.limits.head_bytes).await;
            }
            socks5::greet(&mut stream, credentials).await?;
            socks5::connect(&mut stream, to).await?;
            Ok(stream)
        };
        timeout(self.shared.limits.handshake, shake).await.map_err(|_| Trouble::TimedOut)?
    }

    /// Connects to a proxy, with TLS if it is one of https.
    async fn reach(&self, proxy: &UpstreamProxy) -> Result<Stream, Trouble> {
        let addresses = self.proxy_addresses(proxy).await?;
        let limits = &self.shared.limits;
        let stream = connect_any(&*self.shared.network, &addresses, proxy.port, None, limits.connect).await;
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Trouble::TimedOut,
            _ => Trouble::Unreachable(words(&error)),
        })?;
        if proxy.scheme != Scheme::Https {
            return Ok(stream);
        }
        let make = || self.shared.roots.connector(proxy.ca_file.as_deref());
        let connector = self.tls.get_or_try_init(make).await.map_err(Trouble::Tls)?;
        let shaken = timeout(limits.handshake, tls::handshake(connector, &proxy.host, stream)).await;
        shaken.map_err(|_| Trouble::TimedOut)?.map_err(Trouble::Tls)
    }

    /// The proxy's addresses that may be connected to: for a trusted one, all that are not our own.
    async fn proxy_addresses(&self, proxy: &UpstreamProxy) -> Result<Vec<IpAddr>, Trouble> {
        let destination = Destination { host: proxy.host.clone(), port: proxy.port };
        if !proxy.trusted {
            self.shared.policy.check_port(proxy.port).map_err(Trouble::Refused)?;
            return self.addresses(&destination).await.map_err(|failure| match failure {
                Failure::Refused(refusal) => Trouble::Refused(refusal),
                _ => Trouble::Unresolved,
            });
        }
        let addresses = match &proxy.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolve(name).await.map_err(|_| Trouble::Unresolved)?,
        };
        for address in &addresses {
            self.shared.own.check(*address, proxy.port).map_err(Trouble::Refused)?;
        }
        Ok(addresses)
    }
}
