//! `[server]`: how the server shows itself, and whom it believes.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::origin::{WebOrigin, bare_host};

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The URL under which clients reach this server, for `cdp_url`; by default each request's own `Host` is used.
    pub public_url: Option<PublicUrl>,
    /// The reverse proxies whose `X-Forwarded-…` headers are believed; nobody's by default.
    pub trusted_proxies: TrustedProxies,
    /// The certificate and its key, for TLS; plain HTTP when absent.
    pub tls: Option<TlsConfig>,
    /// Other sites whose pages may open WebSockets to this server.
    pub allowed_origins: Vec<WebOrigin>,
    /// Names under which this server's own pages may be opened, besides addresses, `localhost` and the public URL's.
    pub allowed_hosts: Vec<String>,
    /// How many connections may be open at once; more wait.
    pub max_connections: usize,
    /// How long a TLS handshake, and the head of a request, may take to arrive, in seconds.
    pub header_seconds: u64,
    /// How long a request's body may take to arrive, in seconds.
    pub body_seconds: u64,
    /// How long a connection may rest between two requests, in seconds.
    pub idle_seconds: u64,
    /// How often the client of a WebSocket is pinged, in seconds; it is dropped when it says nothing for three times as long.
    pub ping_seconds: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            trusted_proxies: TrustedProxies::default(),
            tls: None,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            max_connections: 4096,
            header_seconds: 10,
            body_seconds: 60,
            // A minute, which is what proxies in front keep a connection for, and some: they must be the ones to close it.
            idle_seconds: 75,
            ping_seconds: 30,
        }
    }
}

impl ServerConfig {
    /// Returns what is wrong with the numbers, if anything is.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self { header_seconds, body_seconds, idle_seconds, ping_seconds, .. } = self;
        for (name, seconds) in [
            ("header_seconds", header_seconds),
            ("body_seconds", body_seconds),
            ("idle_seconds", idle_seconds),
            ("ping_seconds", ping_seconds),
        ] {
            if !(1..=MAX_SECONDS).contains(seconds) {
                anyhow::bail!("server.{name} must be between 1 and {MAX_SECONDS}");
            }
        }
        if let Some(wrong) = self.allowed_hosts.iter().find(|host| host.contains([':', '/', '*'])) {
            anyhow::bail!(
                "server.allowed_hosts must have names without a port, box.lan for example, not {wrong:?}"
            );
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.max_connections) {
            anyhow::bail!("server.max_connections must be between 1 and {MAX_CONNECTIONS}");
        }
        Ok(())
    }

    /// [`Self::header_seconds`] as a duration.
    pub const fn header_time(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    /// [`Self::body_seconds`] as a duration.
    pub const fn body_time(&self) -> Duration {
        Duration::from_secs(self.body_seconds)
    }

    /// [`Self::idle_seconds`] as a duration.
    pub const fn idle_time(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }

    /// [`Self::ping_seconds`] as a duration.
    pub const fn ping_time(&self) -> Duration {
        Duration::from_secs(self.ping_seconds)
    }

    /// Returns the origin of pages under the public URL.
    pub fn own_origin(&self) -> Option<WebOrigin> {
        self.public_url.as_ref().and_then(|url| WebOrigin::new(url.scheme(), &url.authority).ok())
    }

    /// Tells whether a host, in lower case, is one that nobody but this server's operator can have lead here.
    pub fn is_own_host(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.own_origin().is_some_and(|own| own.host() == host)
            || self.allowed_hosts.iter().any(|allowed| bare_host(allowed) == host)
    }
}

/// A day: longer is a typing error.
const MAX_SECONDS: u64 = 24 * 3600;
/// More connections than a process may have descriptors on any usual system.
const MAX_CONNECTIONS: usize = 1_000_000;

/// `[server] tls`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those that vouch for it, in PEM form.
    pub certificate: PathBuf,
    /// Its private key, in PEM form.
    pub key: PathBuf,
}

/// An `http` or `https` URL without a path, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl {
    secure: bool,
    authority: String,
}

impl PublicUrl {
    const fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Returns the matching WebSocket origin, `ws://host:port` or `wss://host:port`.
    pub fn websocket_origin(&self) -> String {
        format!("{}://{}", if self.secure { "wss" } else { "ws" }, self.authority)
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("public_url must look like https://browsers.example.com, not {text:?}");
        let uri: http::Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        if !matches!(scheme, "http" | "https") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        Ok(Self { secure: scheme == "https", authority: authority.to_string() })
    }
}

/// The addresses of reverse proxies, as ranges or one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Tells whether an address is one of them. An IPv4 address in IPv6 clothes is the IPv4 address.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }
}

impl TryFrom<Vec<String>> for TrustedProxies {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, Self::Error> {
        let range = |text: &String| {
            let found = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            found.map_err(|_| {
                format!("trusted_proxies must have ranges or addresses, 10.0.0.0/8 for example, not {text:?}")
            })
        };
        texts.iter().map(range).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_range_or_an_address() {
        let trusted = |texts: &[&str]| {
            TrustedProxies::try_from(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let proxies = trusted(&["10.0.0.0/8", "192.0.2.1", "fd00::/8"]).unwrap();
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("fd00::1", true),
            ("::1", false),
        ] {
            assert_eq!(proxies.contain(address.parse().unwrap()), expected, "{address}");
        }
        assert!(trusted(&["10.0.0.0/33"]).is_err() && trusted(&["proxy.example"]).is_err());
        assert!(!TrustedProxies::default().contain("127.0.0.1".parse().unwrap()));
    }
}
