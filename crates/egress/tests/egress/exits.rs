//! Exits: source addresses and the three kinds of proxies.

use std::net::TcpListener;
use std::sync::Arc;

use roadstead_egress::{Egress, Exit, ExitName, Limits, Policy, Route, SystemNetwork, UpstreamProxy, Way};
use tokio::io::AsyncWriteExt;

use crate::fixtures::*;
use crate::proxies::*;

/// Names of no site at all: only a proxy can make something of them.
const PLAIN: &str = "http://site.test/path?q";
const TUNNEL: &str = "Secret-Site.test:443";

fn source_address(ip: &str) -> Exit {
    Exit { name: ExitName::new("here-2").unwrap(), way: Way::SourceAddress(ip.parse().unwrap()) }
}

#[tokio::test]
async fn a_source_address_is_what_the_site_sees() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    for ip in ["127.0.0.7", "127.0.0.8"] {
        let listener = through(&egress, source_address(ip)).await;
        let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
        assert_eq!(answered.body, format!("/ from {ip}"));
        let mut browser = Browser::tunnel(&listener, site.address).await;
        browser.send("GET /t HTTP/1.1\r\n\r\n").await;
        browser.head().await;
        assert_eq!(browser.exactly(17).await, format!("/t from {ip}").as_bytes());
    }
    let seen: Vec<String> = site.seen().iter().map(|seen| seen.from.to_string()).collect();
    assert_eq!(seen, ["127.0.0.7", "127.0.0.7", "127.0.0.8", "127.0.0.8"]);
}

#[tokio::test]
async fn a_source_address_reaches_only_its_family() {
    let egress = loopback_egress();
    let listener = through(&egress, source_address("127.0.0.7")).await;
    let answered = Browser::connect(&listener).await.get("http://[::1]:9/").await;
    assert_eq!(answered.status(), 502);
    assert!(answered.head.contains("error=destination_ip_unroutable"), "{}", answered.head);
    assert!(answered.body.contains("exit &quot;here-2&quot;"), "{}", answered.body);
}

#[tokio::test]
async fn a_source_address_that_is_not_here_fails_closed() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let listener = through(&egress, source_address("192.0.2.9")).await;
    let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
    assert_eq!(answered.status(), 502);
    assert!(site.seen().is_empty());
}

/// Both kinds of requests through a proxy; gives what the proxy was asked for.
async fn both_ways(egress: &Egress, proxy: UpstreamProxy, site: &Server, log: &Server) -> Vec<String> {
    let listener = through(egress, exit(proxy)).await;
    let answered = Browser::connect(&listener).await.get(PLAIN).await;
    assert_eq!((answered.status(), &*answered.body), (200, "/path?q from 127.0.0.1"), "{}", answered.head);
    let mut browser = Browser::tunnel(&listener, TUNNEL).await;
    browser.send("GET /in-tunnel HTTP/1.1\r\n\r\n").await;
    browser.head().await;
    assert_eq!(browser.exactly(25).await, b"/in-tunnel from 127.0.0.1");
    assert_eq!(listener.traffic().domains, ["secret-site.test", "site.test"]);
    assert_eq!(listener.traffic().last_problem, None);
    // The site hears nothing of a proxy.
    for head in site.heads() {
        let head = head.to_lowercase();
        assert!(!head.contains("via") && !head.contains("forwarded"), "{head}");
    }
    log.heads()
}

