//! The task that looks for what is due, and the tasks that post it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};
use tracing::{Instrument as _, debug, error, warn};

use super::post::post;
use super::signature::signature;
use super::target::Target;
use super::{Attempted, DeliveryStatus, Due, Webhooks, purpose};
use crate::clock;
use crate::error::Result;

/// How often is looked although nothing was told.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often old deliveries are removed.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// How long a delivery is shown after it was settled: the published API's figure.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often a delivery is tried: the published API's figure.
pub const MOST_ATTEMPTS: u64 = 6;
/// How much longer each pause is than the one before it.
const GROWTH: u64 = 4;

impl Webhooks {
    /// Delivers what is due, until the server stops. What is being posted then is posted to its end.
    pub async fn run(self) {
        let soft = self.0.lifecycle.soft().clone();
        let mut swept: Option<Instant> = None;
        loop {
            if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
            let pause = match self.start_due().await {
                Ok(next) => next.map_or(LOOK_EVERY, until).min(LOOK_EVERY),
                Err(error) => {
                    error!(error = ?error, "failed to look for webhooks' deliveries");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = soft.cancelled() => return,
                () = self.0.db.outbox_news() => {}
                () = self.0.settled.notified() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Starts whatever is due and has a place, and returns when the next one is.
    async fn start_due(&self) -> Result<Option<Timestamp>> {
        while let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() {
            let Some(due) = self.0.db.claim_delivery(clock::now()).await? else {
                return self.0.db.next_delivery(clock::now()).await;
            };
            let span = tracing::info_span!(parent: None, "webhook", webhook.id = %due.webhook, delivery.id = %due.id);
            self.0.lifecycle.tracker().spawn(self.clone().deliver(due, place).instrument(span));
        }
        Ok(None)
    }

    /// Tries a delivery, and puts on record what came of it.
    async fn deliver(self, due: Due, place: OwnedSemaphorePermit) {
        let answer = self.attempt(&due).await;
        let attempted = plan_next(due.attempt, answer, self.0.config.retry_base_ms, clock::now());
        let outcome = attempted.status.as_str();
        counter!("roadstead_webhook_attempts_total", "outcome" => outcome).increment(1);
        debug!(outcome, attempt = due.attempt, "posted an event");
        if matches!(attempted.status, DeliveryStatus::Failed | DeliveryStatus::Dead) {
            warn!(event.type = due.event.as_str(), outcome, "an event was given up; GET /v1/webhooks/{{id}}/events tells why");
        }
        if let Err(error) = self.0.db.delivery_attempted(due.number, &attempted).await {
            error!(error = ?error, "failed to record what became of an event; the next start of the server sends it again");
        }
        drop(place);
        self.0.settled.notify_one();
    }

    async fn attempt(&self, due: &Due) -> std::result::Result<u16, String> {
        // What is accepted was fit when it came; the configuration may have changed since.
        let target =
            Target::read(&due.url, self.0.config.allow_private).map_err(|error| error.to_string())?;
        let mut secrets = Vec::with_capacity(due.secrets.len());
        for sealed in &due.secrets {
            let opened = self.0.vault.unseal_lasting(&purpose(due.webhook), sealed).await;
            secrets.push(opened.map_err(|_| "the webhook's secret cannot be read; rotate it".to_owned())?);
        }
        let seconds = clock::now().as_second();
        let signed = signature(seconds, due.body.as_bytes(), &secrets);
        post(&self.0.egress, &target, due, (seconds, signed), self.0.config.timeout()).await
    }

    async fn sweep(&self) {
        match self.0.db.prune_deliveries(clock::now() - KEPT_FOR).await {
            Ok(removed) => debug!(removed, "removed old deliveries of webhooks"),
            Err(error) => warn!(error = ?error, "failed to remove old deliveries of webhooks"),
        }
    }
}

fn until(moment: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(clock::now())).unwrap_or_default()
}

/// Decides what becomes of a delivery after an attempt, the first of which is number 1.
fn plan_next(
    attempt: u64,
    answer: std::result::Result<u16, String>,
    base_ms: u64,
    now: Timestamp,
) -> Attempted {
    let (response_status, error) = match answer {
        Ok(status @ 200..=299) => {
            let response_status = Some(status);
            return Attempted { status: DeliveryStatus::Succeeded, response_status, error: None, next: None };
        }
        Ok(status @ 300..=399) => {
            (Some(status), format!("the receiver answered {status}; redirects are not followed"))
        }
        Ok(status) => (Some(status), format!("the receiver answered {status}")),
        Err(why) => (None, why),
    };
    // Too slow, too early and too many are said to pass.
    let is_final = response_status
        .is_some_and(|status| (400..=499).contains(&status) && !matches!(status, 408 | 425 | 429));
    let status = if is_final {
        DeliveryStatus::Failed
    } else if attempt >= MOST_ATTEMPTS {
        DeliveryStatus::Dead
    } else {
        DeliveryStatus::Pending
    };
    let next = (status == DeliveryStatus::Pending).then(|| now + pause(attempt, base_ms));
    Attempted { status, response_status, error: Some(error), next }
}

/// How long the pause after an attempt is.
fn pause(attempt: u64, base_ms: u64) -> SignedDuration {
    let times = GROWTH.saturating_pow(u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let millis = base_ms.saturating_mul(times);
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_attempts_are_made_further_and_further_apart() {
        let now = Timestamp::UNIX_EPOCH;
        let waits: Vec<_> = (1..=6)
            .map(|attempt| {
                let after = plan_next(attempt, Err("down".to_owned()), 30_000, now);
                (after.status, after.next.map(Timestamp::as_second))
            })
            .collect();
        let pending = |seconds| (DeliveryStatus::Pending, Some(seconds));
        assert_eq!(
            waits,
            [
                pending(30),
                pending(120),
                pending(480),
                pending(1_920),
                pending(7_680),
                (DeliveryStatus::Dead, None)
            ]
        );
    }

    #[test]
    fn answers_are_taken_as_published() {
        let status = |answer: u16| plan_next(1, Ok(answer), 1, Timestamp::UNIX_EPOCH).status;
        for fine in [200, 201, 204, 299] {
            assert_eq!(status(fine), DeliveryStatus::Succeeded, "{fine}");
        }
        for passing in [301, 302, 307, 408, 425, 429, 500, 502, 503, 599] {
            assert_eq!(status(passing), DeliveryStatus::Pending, "{passing}");
        }
        for lasting in [400, 401, 403, 404, 410, 422] {
            assert_eq!(status(lasting), DeliveryStatus::Failed, "{lasting}");
        }
    }
}
