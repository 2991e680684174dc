//! One connection of a browser: requests are read, judged, and sent on over the route of the moment.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::content::Answer;
use crate::failure::Failure;
use crate::listener::Inner;
use crate::target::{self, Target};
use crate::{Stream, filter, forward, headers, page, tunnel};

/// Serves a browser's connection until it ends.
pub(crate) async fn serve(inner: Arc<Inner>, stream: Stream) {
    let limits = inner.shared.limits;
    let service = service_fn(|request| {
        let inner = Arc::clone(&inner);
        async move { Ok::<_, Infallible>(respond(&inner, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .max_header_size(limits.head_bytes)
        .max_headers(headers::MAX_HEADERS)
        .preserve_header_case(true)
        .title_case_headers(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        // Browsers hang up whenever they like.
        tracing::trace!(%error, "a browser's connection ended");
    }
}

/// Answers one request, always.
async fn respond(inner: &Arc<Inner>, request: Request<Incoming>) -> Response<Answer> {
    let target = match target::parse(request.method(), request.uri(), request.headers()) {
        Ok(target) => target,
        Err(error) => {
            let failure = Failure::from(error);
            inner.counts.problem(&failure);
            return page::answer(&failure);
        }
    };
    let stopped =
        inner.filter.get().and_then(|filter| filter::stopped(&**filter, &target, request.headers()));
    if let Some(host) = stopped {
        // What is not wanted is no trouble, and no traffic.
        return page::answer(&Failure::Filtered(host));
    }
    inner.counts.request();
    let way = inner.settled_way().await;
    let open = match way.open() {
        Ok(open) => open,
        Err(closed) => {
            inner.counts.problem(&closed);
            return page::answer(&closed);
        }
    };
    open.tally.request();
    let answered = match target {
        Target::Tunnel(destination) => tunnel::open(inner, &way, open, request, &destination).await,
        Target::Plain { destination, uri } => {
            forward::send(inner, &way, open, request, &destination, uri).await
        }
    };
    answered.unwrap_or_else(|failure| {
        open.tally.failed(&failure);
        page::answer(&failure)
    })
}
