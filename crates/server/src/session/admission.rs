//! Who may start a session now: a fixed number of places, and a fair queue in front of them.
//!
//! Whoever waits for the answer waits for a place only so long. Sessions of batches wait as long as it takes, and only a few of them
//! start at once: a batch must not take the machine from those that run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{Error, Result};

/// How many sessions of batches start at once, for each processor: a start is a second or so of one.
const STARTS_PER_PROCESSOR: usize = 2;

/// The places for sessions. Whoever waits is served in the order of arrival.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    starts: Arc<Semaphore>,
    limit: usize,
    wait: Duration,
}

/// The right to run one session; dropping it frees the place.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The right of a batch's session to start now: its place, and one of the few starts at once.
#[derive(Debug)]
pub struct Turn {
    /// For as long as the session lives.
    pub place: Place,
    /// For as long as it starts.
    pub start: OwnedSemaphorePermit,
}

impl Places {
    /// Makes `limit` places. A caller waits at most `wait` for one.
    pub fn new(limit: usize, wait: Duration) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let starts = Semaphore::new(STARTS_PER_PROCESSOR * processors);
        Self { free: Arc::new(Semaphore::new(limit)), starts: Arc::new(starts), limit, wait }
    }

    /// Takes a place, waiting in line for it; [`Error::TooManySessions`] when none comes free in time.
    pub async fn take(&self) -> Result<Place> {
        match timeout(self.wait, Arc::clone(&self.free).acquire_owned()).await {
            Ok(permit) => Ok(Place(permit.expect("the semaphore is never closed"))),
            Err(_) => Err(Error::TooManySessions { limit: self.limit, retry_after: self.retry_after() }),
        }
    }

    /// Takes a place for a session of a batch, in the same line, however long that is.
    pub async fn turn(&self) -> Turn {
        let start = Arc::clone(&self.starts).acquire_owned().await;
        let start = start.expect("the semaphore is never closed");
        let place = Arc::clone(&self.free).acquire_owned().await;
        Turn { place: Place(place.expect("the semaphore is never closed")), start }
    }

    /// Tells how long a refused caller should wait: as long as the queue would, and at least a second.
    fn retry_after(&self) -> Duration {
        self.wait.max(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_in_time_and_fair() {
        let places = Places::new(1, Duration::from_secs(5));
        let held = places.take().await.unwrap();
        let refused = places.take().await.unwrap_err();
        assert!(matches!(refused, Error::TooManySessions { limit: 1, .. }), "{refused:?}");

        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in 0..3 {
            let (places, order) = (places.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let place = places.take().await.unwrap();
                order.lock().unwrap().push(number);
                drop(place);
            }));
            tokio::task::yield_now().await;
        }
        drop(held);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
    }
}
