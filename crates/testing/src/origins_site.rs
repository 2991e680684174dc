//! A site of several origins, for tests of what a browser keeps apart: subdomains, other sites, http beside https.
//!
//! Every name below `example` is served, over https with a certificate made at the start and over http, at the default
//! ports as the browser sees them: [`OriginsSite::config`] makes a proxy of the site's own the server's default exit, which
//! leads every name there, and has the browser accept that one key. Unlike a browser that ignores all certificate errors, one that trusts a key honours Strict-Transport-Security and keeps what
//! it fetched. A name of `localhost` would not do: it is secure without TLS, and has no HSTS.
//!
//! The site decides nothing: a test says by the query what is to be set, and reads from [`OriginsSite::requests`] what
//! the browser sent. [`OriginsSite`] owns the listeners and the record.

mod tls;
mod way_in;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use axum::http::{HeaderMap, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{AppendHeaders, Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::tls::{Identity, TlsListener};
use self::way_in::WayIn;

/// A year, in seconds: long enough to be kept, as Chromium sees it.
const YEAR_SECONDS: u32 = 365 * 24 * 60 * 60;

/// A running site on two loopback ports; it stops when dropped.
#[derive(Debug)]
pub struct OriginsSite {
    way_in: SocketAddr,
    key_digest: String,
    record: Arc<Record>,
    servers: Vec<JoinHandle<io::Result<()>>>,
    /// It outlives the servers: a site that is down is not a server without a way out.
    names: JoinHandle<io::Result<()>>,
}

/// One request, as the site got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The address without the query, for example `https://www.harbour.example/berths`.
    pub url: String,
    /// The cookies that came with it, by name. Of two of one name there is the last.
    pub cookies: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Record(Mutex<Vec<Received>>);

impl Record {
    fn add(&self, received: Received) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    }
}

impl OriginsSite {
    /// Listens on two free loopback ports, and serves from tasks of its own.
    pub async fn start() -> io::Result<Self> {
        let identity = Identity::make(&["*.example", "*.harbour.example"]).map_err(io::Error::other)?;
        let key_digest = identity.key_digest();
        let plain = TcpListener::bind("127.0.0.1:0").await?;
        let sealed = TlsListener::new(TcpListener::bind("127.0.0.1:0").await?, identity)?;
        let (http, https) = (plain.local_addr()?, sealed.address()?);
        let record = Arc::<Record>::default();
        let of = |scheme| router(Recorder { scheme, record: Arc::clone(&record) });
        let (over_http, over_https) = (of("http"), of("https"));
        let servers = vec![
            tokio::spawn(async move { axum::serve(plain, over_http).await }),
            tokio::spawn(async move { axum::serve(sealed, over_https).await }),
        ];
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let way_in = listener.local_addr()?;
        let names = tokio::spawn(WayIn { http, https }.serve(listener));
        Ok(Self { way_in, key_digest, record, servers, names })
    }

    /// Returns the server's configuration under which a browser finds the site, and trusts its key.
    pub fn config(&self) -> String {
        format!(
            "[chromium]\nextra_args = [\"--ignore-certificate-errors-spki-list={}\"]\n\
             [egress]\ndefault_exit = \"site\"\n\
             [[egress.exits]]\nname = \"site\"\nkind = \"proxy\"\nurl = \"http://{}\"\n",
            self.key_digest, self.way_in
        )
    }

    /// Returns every request so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.record.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts the requests for an address, whatever their query.
    pub fn count(&self, url: &str) -> usize {
        self.requests().iter().filter(|received| received.url == url).count()
    }

    /// Returns the cookies of the last request for an address, whatever its query.
    pub fn cookies_at(&self, url: &str) -> Option<BTreeMap<String, String>> {
        self.requests().into_iter().rfind(|received| received.url == url).map(|received| received.cookies)
    }

    /// Closes both ports. When this returns, a browser that connects is refused.
    pub async fn stop(&mut self) {
        for server in self.servers.drain(..) {
            server.abort();
            let _cancelled = server.await;
        }
    }
}

impl Drop for OriginsSite {
    fn drop(&mut self) {
        for server in self.servers.iter().chain([&self.names]) {
            server.abort();
        }
    }
}

/// Puts what arrives over one scheme on record.
#[derive(Clone, Debug)]
struct Recorder {
    scheme: &'static str,
    record: Arc<Record>,
}

async fn record(State(recorder): State<Recorder>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = format!("{}://{host}{}", recorder.scheme, request.uri().path());
    recorder.record.add(Received { url, cookies: cookies(request.headers()) });
    next.run(request).await
}

fn cookies(headers: &HeaderMap) -> BTreeMap<String, String> {
    // A cookie may hold any UTF-8, which is more than a header's text may.
    let lines = headers.get_all(COOKIE).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    lines.flat_map(|line| split_cookies(&line)).collect()
}

fn split_cookies(line: &str) -> Vec<(String, String)> {
    let pairs = line.split("; ").filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn router(recorder: Recorder) -> Router {
    Router::new()
        .route("/cookies", get(set_cookies))
        .route("/embed", get(embed))
        .route("/puppet", get(async || Html(include_str!("../origins-site/puppet.html"))))
        .route("/secure-only", get(secure_only))
        .route("/cacheable.js", get(async || (cached(), "window.__loaded = (window.__loaded ?? 0) + 1;")))
        .route("/worker.js", get(async || (script(), include_str!("../origins-site/worker.js"))))
        .fallback(async |uri: Uri| Html(format!("<!doctype html><title>{}</title>", uri.path())))
        .layer(from_fn_with_state(recorder, record))
}

fn script() -> AppendHeaders<[(axum::http::HeaderName, &'static str); 1]> {
    AppendHeaders([(CONTENT_TYPE, "text/javascript")])
}

fn cached() -> AppendHeaders<[(axum::http::HeaderName, String); 2]> {
    let fresh = format!("public, max-age={YEAR_SECONDS}, immutable");
    AppendHeaders([(CONTENT_TYPE, "text/javascript".to_owned()), (CACHE_CONTROL, fresh)])
}

/// `?set=`: the values of `Set-Cookie` headers, one a line.
async fn set_cookies(Query(query): Query<HashMap<String, String>>) -> Response {
    let cookies = query.get("set").map(String::as_str).unwrap_or_default();
    let mut response = Response::new(Body::from("<!doctype html><title>cookies</title>"));
    response.headers_mut().insert(CONTENT_TYPE, "text/html".parse().expect("a header value"));
    for cookie in cookies.lines().filter_map(|line| line.parse().ok()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// `?frame=`: the address of a page to show within this one.
async fn embed(Query(query): Query<HashMap<String, String>>) -> Html<String> {
    let frame = query.get("frame").map(String::as_str).unwrap_or_default();
    let frame = frame.replace('&', "&amp;").replace('"', "&quot;");
    Html(format!("<!doctype html><title>embed</title><iframe src=\"{frame}\"></iframe>"))
}

async fn secure_only() -> impl IntoResponse {
    let policy = format!("max-age={YEAR_SECONDS}; includeSubDomains");
    (AppendHeaders([(STRICT_TRANSPORT_SECURITY, policy)]), Html("<!doctype html><title>secure only</title>"))
}
