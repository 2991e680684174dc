//! How often callers may do what: sessions that a key creates, wrong keys that come from an address.
//!
//! Counted in memory, per server, and forgotten when it stops. A few lines of our own rather than a crate: the rule is one
//! formula ([`quota`]), and the table's bound ([`table`]), which an attacker with many addresses must not get around, would be
//! ours to write anyway.

mod quota;
mod table;

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use roadstead_api::ApiKeyId;
use tokio::time::Instant;

pub use self::quota::{Left, Quota};

use self::table::Table;
use crate::caller::Caller;
use crate::config::LimitsConfig;
use crate::error::{Error, Result};

/// How many wrong keys and tokens are put on record in a minute, from all addresses together: 3 MB of log a day at the most.
const RECORDED_FAILURES: u32 = 10;

/// Everything that is counted.
#[derive(Debug)]
pub struct Limits {
    creates: Option<Limiter<ApiKeyId>>,
    failures: Option<Limiter<IpAddr>>,
    records: Limiter<()>,
}

impl Limits {
    /// Starts to count.
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            creates: limiter("creates", config.creates_per_minute),
            failures: limiter("failed-authentication", config.failed_auth_per_minute),
            records: Limiter::new(Quota { name: "records", count: RECORDED_FAILURES }),
        }
    }

    /// Counts a session that a key creates. Tells what is left, or that it is too many; nothing where there is no limit.
    pub fn create(&self, caller: &Caller) -> Result<Option<Left>> {
        let Some(creates) = &self.creates else { return Ok(None) };
        creates.take(caller.key).map(Some).map_err(|retry_after| Error::TooOften {
            what: "Session creation rate limit exceeded: this key creates too many sessions a minute.",
            quota: creates.quota,
            retry_after,
        })
    }

    /// Counts a wrong key or token from an address. An error when there were too many.
    pub fn failed_authentication(&self, address: IpAddr) -> Result<()> {
        let Some(failures) = &self.failures else { return Ok(()) };
        failures.take(network(address)).map(drop).map_err(|retry_after| Error::TooOften {
            what: "Too many wrong keys or tokens came from this address; a right one still opens.",
            quota: failures.quota,
            retry_after,
        })
    }

    /// Tells whether one more failure may be put on record: an attacker must not fill the disk.
    pub fn is_worth_a_record(&self) -> bool {
        self.records.take(()).is_ok()
    }
}

fn limiter<K: Copy + Eq + Hash>(name: &'static str, count: u32) -> Option<Limiter<K>> {
    (count > 0).then(|| Limiter::new(Quota { name, count }))
}

/// One address stands for all that its holder can pick from: an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// One quota for each of many.
#[derive(Debug)]
struct Limiter<K> {
    quota: Quota,
    table: Mutex<Table<K>>,
}

impl<K: Copy + Eq + Hash> Limiter<K> {
    fn new(quota: Quota) -> Self {
        Self { quota, table: Mutex::default() }
    }

    /// Takes one, or tells after what time there is one again.
    fn take(&self, of: K) -> Result<Left, Duration> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.take(&self.quota, of, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::new(&LimitsConfig { creates_per_minute: 2, failed_auth_per_minute: 3 })
    }

    fn caller() -> Caller {
        Caller {
            project: roadstead_api::ProjectId::random(),
            key: ApiKeyId::random(),
            key_name: String::new(),
            address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_has_a_quota_of_its_own_that_comes_back() {
        let (limits, one, other) = (limits(), caller(), caller());
        assert_eq!(limits.create(&one).unwrap().unwrap().remaining, 1);
        assert_eq!(limits.create(&one).unwrap().unwrap().remaining, 0);
        let Err(Error::TooOften { retry_after, .. }) = limits.create(&one) else { panic!("a third one") };
        assert_eq!(retry_after, Duration::from_secs(30));
        limits.create(&other).unwrap();
        tokio::time::advance(retry_after).await;
        limits.create(&one).unwrap();
        limits.create(&one).unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_counts_as_one_address_and_so_does_ipv4_in_ipv6() {
        let limits = limits();
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1:2:3"] {
            limits.failed_authentication(address.parse().unwrap()).unwrap();
        }
        limits.failed_authentication("2001:db8::9".parse().unwrap()).unwrap_err();
        limits.failed_authentication("2001:db8:0:1::9".parse().unwrap()).unwrap();
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"] {
            limits.failed_authentication(address.parse().unwrap()).unwrap();
        }
        limits.failed_authentication("::ffff:192.0.2.1".parse().unwrap()).unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_counts_nothing() {
        let limits = Limits::new(&LimitsConfig { creates_per_minute: 0, failed_auth_per_minute: 0 });
        for _ in 0..1_000 {
            assert_eq!(limits.create(&caller()).unwrap(), None);
            limits.failed_authentication("192.0.2.1".parse().unwrap()).unwrap();
        }
        let recorded = (0..1_000).filter(|_| limits.is_worth_a_record()).count();
        assert_eq!(recorded, 10, "what is put on record is bounded all the same");
    }
}
