//! DevTools: WebSockets and `/json/…`.

mod access;
mod json;
mod own_session;
mod relay;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A WebSocket to the server.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects; what is not an upgrade is returned as its status and its body.
    pub async fn try_open(url: &str, key: Option<&str>) -> Result<Self, (u16, Value)> {
        let key = key.map(|key| ("anchor-api-key", key));
        Self::try_open_with(url, key.as_slice()).await
    }

    /// Connects with more headers, or others.
    pub async fn try_open_with(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, Value)> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match connect_async_with_config(request, Some(config), false).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects.
    pub async fn open(url: &str) -> Self {
        Self::try_open(url, None).await.unwrap_or_else(|refused| panic!("{url}: {refused:?}"))
    }

    /// Sends a message.
    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Returns the next message that is not a ping, or how the connection ends.
    pub async fn hear(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing was said in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Calls a method and returns the whole reply; events meanwhile are skipped.
    pub async fn call(&mut self, message: Value) -> Value {
        let id = message["id"].clone();
        self.say(message).await;
        loop {
            let heard = self.hear().await.unwrap_or_else(|frame| panic!("closed: {frame:?}"));
            if heard["id"] == id {
                return heard;
            }
        }
    }

    /// Waits for the end and returns the close frame's code and reason.
    pub async fn farewell(&mut self) -> (u16, String) {
        loop {
            match self.hear().await {
                Ok(_) => {}
                Err(frame) => {
                    let frame = frame.expect("a close frame");
                    return (frame.code.into(), frame.reason.to_string());
                }
            }
        }
    }
}