#[tokio::test]
async fn an_http_proxy_gets_names_as_they_are() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let proxy = http_proxy("127.0.0.4", behind(&site)).await;
    let heads = both_ways(&egress, with_password("http", &proxy), &site, &proxy).await;
    assert!(heads[0].starts_with("GET http://site.test/path?q HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[1].starts_with("CONNECT secret-site.test:443 HTTP/1.1\r\n"), "{heads:?}");
}

#[tokio::test]
async fn an_https_proxy_is_trusted_by_its_ca_file() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let (proxy, ca) = https_proxy("127.0.0.4", behind(&site)).await;
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, ca).unwrap();
    let server = with_password("https", &proxy);
    let heads = both_ways(&egress, server.clone().with_ca_file(&ca_file), &site, &proxy).await;
    assert!(heads[0].starts_with("GET http://site.test/path?q HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[1].starts_with("CONNECT secret-site.test:443 HTTP/1.1\r\n"), "{heads:?}");
    // Without the file it is a stranger, and nothing is sent to it.
    let listener = through(&egress, exit(server)).await;
    let answered = Browser::connect(&listener).await.get(PLAIN).await;
    assert_eq!(answered.status(), 502);
    assert!(
        answered.body.contains("TLS with its proxy failed (invalid peer certificate"),
        "{}",
        answered.body
    );
    assert_eq!(proxy.seen().len(), 2);
}

#[tokio::test]
async fn a_socks5_proxy_gets_names_as_they_are() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let proxy = socks5_proxy("127.0.0.4", behind(&site)).await;
    let log = both_ways(&egress, with_password("socks5h", &proxy), &site, &proxy).await;
    assert_eq!(log, ["greeted", "CONNECT site.test:80", "greeted", "CONNECT secret-site.test:443"]);
    // Addresses go as addresses.
    let egress = Egress::new(Policy { allow: vec!["10.0.0.0/8".parse().unwrap()], ..loopback_policy() });
    let listener = through(&egress, exit(with_password("socks5", &proxy))).await;
    drop(Browser::tunnel(&listener, "10.9.8.7:81").await);
    drop(Browser::tunnel(&listener, "[2a00:1450::1]:82").await);
    let log = proxy.heads();
    assert_eq!((&*log[5], &*log[7]), ("CONNECT 10.9.8.7:81", "CONNECT 2a00:1450::1:82"));
}

#[tokio::test]
async fn wrong_credentials_are_told_and_never_shown() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let http = http_proxy("127.0.0.4", behind(&site)).await;
    let socks5 = socks5_proxy("127.0.0.5", behind(&site)).await;
    for (scheme, proxy) in [("http", &http), ("socks5", &socks5)] {
        for userinfo in ["", "ada:hunter22@"] {
            let server = UpstreamProxy::parse(&format!("{scheme}://{userinfo}{}", proxy.address)).unwrap();
            assert!(!format!("{server:?} {server}").contains("hunter22"));
            let listener = through(&egress, exit(server)).await;
            assert!(!format!("{:?} {listener:?}", listener.route()).contains("hunter22"));
            let mut browser = Browser::connect(&listener).await;
            for answered in [
                browser.get(PLAIN).await,
                browser.ask(&format!("CONNECT {TUNNEL} HTTP/1.1\r\nHost: {TUNNEL}\r\n\r\n")).await,
            ] {
                assert_eq!(answered.status(), 502, "{scheme} {userinfo}");
                let said = format!("{}{}", answered.head, answered.body);
                assert!(said.contains("refuses the user name and password"), "{said}");
                assert!(!said.to_lowercase().contains("proxy-authenticate"), "{said}");
                assert!(!said.contains("hunter22") && !said.contains("aHVudGVyMjI"), "{said}");
            }
            let problem = listener.traffic().last_problem.unwrap();
            assert!(problem.contains("\"fra-1\"") && !problem.contains("hunter22"), "{problem}");
        }
    }
    assert!(site.seen().is_empty());
}

