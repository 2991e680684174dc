//! A host and a destination, in canonical form, so that two spellings of one address cannot be told apart.

use std::fmt;
use std::net::IpAddr;

/// A host as browsers understand it: `0x7f.1`, `2130706433` and `127.0.0.1` are one address, `EXAMPLE.com` and
/// `example.com` are one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name in lower-case ASCII (punycode); a trailing dot is kept.
    Name(String),
    /// An address that was written as such.
    Address(IpAddr),
}

/// The text is no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name or address")]
pub struct InvalidHost;

impl Host {
    /// Parses what stands in a URL between `//` and the port, by the URL standard's rules: percent-encoding, IDNA, every
    /// spelling of an IPv4 address, IPv6 in brackets.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        match url::Host::parse(text).map_err(|_| InvalidHost)? {
            url::Host::Domain(name) if name.len() > 254 || name.is_empty() => Err(InvalidHost),
            url::Host::Domain(name) => Ok(Self::Name(name)),
            url::Host::Ipv4(address) => Ok(Self::Address(address.into())),
            url::Host::Ipv6(address) => Ok(Self::Address(address.into())),
        }
    }
}

impl fmt::Display for Host {
    /// IPv6 addresses have their brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Who.
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Which part of `host:port` is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidAuthority {
    Host,
    Port,
}

/// Splits `host` and `host:port`, minding the colons of an IPv6 address. The host is not checked further.
pub(crate) fn split_host_port(text: &str) -> Result<(&str, Option<u16>), InvalidAuthority> {
    let end = match text.strip_prefix('[') {
        Some(address) => 2 + address.find(']').ok_or(InvalidAuthority::Host)?,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(end);
    if host.is_empty() {
        return Err(InvalidAuthority::Host);
    }
    if rest.is_empty() {
        return Ok((host, None));
    }
    let port = rest.strip_prefix(':').ok_or(InvalidAuthority::Host)?;
    // A second colon is an IPv6 address without brackets.
    if port.contains(':') {
        return Err(InvalidAuthority::Host);
    }
    // `u16::from_str` would take a sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidAuthority::Port);
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(InvalidAuthority::Port),
    }
}
