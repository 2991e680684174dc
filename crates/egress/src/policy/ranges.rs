//! Addresses that are not the public internet, after IANA's special-purpose registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry/>, <https://www.iana.org/assignments/iana-ipv6-special-registry/>).

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

use super::Rule;

/// A kind of address that is refused unless allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// What somebody would add to `allow`.
    pub range: IpNet,
    pub rule: Rule,
    /// Reads after "10.0.0.1 is".
    pub what: &'static str,
}

const METADATA: &str = "where clouds serve an instance's metadata and credentials";

/// The first that holds an address counts: a metadata service before the link-local range around it.
const RANGES: &[(&str, Rule, &str)] = &[
    ("169.254.169.254/32", Rule::Metadata, METADATA),
    // Amazon ECS.
    ("169.254.170.0/24", Rule::Metadata, METADATA),
    // Tencent, Alibaba, Azure, Oracle.
    ("169.254.0.23/32", Rule::Metadata, METADATA),
    ("100.100.100.200/32", Rule::Metadata, METADATA),
    ("168.63.129.16/32", Rule::Metadata, METADATA),
    ("192.0.0.192/32", Rule::Metadata, METADATA),
    ("0.0.0.0/8", Rule::Unspecified, "an address of \"this\" network, which reaches this machine"),
    ("127.0.0.0/8", Rule::Loopback, "a loopback address"),
    ("10.0.0.0/8", Rule::Private, "a private address"),
    ("172.16.0.0/12", Rule::Private, "a private address"),
    ("192.168.0.0/16", Rule::Private, "a private address"),
    ("100.64.0.0/10", Rule::Shared, "an address behind a carrier's NAT"),
    ("169.254.0.0/16", Rule::LinkLocal, "a link-local address"),
    ("192.0.0.0/24", Rule::Reserved, "reserved for protocols"),
    ("192.0.2.0/24", Rule::Documentation, "a documentation address"),
    ("198.51.100.0/24", Rule::Documentation, "a documentation address"),
    ("203.0.113.0/24", Rule::Documentation, "a documentation address"),
    ("198.18.0.0/15", Rule::Benchmarking, "a benchmarking address"),
    // Once the relays of 6to4.
    ("192.88.99.0/24", Rule::Reserved, "a reserved address"),
    ("224.0.0.0/4", Rule::Multicast, "a multicast address"),
    ("255.255.255.255/32", Rule::Broadcast, "the broadcast address"),
    ("240.0.0.0/4", Rule::Reserved, "a reserved address"),
    // Amazon (instances and ECS), Google, and the link-local form of the IPv4 address.
    ("fd00:ec2::/32", Rule::Metadata, METADATA),
    ("fd20:ce::254/128", Rule::Metadata, METADATA),
    ("fe80::a9fe:a9fe/128", Rule::Metadata, METADATA),
    ("::/128", Rule::Unspecified, "the unspecified address, which reaches this machine"),
    ("::1/128", Rule::Loopback, "the loopback address"),
    ("fc00::/7", Rule::Private, "a private address"),
    ("fe80::/10", Rule::LinkLocal, "a link-local address"),
    ("fec0::/10", Rule::Private, "a site-local address"),
    ("ff00::/8", Rule::Multicast, "a multicast address"),
    ("100::/64", Rule::Reserved, "a discard address"),
    ("2001:db8::/32", Rule::Documentation, "a documentation address"),
    ("3fff::/20", Rule::Documentation, "a documentation address"),
    ("2001:2::/48", Rule::Benchmarking, "a benchmarking address"),
    ("2001::/23", Rule::Reserved, "reserved for protocols"),
    // What is public is in 2000::/3; these are the rest.
    ("::/3", Rule::Reserved, "a reserved address"),
    ("4000::/2", Rule::Reserved, "a reserved address"),
    ("8000::/1", Rule::Reserved, "a reserved address"),
];

static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    let parse = |range: &str| range.parse().expect("the table has ranges");
    RANGES.iter().map(|(range, rule, what)| Class { range: parse(range), rule: *rule, what }).collect()
});

/// Says what kind of address this is; `None` is the public internet. IPv4 addresses inside IPv6 are the caller's care.
pub(super) fn classify(address: IpAddr) -> Option<Class> {
    CLASSES.iter().find(|class| class.range.contains(&address)).copied()
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
