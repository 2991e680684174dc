//! Requests that are not as they should be: refused, or made clean. Never do a site and we read one differently.

use std::time::Duration;

use roadstead_egress::{Egress, Limits, SystemNetwork};

use crate::fixtures::*;

#[tokio::test]
async fn requests_that_are_refused() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let listener = direct(&egress).await;
    let to = site.address;
    for request in [
        "GET / HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET https://SITE/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET ftp://SITE/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET SITE HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://u:p@SITE/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http:///path HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://SITE:1/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://127.0.0.2:0/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://127.0.0.2:99999/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://127.0.0.2:-1/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://[::1/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://[::1]x/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://[127.0.0.2]/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://a%00b/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://SITE/ HTTP/1.1 \r\nHost: SITE\r\n\r\n",
        "GET http://SITE/ HTTP/2.0\r\nHost: SITE\r\n\r\n",
        "GET  http://SITE/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://SITE/a b HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "G\u{1}T http://SITE/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "GET http://SITE/ HTTP/1.1\r\nHost : SITE\r\n\r\n",
        "GET http://SITE/ HTTP/1.1\r\nHost: SITE\r\nX: a\r\n folded\r\n\r\n",
        "GET http://SITE/ HTTP/1.1\r\nHost: SITE\r\nBad Name: x\r\n\r\n",
        "GET http://SITE/ HTTP/1.1\r\nHost: SITE\r\nX: a\u{0}b\r\n\r\n",
        "GET http://SITE/ HTTP/1.1\r\nHost: SITE\r\nX: a\rb\r\n\r\n",
        "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nContent-Length: 4, 5\r\n\r\nabcde",
        "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nContent-Length: +4\r\n\r\nabcd",
        "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nContent-Length: 0x4\r\n\r\nabcd",
        "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nContent-Length: 99999999999999999999\r\n\r\nabcd",
        "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST http://SITE/ HTTP/1.0\r\nHost: SITE\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "CONNECT SITE/path HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT http://SITE HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT http://SITE/ HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT u:p@SITE HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT 127.0.0.2 HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT 127.0.0.2: HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT 127.0.0.2:0 HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT 127.0.0.2:99999 HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT :443 HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: SITE\r\n\r\n",
        "CONNECT SITE HTTP/1.1\r\nHost: SITE\r\nContent-Length: 4\r\n\r\nabcd",
        "CONNECT SITE HTTP/1.1\r\nHost: SITE\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        let request = request.replace("SITE", &to.to_string());
        let mut browser = Browser::connect(&listener).await;
        browser.send(&request).await;
        // Either an answer that refuses, or the connection's end.
        if let Some(head) = browser.head().await {
            assert!(head.starts_with("HTTP/1.1 4"), "{request:?}: {head}");
        }
        assert!(site.seen().is_empty(), "{request:?}");
    }
}

#[tokio::test]
async fn refusals_of_ours_are_readable() {
    let egress = loopback_egress();
    let listener = direct(&egress).await;
    for (request, says) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not a web server"),
        ("GET https://example.com/ HTTP/1.1\r\nHost: x\r\n\r\n", "open a tunnel with CONNECT"),
        ("GET http://1.2.3.4.5/ HTTP/1.1\r\nHost: x\r\n\r\n", "neither a name nor an address"),
        ("CONNECT example.com HTTP/1.1\r\nHost: x\r\n\r\n", "port of this request is missing"),
    ] {
        let mut browser = Browser::connect(&listener).await;
        let answered = browser.ask(request).await;
        assert_eq!(answered.status(), 400);
        assert!(answered.body.contains(says), "{}", answered.body);
        assert!(answered.body.starts_with("<!doctype html>"));
        assert!(answered.head.contains("Content-Security-Policy: default-src 'none'"), "{}", answered.head);
        assert!(answered.head.contains("Cache-Control: no-store"), "{}", answered.head);
        assert!(listener.traffic().last_problem.unwrap().contains(says));
    }
}

#[tokio::test]
async fn requests_that_are_made_clean() {
    let egress = loopback_egress();
    let site = Server::start("127.0.0.2", |mut peer: Peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let rest = peer.rest().await;
        peer.note(&String::from_utf8_lossy(&rest));
    })
    .await;
    let to = site.address;
    for (request, head, content) in [
        // The encoding wins, the length is gone, and what follows is no request.
        (
            "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
            "POST / HTTP/1.1\r\nHost: SITE\r\nTransfer-Encoding: chunked\r\n\r\n",
            "0\r\n\r\n",
        ),
        (
            "POST http://SITE/ HTTP/1.1\r\nHost: SITE\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
            "POST / HTTP/1.1\r\nHost: SITE\r\nContent-Length: 4\r\n\r\n",
            "abcd",
        ),
        // The URI says where it goes, and the header follows.
        (
            "GET http://SITE/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: SITE\r\n\r\n",
            "",
        ),
        (
            "GET http://SITE/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: SITE\r\n\r\n",
            "",
        ),
        // Bare line feeds become whole line ends.
        (
            "GET http://SITE/ HTTP/1.1\nHost: SITE\nX: y\n\n",
            "GET / HTTP/1.1\r\nHost: SITE\r\nX: y\r\n\r\n",
            "",
        ),
        ("GET http://SITE HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: SITE\r\n\r\n", ""),
        (
            "GET http://SITE/ HTTP/1.1\r\nConnection: X-Gone\r\nX-Gone: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: SITE\r\n\r\n",
            "",
        ),
    ] {
        let listener = direct(&egress).await;
        let already = site.seen().len();
        let mut browser = Browser::connect(&listener).await;
        browser.send(request.replace("SITE", &to.to_string())).await;
        assert!(browser.head().await.unwrap().starts_with("HTTP/1."), "{request:?}");
        within("closing", listener.close()).await;
        within("the rest", async {
            while site.seen().len() < already + 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let seen = site.heads();
        assert_eq!(seen[already], head.replace("SITE", &to.to_string()), "{request:?}");
        assert_eq!(seen[already + 1], content, "{request:?}");
    }
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_time() {
    let site = hello("127.0.0.2").await;
    let limits = Limits { head: Duration::from_millis(100), ..Limits::default() };
    let egress = Egress::with_network(loopback_policy(), SystemNetwork::default(), limits);
    let listener = direct(&egress).await;
    let head = format!("GET http://{}/ HTTP/1.1\r\nHost: x\r\nCookie: ", site.address);
    // Cookies are big.
    let mut browser = Browser::connect(&listener).await;
    let answered = browser.ask(&(head.clone() + &"c".repeat(200_000) + "\r\n\r\n")).await;
    assert_eq!(answered.status(), 200);
    // But not this big; and it is not for being slow.
    let patient = loopback_egress();
    let generous = direct(&patient).await;
    let mut browser = Browser::connect(&generous).await;
    let huge = head.clone() + &"c".repeat(300_000) + "\r\n\r\n";
    // It hangs up before it has read all of it.
    tokio::io::AsyncWriteExt::write_all(&mut browser.io, huge.as_bytes()).await.ok();
    let refused = browser.rest().await.unwrap_or_default();
    assert!(
        refused.is_empty() || refused.starts_with(b"HTTP/1.1 431"),
        "{}",
        String::from_utf8_lossy(&refused)
    );
    // Nor this slow.
    let mut browser = Browser::connect(&listener).await;
    browser.send(head).await;
    browser.rest().await.ok();
    assert_eq!(site.seen().len(), 1);
}
