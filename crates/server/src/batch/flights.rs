//! Which items are being started right now, so that who cancels a batch can stop them and wait until they are gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_api::BatchId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The items that are being started, by batch; clones share them.
#[derive(Clone, Debug)]
pub struct Flights(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    aloft: Mutex<HashMap<BatchId, Flight>>,
    /// Told whenever one is gone.
    landed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Flight {
    stop: CancellationToken,
    items: usize,
}

/// One item that is being started, until dropped.
#[derive(Debug)]
pub struct InFlight {
    flights: Flights,
    batch: BatchId,
    stop: CancellationToken,
}

impl Default for Flights {
    fn default() -> Self {
        Self(Arc::new(Shared { aloft: Mutex::default(), landed: watch::Sender::new(()) }))
    }
}

impl Flights {
    /// Announces an item. To be called before it is claimed: who cancels the batch after the claim finds it here.
    pub fn enter(&self, batch: BatchId) -> InFlight {
        let mut aloft = self.aloft();
        let flight = aloft.entry(batch).or_default();
        flight.items += 1;
        InFlight { flights: self.clone(), batch, stop: flight.stop.clone() }
    }

    /// Stops a batch's items, and waits until none is being started any more.
    pub async fn stop(&self, batch: BatchId) {
        let mut landed = self.0.landed.subscribe();
        loop {
            match self.aloft().get(&batch) {
                Some(flight) => flight.stop.cancel(),
                None => return,
            }
            landed.changed().await.expect("the sender is ours");
        }
    }

    /// Locks the map. It is plain data, which a panic elsewhere cannot leave half-changed.
    fn aloft(&self) -> MutexGuard<'_, HashMap<BatchId, Flight>> {
        self.0.aloft.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// Completes when the item is to be stopped.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut aloft = self.flights.aloft();
        if let Some(flight) = aloft.get_mut(&self.batch) {
            flight.items -= 1;
            if flight.items == 0 {
                aloft.remove(&self.batch);
            }
        }
        drop(aloft);
        self.flights.0.landed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_reaches_what_is_aloft_and_waits_for_it() {
        let (flights, batch) = (Flights::default(), BatchId::random());
        flights.stop(batch).await;
        let items = [flights.enter(batch), flights.enter(batch)];
        let other = flights.enter(BatchId::random());
        let stopping = {
            let flights = flights.clone();
            tokio::spawn(async move { flights.stop(batch).await })
        };
        for item in items {
            item.stopped().await;
            assert!(!stopping.is_finished(), "it waits for the last one");
            drop(item);
        }
        stopping.await.unwrap();
        assert!(!other.stop.is_cancelled());
        assert!(!flights.enter(batch).stop.is_cancelled(), "the next start is not stopped");
    }
}
