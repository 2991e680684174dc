//! An upstream proxy: where it is and how to log in, parsed from what an operator or a caller wrote.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::Host;
use crate::host::{InvalidAuthority, split_host_port};

/// How long a user name or password may be, in bytes: RFC 1929 has one byte for the length.
const MAX_CREDENTIAL_BYTES: usize = 255;

/// How to speak with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// SOCKS 5; names are resolved by the proxy.
    Socks5,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        })
    }
}

/// A user name and a password. They are in no `Debug`, no message and no log, and wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Credentials {
    pub(crate) fn username(&self) -> &str {
        &self.username
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A proxy that an exit sends everything through. `Display` gives `socks5://host:1080`, never credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamProxy {
    /// How to speak with it.
    pub scheme: Scheme,
    /// Where it is.
    pub host: Host,
    /// Never 0.
    pub port: u16,
    /// How to log in.
    pub credentials: Option<Credentials>,
    /// For `https`: certificates, in PEM, that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the operator configured it. The address of any other proxy is subject to the policy, like a target's.
    pub trusted: bool,
}

/// Why a proxy's URL or its credentials cannot be used. No message repeats what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// Not one of ours.
    #[error("the proxy's scheme is not one of http, https, socks5, socks5h")]
    Scheme,
    /// Neither a name nor an address.
    #[error("the proxy's host is neither a name nor an address (an IPv6 address needs brackets)")]
    Host,
    /// Without a scheme there is no default port.
    #[error("the proxy has no port: write host:port, or a URL such as http://host:port")]
    NoPort,
    /// Not a number from 1 to 65535.
    #[error("the proxy's port is not a number from 1 to 65535")]
    Port,
    /// There is something behind the port.
    #[error(
        "the proxy's URL has a path, a query or a fragment (in a password, write '/', '?' and '#' as %2F, %3F and %23)"
    )]
    Trailer,
    /// White space or control characters.
    #[error("the proxy's URL has white space or control characters in it")]
    Whitespace,
    /// They cannot be sent.
    #[error(
        "the proxy's user name or password cannot be sent: each has at most 255 bytes of UTF-8 without control characters, the user name is not empty and has no ':'"
    )]
    Credentials,
}

impl UpstreamProxy {
    /// Parses `http://`, `https://`, `socks5://` and `socks5h://` URLs and a bare `host:port`, which means http. User name and
    /// password are percent-decoded. The result is not [`trusted`](Self::trusted).
    pub fn parse(server: &str) -> Result<Self, ProxyUrlError> {
        if server.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ProxyUrlError::Whitespace);
        }
        let (scheme, rest) = match server.split_once("://") {
            Some((scheme, rest)) => (Some(parse_scheme(scheme)?), rest),
            None => (None, server),
        };
        let rest = if scheme.is_some() { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(ProxyUrlError::Trailer);
        }
        let (userinfo, place) = match rest.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, rest),
        };
        let (host, port) = split_host_port(place).map_err(|error| match error {
            InvalidAuthority::Host => ProxyUrlError::Host,
            InvalidAuthority::Port => ProxyUrlError::Port,
        })?;
        let port = match (port, scheme) {
            (Some(port), _) => port,
            (None, Some(scheme)) => scheme.default_port(),
            (None, None) => return Err(ProxyUrlError::NoPort),
        };
        let host = Host::parse(host).map_err(|_| ProxyUrlError::Host)?;
        let scheme = scheme.unwrap_or(Scheme::Http);
        let proxy = Self { scheme, host, port, credentials: None, ca_file: None, trusted: false };
        match userinfo {
            None => Ok(proxy),
            Some(userinfo) => {
                let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                proxy.with_credentials(&decode(username)?, &decode(password)?)
            }
        }
    }

    /// Sets how to log in.
    pub fn with_credentials(mut self, username: &str, password: &str) -> Result<Self, ProxyUrlError> {
        let fits = |text: &str| text.len() <= MAX_CREDENTIAL_BYTES && !text.chars().any(char::is_control);
        if username.is_empty() || username.contains(':') || !fits(username) || !fits(password) {
            return Err(ProxyUrlError::Credentials);
        }
        self.credentials = Some(Credentials {
            username: Zeroizing::new(username.to_owned()),
            password: Zeroizing::new(password.to_owned()),
        });
        Ok(self)
    }

    /// Trusts the certificates in this file as well, besides the system's.
    #[must_use]
    pub fn with_ca_file(mut self, ca_file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(ca_file.into());
        self
    }

    /// Says that the operator configured it, so it may be on a private address.
    #[must_use]
    pub fn trusted(mut self) -> Self {
        self.trusted = true;
        self
    }
}

