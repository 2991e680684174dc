//! Checks of exits.

use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use roadstead_egress::{
    CheckError, Echo, Egress, Exit, ExitName, Limits, Policy, SystemNetwork, UpstreamProxy, Way,
};

use tokio::net::TcpStream;

use crate::fixtures::*;
use crate::proxies::*;

fn source_address(ip: &str) -> Exit {
    Exit { name: ExitName::new("here-2").unwrap(), way: Way::SourceAddress(ip.parse().unwrap()) }
}

/// An echo that puts the address it sees in this text.
async fn echoing(template: &'static str) -> (Server, Echo) {
    let server = Server::start("127.0.0.2", move |mut peer: Peer| async move {
        peer.head().await;
        let text = template.replace("IP", &peer.from().to_string());
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
    })
    .await;
    let echo = Echo::new(&format!("http://{}/ip?x", server.address)).unwrap();
    (server, echo)
}

#[tokio::test]
async fn an_echo_tells_the_address() {
    let egress = loopback_egress();
    for answer in [
        "IP",
        " IP\n",
        "{\"ip\":\"IP\"}",
        "{\"origin\": \"IP, 10.0.0.1\"}",
        "{\"a\":1,\"address\":\"::ffff:IP\"}",
    ] {
        let (_server, echo) = echoing(answer).await;
        let checked = egress.check(&source_address("127.0.0.7"), Some(&echo)).await.unwrap();
        assert_eq!(checked.address, Some(IpAddr::from([127, 0, 0, 7])), "{answer}");
    }
}

#[tokio::test]
async fn an_echo_through_every_kind_of_proxy() {
    let egress = loopback_egress();
    let (site, _) = echoing("IP").await;
    let echo = Echo::new("http://echo.test/ip").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    let http = http_proxy("127.0.0.4", behind(&site)).await;
    let (https, ca) = https_proxy("127.0.0.4", behind(&site)).await;
    let socks5 = socks5_proxy("127.0.0.4", behind(&site)).await;
    std::fs::write(&ca_file, ca).unwrap();
    for (scheme, proxy) in [("http", &http), ("https", &https), ("socks5", &socks5)] {
        let server = with_password(scheme, proxy).with_ca_file(&ca_file);
        let checked = egress.check(&exit(server.clone()), Some(&echo)).await.unwrap();
        assert_eq!(checked.address, Some(IpAddr::from([127, 0, 0, 1])), "{scheme}");
        assert_eq!(egress.check(&exit(server), None).await.unwrap().address, None, "{scheme}");
    }
    assert!(http.heads()[0].starts_with("GET http://echo.test/ip HTTP/1.1\r\n"), "{:?}", http.heads());
    // Without an echo a SOCKS proxy is greeted, and asked for nothing.
    assert_eq!(socks5.heads(), ["greeted", "CONNECT echo.test:80", "greeted"]);
}

