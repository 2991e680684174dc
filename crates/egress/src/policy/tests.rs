use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::Host;

fn policy(allow: &[&str], deny: &[&str]) -> Policy {
    Policy {
        allow: allow.iter().map(|range| range.parse().unwrap()).collect(),
        deny: deny.iter().map(|what| what.parse().unwrap()).collect(),
        ..Policy::default()
    }
}

/// What the policy makes of a host as somebody writes it: the rule that refuses it, or `None`.
fn judge(policy: &Policy, text: &str) -> Option<Rule> {
    let outcome = match Host::parse(text).unwrap_or_else(|_| panic!("{text} is a host")) {
        Host::Address(address) => policy.check_address(address),
        Host::Name(name) => policy.check_name(&name).map(drop),
    };
    outcome.err().map(|refusal| refusal.rule())
}

#[test]
fn addresses_and_their_spellings() {
    use Rule::*;
    let table: &[(&str, Rule)] = &[
        // As they are.
        ("127.0.0.1", Loopback),
        ("127.255.255.255", Loopback),
        ("[::1]", Loopback),
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Unspecified),
        ("[::]", Unspecified),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("192.168.0.1", Private),
        ("[fc00::1]", Private),
        ("[fdff:ffff::1]", Private),
        ("[fec0::1]", Private),
        ("100.64.0.1", Shared),
        ("100.127.255.255", Shared),
        ("169.254.1.1", LinkLocal),
        ("[fe80::1]", LinkLocal),
        ("[febf::1]", LinkLocal),
        ("169.254.169.254", Metadata),
        ("169.254.170.2", Metadata),
        ("169.254.0.23", Metadata),
        ("100.100.100.200", Metadata),
        ("168.63.129.16", Metadata),
        ("192.0.0.192", Metadata),
        ("[fd00:ec2::254]", Metadata),
        ("[fd00:ec2::23]", Metadata),
        ("[fd20:ce::254]", Metadata),
        ("224.0.0.1", Multicast),
        ("239.255.255.250", Multicast),
        ("[ff02::1]", Multicast),
        ("[ff0e::1]", Multicast),
        ("255.255.255.255", Broadcast),
        ("192.0.2.1", Documentation),
        ("198.51.100.1", Documentation),
        ("203.0.113.255", Documentation),
        ("[2001:db8::1]", Documentation),
        ("[3fff::1]", Documentation),
        ("198.18.0.1", Benchmarking),
        ("198.19.255.255", Benchmarking),
        ("[2001:2::1]", Benchmarking),
        ("192.0.0.8", Reserved),
        ("192.88.99.1", Reserved),
        ("240.0.0.1", Reserved),
        ("[100::1]", Reserved),
        ("[2001:10::1]", Reserved),
        ("[4000::1]", Reserved),
        ("[5f00::1]", Reserved),
        ("[1::1]", Reserved),
        // In other words.
        ("0x7f.1", Loopback),
        ("0x7f000001", Loopback),
        ("2130706433", Loopback),
        ("0177.0.0.1", Loopback),
        ("017700000001", Loopback),
        ("127.1", Loopback),
        ("127.0.1", Loopback),
        ("127.0.0.1.", Loopback),
        ("%31%32%37.0.0.1", Loopback),
        ("１２７.0.0.1", Loopback),
        ("127。0。0。1", Loopback),
        ("①②⑦.0.0.1", Loopback),
        ("0", Unspecified),
        ("0xa9.0xfe.0xa9.0xfe", Metadata),
        ("2852039166", Metadata),
        ("0XC0.0xA8.1", Private),
        // Inside of IPv6.
        ("[::ffff:127.0.0.1]", Loopback),
        ("[::ffff:7f00:1]", Loopback),
        ("[0:0:0:0:0:ffff:a9fe:a9fe]", Metadata),
        ("[::127.0.0.1]", Loopback),
        ("[::10.0.0.1]", Private),
        ("[::ffff:0:10.0.0.1]", Private),
        ("[64:ff9b::10.0.0.1]", Private),
        ("[64:ff9b::a9fe:a9fe]", Metadata),
        ("[64:ff9b:1::10.0.0.1]", Private),
        ("[64:ff9b:1:a00:0:100::]", Private),
        ("[64:ff9b:1:a:0:1::]", Private),
        ("[64:ff9b:1:2:7f:0:100:0]", Loopback),
        ("[64:ff9b:1::]", Unspecified),
        ("[2002:7f00:1::]", Loopback),
        ("[2002:a00:1::1]", Private),
        ("[2002:c0a8:101:ffff::1]", Private),
        ("[2001:0:a00:1:0:0:f7f7:f7f7]", Private),
        ("[2001:0:808:808:0:0:80ff:fffe]", Loopback),
        // Names.
        ("localhost", Loopback),
        ("LOCALHOST", Loopback),
        ("localhost.", Loopback),
        ("a.b.localhost", Loopback),
        ("ｌocalhost", Loopback),
        ("loc%61lhost", Loopback),
        ("metadata.google.internal", Metadata),
        ("Metadata.Google.Internal.", Metadata),
        ("metadata.goog", Metadata),
        ("instance-data", Metadata),
    ];
    for (text, rule) in table {
        assert_eq!(judge(&Policy::default(), text), Some(*rule), "{text}");
    }
}

