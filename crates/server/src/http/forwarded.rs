//! What a reverse proxy says about the client behind it, and when it is believed. Pure.
//!
//! Anybody can send `X-Forwarded-For`, so it counts only as far as trusted proxies wrote it: each appends the address that
//! connected to it, so the chain is read from its end, and the first address that is not a trusted proxy's is the client's.
//! Of the others the last value counts, which is the nearest proxy's. RFC 7239's `Forwarded` is not read: a proxy that knows
//! only the older headers hands a client's own `Forwarded` through, and it would be believed.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::HeaderName;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};

use crate::config::TrustedProxies;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A request as its client made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Where the client is.
    pub client: IpAddr,
    /// Whether it came over TLS, if a proxy says so.
    pub secure: Option<bool>,
    /// The host that it named, if a proxy says so.
    pub host: Option<Authority>,
}

impl Forwarded {
    /// Reads the headers of a request that came from `peer`.
    pub fn read(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let peer = peer.to_canonical();
        if !trusted.contain(peer) {
            return Self { client: peer, secure: None, host: None };
        }
        Self {
            client: client(peer, headers, trusted),
            secure: last(headers, &PROTO).and_then(secure),
            host: last(headers, &HOST).and_then(authority),
        }
    }
}

/// Walks the chain from its end. What is no address ends it: whoever wrote that is the last that is known.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let mut client = peer;
    for hop in values(headers, &FOR).rev() {
        let Some(address) = address(hop) else { break };
        client = address;
        if !trusted.contain(address) {
            break;
        }
    }
    client
}

/// Reads a hop: an address, in brackets or not, with a port or without.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

fn secure(proto: &str) -> Option<bool> {
    match proto.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// Reads a host with or without a port. One with a login is none.
pub fn authority(host: &str) -> Option<Authority> {
    host.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'))
}

fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    values(headers, name).next_back()
}

/// Returns a header's values in order, whether they came on one line or on several.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line: &HeaderValue| line.to_str().unwrap_or_default().split(',').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(peer: &str, lines: &[(&'static str, &str)]) -> Forwarded {
        let trusted = ["10.0.0.0/8", "::1"].map(str::to_owned).to_vec();
        let headers = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        Forwarded::read(peer.parse().unwrap(), &headers, &TrustedProxies::try_from(trusted).unwrap())
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
        for (peer, chain, client) in [
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.1, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
            ("10.0.0.1", "10.0.0.2,10.0.0.3", "10.0.0.2"),
            ("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.7, unknown, 10.0.0.4", "10.0.0.4"),
            ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
            ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
            // From anybody else it means nothing.
            ("192.0.2.9", "203.0.113.7", "192.0.2.9"),
            ("192.0.2.9", "10.0.0.1", "192.0.2.9"),
        ] {
            let read = read(peer, &[("x-forwarded-for", chain)]);
            assert_eq!(read.client, client.parse::<IpAddr>().unwrap(), "{peer} {chain:?}");
        }
        let two_lines = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "10.0.0.5")];
        assert_eq!(read("10.0.0.1", &two_lines).client, "203.0.113.7".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn host_and_scheme_are_the_nearest_trusted_proxys_words() {
        let lines =
            [("x-forwarded-proto", "http, HTTPS"), ("x-forwarded-host", "evil.example, b.example:8443")];
        let believed = read("::1", &lines);
        assert_eq!((believed.secure, believed.host), (Some(true), authority("b.example:8443")));
        let ignored = read("192.0.2.9", &lines);
        assert_eq!((ignored.secure, ignored.host), (None, None));
        let nonsense = read("::1", &[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "user@host")]);
        assert_eq!((nonsense.secure, nonsense.host), (None, None));
    }
}
