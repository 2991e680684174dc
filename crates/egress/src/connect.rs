//! Connecting to one of several addresses, as RFC 8305 has it: families in turn, the next one a little later.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout};

use crate::Stream;
use crate::network::Network;

/// How long an address is tried alone before the next one is tried beside it (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to whichever address answers first. The caller has checked every one of them. `TimedOut` when none did in time.
pub(crate) async fn connect_any(
    network: &dyn Network,
    addresses: &[IpAddr],
    port: u16,
    from: Option<IpAddr>,
    limit: Duration,
) -> io::Result<Stream> {
    timeout(limit, race(network, interleave(addresses), port, from)).await?
}

async fn race(
    network: &dyn Network,
    addresses: Vec<IpAddr>,
    port: u16,
    from: Option<IpAddr>,
) -> io::Result<Stream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut first_error = None;
    let mut next_at = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    first_error.get_or_insert(error);
                    next_at = Instant::now();
                }
            },
            () = sleep_until(next_at), if waiting.len() > 0 => {
                attempts.extend(waiting.next().map(|address| network.connect(SocketAddr::new(address, port), from)));
                next_at = Instant::now() + STAGGER;
            }
            else => return Err(first_error.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())),
        }
    }
}

/// Puts families in turn, the family of the first address first, without duplicates.
fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (a, b): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv6() == first_is_v6);
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut all: Vec<IpAddr> = Vec::with_capacity(addresses.len());
    loop {
        let pair = [a.next(), b.next()];
        if pair == [None, None] {
            return all;
        }
        for address in pair.into_iter().flatten() {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
}