#[test]
fn the_public_internet() {
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.0.1.1",
        "223.255.255.255",
        "[2a00:1450::1]",
        "[2606:4700::1111]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::8.8.8.8]",
        "[64:ff9b:1:808:8:800::]",
        "[2002:808:808::1]",
        "[2001:0:808:808:0:0:f7f7:f7f7]",
        "example.com",
        "localhost.example.com",
        "notlocalhost",
        "metadata.example.com",
    ] {
        assert_eq!(judge(&Policy::default(), text), None, "{text}");
    }
}

#[test]
fn allow_lifts_ranges_and_deny_beats_it() {
    let table: &[(&[&str], &[&str], &str, Option<Rule>)] = &[
        (&["127.0.0.0/8"], &[], "127.0.0.1", None),
        (&["127.0.0.0/8"], &[], "[::ffff:127.0.0.1]", None),
        (&["127.0.0.0/8"], &[], "[64:ff9b::127.0.0.1]", None),
        (&["127.0.0.0/8"], &[], "[::1]", Some(Rule::Loopback)),
        (&["127.0.0.0/8"], &[], "localhost", None),
        (&["::1/128"], &[], "localhost", None),
        (&["127.0.0.0/8"], &[], "10.0.0.1", Some(Rule::Private)),
        // For an address inside, it is the inside that counts.
        (&["::/0"], &[], "[::ffff:127.0.0.1]", Some(Rule::Loopback)),
        (&["::/0"], &[], "[::1]", None),
        // Every address inside of Teredo counts.
        (&["10.0.0.0/8"], &[], "[2001:0:a00:1:0:0:80ff:fffe]", Some(Rule::Loopback)),
        (&["169.254.169.254/32"], &[], "metadata.google.internal", None),
        (&["0.0.0.0/0"], &["10.0.0.0/8"], "10.0.0.1", Some(Rule::DeniedAddress)),
        (&[], &["8.8.8.0/24"], "[::ffff:8.8.8.8]", Some(Rule::DeniedAddress)),
        (&[], &["8.8.8.0/24"], "[2002:808:808::1]", Some(Rule::DeniedAddress)),
        (&[], &["64:ff9b::/96"], "[64:ff9b::8.8.8.8]", Some(Rule::DeniedAddress)),
        (&["127.0.0.0/8"], &["127.0.0.0/8", "::1"], "localhost", Some(Rule::Loopback)),
        (&[], &["example.com"], "example.com", Some(Rule::DeniedDomain)),
        (&[], &["*.Example.com"], "a.b.EXAMPLE.com.", Some(Rule::DeniedDomain)),
        (&[], &[".example.com."], "example.com", Some(Rule::DeniedDomain)),
        (&[], &["example.com"], "notexample.com", None),
        (&[], &["example.com"], "example.com.org", None),
        (&[], &["bücher.example"], "xn--bcher-kva.example", Some(Rule::DeniedDomain)),
        (&["127.0.0.0/8"], &["localhost"], "localhost", Some(Rule::DeniedDomain)),
    ];
    for (allow, deny, text, expected) in table {
        assert_eq!(judge(&policy(allow, deny), text), *expected, "{allow:?} {deny:?} {text}");
    }
}

#[test]
fn ports() {
    let none = Policy::default();
    assert!([1, 80, 65535].iter().all(|port| none.check_port(*port).is_ok()));
    let web = Policy { allow_ports: vec![80..=80, 443..=444], deny_ports: vec![444..=1000], ..none };
    let allowed: Vec<u16> = (0..=u16::MAX).filter(|port| web.check_port(*port).is_ok()).collect();
    assert_eq!(allowed, [80, 443]);
    assert_eq!(web.check_port(444).unwrap_err().rule(), Rule::Port);
}

#[test]
fn refusals_say_how_to_lift_them() {
    let say = |text: &str, policy: &Policy| match Host::parse(text).unwrap() {
        Host::Address(address) => policy.check_address(address).unwrap_err().to_string(),
        Host::Name(name) => policy.check_name(&name).unwrap_err().to_string(),
    };
    assert_eq!(
        say("127.0.0.1", &Policy::default()),
        "127.0.0.1 is a loopback address. To let browsers reach it, add its range to egress.allow in roadstead.toml, \"127.0.0.0/8\" for example."
    );
    assert!(
        say("[::ffff:10.0.0.1]", &Policy::default())
            .starts_with("::ffff:10.0.0.1 carries 10.0.0.1, which is a private address.")
    );
    assert!(
        say("a.example.com", &policy(&[], &["example.com"])).contains("take that entry out of egress.deny")
    );
}

/// The examples that refusals give lift them.
#[test]
fn examples_are_right() {
    for (ip, bits) in [("fd00:ec2::1", 128), ("10.1.2.3", 32), ("4000::1", 128), ("169.254.169.254", 32)] {
        let address: IpAddr = ip.parse().unwrap();
        let class = ranges::classify(address).unwrap();
        let example: IpNet = class.example.parse().unwrap();
        assert!(u32::from(example.prefix_len()) <= bits);
        assert!(class.rule == Rule::Metadata || example.contains(&address), "{ip} in {example}");
    }
}

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
