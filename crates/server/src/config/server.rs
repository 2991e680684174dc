//! `[server]`: how the server shows itself, and whom it believes.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// `[server]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The URL under which clients reach this server, for `cdp_url`; by default each request's own `Host` is used.
    pub public_url: Option<PublicUrl>,
    /// The reverse proxies whose `X-Forwarded-…` headers are believed; nobody's by default.
    pub trusted_proxies: TrustedProxies,
}

/// An `http` or `https` URL without a path, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl {
    secure: bool,
    authority: String,
}

impl PublicUrl {
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
