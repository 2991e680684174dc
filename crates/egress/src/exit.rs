//! Exits: the ways out that have a name.

use std::fmt;
use std::net::IpAddr;

use crate::UpstreamProxy;

/// How long an exit's name may be, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// What the metrics call the way out without an exit.
pub(crate) const DIRECT: &str = "direct";
/// What a session's own proxy is called.
pub(crate) const CUSTOM: &str = "custom";

/// An exit's name: ASCII letters, digits, `-`, `_` and `.`, at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitName(String);

/// Why a text is no exit's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExitName {
    /// Empty, too long, or with other characters.
    #[error("an exit's name has 1 to 64 letters, digits, '-', '_' or '.'")]
    Malformed,
    /// A word with a meaning of its own in the metrics.
    #[error("\"direct\" and \"custom\" are no names for an exit, they have a meaning of their own")]
    Reserved,
}

impl ExitName {
    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidExitName> {
        let name = name.into();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(fits) {
            return Err(InvalidExitName::Malformed);
        }
        if name == DIRECT || name == CUSTOM {
            return Err(InvalidExitName::Reserved);
        }
        Ok(Self(name))
    }

    /// The name of every proxy that a session brings along: `custom`.
    pub fn custom() -> Self {
        Self(CUSTOM.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ExitName {
    type Err = InvalidExitName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// A way out to the network that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What messages and metrics call it.
    pub name: ExitName,
    /// What it is.
    pub way: Way,
}

/// What an exit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Connections are made from this address of the machine, and only to addresses of its family.
    SourceAddress(IpAddr),
    /// Connections are made through a proxy, which resolves the names as well.
    Proxy(UpstreamProxy),
}

impl Exit {
    /// What the metrics call it: its name, or `custom` for a proxy that the operator did not configure.
    pub(crate) fn label(&self) -> &str {
        match &self.way {
            Way::Proxy(proxy) if !proxy.trusted => CUSTOM,
            Way::Proxy(_) | Way::SourceAddress(_) => self.name.as_str(),
        }
    }
}
