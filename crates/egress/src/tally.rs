//! Counting: per listener for its [`Traffic`], and per exit for the metrics.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::Notify;

use crate::failure::{Failure, Trouble};
use crate::{Host, Traffic};

/// How many hosts a listener remembers.
const MAX_DOMAINS: usize = 1_000;

/// Describes the metrics of this crate to the recorder.
pub fn describe_metrics() {
    describe_counter!("roadstead_exit_bytes_total", "Bytes sent to and received from the network, by exit.");
    describe_counter!(
        "roadstead_exit_requests_total",
        "Requests and tunnels that browsers asked for, by exit."
    );
    describe_counter!(
        "roadstead_exit_failures_total",
        "Requests and tunnels that failed, by exit; not those refused."
    );
    describe_gauge!("roadstead_exit_connections", "Open connections to the network, by exit.");
    describe_counter!(
        "roadstead_egress_refusals_total",
        "Requests that the address policy refused, by rule."
    );
}

/// What went through one listener. Every change wakes whoever waits for one.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    requests: AtomicU64,
    connections: AtomicUsize,
    noted: Mutex<Noted>,
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct Noted {
    domains: BTreeSet<String>,
    last_problem: Option<String>,
}

impl Counts {
    pub fn snapshot(&self) -> Traffic {
        let noted = self.noted();
        Traffic {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            domains: noted.domains.iter().cloned().collect(),
            last_problem: noted.last_problem.clone(),
        }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Notes why a request failed.
    pub fn problem(&self, failure: &Failure) {
        tracing::debug!(error.message = %failure, "a browser's request failed");
        self.noted().last_problem = Some(failure.to_string());
        if let Failure::Refused(refusal) = failure {
            counter!("roadstead_egress_refusals_total", "rule" => refusal.rule().label()).increment(1);
        }
        if let Failure::Hop { hop, .. } = failure
            && let Trouble::Refused(refusal) = &hop.trouble
        {
            counter!("roadstead_egress_refusals_total", "rule" => refusal.rule().label()).increment(1);
        }
        self.changed.notify_waiters();
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counts of a listener and of the exit that its route takes.
pub(crate) struct Tally {
    counts: Arc<Counts>,
    sent: Counter,
    received: Counter,
    requests: Counter,
    failures: Counter,
    connections: Gauge,
}

impl Tally {
    /// Counts for a listener, and under this label of the metrics.
    pub fn new(counts: Arc<Counts>, exit: &str) -> Self {
        let exit = exit.to_owned();
        let bytes = |direction: &'static str| counter!("roadstead_exit_bytes_total", "exit" => exit.clone(), "direction" => direction);
        Self {
            counts,
            sent: bytes("sent"),
            received: bytes("received"),
            requests: counter!("roadstead_exit_requests_total", "exit" => exit.clone()),
            failures: counter!("roadstead_exit_failures_total", "exit" => exit.clone()),
            connections: gauge!("roadstead_exit_connections", "exit" => exit),
        }
    }

    pub fn sent(&self, bytes: usize) {
        self.counts.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.sent.increment(bytes as u64);
        self.counts.changed.notify_waiters();
    }

    pub fn received(&self, bytes: usize) {
        self.counts.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.received.increment(bytes as u64);
        self.counts.changed.notify_waiters();
    }

    /// Counts a request for the exit; the listener's own count is [`Counts::request`].
    pub fn request(&self) {
        self.requests.increment(1);
    }

    /// Notes a host that was reached.
    pub fn reached(&self, host: &Host) {
        let name = match host {
            Host::Name(name) => name.trim_end_matches('.').to_owned(),
            Host::Address(address) => address.to_string(),
        };
        let mut noted = self.counts.noted();
        if noted.domains.len() < MAX_DOMAINS && noted.domains.insert(name) {
            self.counts.changed.notify_waiters();
        }
    }

    /// Notes why a request failed.
    pub fn failed(&self, failure: &Failure) {
        // The policy's refusals say nothing of the exit.
        if !matches!(failure, Failure::Refused(_) | Failure::BadRequest(_) | Failure::Closed(_)) {
            self.failures.increment(1);
        }
        self.counts.problem(failure);
    }

    /// Counts an open connection, until the result is dropped.
    pub fn connection(self: &Arc<Self>) -> Counted {
        self.counts.connections.fetch_add(1, Ordering::AcqRel);
        self.connections.increment(1.0);
        self.counts.changed.notify_waiters();
        Counted(Arc::clone(self))
    }
}

/// An open connection to the network.
pub(crate) struct Counted(Arc<Tally>);

impl Counted {
    pub fn tally(&self) -> &Tally {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counts.connections.fetch_sub(1, Ordering::AcqRel);
        self.0.connections.decrement(1.0);
        self.0.counts.changed.notify_waiters();
    }
}
