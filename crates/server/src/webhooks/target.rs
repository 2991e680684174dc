//! Where a webhook's events are posted to: a URL that was read once and found fit.

use roadstead_egress::{Destination, Host};
use url::{Position, Url};

use crate::error::{Error, Result};

/// The longest URL, in characters: the published API's figure.
const MAX_URL_CHARS: usize = 2048;

/// A URL that events may be posted to, as far as it tells itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    destination: Destination,
}

impl Target {
    /// Reads a URL. `plain` also accepts http.
    pub fn read(text: &str, plain: bool) -> Result<Self> {
        let wrong = |why: String| Err(Error::invalid("url", why));
        if text.is_empty() || text.chars().count() > MAX_URL_CHARS {
            return wrong(format!("must have 1 to {MAX_URL_CHARS} characters"));
        }
        let Ok(url) = Url::parse(text) else {
            return wrong("must be an absolute URL, https://app.example.com/hooks for example".to_owned());
        };
        match url.scheme() {
            "https" => {}
            "http" if plain => {}
            "http" => {
                return wrong(
                    "must be https; http is for receivers of a private network, with allow_private = true under [webhooks] in roadstead.toml".to_owned(),
                );
            }
            _ => return wrong("must be an https URL".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong(
                "must not have a user name or password; check the Anchor-Signature header instead".to_owned(),
            );
        }
        let (Ok(host), Some(port @ 1..)) =
            (Host::parse(url.host_str().unwrap_or_default()), url.port_or_known_default())
        else {
            return wrong("must name a host and a port that there can be".to_owned());
        };
        Ok(Self { url, destination: Destination { host, port } })
    }

    /// Returns who is connected to.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Tells whether TLS is spoken.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns the value of `Host`.
    pub fn authority(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// Returns the path and the query.
    pub fn path(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_absolute_encrypted_and_without_credentials() {
        let target = Target::read("https://Example.com:8443/a?b=c#d", false).ok().unwrap();
        assert_eq!((target.authority(), target.path()), ("example.com:8443", "/a?b=c"));
        assert!(target.is_encrypted());
        assert_eq!(Target::read("http://x.test", true).ok().unwrap().destination().port, 80);
        for wrong in [
            "",
            "x",
            "/hooks",
            "ftp://example.com",
            "http://example.com",
            "https://",
            "https://user@example.com",
            "https://:secret@example.com",
            "https://example.com:0/",
            "https://exa mple.com",
            "javascript:alert(1)",
            &format!("https://example.com/{}", "a".repeat(2048)),
        ] {
            assert!(Target::read(wrong, false).is_err(), "{wrong}");
        }
    }
}
