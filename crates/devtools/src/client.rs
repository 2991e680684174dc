//! One client of the multiplexer: what it sends, what waits for it, and how it ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tracing::debug;

use crate::mux::Mux;

/// How much may wait for a client that does not read, in bytes. Past it the client is dropped. One message is always
/// admitted to an empty queue, however long it is.
pub const CLIENT_QUEUE_BYTES: usize = 64 << 20;

/// Names a client within its multiplexer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientId(pub(crate) u64);

/// Why a client gets no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The browser's pipe has ended.
    BrowserGone,
    /// The client left more than [`CLIENT_QUEUE_BYTES`] unread.
    TooSlow,
    /// Its root was detached: its page was closed, or it asked for it.
    Detached,
}

/// A message cannot be sent: the client has ended, or the browser has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is not attached any more")]
pub struct SendError;

/// An attached client. Dropping all its parts detaches it and forgets its ids.
#[derive(Debug)]
pub struct Client(Arc<Attached>);

/// The way of a client's messages to the browser.
#[derive(Clone, Debug)]
pub struct ClientSender(Arc<Attached>);

/// The way of the browser's messages to a client.
#[derive(Debug)]
pub struct ClientReceiver(Arc<Attached>);

#[derive(Debug)]
struct Attached {
    mux: Mux,
    id: ClientId,
    queue: Arc<Queue>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.mux.forget_client(self.id);
    }
}

impl Client {
    pub(crate) fn new(mux: Mux, id: ClientId, queue: Arc<Queue>) -> Self {
        Self(Arc::new(Attached { mux, id, queue }))
    }

    /// Splits the client, so that one task can send while another receives.
    pub fn split(self) -> (ClientSender, ClientReceiver) {
        (ClientSender(Arc::clone(&self.0)), ClientReceiver(self.0))
    }
}

impl ClientSender {
    /// Sends one message, a JSON text as it came from the client. Waits while the browser does not read.
    ///
    /// A message that cannot be forwarded is answered here, as Chromium would. Not forwarded either: `Browser.close`.
    pub async fn send(&self, message: Bytes) -> Result<(), SendError> {
        self.0.mux.send_from(self.0.id, message).await
    }

    /// Completes once the client was dropped because it does not read: whoever waits for it to read may stop.
    pub async fn dropped(&self) {
        // The sender is ours, and we hold it while we wait.
        drop(self.0.queue.dropped.subscribe().wait_for(|dropped| *dropped).await);
    }
}

impl ClientReceiver {
    /// Returns the next message for the client, or `None` when there will be none. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.0.queue.pop().await
    }

    /// Tells why [`ClientReceiver::recv`] gave no more messages.
    pub fn end_reason(&self) -> EndReason {
        self.0.queue.lock().ended.unwrap_or(EndReason::BrowserGone)
    }
}

/// What became of a message for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Taken,
    TooSlow,
}

/// The messages that wait for one client.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
    dropped: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
    ended: Option<EndReason>,
}

impl Queue {
    /// Adds a message. If the client is too slow for it, the queue ends, and what waited in it is let go.
    pub(crate) fn push(&self, message: Bytes) -> Pushed {
        let mut waiting = self.lock();
        if waiting.ended.is_some() {
            return Pushed::Taken;
        }
        let mut pushed = Pushed::Taken;
        if waiting.messages.is_empty() || waiting.bytes + message.len() <= CLIENT_QUEUE_BYTES {
            waiting.bytes += message.len();
            waiting.messages.push_back(message);
        } else {
            debug!("a client does not read, and is dropped");
            pushed = Pushed::TooSlow;
            self.dropped.send_replace(true);
            *waiting = Waiting { ended: Some(EndReason::TooSlow), ..Waiting::default() };
        }
        drop(waiting);
        self.changed.notify_one();
        pushed
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// Ends the queue. What waits in it is still given out.
    pub(crate) fn end(&self, reason: EndReason) {
        self.lock().ended.get_or_insert(reason);
        self.changed.notify_one();
    }

    async fn pop(&self) -> Option<Bytes> {
        loop {
            {
                let mut waiting = self.lock();
                if let Some(message) = waiting.messages.pop_front() {
                    waiting.bytes -= message.len();
                    return Some(message);
                }
                if waiting.ended.is_some() {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
