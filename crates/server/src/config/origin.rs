//! The origin of a web page, as a browser's `Origin` header has it.

use std::str::FromStr;

use http::uri::Authority;
use serde::Deserialize;

/// A scheme, a host and a port, in the form in which two equal ones are equal: lower case, with the scheme's usual port left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebOrigin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl WebOrigin {
    /// Puts a scheme and a `host` or `host:port` together.
    pub fn new(scheme: &str, authority: &str) -> Result<Self, String> {
        let wrong =
            || format!("an origin must look like https://app.example.com, not {scheme}://{authority}");
        let parsed: Authority = authority.parse().map_err(|_| wrong())?;
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let port = match parsed.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => Some(port.parse().map_err(|_| wrong())?),
            _ => None,
        };
        if scheme.is_empty()
            || !scheme.chars().all(named)
            || authority.contains('@')
            || parsed.host().is_empty()
        {
            return Err(wrong());
        }
        let scheme = scheme.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Ok(Self { scheme, host: bare_host(parsed.host()), port: port.filter(|port| Some(*port) != usual) })
    }

    /// Returns the host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for WebOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once("://");
        let (scheme, authority) =
            parts.ok_or_else(|| format!("an origin must look like https://app.example.com, not {text}"))?;
        Self::new(scheme, authority)
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.trim_end_matches('/').parse()
    }
}

/// Puts a host name into the form in which two equal ones are equal: lower case, without the root's dot.
pub fn bare_host(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_origins_are_equal() {
        let origin = |text: &str| text.parse::<WebOrigin>();
        for (one, other) in [
            ("https://A.example", "https://a.example:443"),
            ("http://a.example:80", "HTTP://a.example."),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(origin(one).unwrap(), origin(other).unwrap());
        }
        assert_ne!(origin("http://a.example").unwrap(), origin("https://a.example").unwrap());
        assert_ne!(origin("http://a.example:443").unwrap(), origin("http://a.example").unwrap());
        for wrong in [
            "null",
            "",
            "a.example",
            "://a",
            "http://",
            "http://a/b",
            "http://u@a",
            "http://a:b",
            "http://a:99999",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
        assert!(WebOrigin::try_from("https://a.example/".to_owned()).is_ok());
        assert!(WebOrigin::try_from("*".to_owned()).is_err());
    }
}
