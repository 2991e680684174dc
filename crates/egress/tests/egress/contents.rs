//! Contents of plain requests and answers.

use std::sync::Arc;
use std::time::Duration;

use roadstead_egress::{Egress, Limits, SystemNetwork};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::fixtures::*;

#[tokio::test]
async fn expect_continue_is_the_sites_to_answer() {
    let egress = loopback_egress();
    let may = Arc::new(Notify::new());
    let go = Arc::clone(&may);
    let site = Server::start("127.0.0.2", move |mut peer: Peer| {
        let go = Arc::clone(&go);
        async move {
            while let Some(head) = peer.head().await {
                if head.starts_with("PUT /no") {
                    peer.send("HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
                    return;
                }
                go.notified().await;
                peer.send("HTTP/1.1 100 Continue\r\n\r\n").await;
                let content = peer.exactly(4).await.unwrap();
                peer.note(&String::from_utf8_lossy(&content));
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    // Whoever waits here waits for the site.
    let limits = Limits { expect: Duration::from_hours(1), ..Limits::default() };
    let egress_patient = Egress::with_network(loopback_policy(), SystemNetwork::default(), limits);
    let listener = direct(&egress_patient).await;
    let head = |path: &str| {
        format!(
            "PUT http://{}{path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
            site.address
        )
    };
    let mut browser = Browser::connect(&listener).await;
    browser.send(head("/yes")).await;
    may.notify_one();
    assert_eq!(browser.head().await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    browser.send("body").await;
    assert!(browser.head().await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(site.heads()[1], "body");
    // A refusal arrives without a `100 Continue` before it.
    let mut browser = Browser::connect(&listener).await;
    browser.send(head("/no")).await;
    assert!(browser.head().await.unwrap().starts_with("HTTP/1.1 417"));
    // A site that says nothing gets the content after a while.
    let limits = Limits { expect: Duration::from_millis(1), ..Limits::default() };
    let hasty = Egress::with_network(loopback_policy(), SystemNetwork::default(), limits);
    let listener = direct(&hasty).await;
    let mut browser = Browser::connect(&listener).await;
    browser.send(head("/yes")).await;
    assert_eq!(browser.head().await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    drop(egress);
}

/// Answers a POST with what it gets, as it comes.
async fn mirror() -> Server {
    Server::start("127.0.0.2", |mut peer: Peer| async move {
        let Some(head) = peer.head().await else { return };
        let framing = head.lines().find(|line| {
            line.to_lowercase().starts_with("content-length")
                || line.to_lowercase().starts_with("transfer-encoding")
        });
        peer.send(format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", framing.unwrap())).await;
        let early = peer.early();
        peer.send(early).await;
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = peer.io.read(&mut buffer).await {
            peer.send(&buffer[..read]).await;
        }
    })
    .await
}

#[tokio::test]
async fn contents_stream_both_ways() {
    const LENGTH: usize = 32 << 20;
    let (egress, site) = (loopback_egress(), mirror().await);
    let listener = direct(&egress).await;
    let browser = Browser::connect(&listener).await;
    let (mut reads, mut writes) = browser.io.into_split();
    let head =
        format!("POST http://{}/ HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n", site.address);
    writes.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    // The first part comes back before the last is sent.
    writes.write_all(&vec![7; 100_000]).await.unwrap();
    within("the first part", async {
        while got.len() < 90_000 {
            assert_ne!(reads.read_buf(&mut got).await.unwrap(), 0);
        }
    })
    .await;
    let send = tokio::spawn(async move {
        for part in 0..(LENGTH - 100_000).div_ceil(65_536) {
            let length = 65_536.min(LENGTH - 100_000 - part * 65_536);
            writes.write_all(&vec![u8::try_from(part % 251).unwrap(); length]).await.unwrap();
        }
        writes
    });
    within("all of it", async {
        let start = loop {
            if let Some(end) = got.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            reads.read_buf(&mut got).await.unwrap();
        };
        while got.len() < start + LENGTH {
            assert_ne!(reads.read_buf(&mut got).await.unwrap(), 0);
        }
        let content = &got[start..];
        assert!(content[..100_000].iter().all(|byte| *byte == 7));
        let mut parts = content[100_000..].chunks(65_536).enumerate();
        assert!(parts.all(|(part, bytes)| bytes.iter().all(|byte| usize::from(*byte) == part % 251)));
    })
    .await;
    drop(send.await.unwrap());
    assert!(listener.traffic().sent > LENGTH as u64 && listener.traffic().received > LENGTH as u64);
}

#[tokio::test]
async fn chunked_contents_keep_their_framing() {
    let (egress, site) = (loopback_egress(), mirror().await);
    for method in ["POST", "GET", "PROPFIND"] {
        // A new one each, for the site answers but once a connection.
        let listener = direct(&egress).await;
        let mut browser = Browser::connect(&listener).await;
        let head = format!(
            "{method} http://{}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            site.address
        );
        let answered = browser.ask(&(head + "5\r\nhello\r\n3\r\n...\r\n0\r\n\r\n")).await;
        assert_eq!((answered.status(), &*answered.body), (200, "hello..."), "{method}");
    }
}
