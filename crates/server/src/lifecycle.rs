//! How the program stops: two signals, two tokens, one tracker.
//!
//! The first SIGTERM or SIGINT cancels [`Lifecycle::soft`]: no new sessions, running ones are ended and saved. The
//! second cancels [`Lifecycle::hard`]: whoever waits stops waiting, and the process exits. Whatever had a receipt by
//! then is on disk; whatever had none is recovered from its work dir at the next start.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// The tokens that stop the program, and the tracker that holds every task it must wait for.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
}

impl Lifecycle {
    /// Makes a lifecycle that nothing stops yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the token that means: end your work and save it.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Returns the token that means: stop now.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Returns the tracker of tasks that [`Lifecycle::drained`] waits for.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Starts to listen for SIGTERM and SIGINT: the first stops softly, the second hard.
    pub fn listen_to_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let this = self.clone();
        // Not tracked: it outlives everything on purpose, and holds nothing that needs a teardown.
        tokio::spawn(async move {
            next_signal(&mut terminate, &mut interrupt).await;
            info!("signal: ending sessions and saving them; a second one stops at once");
            this.soft.cancel();
            next_signal(&mut terminate, &mut interrupt).await;
            warn!("second signal: stopping at once; unsaved sessions are saved at the next start");
            this.hard.cancel();
        });
        Ok(())
    }

    /// Waits until every tracked task has ended, or until the hard token says not to.
    pub async fn drained(&self) {
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = self.hard.cancelled() => {}
        }
    }
}

async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
