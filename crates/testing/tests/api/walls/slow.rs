//! Clients that take their time, or too much room.

use std::time::Duration;

use roadstead_testing::server::{API_KEY, TestServer, TestServerOptions};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::cdp::{PATIENCE, Socket};

async fn server(config: &'static str) -> TestServer {
    TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await
}

/// Reads until the server closes, while a byte is sent every now and then.
async fn trickle(stream: TcpStream, byte: u8) -> String {
    let (mut from, mut to) = stream.into_split();
    let mut ticks = interval(Duration::from_millis(100));
    let sending = async {
        loop {
            ticks.tick().await;
            if to.write_all(&[byte]).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    let reading = async {
        // A connection that is reset has been closed too.
        drop(from.read_to_end(&mut answer).await);
    };
    tokio::select! {
        done = timeout(PATIENCE, reading) => done.expect("the server closes"),
        () = sending => {}
    }
    String::from_utf8(answer).unwrap()
}

async fn connect(server: &TestServer, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_trickles_is_408() {
    let server = server("[server]\nheader_seconds = 1").await;
    let stream = connect(&server, "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    let answer = trickle(stream, b'a').await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("{\"error\":{\"code\":408,"), "{answer}");
    // Of a second request on the same connection too.
    let stream =
        connect(&server, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nx-slow: ").await;
    let answer = trickle(stream, b'a').await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let server = server("[server]\nheader_seconds = 1\nidle_seconds = 60").await;
    assert_eq!(read_to_end(connect(&server, "").await).await, "");
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let server = server("[server]\nheader_seconds = 60\nidle_seconds = 1").await;
    let answer = read_to_end(connect(&server, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_trickles_is_408() {
    let server = server("[server]\nheader_seconds = 60\nbody_seconds = 1").await;
    let head = format!(
        "POST /v1/profiles HTTP/1.1\r\nhost: x\r\nanchor-api-key: {API_KEY}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    );
    let answer = trickle(connect(&server, &head).await, b' ').await;
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("The body did not arrive in time"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_head() {
    let server = server("[server]\nheader_seconds = 1\nidle_seconds = 1\nbody_seconds = 1").await;
    server.client().post("/v1/profiles", json!({"name": "a"})).await.data();
    let waited = server.get("/v1/profiles/a?min_revision=1&timeout=2").await;
    assert!(waited.failure().1.contains("revision"), "it is the endpoint's own 408: {}", waited.text);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = server("").await;
    let many = "x-a: b\r\n".repeat(101);
    let long = format!("x-a: {}\r\n", "b".repeat(65 << 10));
    for headers in [many, long] {
        let stream = connect(
            &server,
            &format!("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"),
        )
        .await;
        let answer = read_to_end(stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 ") && answer.contains("\"code\":431"), "{answer}");
    }
    // Beyond what is parsed at all, the status is all there is.
    let stream =
        connect(&server, &format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(300)))
            .await;
    assert!(trickle(stream, b'a').await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn beyond_the_most_connections_the_next_one_waits() {
    let server = server("[server]\nmax_connections = 2\nidle_seconds = 1").await;
    let session = server.client().session(json!({})).await;
    let url = session["cdp_url"].as_str().unwrap();
    let (one, two) = (Socket::open(url).await, Socket::open(url).await);
    let waiting = connect(&server, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut answer = Box::pin(read_to_end(waiting));
    assert!(timeout(Duration::from_millis(500), &mut answer).await.is_err(), "both places are taken");
    drop(one);
    assert!(answer.await.starts_with("HTTP/1.1 200 "));
    drop(two);
}
