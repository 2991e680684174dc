//! The task that starts what waits, and the tasks that wait for each start.
//!
//! One item at a time stands in line for a place, behind whoever came before. With the place it is claimed, in the database first, and
//! a task of its own sees it through. What a stop of the server interrupts goes back to `pending`.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, error, info, warn};

use super::flights::InFlight;
use super::record::Claimed;
use super::turn::Turns;
use super::{Batches, purpose};
use crate::error::{Error, Result};
use crate::session::request::SessionRequest;
use crate::session::{SessionHandle, Turn};

/// How often is looked although nothing was told: a client may have hung up between the order and its news.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a database that fails is left alone.
const PAUSE: Duration = Duration::from_secs(1);

const KEY_REVOKED: &str = "The key that asked for this session was revoked before the session could start.";
const SECRET_LOST: &str = "What was secret in the session's configuration cannot be read any more, since the server's root key was changed before the session could start. Ask for it again.";

impl Batches {
    /// Starts what waits, until the server stops.
    pub async fn run(self) {
        let soft = self.0.lifecycle.soft().clone();
        let mut turns = Turns::default();
        loop {
            let looked = tokio::select! {
                () = soft.cancelled() => return,
                looked = self.start_next(&mut turns) => looked,
            };
            match looked {
                Ok(true) => {}
                Ok(false) => {
                    tokio::select! {
                        () = soft.cancelled() => return,
                        // Late news are found by the next look.
                        _ = timeout(LOOK_EVERY, self.0.news.notified()) => {}
                    }
                }
                Err(error) => {
                    error!(error = ?error, "failed to look for sessions to start");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Starts one session that waits, once there is a place for it. Returns whether there may be more.
    async fn start_next(&self, turns: &mut Turns) -> Result<bool> {
        if self.0.db.waiting_batches().await?.is_empty() {
            return Ok(false);
        }
        let turn = self.0.sessions.turn().await;
        // Whose turn it is may have changed while there was no place.
        let Some(next) = turns.plan_next(&self.0.db.waiting_batches().await?) else {
            return Ok(false);
        };
        let flight = self.0.flights.enter(next.batch);
        if let Some(claimed) = self.0.db.claim_item(next.batch).await? {
            turns.note(next.project);
            let (batch, number) = (claimed.item.batch, claimed.item.number);
            let span = tracing::info_span!(parent: None, "batch", batch.id = %batch, batch.item = number);
            let this = self.clone();
            let seen_through = async move { this.see_through(claimed, turn, flight).await };
            self.0.lifecycle.tracker().spawn(seen_through.instrument(span));
        }
        Ok(true)
    }

    /// Starts an item's session, and puts on record what came of it.
    async fn see_through(&self, claimed: Claimed, turn: Turn, flight: InFlight) {
        let item = claimed.item;
        let started = tokio::select! {
            () = self.0.lifecycle.soft().cancelled() => None,
            () = flight.stopped() => None,
            started = self.start(&claimed, turn) => Some(started),
        };
        let recorded = match started {
            None => self.0.db.release_item(item).await,
            Some(Ok(session)) => self.hand_over(&claimed, &session).await,
            // It was the shutdown that stopped the session; the next server starts another.
            Some(Err(_)) if self.0.lifecycle.soft().is_cancelled() => self.0.db.release_item(item).await,
            Some(Err(error)) => self.give_up(&claimed, &error).await,
        };
        if let Err(error) = recorded {
            error!(error = ?error, "failed to record what became of a batch's session; the next start of the server tries it again");
        }
    }

    async fn start(&self, claimed: &Claimed, turn: Turn) -> Result<SessionHandle> {
        let request = self.request(claimed)?;
        self.0.sessions.create_in_batch(&claimed.caller, request, claimed.item, turn).await
    }

    /// Reads what the session is to be.
    fn request(&self, claimed: &Claimed) -> Result<SessionRequest> {
        if claimed.revoked {
            return Err(Error::Conflict(KEY_REVOKED.to_owned()));
        }
        let Some(sealed) = &claimed.sealed else { return (self.0.read)(claimed.configuration.clone()) };
        let lost = || Error::Conflict(SECRET_LOST.to_owned());
        let body = self.0.vault.unseal(&purpose(claimed.item.batch), sealed).map_err(|_| lost())?;
        (self.0.read)(serde_json::from_slice(&body).map_err(|_| lost())?)
    }

    /// Tells that the session runs. One that was cancelled meanwhile is ended: nobody is told of it.
    async fn hand_over(&self, claimed: &Claimed, session: &SessionHandle) -> Result<()> {
        let told = self.0.db.item_started(claimed.item).await;
        if !matches!(told, Ok(true)) {
            session.end(claimed.caller.actor()).await;
        }
        told.map(drop)
    }

    /// Tells why the session could not be started, and tries again where that was asked for.
    async fn give_up(&self, claimed: &Claimed, why: &Error) -> Result<()> {
        match why {
            Error::Internal { .. } => error!(error = ?why, "failed to start a batch's session"),
            _ => info!(reason = %why, "a batch's session could not be started"),
        }
        if self.0.db.item_failed(claimed.item, &why.to_string()).await? {
            warn!("a batch's session is tried again");
            self.0.news.notify_one();
        }
        Ok(())
    }
}
