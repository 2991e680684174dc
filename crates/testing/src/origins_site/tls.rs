//! TLS for a test site: a key and a certificate of its own, and a listener that hands out established connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _, generate_simple_self_signed};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

/// A self-signed certificate with its key.
pub(super) struct Identity(CertifiedKey<KeyPair>);

impl Identity {
    /// Makes one for `names`.
    pub(super) fn make(names: &[&str]) -> Result<Self, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self(generate_simple_self_signed(names)?))
    }

    /// Returns the digest by which Chromium knows the public key: base64 of the SHA-256 of its SubjectPublicKeyInfo.
    pub(super) fn key_digest(&self) -> String {
        STANDARD.encode(Sha256::digest(self.0.signing_key.subject_public_key_info()))
    }

    fn into_config(self) -> io::Result<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![self.0.cert.der().clone()], key)
            .map_err(io::Error::other)
    }
}

/// A listener whose connections have their handshake behind them.
pub(super) struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    /// A browser opens connections that it may never use: one must not wait for another's handshake.
    handshakes: JoinSet<io::Result<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    /// Serves `identity` to whoever connects to `tcp`.
    pub(super) fn new(tcp: TcpListener, identity: Identity) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(identity.into_config()?));
        Ok(Self { tcp, acceptor, handshakes: JoinSet::new() })
    }

    /// Returns the address that it listens on.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    // A browser that went away, or does not trust us: nothing to serve, and nothing to say.
                    if let Ok(Ok(connection)) = done {
                        return connection;
                    }
                }
                (stream, peer) = axum::serve::Listener::accept(&mut self.tcp) => {
                    let handshake = self.acceptor.accept(stream);
                    self.handshakes.spawn(async move { Ok((handshake.await?, peer)) });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
