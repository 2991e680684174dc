//! The fuzz targets: the framing of the pipe, and the multiplexer between two clients and a browser, neither of which
//! means well.
//!
//! Nothing here waits: every future is polled once, and is ready or not.

mod id_rewriter;
mod pipe_framing;
mod reference;

pub use id_rewriter::id_rewriter;
pub use pipe_framing::pipe_framing;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls a future once, and drops it.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