#[tokio::test]
async fn a_proxy_that_is_down_fails_closed() {
    let (egress, site) = (loopback_egress(), hello("127.0.0.2").await);
    let nobody = TcpListener::bind("127.0.0.4:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "https", "socks5"] {
        let server = UpstreamProxy::parse(&format!("{scheme}://{nobody}")).unwrap();
        let listener = through(&egress, exit(server)).await;
        let answered = Browser::connect(&listener).await.get(&format!("http://{}/", site.address)).await;
        assert_eq!(answered.status(), 502);
        assert!(answered.body.contains("cannot be connected to (connection refused)"), "{}", answered.body);
    }
    assert!(site.seen().is_empty());
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_a_timeout() {
    use std::time::Duration;
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let egress = Egress::with_network(loopback_policy(), SystemNetwork::default(), limits);
    let silent = Server::start("127.0.0.4", |mut peer: Peer| async move { drop(peer.rest().await) }).await;
    for scheme in ["http", "https", "socks5"] {
        let server = UpstreamProxy::parse(&format!("{scheme}://{}", silent.address)).unwrap();
        let listener = through(&egress, exit(server)).await;
        let mut browser = Browser::connect(&listener).await;
        let answered = browser.ask("CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n").await;
        assert_eq!(answered.status(), 504, "{scheme}");
        assert!(answered.head.contains("error=connection_timeout"), "{}", answered.head);
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_reach_the_site_is_not_blamed() {
    let egress = loopback_egress();
    let site = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let nowhere = Behind { site, wants_password: false };
    let http = http_proxy("127.0.0.4", nowhere).await;
    let socks5 = socks5_proxy("127.0.0.5", nowhere).await;
    for (scheme, proxy, why) in
        [("http", &http, "it answered 502"), ("socks5", &socks5, "connection refused")]
    {
        let server = UpstreamProxy::parse(&format!("{scheme}://{}", proxy.address)).unwrap();
        let listener = through(&egress, exit(server)).await;
        let mut browser = Browser::connect(&listener).await;
        let answered = browser.ask("CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n").await;
        assert_eq!(answered.status(), 502);
        assert!(answered.body.contains(&format!("could not reach the site ({why})")), "{}", answered.body);
    }
}

#[tokio::test]
async fn bytes_right_behind_a_proxys_answer_are_not_lost() {
    let egress = loopback_egress();
    let eager = Server::start("127.0.0.4", |mut peer: Peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\n\r\nfirst").await;
        let back = peer.rest().await;
        peer.send(back).await;
    })
    .await;
    let server = UpstreamProxy::parse(&eager.address.to_string()).unwrap();
    let listener = through(&egress, exit(server)).await;
    let mut browser = Browser::connect(&listener).await;
    // So are those that the browser sends before it has its answer.
    browser.send("CONNECT site.test:1 HTTP/1.1\r\nHost: site.test:1\r\n\r\nearly").await;
    browser.head().await;
    browser.io.shutdown().await.unwrap();
    assert_eq!(browser.rest().await.unwrap(), b"firstearly");
    within("the end", listener.wait_until(|listener| listener.connections() == 0)).await;
    assert_eq!((listener.traffic().sent, listener.traffic().received), (5, 10));
}

#[tokio::test]
async fn a_custom_proxys_address_is_subject_to_the_policy() {
    let site = hello("127.0.0.2").await;
    let proxy = http_proxy("127.0.0.4", Behind { site: site.address, wants_password: false }).await;
    let custom = Exit {
        name: ExitName::custom(),
        way: Way::Proxy(UpstreamProxy::parse(&proxy.address.to_string()).unwrap()),
    };
    let strict = Egress::new(Policy::default());
    let listener = through(&strict, custom.clone()).await;
    let answered = Browser::connect(&listener).await.get(PLAIN).await;
    assert_eq!(answered.status(), 403);
    assert!(answered.body.contains("127.0.0.4 is a loopback address"), "{}", answered.body);
    assert!(proxy.seen().is_empty());
    // The operator's own may be anywhere, but for the server's listeners.
    let trusted = exit(UpstreamProxy::parse(&proxy.address.to_string()).unwrap());
    listener.set_route(Route::Exit(Arc::new(trusted.clone())));
    assert_eq!(Browser::connect(&listener).await.get(PLAIN).await.status(), 200);
    strict.refuse_always(proxy.address);
    listener.set_route(Route::Exit(Arc::new(trusted)));
    let answered = Browser::connect(&listener).await.get(PLAIN).await;
    assert_eq!(answered.status(), 403);
    assert!(answered.body.contains("listener of the Roadstead server itself"), "{}", answered.body);
}

#[tokio::test]
async fn what_a_proxy_is_asked_for_is_still_subject_to_the_policy() {
    let site = hello("127.0.0.2").await;
    let proxy = socks5_proxy("127.0.0.4", Behind { site: site.address, wants_password: false }).await;
    let policy =
        Policy { deny: vec!["evil.test".parse().unwrap()], deny_ports: vec![25..=25], ..Policy::default() };
    let egress = Egress::new(policy);
    let server = UpstreamProxy::parse(&format!("socks5://{}", proxy.address)).unwrap();
    let listener = through(&egress, exit(server)).await;
    for target in [
        "10.0.0.1:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
        "0x7f.1:80",
        "localhost:80",
        "a.localhost.:80",
        "metadata.google.internal:80",
        "evil.test:80",
        "sub.EVIL.test.:80",
        "site.test:25",
        "169.254.169.254:80",
    ] {
        let mut browser = Browser::connect(&listener).await;
        let answered = browser.ask(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await;
        assert_eq!(answered.status(), 403, "{target}");
    }
    assert!(proxy.seen().is_empty());
    assert_eq!(Browser::connect(&listener).await.get(PLAIN).await.status(), 200);
}
