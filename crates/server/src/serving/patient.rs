//! A stream whose client must say what it wants in time: the guard against clients that trickle.
//!
//! The HTTP library's own limit cannot tell a connection that rests between two requests from one that sends a byte now and
//! then. Here the time of a head runs from its first byte (of the first one, from the connection's start) to the moment that
//! its request is handled. Then the stream answers 408, if a part of a head is there, and breaks.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use roadstead_api::ErrorResponse;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

/// Where a connection is: each request counts one when it begins and one when it is answered, so odd is busy.
#[derive(Debug, Default)]
pub struct Progress(AtomicUsize);

impl Progress {
    /// Notes that a request's head is complete. It is busy until the guard is dropped.
    pub fn begin(this: &Arc<Self>) -> Busy {
        this.0.fetch_add(1, Ordering::AcqRel);
        Busy(Some(Arc::clone(this)))
    }

    /// Returns the number of the head that is awaited, or `None` while a request is being answered.
    fn awaited(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Acquire)).filter(|count| count.is_multiple_of(2))
    }
}

/// Holds a connection busy: a request is being answered.
pub struct Busy(Option<Arc<Progress>>);

impl Busy {
    /// Leaves it busy: after an upgrade no heads are to come.
    pub fn forever(mut self) {
        self.0 = None;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.0.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// An answer's body; when it is gone, the connection is no longer busy.
pub struct BusyBody {
    body: Body,
    _busy: Busy,
}

impl BusyBody {
    pub fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The head that is awaited.
struct Head {
    number: usize,
    /// Whether a part of it is there.
    begun: bool,
    over: Pin<Box<Sleep>>,
}

/// A stream that does not wait for ever. It holds its connection's place.
pub struct Patient<S> {
    stream: S,
    progress: Arc<Progress>,
    limit: Duration,
    head: Option<Head>,
    _place: OwnedSemaphorePermit,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Patient<S> {
    pub fn new(stream: S, progress: Arc<Progress>, limit: Duration, place: OwnedSemaphorePermit) -> Self {
        let head = Some(Head { number: 0, begun: false, over: Box::pin(sleep(limit)) });
        Self { stream, progress, limit, head, _place: place }
    }

    /// Notes that bytes of a head have come; its time runs from the first on.
    fn heard(&mut self, number: usize) {
        match &mut self.head {
            Some(head) if head.number == number => head.begun = true,
            _ => self.head = Some(Head { number, begun: true, over: Box::pin(sleep(self.limit)) }),
        }
    }

    /// Waits for bytes, but no longer than the head may take.
    fn poll_patience(&mut self, number: usize, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(head) = self.head.as_mut().filter(|head| head.number == number) else {
            return Poll::Pending;
        };
        ready!(head.over.as_mut().poll(context));
        if head.begun {
            // As far as it goes at once: a client that does not read is not waited for either.
            let written = Pin::new(&mut self.stream).poll_write(context, &too_slow());
            let flushed = Pin::new(&mut self.stream).poll_flush(context);
            drop((written, flushed));
        }
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the head of a request did not come in time")))
    }
}

/// The answer to a client whose request did not come in time, as it goes over the wire.
fn too_slow() -> Vec<u8> {
    let message = "The head of the request did not arrive in time; send it at once.";
    let body = serde_json::to_string(&ErrorResponse::new(408, message.to_owned()))
        .expect("a text is representable as JSON");
    let length = body.len();
    format!(
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(number) = self.progress.awaited() else {
            self.head = None;
            return read;
        };
        if read.is_pending() {
            return self.poll_patience(number, context);
        }
        if buffer.filled().len() > before {
            self.heard(number);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_busy_from_a_head_to_its_answers_end() {
        let progress = Arc::new(Progress::default());
        assert_eq!(progress.awaited(), Some(0));
        let busy = Progress::begin(&progress);
        assert_eq!(progress.awaited(), None);
        let body = BusyBody::new(Body::from("x"), busy);
        assert_eq!((progress.awaited(), body.size_hint().exact()), (None, Some(1)));
        drop(body);
        assert_eq!(progress.awaited(), Some(2));
        Progress::begin(&progress).forever();
        assert_eq!(progress.awaited(), None);
    }
}
