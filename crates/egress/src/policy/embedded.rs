//! IPv4 addresses inside IPv6 addresses. A translator or a tunnel on the way turns such an address into the IPv4 one, so the
//! policy looks at what is inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that a connection to this one may end at: the address itself, or the IPv4 addresses inside. Each of them has
/// to be allowed. Never empty.
pub(crate) fn meant(address: IpAddr) -> Vec<IpAddr> {
    match address {
        IpAddr::V4(_) => vec![address],
        IpAddr::V6(v6) => {
            inside(v6).map_or_else(|| vec![address], |inner| inner.into_iter().map(IpAddr::V4).collect())
        }
    }
}

fn inside(address: Ipv6Addr) -> Option<Vec<Ipv4Addr>> {
    let octets = address.octets();
    let at =
        |place: usize| Ipv4Addr::new(octets[place], octets[place + 1], octets[place + 2], octets[place + 3]);
    match address.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-compatible, IPv4-mapped, IPv4-translated (RFC 2765) and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            Some(vec![at(12)])
        }
        [0x64, 0xff9b, 1, ..] => Some(local_nat64(octets)),
        // 6to4.
        [0x2002, ..] => Some(vec![at(2)]),
        // Teredo: the server's address, and the client's with every bit turned over.
        [0x2001, 0, ..] => Some(vec![at(4), Ipv4Addr::from_bits(!at(12).to_bits())]),
        _ => None,
    }
}

/// A network's own NAT64 prefix (RFC 8215) may be /48, /56, /64 or /96, and each puts the IPv4 address elsewhere, around the
/// eighth octet (RFC 6052). Every reading counts; those in 0.0.0.0/8 come from a prefix of another length, unless there
/// are no others.
fn local_nat64(octets: [u8; 16]) -> Vec<Ipv4Addr> {
    let readings = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]]
        .map(|places| Ipv4Addr::from(places.map(|place: usize| octets[place])));
    let likely: Vec<_> = readings.into_iter().filter(|address| address.octets()[0] != 0).collect();
    if likely.is_empty() { vec![Ipv4Addr::UNSPECIFIED] } else { likely }
}
