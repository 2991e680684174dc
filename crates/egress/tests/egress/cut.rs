//! A route that is changed takes all its connections with it; nothing ever goes another way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roadstead_egress::{Route, UpstreamProxy};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::fixtures::*;
use crate::proxies::*;

#[tokio::test]
async fn a_changed_route_cuts_tunnels() {
    let (egress, site) = (loopback_egress(), echo("127.0.0.2").await);
    let listener = direct(&egress).await;
    let mut browser = Browser::tunnel(&listener, site.address).await;
    browser.send("x").await;
    browser.exactly(1).await;
    assert_eq!(listener.connections(), 1);
    listener.set_route(Route::Direct);
    // An error and not an end: half a message must not look like a whole one.
    assert_eq!(browser.rest().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    within("the tunnel's end", listener.wait_until(|listener| listener.connections() == 0)).await;
    // The new one works at once.
    let mut browser = Browser::tunnel(&listener, site.address).await;
    browser.send("y").await;
    assert_eq!(browser.exactly(1).await, b"y");
}

#[tokio::test]
async fn a_changed_route_uses_no_pooled_connection() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let near = Behind { site: site.address, wants_password: false };
    let (old, new) = (http_proxy("127.0.0.4", near).await, http_proxy("127.0.0.5", near).await);
    let to = |proxy: &Server| exit(UpstreamProxy::parse(&proxy.address.to_string()).unwrap());
    let listener = through(&egress, to(&old)).await;
    // The browser's own connection lives on.
    let mut browser = Browser::connect(&listener).await;
    assert_eq!(browser.get("http://site.test/1").await.status(), 200);
    assert_eq!(listener.connections(), 1);
    listener.set_route(Route::Exit(Arc::new(to(&new))));
    within("the pool's end", listener.wait_until(|listener| listener.connections() == 0)).await;
    assert_eq!(browser.get("http://site.test/2").await.status(), 200);
    let (old, new) = (old.heads(), new.heads());
    assert!(old.len() == 1 && old[0].starts_with("GET http://site.test/1"), "{old:?}");
    assert!(new.len() == 1 && new[0].starts_with("GET http://site.test/2"), "{new:?}");
}

#[tokio::test]
async fn a_changed_route_cuts_requests_in_flight() {
    let (egress, asked) = (loopback_egress(), Arc::new(Notify::new()));
    let tell = Arc::clone(&asked);
    let silent = Server::start("127.0.0.2", move |mut peer: Peer| {
        let tell = Arc::clone(&tell);
        async move {
            peer.head().await;
            tell.notify_one();
            peer.rest().await;
        }
    })
    .await;
    let listener = direct(&egress).await;
    let mut browser = Browser::connect(&listener).await;
    browser.send(format!("GET http://{}/ HTTP/1.1\r\nHost: x\r\n\r\n", silent.address)).await;
    within("the request", asked.notified()).await;
    listener.set_route(Route::Closed { why: "Over.".to_owned() });
    let head = browser.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 502") && head.contains("error=connection_terminated"), "{head}");
    assert!(listener.traffic().last_problem.unwrap().contains("The way out was changed"));
    within("its end", listener.wait_until(|listener| listener.connections() == 0)).await;
}

/// Sends the beginning of an answer and waits for the connection's end.
async fn begun_answer(ip: &str, framing: &'static str) -> Server {
    Server::start(ip, move |mut peer: Peer| async move {
        peer.head().await;
        peer.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await;
        peer.send(if framing.contains("chunked") { "4\r\nhalf\r\n" } else { "half" }).await;
        peer.rest().await;
    })
    .await
}

#[tokio::test]
async fn half_an_answer_never_looks_like_a_whole_one() {
    let egress = loopback_egress();
    for framing in ["Content-Length: 8", "Transfer-Encoding: chunked", "Connection: close"] {
        let site = begun_answer("127.0.0.2", framing).await;
        let listener = direct(&egress).await;
        let mut browser = Browser::connect(&listener).await;
        browser.send(format!("GET http://{}/ HTTP/1.1\r\nHost: x\r\n\r\n", site.address)).await;
        let head = browser.head().await.unwrap();
        if head.contains("chunked") {
            assert_eq!(browser.exactly(9).await, b"4\r\nhalf\r\n");
        } else {
            assert_eq!(browser.exactly(4).await, b"half");
        }
        listener.set_route(Route::Direct);
        let rest = browser.rest().await.unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&rest), "", "{framing}: no last chunk");
        within("its end", listener.wait_until(|listener| listener.connections() == 0)).await;
    }
}

