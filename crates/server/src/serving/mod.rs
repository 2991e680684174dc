//! Serving: from a listener to requests, over TLS when it is configured, with bounds on what a connection may take.
//!
//! Each connection has one task. It holds one of `[server] max_connections` places for as long as its stream lives, a
//! WebSocket's included; when all are taken, new ones wait in the kernel's queue. A TLS handshake, and the head of a request, must
//! arrive within `header_seconds` ([`patient`]), the next request within `idle_seconds`, a body within `body_seconds` (`http`).
//!
//! What is not here: what a request means (`http`), and when the program stops (`lifecycle`).

mod patient;
pub mod tls;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, error, warn};

use self::patient::{Busy, BusyBody, Patient, Progress};
use crate::config::ServerConfig;

/// How long to wait when the system has no descriptors left: connections end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// The most headers that are parsed at all. `http::head` refuses far fewer, and can say so.
const MAX_PARSED_HEADERS: usize = 256;
/// The longest head that is parsed at all, in bytes; likewise.
const MAX_PARSED_HEAD_BYTES: usize = 256 << 10;

/// Who is at the other end of a request's connection. Every request has one in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// What answers connections, and what they may take.
pub struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    connections: usize,
    header_time: Duration,
    idle_time: Duration,
}

impl Server {
    /// Makes a server of the routes; with TLS, it speaks nothing else.
    pub fn new(router: Router, tls: Option<TlsAcceptor>, config: &ServerConfig) -> Self {
        Self {
            router,
            tls,
            connections: config.max_connections,
            header_time: config.header_time(),
            idle_time: config.idle_time(),
        }
    }

    /// Accepts connections until `drained`, then lets each finish the request that it is in.
    pub async fn run(self, listener: TcpListener, drained: impl Future<Output = ()>) {
        let this = Arc::new(self);
        let places = Arc::new(Semaphore::new(this.connections));
        let (stopping, tracker) = (CancellationToken::new(), TaskTracker::new());
        let mut drained = pin!(drained);
        loop {
            let (stream, from, place) = tokio::select! {
                accepted = accept(&listener, &places) => accepted,
                () = &mut drained => break,
            };
            tracker.spawn(Arc::clone(&this).connection(stream, from, place, stopping.clone()));
        }
        drop(listener);
        stopping.cancel();
        tracker.close();
        tracker.wait().await;
    }

    /// Serves one connection to its end, or to its upgrade.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        place: OwnedSemaphorePermit,
        stopping: CancellationToken,
    ) {
        // DevTools is a conversation of small messages: waiting to fill a packet costs 40 ms each.
        if let Err(error) = stream.set_nodelay(true) {
            warn!(%error, "failed to set TCP_NODELAY");
        }
        let address = from.ip().to_canonical();
        let Some(tls) = &self.tls else {
            return self.converse(stream, Peer { address, secure: false }, place, stopping).await;
        };
        let shaken = tokio::select! {
            shaken = timeout(self.header_time, tls.accept(stream)) => shaken,
            () = stopping.cancelled() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.converse(stream, Peer { address, secure: true }, place, stopping).await,
            Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
            Err(_) => debug!("a TLS handshake took too long"),
        }
    }

    /// Speaks HTTP over an established connection.
    async fn converse<S>(
        &self,
        stream: S,
        peer: Peer,
        place: OwnedSemaphorePermit,
        stopping: CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let progress = Arc::new(Progress::default());
        let stream = Patient::new(stream, Arc::clone(&progress), self.header_time, place);
        let service = service_fn(move |request| {
            // Before anything is awaited: from here on the bytes that arrive are no longer the head.
            let busy = Progress::begin(&progress);
            answer(self.router.clone(), peer, busy, request)
        });
        let mut http = http1::Builder::new();
        // This library's time for a head starts when the one before is answered, so it is the one for idleness.
        http.timer(TokioTimer::new()).header_read_timeout(self.idle_time);
        http.max_headers(MAX_PARSED_HEADERS).max_buf_size(MAX_PARSED_HEAD_BYTES);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection broke");
        }
    }
}

/// Waits for a place, and then for a connection. Dropped before its end, it has accepted nothing.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("nobody closes this semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, from)) => return (stream, from, place),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                error!(%error, "failed to accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Tells whether a connection was gone before it was accepted, which is nobody's trouble.
fn is_the_clients(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn answer(
    router: Router,
    peer: Peer,
    busy: Busy,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let response = router.oneshot(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        busy.forever();
        return Ok(response);
    }
    Ok(response.map(|body| Body::new(BusyBody::new(body, busy))))
}
