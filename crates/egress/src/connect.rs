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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use tokio::time::{Duration, sleep};

    use super::*;

    /// Connects after so many milliseconds, or refuses, by the address's last octet; and notes when each was tried.
    #[derive(Default)]
    struct Slow(Mutex<Vec<(u128, IpAddr)>>, Option<Instant>);

    #[async_trait]
    impl Network for Slow {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            unreachable!("addresses are given")
        }

        async fn connect(&self, to: SocketAddr, _: Option<IpAddr>) -> io::Result<Stream> {
            let began = self.1.expect("it is set").elapsed().as_millis();
            self.0.lock().unwrap().push((began, to.ip()));
            match to.ip().to_string().rsplit(['.', ':']).next() {
                Some("1") => Err(io::ErrorKind::ConnectionRefused.into()),
                Some("2") => Ok(Stream::other(tokio::io::empty())),
                _ => {
                    sleep(Duration::from_hours(1)).await;
                    Err(io::ErrorKind::HostUnreachable.into())
                }
            }
        }
    }

    async fn connect(addresses: &[&str]) -> (io::Result<()>, Vec<(u128, String)>) {
        let network = Slow(Mutex::default(), Some(Instant::now()));
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let outcome = connect_any(&network, &addresses, 80, None, Duration::from_secs(10)).await;
        let tried = network.0.into_inner().unwrap();
        (outcome.map(drop), tried.into_iter().map(|(at, ip)| (at, ip.to_string())).collect())
    }

    fn list(tried: &[(u128, &str)]) -> Vec<(u128, String)> {
        tried.iter().map(|(at, ip)| (*at, (*ip).to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn families_take_turns_a_quarter_of_a_second_apart() {
        let (outcome, tried) = connect(&["::9", "::8", "1.0.0.9", "::9", "1.0.0.2", "1.0.0.3"]).await;
        assert!(outcome.is_ok());
        assert_eq!(tried, list(&[(0, "::9"), (250, "1.0.0.9"), (500, "::8"), (750, "1.0.0.2")]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_waits_for_nothing() {
        let (outcome, tried) = connect(&["1.0.0.1", "::1", "2.0.0.1", "3.0.0.2"]).await;
        assert!(outcome.is_ok());
        assert_eq!(tried, list(&[(0, "1.0.0.1"), (0, "::1"), (0, "2.0.0.1"), (0, "3.0.0.2")]));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends() {
        let (outcome, tried) = connect(&["1.0.0.1", "::1"]).await;
        assert_eq!((outcome.unwrap_err().kind(), tried.len()), (io::ErrorKind::ConnectionRefused, 2));
        assert_eq!(connect(&["::9", "::8"]).await.0.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(connect(&[]).await.0.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
