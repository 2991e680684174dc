//! Bodies must come in time: a client that sends a byte now and then holds a handler for ever otherwise.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::upload_body;
use crate::app::App;

/// Gives a request's body `[server] body_seconds` to arrive, a file `[files] upload_seconds`. Whoever reads on gets [`TooSlow`].
pub async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>();
    let is_upload =
        route.is_some_and(|route| upload_body::ROUTES.iter().any(|end| route.as_str().ends_with(end)));
    let time = if is_upload { app.config().files.upload_time() } else { app.config().server.body_time() };
    next.run(request.map(|body| Body::new(Timed { body, over: Box::pin(sleep(time)) }))).await
}

/// A body did not arrive in time.
#[derive(Debug)]
pub struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not arrive in time")
    }
}

impl std::error::Error for TooSlow {}

impl TooSlow {
    /// Tells whether this is why a body could not be read.
    pub fn is_behind(error: &axum::Error) -> bool {
        let first: &(dyn std::error::Error + 'static) = error;
        std::iter::successors(Some(first), |error| error.source()).any(<dyn std::error::Error>::is::<Self>)
    }
}

struct Timed {
    body: Body,
    over: Pin<Box<Sleep>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(TooSlow))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
