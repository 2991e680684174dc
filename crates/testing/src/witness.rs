//! A site that remembers who asked for what: the address that each request came from is what sites see of a session.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, Request, State, WebSocketUpgrade};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running witness; it stops when dropped.
#[derive(Debug)]
pub struct Witness {
    address: SocketAddr,
    desk: Arc<Desk>,
    server: JoinHandle<io::Result<()>>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who made it.
    pub from: IpAddr,
    /// The `Host` that it named.
    pub host: String,
    /// Its path, without the query.
    pub path: String,
}

#[derive(Debug, Default)]
struct Desk {
    seen: Mutex<Vec<Seen>>,
    lie: Mutex<Option<IpAddr>>,
}

impl Witness {
    /// Listens on `address` and serves from a task of its own.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        Self::serve(TcpListener::bind(address).await?)
    }

    /// Serves from a task of its own.
    pub fn serve(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let desk = Arc::<Desk>::default();
        let service = router(Arc::clone(&desk)).into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await });
        Ok(Self { address, desk, server })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.desk.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns who asked for a path, each request once.
    pub fn who_asked(&self, path: &str) -> Vec<IpAddr> {
        self.seen().into_iter().filter(|seen| seen.path == path).map(|seen| seen.from).collect()
    }

    /// Has `/ip` tell another address than the one it sees; `None` is the truth again.
    pub fn lie(&self, address: Option<IpAddr>) {
        *self.desk.lie.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/ip", get(ip))
        .route("/redirect", get(redirect))
        .route("/ticks", get(ticks))
        .route("/socket", get(socket))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .fallback(page)
        .layer(from_fn_with_state(Arc::clone(&desk), remember))
        .with_state(desk)
}

async fn remember(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().expect("the server adds it").0.ip();
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let path = request.uri().path().to_owned();
    desk.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { from, host, path });
    next.run(request).await
}

/// Any page: its text is the address that asked for it.
async fn page(ConnectInfo(from): ConnectInfo<SocketAddr>) -> Html<String> {
    Html(format!("<!doctype html><title>witness</title><link rel=icon href=data:,>{}", from.ip()))
}

/// An echo as exits are checked with.
async fn ip(State(desk): State<Arc<Desk>>, ConnectInfo(from): ConnectInfo<SocketAddr>) -> String {
    let lie = *desk.lie.lock().unwrap_or_else(PoisonError::into_inner);
    format!("{}\n", lie.unwrap_or_else(|| from.ip()))
}

/// `?to=`: an address to go on to.
async fn redirect(Query(query): Query<HashMap<String, String>>) -> Redirect {
    Redirect::temporary(query.get("to").map(String::as_str).unwrap_or_default())
}

/// An event stream that says one thing and never ends.
async fn ticks() -> impl IntoResponse {
    let first =
        futures_util::stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b"data: tick\n\n")) });
    let body = Body::from_stream(first.chain(futures_util::stream::pending()));
    (AppendHeaders([(CONTENT_TYPE, "text/event-stream")]), body)
}

/// A WebSocket that says back what it hears.
async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}
