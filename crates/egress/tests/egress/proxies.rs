//! Upstream proxies of our own, with credentials, that log what they are asked for and connect elsewhere: the names in these
//! tests exist nowhere else.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roadstead_egress::{Egress, Exit, ExitName, Listener, Route, UpstreamProxy, Way};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::fixtures::{Duplex, Peer, Server};

pub const USER: &str = "ada";
pub const PASSWORD: &str = "s3cret:/?#[]@";

/// Where every request to a proxy ends, whatever it asks for.
#[derive(Clone, Copy)]
pub struct Behind {
    pub site: SocketAddr,
    pub wants_password: bool,
}

pub fn behind(site: &Server) -> Behind {
    Behind { site: site.address, wants_password: true }
}

/// An HTTP proxy: CONNECT and the absolute form.
pub async fn http_proxy(ip: &str, behind: Behind) -> Server {
    Server::start(ip, move |peer| serve_http(peer, behind)).await
}

/// The same over TLS. Also gives the CA's certificate, as PEM.
pub async fn https_proxy(ip: &str, behind: Behind) -> (Server, String) {
    let (acceptor, ca) = acceptor(ip);
    let wrap = move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move { Some(Box::new(acceptor.accept(stream).await.ok()?) as Box<dyn Duplex>) }
    };
    (Server::start_wrapped(ip, wrap, move |peer| serve_http(peer, behind)).await, ca)
}

/// A certificate for an address or a name, and its CA's as PEM.
pub fn acceptor(name: &str) -> (TlsAcceptor, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem(ca.der()))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

async fn serve_http(mut peer: Peer, behind: Behind) {
    let Some(head) = peer.head().await else { return };
    let password = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let logged_in = head.contains(&format!("Proxy-Authorization: Basic {password}\r\n"));
    if behind.wants_password && !logged_in {
        peer.send("HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n")
            .await;
        return;
    }
    let Ok(mut site) = TcpStream::connect(behind.site).await else {
        peer.send("HTTP/1.1 502 Gone\r\nContent-Length: 0\r\n\r\n").await;
        return;
    };
    if head.starts_with("CONNECT ") {
        peer.send("HTTP/1.1 200 Connected\r\n\r\n").await;
    } else {
        // In the origin form, like a proxy.
        let (line, rest) = head.split_once("\r\n").unwrap();
        let mut words = line.split(' ');
        let (method, url) = (words.next().unwrap(), words.next().unwrap());
        let path =
            url.strip_prefix("http://").and_then(|url| url.find('/').map(|at| &url[at..])).unwrap_or("/");
        let head = format!("{method} {path} HTTP/1.1\r\n{rest}");
        tokio::io::AsyncWriteExt::write_all(&mut site, head.as_bytes()).await.ok();
    }
    copy_bidirectional(&mut peer.io, &mut site).await.ok();
}

/// A SOCKS 5 proxy; its log has `CONNECT host:port` for every request.
pub async fn socks5_proxy(ip: &str, behind: Behind) -> Server {
    Server::start(ip, move |peer| async move {
        serve_socks5(peer, behind).await;
    })
    .await
}

async fn serve_socks5(mut peer: Peer, behind: Behind) -> Option<()> {
    let greeting = peer.exactly(2).await?;
    let methods = peer.exactly(greeting[1].into()).await?;
    let method = if behind.wants_password { 2 } else { 0 };
    if greeting[0] != 5 || !methods.contains(&method) {
        peer.send([5, 0xff]).await;
        return None;
    }
    peer.send([5, method]).await;
    if behind.wants_password {
        let length = peer.exactly(2).await?[1];
        let user = peer.exactly(length.into()).await?;
        let length = peer.exactly(1).await?[0];
        let password = peer.exactly(length.into()).await?;
        let good = user == USER.as_bytes() && password == PASSWORD.as_bytes();
        peer.send([1, u8::from(!good)]).await;
        if !good {
            return None;
        }
    }
    peer.note("greeted");
    let request = peer.exactly(4).await?;
    let host = match request[3] {
        1 => <[u8; 4]>::try_from(peer.exactly(4).await?).map(std::net::Ipv4Addr::from).unwrap().to_string(),
        4 => <[u8; 16]>::try_from(peer.exactly(16).await?).map(std::net::Ipv6Addr::from).unwrap().to_string(),
        _ => {
            let length = peer.exactly(1).await?[0];
            String::from_utf8(peer.exactly(length.into()).await?).unwrap()
        }
    };
    let port = u16::from_be_bytes(peer.exactly(2).await?.try_into().unwrap());
    peer.note(&format!("CONNECT {host}:{port}"));
    let Ok(mut site) = TcpStream::connect(behind.site).await else {
        peer.send([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        return None;
    };
    peer.send([5, 0, 0, 3, 4, b'h', b'e', b'r', b'e', 0, 80]).await;
    copy_bidirectional(&mut peer.io, &mut site).await.ok();
    Some(())
}

/// An exit through a proxy that the operator configured.
pub fn exit(proxy: UpstreamProxy) -> Exit {
    Exit { name: ExitName::new("fra-1").unwrap(), way: Way::Proxy(proxy.trusted()) }
}

/// `scheme://ip:port` with the right credentials.
pub fn with_password(scheme: &str, proxy: &Server) -> UpstreamProxy {
    let url = format!("{scheme}://{USER}:s3cret%3A%2F%3F%23%5B%5D%40@{}", proxy.address);
    UpstreamProxy::parse(&url).unwrap()
}

/// A listener whose route is this exit.
pub async fn through(egress: &Egress, exit: Exit) -> Listener {
    let listener = egress.listen().await.unwrap();
    listener.set_route(Route::Exit(Arc::new(exit)));
    listener
}
