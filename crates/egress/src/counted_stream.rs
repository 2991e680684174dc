//! A connection to the network that counts its bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Stream;
use crate::tally::{Counted, Tally};

/// A connection to the network that counts its bytes, and itself while it lives.
pub(crate) struct CountedStream {
    stream: Stream,
    counted: Counted,
    /// Whether requests on it have the absolute form, for a proxy.
    proxied: bool,
}

impl CountedStream {
    pub fn new(stream: Stream, counted: Counted, proxied: bool) -> Self {
        Self { stream, counted, proxied }
    }

    pub fn into_parts(self) -> (Stream, Counted) {
        (self.stream, self.counted)
    }

    pub fn parts(&mut self) -> (&mut Stream, &Tally) {
        (&mut self.stream, self.counted.tally())
    }

    fn count_sent(&self, outcome: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.counted.tally().sent(*bytes);
        }
    }
}

impl Connection for CountedStream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied)
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let received = buffer.filled().len() - before;
        if received > 0 {
            self.counted.tally().received(received);
        }
        outcome
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count_sent(&outcome);
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count_sent(&outcome);
        outcome
    }
}
