//! Plain HTTP in all its shapes.

use tokio::io::AsyncWriteExt;

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
async fn an_upgrade_becomes_a_tunnel() {
    let egress = loopback_egress();
    let site = Server::start("127.0.0.2", |mut peer: Peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-X: y\r\n\r\nhi").await;
        let back = peer.rest().await;
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
    assert_eq!(browser.rest().await.unwrap(), b"hiearly late");
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