impl fmt::Display for UpstreamProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

fn parse_scheme(scheme: &str) -> Result<Scheme, ProxyUrlError> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        "socks5" | "socks5h" => Ok(Scheme::Socks5),
        _ => Err(ProxyUrlError::Scheme),
    }
}

fn decode(text: &str) -> Result<Zeroizing<String>, ProxyUrlError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(Zeroizing::new(text.into_owned())),
        Err(_) => Err(ProxyUrlError::Credentials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, shown, login) in [
            ("http://proxy.example:3128", "http://proxy.example:3128", None),
            ("proxy.example:3128", "http://proxy.example:3128", None),
            ("HTTP://Proxy.Example:3128/", "http://proxy.example:3128", None),
            ("http://proxy.example", "http://proxy.example:80", None),
            ("https://proxy.example", "https://proxy.example:443", None),
            ("socks5://proxy.example", "socks5://proxy.example:1080", None),
            ("socks5h://0x7f.1:9", "socks5://127.0.0.1:9", None),
            ("socks5://[2001:db8::1]:9", "socks5://[2001:db8::1]:9", None),
            ("https://[::1]", "https://[::1]:443", None),
            ("[::1]:8080", "http://[::1]:8080", None),
            ("http://ada:pass@proxy.example:1", "http://proxy.example:1", Some(("ada", "pass"))),
            ("ada:pass@proxy.example:1", "http://proxy.example:1", Some(("ada", "pass"))),
            ("http://ada@proxy.example:1", "http://proxy.example:1", Some(("ada", ""))),
            ("http://a%3Ad:p%40ss@proxy.example:1", "", None),
            ("http://ada:p%40s%3As@proxy.example:1", "http://proxy.example:1", Some(("ada", "p@s:s"))),
            ("http://ada:p@ss@proxy.example:1", "http://proxy.example:1", Some(("ada", "p@ss"))),
            ("http://ada:%E2%82%AC@proxy.example:1", "http://proxy.example:1", Some(("ada", "€"))),
        ] {
            let Ok(proxy) = UpstreamProxy::parse(text) else {
                assert_eq!(shown, "", "{text}");
                continue;
            };
            assert_eq!(proxy.to_string(), shown, "{text}");
            let found = proxy.credentials.as_ref().map(|found| (found.username(), found.password()));
            assert_eq!(found, login, "{text}");
            assert!(!proxy.trusted);
        }
    }

    #[test]
    fn errors_repeat_nothing() {
        use ProxyUrlError as E;
        let long = format!("http://hush:{}@proxy.example:1", "x".repeat(256));
        for (text, error) in [
            ("ftp://hush:hush@proxy.example:1", E::Scheme),
            ("socks4://proxy.example:1", E::Scheme),
            ("://proxy.example:1", E::Scheme),
            ("proxy.example", E::NoPort),
            ("hush@proxy.example", E::NoPort),
            ("", E::Host),
            ("http://", E::Host),
            ("http://:80", E::Host),
            ("http://hush:hush@:80", E::Host),
            ("http://::1:80", E::Host),
            ("http://[::1:80", E::Host),
            ("http://[::1]80", E::Host),
            ("http://a b:80", E::Whitespace),
            ("http://proxy.example:80\r\nX: y", E::Whitespace),
            ("http://ex%20ample:80", E::Host),
            ("http://proxy.example:", E::Port),
            ("http://proxy.example:0", E::Port),
            ("http://proxy.example:65536", E::Port),
            ("http://proxy.example:+80", E::Port),
            ("http://proxy.example:hush", E::Port),
            ("http://proxy.example:80/path", E::Trailer),
            ("http://proxy.example:80?hush", E::Trailer),
            ("http://proxy.example:80#hush", E::Trailer),
            ("http://hush:hu/sh@proxy.example:80", E::Trailer),
            ("http://:hush@proxy.example:80", E::Credentials),
            ("http://hush:%00@proxy.example:80", E::Credentials),
            ("http://hush:%FF@proxy.example:80", E::Credentials),
            ("http://hush:%0d%0ax@proxy.example:80", E::Credentials),
            (&long, E::Credentials),
        ] {
            let found = UpstreamProxy::parse(text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!format!("{found} {found:?}").contains("hush"), "{text}");
        }
    }

    #[test]
    fn credentials_are_in_no_debug() {
        let proxy = UpstreamProxy::parse("http://ada:hush@proxy.example:1").unwrap();
        let shown = format!("{proxy:?} {proxy}");
        assert!(!shown.contains("hush") && !shown.contains("ada"), "{shown}");
    }
}
