//! One client's WebSocket, tied to its CDP session in the browser.
//!
//! Both directions run at once, so that a client that writes much before it reads cannot lock itself up. Messages are
//! handed through as they are: nothing here parses or copies them. The connection ends when either end wants it, when
//! the session stops, when the client reads too slowly for the multiplexer's patience, or when it is silent for too
//! long; the client is told which in the close frame.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use metrics::gauge;
use roadstead_devtools::{CLIENT_QUEUE_BYTES, ClientReceiver, ClientSender, EndReason as Detached};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::info;

use crate::session::record::EndReason;
use crate::session::{Attachment, SessionHandle};

/// How many pings a client may say nothing, not even a pong, until it counts as gone.
const MAX_SILENT_TICKS: u32 = 3;
/// How long a client may take to read what is left for it and to answer a close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// How long the session may take to say why its browser is gone.
const REASON_GRACE: Duration = Duration::from_secs(1);
/// The most bytes of a close reason that a close frame has room for.
const MAX_REASON_BYTES: usize = 123;

/// A client's place in a session.
pub struct Relay {
    /// The session.
    pub session: SessionHandle,
    /// The client's CDP session.
    pub attachment: Attachment,
    /// How often the client is pinged.
    pub ping_every: Duration,
}

/// Why a connection ends.
#[derive(Debug)]
enum Farewell {
    /// The client closed it, or vanished.
    ClientLeft,
    /// The client said nothing for too long.
    ClientSilent,
    /// The client broke the WebSocket's rules, or ours; the text says how.
    ClientBroke(String),
    /// The client's CDP session is over; the multiplexer knows why.
    Detached,
    /// The session stops.
    Stopping(Option<EndReason>),
}

impl Relay {
    /// Relays until one side has enough. The client is detached when this returns, or is dropped.
    pub async fn run(self, socket: WebSocket) {
        let connections = gauge!("roadstead_cdp_connections");
        connections.increment(1.0);
        let began = Instant::now();
        let Self { session, attachment: Attachment { sender, mut receiver }, ping_every } = self;
        let (mut to_client, mut from_client) = socket.split();
        let farewell = tokio::select! {
            farewell = receive(&mut from_client, &sender, ping_every) => farewell,
            farewell = send(&mut to_client, &mut receiver, ping_every) => farewell,
            () = sender.dropped() => Farewell::Detached,
            reason = session.stopping() => Farewell::Stopping(reason),
        };
        let reason = close(&session, farewell, &mut to_client, &mut from_client, &mut receiver).await;
        connections.decrement(1.0);
        info!(reason, duration_ms = began.elapsed().as_millis(), session.id = %session.id(), "connection closed");
    }
}

/// Hands what the client says to the browser. When the browser is busy this waits, and the client with it.
async fn receive(
    from_client: &mut SplitStream<WebSocket>,
    sender: &ClientSender,
    ping_every: Duration,
) -> Farewell {
    let mut ticks = ticks(ping_every);
    let mut silent_for = 0;
    loop {
        let message = tokio::select! {
            message = from_client.next() => message,
            _ = ticks.tick() => {
                silent_for += 1;
                if silent_for == MAX_SILENT_TICKS {
                    return Farewell::ClientSilent;
                }
                continue;
            }
        };
        silent_for = 0;
        let bytes = match message {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            // The WebSocket library answers pings itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_))) | None => return Farewell::ClientLeft,
            Some(Err(error)) => return Farewell::ClientBroke(error.to_string()),
        };
        if sender.send(bytes).await.is_err() {
            return Farewell::Detached;
        }
    }
}

/// Hands what the browser says to the client, and pings it.
async fn send(
    to_client: &mut SplitSink<WebSocket, Message>,
    receiver: &mut ClientReceiver,
    ping_every: Duration,
) -> Farewell {
    let mut pings = ticks(ping_every);
    loop {
        let sent = tokio::select! {
            message = receiver.recv() => match message {
                Some(message) => send_batch(to_client, receiver, message).await,
                None => return Farewell::Detached,
            },
            _ = pings.tick() => to_client.send(Message::Ping(Bytes::new())).await,
        };
        if sent.is_err() {
            return Farewell::ClientLeft;
        }
    }
}

/// Sends a message with everything that is already waiting behind it, in as few writes as that takes.
async fn send_batch(
    to_client: &mut SplitSink<WebSocket, Message>,
    receiver: &mut ClientReceiver,
    first: Bytes,
) -> Result<(), axum::Error> {
    to_client.feed(text(&first)).await?;
    while let Some(Some(next)) = receiver.recv().now_or_never() {
        to_client.feed(text(&next)).await?;
    }
    to_client.flush().await
}

/// Makes a text message without copying.
fn text(bytes: &Bytes) -> Message {
    // Chromium writes JSON in UTF-8. If it ever does not, a client makes more of a damaged character than of nothing.
    let text = Utf8Bytes::try_from(bytes.clone());
    Message::Text(text.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into()))
}

/// Says goodbye: what is left for the client, a close frame that says why, and a moment for its answer.
async fn close(
    session: &SessionHandle,
    farewell: Farewell,
    to_client: &mut SplitSink<WebSocket, Message>,
    from_client: &mut SplitStream<WebSocket>,
    receiver: &mut ClientReceiver,
) -> String {
    let (code, reason) = words(session, farewell, receiver.end_reason()).await;
    let polite = async {
        while let Some(Some(message)) = receiver.recv().now_or_never() {
            to_client.feed(text(&message)).await?;
        }
        let frame = CloseFrame { code, reason: cut(&reason).into() };
        to_client.send(Message::Close(Some(frame))).await?;
        while let Some(Ok(_)) = from_client.next().await {}
        Ok::<_, axum::Error>(())
    };
    // A client that does not take its leave in time is left.
    drop(timeout(CLOSE_GRACE, polite).await);
    reason
}

/// Puts a farewell into a close code and a reason.
async fn words(session: &SessionHandle, farewell: Farewell, detached: Detached) -> (u16, String) {
    match (farewell, detached) {
        (Farewell::ClientLeft, _) => (close_code::NORMAL, "the client left".to_owned()),
        (Farewell::ClientSilent, _) => (close_code::POLICY, "the client was silent for too long".to_owned()),
        (Farewell::ClientBroke(how), _) => (close_code::PROTOCOL, how),
        (Farewell::Stopping(reason), _) => (close_code::AWAY, session_ended(reason)),
        (Farewell::Detached, Detached::TooSlow) => (
            close_code::POLICY,
            format!("reader too slow: more than {CLIENT_QUEUE_BYTES} bytes were left unread"),
        ),
        (Farewell::Detached, Detached::Detached) => (close_code::NORMAL, "the page is gone".to_owned()),
        (Farewell::Detached, Detached::BrowserGone) => {
            let reason = timeout(REASON_GRACE, session.stopping()).await.ok().flatten();
            (close_code::AWAY, session_ended(reason))
        }
    }
}

fn session_ended(reason: Option<EndReason>) -> String {
    match reason {
        Some(reason) => format!("session ended: {}", reason.as_str()),
        None => "session ended".to_owned(),
    }
}

/// Cuts a reason to what fits into a close frame.
fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)]
}

/// The rhythm of pings, and of looking whether the client is still there.
fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
