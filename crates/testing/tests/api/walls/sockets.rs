//! WebSockets whose clients are gone without having said so.

use std::time::Duration;

use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::cdp::{PATIENCE, Socket};

const CONFIG: &str = "[server]\nping_seconds = 1\nheader_seconds = 1\nidle_seconds = 1";

/// Opens a WebSocket by hand: nothing answers pings behind the caller's back.
async fn open_by_hand(url: &str) -> TcpStream {
    let (address, path) = url.strip_prefix("ws://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

async fn session(server: &TestServer) -> String {
    server.client().session(json!({})).await["cdp_url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_that_never_answers_a_ping_is_dropped() {
    let server =
        TestServer::start_with(TestServerOptions { config: CONFIG, ..TestServerOptions::default() }).await;
    let url = session(&server).await;
    let mut alive = Socket::open(&url).await;
    let mut silent = open_by_hand(&url).await;
    // One that answers them, as every WebSocket library does while it is read from, stays.
    let staying = tokio::spawn(async move {
        let echo = json!({"id": 1, "method": "Fake.echo", "params": {"a": 1}});
        let unasked = timeout(Duration::from_secs(5), alive.hear()).await;
        assert!(unasked.is_err(), "it is not closed: {unasked:?}");
        assert_eq!(alive.call(echo).await["result"]["a"], 1);
    });
    let mut heard = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut heard)).await.expect("it is dropped").unwrap();
    assert!(String::from_utf8_lossy(&heard).contains("the client was silent for too long"));
    staying.await.unwrap();
}

#[tokio::test]
async fn a_client_that_stops_reading_in_the_middle_is_dropped() {
    let server =
        TestServer::start_with(TestServerOptions { config: CONFIG, ..TestServerOptions::default() }).await;
    let url = session(&server).await;
    let mut stuck = open_by_hand(&url).await;
    // Less than what a slow reader may leave unread, and more than the kernel keeps for it.
    let flood =
        json!({"id": 1, "method": "Fake.flood", "params": {"count": 32, "bytes": 1 << 20}}).to_string();
    let mut frame = vec![0x81, 0x80 | u8::try_from(flood.len()).expect("a short message"), 0, 0, 0, 0];
    frame.extend_from_slice(flood.as_bytes());
    stuck.write_all(&frame).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !server.log().contains("reason=\"the client was silent for too long\"") {
        assert!(Instant::now() < deadline, "it was never dropped");
        sleep(Duration::from_millis(10)).await;
    }
    drop(stuck);
}
