//! One client's WebSocket to a browser, the server's or the bare one's.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection.
#[derive(Debug)]
pub struct Wire {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    events: Vec<Value>,
}

impl Wire {
    pub async fn open(url: &str) -> Result<Self> {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) =
            connect_async_with_config(url, Some(config), true).await.context("failed to connect")?;
        Ok(Self { socket, events: Vec::new() })
    }

    pub async fn say(&mut self, text: String) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Returns the next answer to `id`, or one without an id; late answers to others are passed over.
    pub async fn answer(&mut self, id: Option<i64>) -> Result<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.context("no answer in time")? {
                Some(Ok(Message::Text(text))) => {
                    // Half a surrogate pair is nothing that Rust can hold.
                    let message: Value =
                        serde_json::from_str(&text).unwrap_or_else(|_| json!({"raw": text.replace(' ', "")}));
                    let answered = message.get("id").and_then(Value::as_i64);
                    let late = id.is_some() && answered.is_some() && answered != id;
                    if message.get("method").is_some() {
                        self.events.push(message);
                    } else if !late {
                        return Ok(message);
                    }
                }
                Some(Ok(Message::Close(frame))) => bail!("the connection was closed: {frame:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => bail!("the connection has ended"),
            }
        }
    }

    /// Returns the events that came before the last answer, each once.
    pub fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }
}
