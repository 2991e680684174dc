//! Addresses that are not the public internet, after IANA's special-purpose registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry/>, <https://www.iana.org/assignments/iana-ipv6-special-registry/>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Rule;

/// A kind of address that is refused unless allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub rule: Rule,
    /// Reads after "10.0.0.1 is".
    pub what: &'static str,
    /// What somebody would add to `allow`.
    pub example: &'static str,
}

const fn class(rule: Rule, what: &'static str, example: &'static str) -> Class {
    Class { rule, what, example }
}

/// First match wins: an instance's metadata before the link-local range around it.
const V4: &[(Ipv4Addr, u32, Class)] = &[
    (Ipv4Addr::new(169, 254, 169, 254), 32, METADATA_V4),
    (Ipv4Addr::new(169, 254, 170, 0), 24, METADATA_V4),
    (Ipv4Addr::new(169, 254, 0, 23), 32, METADATA_V4),
    (Ipv4Addr::new(100, 100, 100, 200), 32, METADATA_V4),
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA_V4),
    (Ipv4Addr::new(192, 0, 0, 192), 32, METADATA_V4),
    (
        Ipv4Addr::new(0, 0, 0, 0),
        8,
        class(Rule::Unspecified, "an address of \"this\" network, which reaches this machine", "0.0.0.0/8"),
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, class(Rule::Loopback, "a loopback address", "127.0.0.0/8")),
    (Ipv4Addr::new(10, 0, 0, 0), 8, class(Rule::Private, "a private address", "10.0.0.0/8")),
    (Ipv4Addr::new(172, 16, 0, 0), 12, class(Rule::Private, "a private address", "172.16.0.0/12")),
    (Ipv4Addr::new(192, 168, 0, 0), 16, class(Rule::Private, "a private address", "192.168.0.0/16")),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        class(Rule::Shared, "an address behind a carrier's NAT", "100.64.0.0/10"),
    ),
    (Ipv4Addr::new(169, 254, 0, 0), 16, class(Rule::LinkLocal, "a link-local address", "169.254.0.0/16")),
    (Ipv4Addr::new(192, 0, 0, 0), 24, class(Rule::Reserved, "reserved for protocols", "192.0.0.0/24")),
    (Ipv4Addr::new(192, 0, 2, 0), 24, class(Rule::Documentation, "a documentation address", "192.0.2.0/24")),
    (
        Ipv4Addr::new(198, 51, 100, 0),
        24,
        class(Rule::Documentation, "a documentation address", "198.51.100.0/24"),
    ),
    (
        Ipv4Addr::new(203, 0, 113, 0),
        24,
        class(Rule::Documentation, "a documentation address", "203.0.113.0/24"),
    ),
    (Ipv4Addr::new(198, 18, 0, 0), 15, class(Rule::Benchmarking, "a benchmarking address", "198.18.0.0/15")),
    (
        Ipv4Addr::new(192, 88, 99, 0),
        24,
        class(Rule::Reserved, "reserved (formerly 6to4 relays)", "192.88.99.0/24"),
    ),
    (Ipv4Addr::new(224, 0, 0, 0), 4, class(Rule::Multicast, "a multicast address", "224.0.0.0/4")),
    (Ipv4Addr::BROADCAST, 32, class(Rule::Broadcast, "the broadcast address", "255.255.255.255/32")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, class(Rule::Reserved, "a reserved address", "240.0.0.0/4")),
];

const METADATA_V4: Class =
    class(Rule::Metadata, "where clouds serve an instance's metadata and credentials", "169.254.169.254/32");
const METADATA_V6: Class =
    class(Rule::Metadata, "where clouds serve an instance's metadata and credentials", "fd00:ec2::254/128");

const V6: &[(Ipv6Addr, u32, Class)] = &[
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, METADATA_V6),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, METADATA_V6),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, METADATA_V6),
    (
        Ipv6Addr::UNSPECIFIED,
        128,
        class(Rule::Unspecified, "the unspecified address, which reaches this machine", "::/128"),
    ),
    (Ipv6Addr::LOCALHOST, 128, class(Rule::Loopback, "the loopback address", "::1/128")),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, class(Rule::Private, "a private address", "fc00::/7")),
    (
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        10,
        class(Rule::LinkLocal, "a link-local address", "fe80::/10"),
    ),
    (
        Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0),
        10,
        class(Rule::Private, "a site-local address", "fec0::/10"),
    ),
    (
        Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0),
        8,
        class(Rule::Multicast, "a multicast address", "ff00::/8"),
    ),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, class(Rule::Reserved, "a discard address", "100::/64")),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        class(Rule::Documentation, "a documentation address", "2001:db8::/32"),
    ),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        class(Rule::Documentation, "a documentation address", "3fff::/20"),
    ),
    (
        Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0),
        48,
        class(Rule::Benchmarking, "a benchmarking address", "2001:2::/48"),
    ),
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        class(Rule::Reserved, "reserved for protocols", "2001::/23"),
    ),
];

/// Everything public in IPv6 is in 2000::/3; the rest is not handed out.
const NOT_GLOBAL: Class = class(Rule::Reserved, "a reserved address", "4000::/2");

/// Says what kind of address this is; `None` is the public internet. IPv4 addresses inside IPv6 are the caller's care.
pub(super) fn classify(address: IpAddr) -> Option<Class> {
    match address {
        IpAddr::V4(v4) => {
            let holds = |net: &Ipv4Addr, bits: u32| (v4.to_bits() ^ net.to_bits()).leading_zeros() >= bits;
            V4.iter().find(|(net, bits, _)| holds(net, *bits)).map(|(_, _, class)| *class)
        }
        IpAddr::V6(v6) => {
            let holds = |net: &Ipv6Addr, bits: u32| (v6.to_bits() ^ net.to_bits()).leading_zeros() >= bits;
            let found = V6.iter().find(|(net, bits, _)| holds(net, *bits)).map(|(_, _, class)| *class);
            found.or_else(|| (v6.segments()[0] >> 13 != 1).then_some(NOT_GLOBAL))
        }
    }
}

/// Names by which clouds serve an instance's metadata, also where somebody else resolves them.
pub(super) fn metadata_name(name: &str) -> Option<IpAddr> {
    let address = match name {
        "metadata"
        | "metadata.google.internal"
        | "metadata.goog"
        | "instance-data"
        | "instance-data.ec2.internal"
        | "metadata.azure.internal"
        | "metadata.oraclecloud.com"
        | "metadata.platformequinix.com" => [169, 254, 169, 254],
        "metadata.tencentyun.com" => [169, 254, 0, 23],
        "metadata.aliyun.com" => [100, 100, 100, 200],
        _ => return None,
    };
    Some(IpAddr::from(address))
}
