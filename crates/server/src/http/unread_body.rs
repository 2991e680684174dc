//! What nobody read of a request's body.
//!
//! A connection whose body was not read cannot carry another request: it is closed behind the answer, and a client that keeps
//! connections learns of that only from its next request, which fails. One that is in the middle of sending does not see the
//! answer at all, if the connection is reset under it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::future::poll_fn;
use hyper::body::{Frame, SizeHint};

/// How much of a body is taken off the line, and thrown away, in bytes.
const MAX_DISCARDED_BYTES: usize = 16 << 20;

/// Reads what is left of the body before the answer goes out. If that is too much, or the client waits to be told to send, the
/// answer says that the connection ends with it.
pub async fn discard(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let waits = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let shared = Shared(Arc::new(Mutex::new(Line { body, state: State::Untouched })));
    let mut response = next.run(Request::from_parts(parts, Body::new(shared.clone()))).await;
    let may_read = !waits || shared.line().state != State::Untouched;
    if !(may_read && shared.reaches_its_end().await) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A request's body, for its handler and then for [`discard`].
#[derive(Clone)]
struct Shared(Arc<Mutex<Line>>);

struct Line {
    body: Body,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Nobody has asked for any of it.
    Untouched,
    Begun,
    Ended,
    /// It broke off, or took too long.
    Broken,
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throws away what is left, up to [`MAX_DISCARDED_BYTES`]. Tells whether nothing is left.
    async fn reaches_its_end(&self) -> bool {
        let mut discarded = 0;
        while discarded <= MAX_DISCARDED_BYTES {
            match poll_fn(|context| self.line().poll(context)).await {
                Some(Ok(frame)) => discarded += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) => return false,
                None => return self.line().state == State::Ended,
            }
        }
        false
    }
}

impl Line {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_over() {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.state = match &polled {
            Poll::Pending | Poll::Ready(Some(Ok(_))) => State::Begun,
            Poll::Ready(Some(Err(_))) => State::Broken,
            Poll::Ready(None) => State::Ended,
        };
        polled
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::Broken)
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.line().poll(context)
    }

    fn is_end_stream(&self) -> bool {
        let line = self.line();
        line.is_over() || line.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.line().body.size_hint()
    }
}