#[tokio::test]
async fn credentials_that_are_refused() {
    let egress = loopback_egress();
    let (site, echo) = echoing("IP").await;
    let http = http_proxy("127.0.0.4", behind(&site)).await;
    let socks5 = socks5_proxy("127.0.0.4", behind(&site)).await;
    for (scheme, proxy, echo) in
        [("http", &http, Some(&echo)), ("socks5", &socks5, Some(&echo)), ("socks5", &socks5, None)]
    {
        let server = UpstreamProxy::parse(&format!("{scheme}://ada:hush@{}", proxy.address)).unwrap();
        let error = egress.check(&exit(server), echo).await.unwrap_err();
        assert!(matches!(error, CheckError::Authentication(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}

#[tokio::test]
async fn exits_that_are_down() {
    let egress = loopback_egress();
    let nobody = TcpListener::bind("127.0.0.4:0").unwrap().local_addr().unwrap();
    let rude = Server::start("127.0.0.4", |_| async {}).await;
    for (scheme, address) in
        [("http", nobody), ("https", nobody), ("socks5", nobody), ("socks5", rude.address)]
    {
        let server = UpstreamProxy::parse(&format!("{scheme}://{address}")).unwrap();
        let error = egress.check(&exit(server), None).await.unwrap_err();
        assert!(matches!(error, CheckError::Down(_)), "{scheme}: {error:?}");
    }
    let error = egress.check(&source_address("192.0.2.7"), None).await.unwrap_err();
    assert!(error.to_string().contains("192.0.2.7 is not an address of this machine"), "{error}");
    assert!(egress.check(&source_address("127.0.0.9"), None).await.is_ok());
}

#[tokio::test]
async fn a_proxy_that_speaks_no_tls() {
    let egress = loopback_egress();
    let (https, _) = https_proxy("127.0.0.4", behind(&hello("127.0.0.2").await)).await;
    // A stranger's certificate, and none at all.
    let plain = Server::start("127.0.0.4", |mut peer: Peer| async move {
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.rest().await;
    })
    .await;
    for proxy in [&https, &plain] {
        let error = egress.check(&exit(with_password("https", proxy)), None).await.unwrap_err();
        assert!(matches!(error, CheckError::Tls(_)), "{error:?}");
    }
    let missing = with_password("https", &https).with_ca_file("/nowhere/ca.pem");
    let error = egress.check(&exit(missing), None).await.unwrap_err();
    assert!(error.to_string().contains("ca_file cannot be read"), "{error}");
}

#[tokio::test]
async fn echoes_that_tell_nothing() {
    let egress = loopback_egress();
    let long: &str = Box::leak("1".repeat(5_000).into_boxed_str());
    for answer in ["hello", "{\"ip\":\"x\"}", "{\"ip\":4}", "[]", "", long] {
        let (_server, echo) = echoing(answer).await;
        let error = egress.check(&source_address("127.0.0.7"), Some(&echo)).await.unwrap_err();
        assert!(matches!(error, CheckError::NotAnAddress(_)), "{answer}: {error:?}");
    }
    let moved = Server::start("127.0.0.2", |mut peer: Peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 302 Found\r\nLocation: /ip\r\nContent-Length: 0\r\n\r\n").await;
        peer.rest().await;
    })
    .await;
    let echo = Echo::new(&format!("http://{}/", moved.address)).unwrap();
    let error = egress.check(&source_address("127.0.0.7"), Some(&echo)).await.unwrap_err();
    assert!(error.to_string().contains("answered 302"), "{error}");
    assert_eq!(moved.seen().len(), 1);
}

#[tokio::test]
async fn a_check_takes_no_longer_than_its_limit() {
    let limits = Limits { check: Duration::from_millis(50), ..Limits::default() };
    let egress = Egress::with_network(loopback_policy(), SystemNetwork::default(), limits);
    let silent = Server::start("127.0.0.4", |mut peer: Peer| async move { drop(peer.rest().await) }).await;
    let server = UpstreamProxy::parse(&format!("socks5://{}", silent.address)).unwrap();
    let error = egress.check(&exit(server), None).await.unwrap_err();
    assert_eq!(error, CheckError::TimedOut(Duration::from_millis(50)));
}

#[tokio::test]
async fn an_echos_address_is_subject_to_the_policy() {
    let (site, echo) = echoing("IP").await;
    let error =
        Egress::new(Policy::default()).check(&source_address("127.0.0.7"), Some(&echo)).await.unwrap_err();
    assert!(matches!(error, CheckError::Refused(_)), "{error:?}");
    assert!(site.seen().is_empty());
}

#[test]
fn urls_of_echoes() {
    for good in ["http://a.example", "https://a.example:8443/ip?x", "http://[::1]/"] {
        assert!(Echo::new(good).is_ok(), "{good}");
    }
    for bad in ["", "a.example", "ftp://a.example", "http://", "http://u:p@a.example/", "data:x"] {
        assert!(Echo::new(bad).is_err(), "{bad}");
    }
}

/// A TLS echo that shows the address it sees.
async fn tls_echo() -> (Server, String) {
    let (acceptor, ca) = acceptor("127.0.0.2");
    let wrap = move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move { Some(Box::new(acceptor.accept(stream).await.ok()?) as Box<dyn Duplex>) }
    };
    let server = Server::start_wrapped("127.0.0.2", wrap, |mut peer: Peer| async move {
        peer.head().await;
        let text = peer.from().to_string();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
    });
    (server.await, ca)
}

/// Where the child finds the echo that its parent runs.
const ECHO: &str = "ROADSTEAD_TEST_ECHO";

/// The system's roots can be replaced only for a process, so there is one that has the echo's: this very test again, with the
/// echo in its environment.
#[tokio::test]
async fn an_https_echo_is_trusted_by_the_systems_roots() {
    if let Ok(url) = std::env::var(ECHO) {
        let echo = Echo::new(&url).unwrap();
        let checked = loopback_egress().check(&source_address("127.0.0.7"), Some(&echo)).await.unwrap();
        assert_eq!(checked.address, Some(IpAddr::from([127, 0, 0, 7])));
        return;
    }
    let (server, ca) = tls_echo().await;
    let url = format!("https://{}/", server.address);
    let error = loopback_egress()
        .check(&source_address("127.0.0.7"), Some(&Echo::new(&url).unwrap()))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CheckError::Tls(why) if why.starts_with("with the echo: invalid peer")),
        "{error:?}"
    );
    let dir = tempfile::tempdir().unwrap();
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, ca).unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "check::an_https_echo_is_trusted_by_the_systems_roots"])
        .env("SSL_CERT_FILE", roots)
        .env(ECHO, url);
    let output = within("the child", child.kill_on_drop(true).output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(server.seen().len(), 1);
}
