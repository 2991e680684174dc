//! A route in use: its dialer, its pool of connections, its counts, and the token that cuts all of it.
//!
//! A changed route is a new [`WayOut`]: nothing of the old one can be reused, because nothing of it is shared.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::Executor;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::content::Content;
use crate::counted_stream::CountedStream;
use crate::dialer::Dialer;
use crate::egress::Shared;
use crate::exit::DIRECT;
use crate::failure::Failure;
use crate::tally::{Counts, Tally};
use crate::{Destination, Host, Route};

/// How long a connection to the network waits for its next request.
const IDLE: Duration = Duration::from_mins(1);
/// How many of them wait for one host: Chromium asks for at most six things at once over HTTP/1.
const IDLE_PER_HOST: usize = 6;

/// A route in use.
pub(crate) struct WayOut {
    pub route: Route,
    /// Cancelled when the route is changed or the listener closed.
    pub cut: CancellationToken,
    open: Option<OpenWay>,
}

/// What a route that is not closed has.
pub(crate) struct OpenWay {
    pub dialer: Arc<Dialer>,
    pub tally: Arc<Tally>,
    pub client: Client<Connector, Content>,
}

impl WayOut {
    pub fn new(
        route: Route,
        shared: &Arc<Shared>,
        counts: &Arc<Counts>,
        tasks: &TaskTracker,
        cut: CancellationToken,
    ) -> Self {
        let exit = match &route {
            Route::Pending | Route::Closed { .. } => return Self { route, cut, open: None },
            Route::Direct => None,
            Route::Exit(exit) => Some(Arc::clone(exit)),
        };
        let label = exit.as_deref().map_or(DIRECT, |exit| exit.label());
        let tally = Arc::new(Tally::new(Arc::clone(counts), label));
        let dialer = Arc::new(Dialer::new(Arc::clone(shared), exit));
        let connector = Connector { dialer: Arc::clone(&dialer), tally: Arc::clone(&tally) };
        let client = Client::builder(Tasks { tasks: tasks.clone(), cut: cut.clone() })
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .set_host(false)
            .http1_preserve_header_case(true)
            .http1_title_case_headers(true)
            .http1_max_buf_size(shared.limits.head_bytes)
            .http1_max_headers(crate::headers::MAX_HEADERS)
            // What browsers put up with.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .build(connector);
        Self { route, cut, open: Some(OpenWay { dialer, tally, client }) }
    }

    /// What it takes to go out, unless the route is closed or pending.
    pub fn open(&self) -> Result<&OpenWay, Failure> {
        match (&self.open, &self.route) {
            (Some(open), _) => Ok(open),
            (None, Route::Closed { why }) => Err(Failure::Closed(why.clone())),
            (None, Route::Pending) => {
                Err(Failure::Closed("This browser has no way out yet. Try again in a moment.".to_owned()))
            }
            (None, Route::Direct | Route::Exit(_)) => unreachable!("an open route has everything"),
        }
    }

    /// Does something over this route, unless it is cut first.
    pub async fn unless_cut<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(Failure::Cut),
            outcome = work => outcome,
        }
    }
}

/// Runs the pool's connections, until the route is cut.
#[derive(Clone)]
struct Tasks {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<F: Future + Send + 'static> Executor<F> for Tasks
where
    F::Output: Send,
{
    fn execute(&self, work: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                _ = work => {}
            }
        });
    }
}

/// Connects for plain HTTP.
#[derive(Clone)]
pub(crate) struct Connector {
    dialer: Arc<Dialer>,
    tally: Arc<Tally>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<CountedStream>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<TokioIo<CountedStream>, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { dialer, tally } = self.clone();
        Box::pin(async move {
            let host = uri.host().and_then(|host| Host::parse(host).ok());
            let host = host.ok_or(Failure::BadRequest(crate::target::BadRequest::Host))?;
            let destination = Destination { host, port: uri.port_u16().unwrap_or(80) };
            let stream = dialer.open_plain(&destination).await?;
            let proxied = dialer.http_proxy().is_some();
            Ok(TokioIo::new(CountedStream::new(stream, tally.connection(), proxied)))
        })
    }
}
