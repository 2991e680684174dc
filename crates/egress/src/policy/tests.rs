//! The policy over tables.

use super::*;
use crate::Host;

pub(super) fn policy(allow: &[&str], deny: &[&str]) -> Policy {
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
    type Row = (&'static [&'static str], &'static [&'static str], &'static str, Option<Rule>);
    let table: &[Row] = &[
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

/// What a refusal proposes to allow lifts it, whatever the address.
#[test]
fn proposals_are_right() {
    for text in [
        "127.0.0.1",
        "169.254.169.254",
        "[::ffff:10.0.0.1]",
        "[fd00:ec2::254]",
        "[4000::1]",
        "[1::1]",
        "[9::]",
    ] {
        let Ok(Host::Address(address)) = Host::parse(text) else { panic!("{text} is an address") };
        let words = Policy::default().check_address(address).unwrap_err().to_string();
        let proposed = words.split('"').rfind(|part| part.contains('/')).unwrap();
        assert_eq!(policy(&[proposed], &[]).check_address(address), Ok(()), "{words}");
    }
}
