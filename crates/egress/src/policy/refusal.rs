//! Why the policy refuses, in words that say how to lift it.

use std::fmt;
use std::net::IpAddr;

use super::ranges::Class;

/// Which rule refused; a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A listener of the server itself; nothing lifts it.
    OwnListener,
    /// [`Policy::deny`](super::Policy::deny) names the address.
    DeniedAddress,
    /// [`Policy::deny`](super::Policy::deny) names the domain.
    DeniedDomain,
    /// The port rules.
    Port,
    /// This machine.
    Loopback,
    /// 0.0.0.0/8 and `::`.
    Unspecified,
    /// RFC 1918, unique local and site-local.
    Private,
    /// Carrier-grade NAT.
    Shared,
    /// One link.
    LinkLocal,
    /// A cloud's metadata service.
    Metadata,
    /// Many at once.
    Multicast,
    /// All at once.
    Broadcast,
    /// For examples.
    Documentation,
    /// For measurements.
    Benchmarking,
    /// Not handed out, or for protocols.
    Reserved,
}

impl Rule {
    /// The metrics' word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::OwnListener => "own_listener",
            Self::DeniedAddress => "denied_address",
            Self::DeniedDomain => "denied_domain",
            Self::Port => "port",
            Self::Loopback => "loopback",
            Self::Unspecified => "unspecified",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Reserved => "reserved",
        }
    }
}

/// A refusal of the policy. `Display` is one or two whole sentences: which rule, and how to lift it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    rule: Rule,
    words: String,
}

impl Refusal {
    /// Which rule refused.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    fn new(rule: Rule, words: String) -> Self {
        Self { rule, words }
    }

    pub(crate) fn own_listener(address: impl fmt::Display) -> Self {
        Self::new(
            Rule::OwnListener,
            format!("{address} is a listener of the Roadstead server itself, which no browser may reach."),
        )
    }

    pub(super) fn denied_address(address: IpAddr) -> Self {
        Self::new(
            Rule::DeniedAddress,
            format!(
                "{address} is in a range of egress.deny. To let browsers reach it, take that range out of egress.deny in roadstead.toml."
            ),
        )
    }

    pub(super) fn denied_domain(name: &str, domain: &str) -> Self {
        Self::new(
            Rule::DeniedDomain,
            format!(
                "{name} is refused by \"{domain}\" in egress.deny. To let browsers reach it, take that entry out of egress.deny in roadstead.toml."
            ),
        )
    }

    pub(super) fn denied_port(port: u16) -> Self {
        Self::new(
            Rule::Port,
            format!(
                "Port {port} is in egress.deny_ports. To let browsers use it, take it out of egress.deny_ports in roadstead.toml."
            ),
        )
    }

    pub(super) fn other_port(port: u16) -> Self {
        Self::new(
            Rule::Port,
            format!(
                "Port {port} is not in egress.allow_ports. To let browsers use it, add it to egress.allow_ports in roadstead.toml."
            ),
        )
    }

    pub(super) fn special(address: IpAddr, inner: IpAddr, class: Class) -> Self {
        let carries = if address == inner { String::new() } else { format!(" carries {inner}, which") };
        let Class { range, rule, what } = class;
        Self::new(
            rule,
            format!(
                "{address}{carries} is {what}. To let browsers reach it, add its range to egress.allow in roadstead.toml, \"{range}\" for example."
            ),
        )
    }

    pub(super) fn loopback_name(name: &str) -> Self {
        Self::new(
            Rule::Loopback,
            format!(
                "{name} is this machine's loopback. To let browsers reach it, add its range to egress.allow in roadstead.toml, \"127.0.0.0/8\" for example."
            ),
        )
    }

    pub(super) fn metadata_name(name: &str, address: IpAddr) -> Self {
        Self::new(
            Rule::Metadata,
            format!(
                "{name} is where clouds serve an instance's metadata and credentials. To let browsers reach it, add \"{address}\" to egress.allow in roadstead.toml."
            ),
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Refusal {}
