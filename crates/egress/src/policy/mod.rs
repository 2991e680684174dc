//! The address policy: where browsers may not go, and what lifts it. Pure: no names are resolved, nothing is connected to.

mod embedded;
#[cfg(test)]
mod properties;
mod ranges;
mod refusal;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

pub(crate) use embedded::meant;
pub use refusal::{Refusal, Rule};

/// Ports, both ends included.
pub type PortRange = RangeInclusive<u16>;

/// Something that is refused whatever [`Policy::allow`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deny {
    /// Every address in the range, also as part of an IPv6 address.
    Addresses(IpNet),
    /// A name, and every name below it. In lower case, without dots at either end.
    Domain(String),
}

/// Where browsers may go. The default refuses what is not the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Ranges that are allowed although they are not public.
    pub allow: Vec<IpNet>,
    /// What is refused in any case.
    pub deny: Vec<Deny>,
    /// When not empty, no other ports are allowed.
    pub allow_ports: Vec<PortRange>,
    /// Ports that are refused in any case.
    pub deny_ports: Vec<PortRange>,
}

/// A text is neither a range nor an address nor a domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address, a range such as 10.0.0.0/8, or a domain")]
pub struct InvalidDeny;

impl std::str::FromStr for Deny {
    type Err = InvalidDeny;

    /// Takes a range (`10.0.0.0/8`), an address, or a domain (`example.com`, also `*.example.com` and `.example.com`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(range) = text.parse() {
            return Ok(Self::Addresses(range));
        }
        let name = text.strip_prefix('*').unwrap_or(text);
        let name = name.strip_prefix('.').unwrap_or(name);
        match crate::Host::parse(name) {
            Ok(crate::Host::Address(address)) => Ok(Self::Addresses(address.into())),
            Ok(crate::Host::Name(name)) => match name.strip_suffix('.').unwrap_or(&name) {
                "" => Err(InvalidDeny),
                name => Ok(Self::Domain(name.to_owned())),
            },
            Err(_) => text
                .trim_matches(['[', ']'])
                .parse()
                .map(|ip: IpAddr| Self::Addresses(ip.into()))
                .map_err(|_| InvalidDeny),
        }
    }
}

impl Policy {
    /// Checks a port.
    pub fn check_port(&self, port: u16) -> Result<(), Refusal> {
        let among = |ranges: &[PortRange]| ranges.iter().any(|range| range.contains(&port));
        if among(&self.deny_ports) {
            return Err(Refusal::denied_port(port));
        }
        if !self.allow_ports.is_empty() && !among(&self.allow_ports) {
            return Err(Refusal::other_port(port));
        }
        Ok(())
    }

    /// Checks an address that is about to be connected to.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        // What the network would reach: the IPv4 address inside, where there is one.
        let meant = meant(address);
        let denied = |address: &IpAddr| {
            self.deny.iter().any(|deny| matches!(deny, Deny::Addresses(range) if range.contains(address)))
        };
        if denied(&address) || meant.iter().any(denied) {
            return Err(Refusal::denied_address(address));
        }
        for inner in meant {
            if let Some(class) = ranges::classify(inner)
                && !self.allows(inner)
            {
                return Err(Refusal::special(address, inner, class));
            }
        }
        Ok(())
    }

    /// Checks a name (canonical, as [`crate::Host`] has it). Names that mean an address by themselves give these addresses,
    /// those that are allowed; they are never looked up.
    pub fn check_name(&self, name: &str) -> Result<Option<Vec<IpAddr>>, Refusal> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let below = |domain: &str| {
            name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        for deny in &self.deny {
            if let Deny::Domain(domain) = deny
                && below(domain)
            {
                return Err(Refusal::denied_domain(name, domain));
            }
        }
        if below("localhost") {
            let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            let allowed: Vec<_> = both.into_iter().filter(|ip| self.check_address(*ip).is_ok()).collect();
            return if allowed.is_empty() { Err(Refusal::loopback_name(name)) } else { Ok(Some(allowed)) };
        }
        if let Some(address) = ranges::metadata_name(name)
            && self.check_address(address).is_err()
        {
            return Err(Refusal::metadata_name(name, address));
        }
        Ok(None)
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|range| range.contains(&address))
    }
}
