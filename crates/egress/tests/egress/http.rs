//! Plain HTTP in all its shapes.

use std::sync::Arc;
use std::time::Duration;

use roadstead_egress::{Egress, Limits, SystemNetwork};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::fixtures::*;

/// A site that answers each request with this.
async fn answering(answer: &'static str) -> Server {
    Server::start("127.0.0.2", move |mut peer: Peer| async move {
        while peer.head().await.is_some() {
            peer.send(answer).await;
        }
    })
    .await
}

#[tokio::test]
async fn the_site_sees_the_browser_and_no_proxy() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let listener = direct(&egress).await;
    let to = site.address;
    let mut browser = Browser::connect(&listener).await;
    let answered = browser
        .ask(&format!(
            "GET http://{to}/a HTTP/1.1\r\nHost: lie.example\r\nProxy-Connection: keep-alive\r\n\
             Proxy-Authorization: Basic eA==\r\nUser-Agent: Moz\r\nsec-ch-UA: x\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n"
        ))
        .await;
    assert_eq!(answered.status(), 200);
    // Order, case and all, as if it had come straight.
    let expected = format!(
        "GET /a HTTP/1.1\r\nHost: {to}\r\nConnection: keep-alive\r\nUser-Agent: Moz\r\nsec-ch-UA: x\r\n\
         Accept-Encoding: gzip\r\nCookie: a=b\r\n\r\n"
    );
    assert_eq!(site.heads(), [expected]);
}

#[tokio::test]
async fn the_browser_sees_the_sites_answer() {
    let egress = loopback_egress();
    let answer = "HTTP/1.1 299 Very Odd\r\nX-ODD-case: 1\r\nSet-Cookie: a\r\nDate: never\r\nset-cookie: b\r\n\
                  Proxy-Authenticate: Basic\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok";
    let site = answering(answer).await;
    let listener = direct(&egress).await;
    let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
    let expected = "HTTP/1.1 299 Very Odd\r\nX-ODD-case: 1\r\nSet-Cookie: a\r\nset-cookie: b\r\nDate: never\r\nContent-Length: 2\r\n\r\n";
    assert_eq!((&*answered.head, &*answered.body), (expected, "ok"));
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let listener = direct(&egress).await;
    for _ in 0..3 {
        // Three connections of the browser, one to the site.
        let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
        assert_eq!(answered.status(), 200);
        within("the pool", listener.wait_until(|listener| listener.connections() == 1)).await;
    }
}

#[tokio::test]
async fn answers_without_content() {
    let egress = loopback_egress();
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
    ] {
        let site = answering(answer).await;
        let listener = direct(&egress).await;
        let mut browser = Browser::connect(&listener).await;
        for _ in 0..2 {
            browser.send(format!("{method} http://{}/ HTTP/1.1\r\nHost: x\r\n\r\n", site.address)).await;
            let head = browser.head().await.unwrap();
            assert_eq!(head.split("\r\n").next(), answer.split("\r\n").next());
            assert_eq!(head.contains("12345"), answer.contains("12345"), "{head}");
        }
    }
}

#[tokio::test]
async fn informational_answers_come_before_the_answer() {
    let egress = loopback_egress();
    let site = answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let listener = direct(&egress).await;
    let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
    assert_eq!((answered.status(), &*answered.body), (200, "ok"));
}

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
    let limits = Limits { expect: Duration::from_secs(3600), ..Limits::default() };
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
    writes.write_all(&[7; 100_000]).await.unwrap();
    within("the first part", async {
        while got.len() < 90_000 {
            assert_ne!(reads.read_buf(&mut got).await.unwrap(), 0);
        }
    })
    .await;
    let send = tokio::spawn(async move {
        for part in 0..(LENGTH - 100_000).div_ceil(65_536) {
            let size = 65_536.min(LENGTH - 100_000 - part * 65_536);
            writes.write_all(&vec![u8::try_from(part % 251).unwrap(); size]).await.unwrap();
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

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel() {
    let egress = loopback_egress();
    let site = Server::start("127.0.0.2", |mut peer: Peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-X: y\r\n\r\nhi").await;
        let back = peer.to_end().await;
        peer.send(back).await;
    })
    .await;
    let listener = direct(&egress).await;
    let mut browser = Browser::connect(&listener).await;
    let to = site.address;
    browser
        .send(format!("GET http://{to}/ws HTTP/1.1\r\nHost: {to}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly "))
        .await;
    let head = browser.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(
        head.contains("Connection: Upgrade\r\n")
            && head.contains("Upgrade: websocket\r\n")
            && head.contains("Sec-X: y"),
        "{head}"
    );
    browser.send("late").await;
    browser.io.shutdown().await.unwrap();
    assert_eq!(browser.to_end().await.unwrap(), b"hiearly late");
    assert!(site.heads()[0].contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "{:?}", site.heads());
    within("the end", listener.wait_until(|listener| listener.connections() == 0)).await;
}

#[tokio::test]
async fn a_connection_that_dies_in_the_pool_is_no_failure() {
    let egress = loopback_egress();
    // Answers once on each connection, then reads the next request and hangs up.
    let site = Server::start("127.0.0.2", |mut peer: Peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        peer.head().await;
    })
    .await;
    let listener = direct(&egress).await;
    let mut browser = Browser::connect(&listener).await;
    for _ in 0..4 {
        let answered = browser.get(&format!("http://{}/", site.address)).await;
        assert_eq!((answered.status(), &*answered.body), (200, "ok"));
    }
}

#[tokio::test]
async fn what_sites_do_wrong() {
    let egress = loopback_egress();
    for (answer, why) in [
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "its answer is not HTTP"),
        (
            "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            "it asks for a proxy's password",
        ),
        ("HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "closed before there was an answer"),
    ] {
        let site = answering(answer).await;
        let listener = direct(&egress).await;
        let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
        assert_eq!(answered.status(), 502, "{answer}");
        assert!(
            listener.traffic().last_problem.unwrap().contains(why) || answer.contains("101"),
            "{}",
            answered.body
        );
        assert!(!answered.head.to_lowercase().contains("proxy-authenticate"));
    }
    // Odd, and yet what browsers put up with.
    let site =
        answering("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nBad Name: x\r\nContent-Length : 2\r\n\r\nok").await;
    let listener = direct(&egress).await;
    let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
    assert_eq!((answered.status(), &*answered.body), (200, "ok"));
}
