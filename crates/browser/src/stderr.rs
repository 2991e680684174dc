//! The last words of a browser: its stderr, drained all the time and kept to a bounded tail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How much is kept: enough for a stack trace, too little to matter with hundreds of browsers.
const TAIL_BYTES: usize = 8 << 10;
/// How long to wait for what is still in the pipe once every process of the browser is gone.
const DRAIN_GRACE: Duration = Duration::from_millis(200);

/// The tail, and the task that feeds it.
#[derive(Debug)]
pub(crate) struct StderrTail {
    tail: Arc<Mutex<VecDeque<u8>>>,
    drain: JoinHandle<()>,
}

impl StderrTail {
    /// Starts draining. The task ends with the pipe, or with this.
    pub(crate) fn of(mut stderr: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let fed = Arc::clone(&tail);
        let drain = tokio::spawn(async move {
            let mut chunk = [0; 2048];
            while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
                let mut tail = fed.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend(&chunk[..read]);
                let excess = tail.len().saturating_sub(TAIL_BYTES);
                tail.drain(..excess);
            }
        });
        Self { tail, drain }
    }

    /// Returns the tail so far, once what the browser wrote before it went has arrived.
    pub(crate) async fn last_words(&mut self) -> String {
        // A process that left the group may still hold the pipe: its words are not waited for.
        let _late = timeout(DRAIN_GRACE, &mut self.drain).await;
        let tail: Vec<u8> =
            self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        String::from_utf8_lossy(&tail).trim().to_owned()
    }
}

impl Drop for StderrTail {
    fn drop(&mut self) {
        self.drain.abort();
    }
}
