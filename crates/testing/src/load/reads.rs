//! API reads at a steady pace, whatever the answers take.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use tokio::time::{Instant, interval};

use crate::program::API_KEY;

/// Connections that read. Each has its share of the pace.
const READERS: u32 = 16;

/// What the reads found.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    /// Answers of 200.
    pub answered: usize,
    /// How long it took from the moment that a read was due.
    latencies: Vec<Duration>,
    /// For how long was read.
    elapsed: Duration,
    /// Anything else, and how often.
    pub failures: BTreeMap<String, usize>,
}

impl Reads {
    /// Returns how many were answered in a second.
    pub fn per_second(&self) -> u128 {
        self.answered as u128 * 1000 / self.elapsed.as_millis().max(1)
    }

    /// The latency that so many of a hundred reads were within.
    fn latency(&self, percent: usize) -> Duration {
        self.latencies.get(self.latencies.len() * percent / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |percent| self.latency(percent).as_secs_f64() * 1000.0;
        write!(
            f,
            "reads: {} in {:.0} s, {} a second; {:.1} ms in the median, {:.1} ms at 99 %",
            self.answered,
            self.elapsed.as_secs_f64(),
            self.per_second(),
            millis(50),
            millis(99)
        )?;
        self.failures.iter().try_for_each(|(failure, times)| write!(f, "\n  {times} × {failure}"))
    }
}

/// Reads until a moment.
pub async fn read(url: &str, sessions: &[&str], per_second: u32, until: Instant) -> Result<Reads> {
    let mut paths: Vec<String> = ["/healthz", "/v1/profiles", "/v1/exits", "/v1/sessions?limit=20"]
        .into_iter()
        .chain(["/v1/sessions/all/status", "/v1/audit?limit=10"])
        .map(str::to_owned)
        .collect();
    for (number, id) in sessions.iter().enumerate() {
        paths.push(format!("/v1/sessions/{id}"));
        // Its browser is asked for these, and has the clients to answer.
        if number % 4 == 0 {
            paths.push(format!("/v1/sessions/{id}/pages"));
        }
    }
    // Its connections go with it: the server must hold none afterwards.
    let client = Client::new();
    let began = Instant::now();
    let pace = Duration::from_secs(1) * READERS / per_second.max(1);
    let readers = (0..READERS as usize).map(|first| {
        let (client, paths) = (client.clone(), &paths);
        async move {
            let mut found = Reads::default();
            let mut ticks = interval(pace);
            for path in paths.iter().cycle().skip(first) {
                let due = ticks.tick().await;
                if due >= until {
                    break;
                }
                match read_once(&client, &format!("{url}{path}")).await {
                    Ok(StatusCode::OK) => {
                        found.answered += 1;
                        found.latencies.push(due.elapsed());
                    }
                    Ok(status) => *found.failures.entry(format!("{path}: {status}")).or_default() += 1,
                    Err(problem) => {
                        *found.failures.entry(format!("{path}: {problem:#}")).or_default() += 1;
                    }
                }
            }
            found
        }
    });
    let mut all = Reads::default();
    for found in join_all(readers).await {
        all.answered += found.answered;
        all.latencies.extend(found.latencies);
        for (failure, times) in found.failures {
            *all.failures.entry(failure).or_default() += times;
        }
    }
    all.elapsed = began.elapsed();
    all.latencies.sort_unstable();
    Ok(all)
}

async fn read_once(client: &Client, url: &str) -> Result<StatusCode> {
    let response = client.get(url).header("anchor-api-key", API_KEY).send().await?;
    let status = response.status();
    response.bytes().await?;
    Ok(status)
}
