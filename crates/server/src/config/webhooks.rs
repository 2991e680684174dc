//! `[webhooks]`: where events may be posted to, and how patiently.

use std::time::Duration;

use ipnet::IpNet;
use roadstead_egress::{Deny, Policy};
use serde::Deserialize;

/// `[webhooks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// Whether events may go to this machine and to private networks, and over http.
    pub allow_private: bool,
    /// How long a receiver may take to answer, in seconds.
    pub timeout_seconds: u64,
    /// How long the second attempt waits after the first one, in milliseconds; each later one waits four times as long.
    pub retry_base_ms: u64,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self { allow_private: false, timeout_seconds: 10, retry_base_ms: 30_000 }
    }
}

/// Five minutes: who takes longer has gone.
const MAX_SECONDS: u64 = 300;
/// An hour: the sixth attempt then comes two weeks after the first.
const MAX_BASE_MS: u64 = 3_600_000;

/// What `allow_private` lifts the refusal of. Not many at once, and not what is for examples: nobody answers there.
const PRIVATE: [&str; 9] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Where clouds serve an instance's credentials, which lies within the above. Nothing lifts the refusal of these.
const METADATA: [&str; 7] = [
    "169.254.169.254",
    "169.254.170.0/24",
    "169.254.0.23",
    "100.100.100.200",
    "fd00:ec2::/32",
    "fd20:ce::254",
    "fe80::a9fe:a9fe",
];

impl WebhooksConfig {
    /// Returns what is wrong with the numbers, if anything is.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !(1..=MAX_SECONDS).contains(&self.timeout_seconds) {
            anyhow::bail!("webhooks.timeout_seconds must be between 1 and {MAX_SECONDS}");
        }
        if !(1..=MAX_BASE_MS).contains(&self.retry_base_ms) {
            anyhow::bail!("webhooks.retry_base_ms must be between 1 and {MAX_BASE_MS}");
        }
        Ok(())
    }

    /// [`Self::timeout_seconds`] as a duration.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// Says where events may go. What browsers are denied in any case is denied here too; what they are allowed is theirs alone.
    pub fn policy(&self, browsers: &Policy) -> Policy {
        let ranges = PRIVATE
            .iter()
            .filter(|_| self.allow_private)
            .map(|range| range.parse::<IpNet>().expect("a range"));
        let metadata = METADATA.iter().map(|address| address.parse::<Deny>().expect("an address"));
        Policy {
            allow: ranges.collect(),
            deny: browsers.deny.iter().cloned().chain(metadata).collect(),
            ..Policy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_refused_unless_allowed_and_metadata_always() {
        let browsers = Policy { deny: vec!["203.0.113.9".parse().unwrap()], ..Policy::default() };
        let passes = |allow_private: bool, address: &str| {
            let config = WebhooksConfig { allow_private, ..WebhooksConfig::default() };
            config.policy(&browsers).check_address(address.parse().unwrap()).is_ok()
        };
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(!passes(false, private) && passes(true, private), "{private}");
        }
        for never in [
            "169.254.169.254",
            "169.254.170.2",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "203.0.113.9",
            "ff02::1",
        ] {
            assert!(!passes(false, never) && !passes(true, never), "{never}");
        }
        assert!(passes(false, "93.184.215.14") && passes(false, "2606:2800:21f::1"));
    }
}