/// Reads an upload's beginning, then everything until the end, and notes what came.
async fn upload_site(ip: &str, begun: Arc<Notify>) -> Server {
    Server::start(ip, move |mut peer: Peer| {
        let begun = Arc::clone(&begun);
        async move {
            peer.head().await;
            peer.exactly(9).await;
            begun.notify_one();
            let rest = peer.rest().await;
            peer.note(&format!("rest {:?}", String::from_utf8_lossy(&rest)));
            begun.notify_one();
        }
    })
    .await
}

#[tokio::test]
async fn half_an_upload_never_looks_like_a_whole_one() {
    let egress = loopback_egress();
    for how in ["hang up", "change the route", "close the listener"] {
        let begun = Arc::new(Notify::new());
        let site = upload_site("127.0.0.2", Arc::clone(&begun)).await;
        let listener = direct(&egress).await;
        let mut browser = Browser::connect(&listener).await;
        let head = format!(
            "POST http://{}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            site.address
        );
        browser.send(head + "4\r\nhalf\r\n").await;
        within("the beginning", begun.notified()).await;
        match how {
            "hang up" => drop(browser),
            "change the route" => listener.set_route(Route::Direct),
            _ => within("closing", listener.close()).await,
        }
        within("the end", begun.notified()).await;
        assert_eq!(site.heads()[1], "rest \"\"", "{how}");
    }
}

#[tokio::test]
async fn a_killed_exit_leaks_nothing() {
    let (egress, site) = (loopback_egress(), echo("127.0.0.2").await);
    let proxy = socks5_proxy("127.0.0.4", Behind { site: site.address, wants_password: false }).await;
    let server = UpstreamProxy::parse(&format!("socks5://{}", proxy.address)).unwrap();
    let listener = through(&egress, exit(server)).await;
    let mut browser = Browser::tunnel(&listener, site.address).await;
    browser.send("x").await;
    browser.exactly(1).await;
    drop(proxy);
    browser.rest().await.ok();
    drop(browser);
    within("the tunnel's end", listener.wait_until(|listener| listener.connections() == 0)).await;
    // The site is there, and could be reached without the exit; it is not.
    let mut browser = Browser::connect(&listener).await;
    let to = site.address;
    let answered = browser.ask(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
    assert_eq!(answered.status(), 502);
    assert!(answered.body.contains("exit &quot;fra-1&quot; failed"), "{}", answered.body);
}

#[tokio::test]
async fn a_reset_of_the_site_is_a_reset_for_the_browser() {
    let egress = loopback_egress();
    let site = Server::start_wrapped(
        "127.0.0.2",
        |stream: TcpStream| async move {
            stream.set_zero_linger().unwrap();
            Some(Box::new(stream) as Box<dyn Duplex>)
        },
        |mut peer: Peer| async move { drop(peer.exactly(1).await) },
    )
    .await;
    let listener = direct(&egress).await;
    let mut browser = Browser::tunnel(&listener, site.address).await;
    browser.send("x").await;
    assert_eq!(browser.rest().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_listener_is_gone_with_all_that_went_through_it() {
    let (egress, site) = (loopback_egress(), echo("127.0.0.2").await);
    let listener = direct(&egress).await;
    let address = listener.address();
    let mut tunnel = Browser::tunnel(&listener, site.address).await;
    let mut idle = Browser::connect(&listener).await;
    drop(listener);
    tunnel.rest().await.ok();
    idle.rest().await.ok();
    let gone = AtomicBool::new(false);
    within("the port's end", async {
        while !gone.load(Ordering::Relaxed) {
            gone.store(TcpStream::connect(address).await.is_err(), Ordering::Relaxed);
        }
    })
    .await;
}
