//! What holds for all addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::tests::policy;
use super::*;
use crate::Host;

/// Every way that an IPv4 address can be hidden in an IPv6 one.
fn embeddings(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let v = u128::from(v4.to_bits());
    let prefixed = |prefix: &str| Ipv6Addr::from_bits(prefix.parse::<Ipv6Addr>().unwrap().to_bits() | v);
    // RFC 6052: the eighth octet is skipped.
    let split = |length: u32, prefix: &str| {
        let high = (v << 96 >> length) & !(u128::MAX >> 64);
        let low = (v << 96 << (64 - length)) >> 72;
        Ipv6Addr::from_bits(prefix.parse::<Ipv6Addr>().unwrap().to_bits() | high | low)
    };
    let teredo = "2001::".parse::<Ipv6Addr>().unwrap().to_bits();
    vec![
        v4.to_ipv6_mapped(),
        prefixed("::"),
        prefixed("::ffff:0:0:0"),
        prefixed("64:ff9b::"),
        prefixed("64:ff9b:1::"),
        prefixed("64:ff9b:1:1234:5678:9abc::"),
        split(48, "64:ff9b:1::"),
        split(56, "64:ff9b:1:ff00::"),
        split(64, "64:ff9b:1:ffff::"),
        Ipv6Addr::from_bits("2002::".parse::<Ipv6Addr>().unwrap().to_bits() | (v << 80) | 0xbeef),
        Ipv6Addr::from_bits(teredo | (v << 64) | 0xf7f7_f7f7),
        Ipv6Addr::from_bits(teredo | (0x0808_0808 << 64) | u128::from(!v4.to_bits())),
    ]
}

fn refused_v4() -> impl Strategy<Value = Ipv4Addr> {
    let ranges = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "198.18.0.0/15",
        "192.0.0.0/24",
        "168.63.129.16/32",
        "255.255.255.255/32",
    ];
    let ranges: Vec<ipnet::Ipv4Net> = ranges.iter().map(|range| range.parse().unwrap()).collect();
    (prop::sample::select(ranges), any::<u32>()).prop_map(|(range, bits)| {
        Ipv4Addr::from_bits(range.network().to_bits() | (bits & range.hostmask().to_bits()))
    })
}

proptest! {
    #[test]
    fn no_refused_address_passes_in_any_embedding(v4 in refused_v4()) {
        prop_assert!(Policy::default().check_address(v4.into()).is_err());
        for v6 in embeddings(v4) {
            prop_assert!(Policy::default().check_address(v6.into()).is_err(), "{} as {}", v4, v6);
        }
    }

    #[test]
    fn no_denied_address_passes_in_any_embedding(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let denied = Policy { allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], ..policy(&[], &[&v4.to_string()]) };
        for v6 in embeddings(v4) {
            // The readings of a local NAT64 prefix in 0.0.0.0/8 stand for another length of the prefix.
            if v4.octets()[0] != 0 {
                prop_assert!(denied.check_address(v6.into()).is_err(), "{} as {}", v4, v6);
            }
        }
    }

    #[test]
    fn every_spelling_is_the_same_address(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = v4.octets();
        let low = u32::from(b) << 16 | u32::from(c) << 8 | u32::from(d);
        for text in [
            format!("{bits}"), format!("{bits:#x}"), format!("0{bits:o}"), format!("{a}.{low}"), format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
            format!("0{a:o}.{b}.0{c:o}.{d}."), format!("{a}.{b}.{}", u32::from(c) << 8 | u32::from(d)),
        ] {
            prop_assert_eq!(Host::parse(&text), Ok(Host::Address(v4.into())), "{}", text);
        }
    }

    #[test]
    fn nothing_outside_of_global_unicast_passes(bits: u128) {
        let v6 = Ipv6Addr::from_bits(bits);
        if meant(v6.into()) == [IpAddr::V6(v6)] && v6.segments()[0] >> 13 != 1 {
            prop_assert!(Policy::default().check_address(v6.into()).is_err());
        }
    }
}
