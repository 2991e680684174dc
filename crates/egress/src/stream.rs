//! A connection: TCP where it can be, so that tunnels may use the sockets themselves, or anything else that carries bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Carries bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, and bytes that were already read from it.
pub struct Stream {
    /// Read before anything else.
    pub(crate) early: Bytes,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Tcp(TcpStream),
    Other(Box<dyn Io>),
}

impl Stream {
    /// Wraps what is not TCP.
    pub fn other(io: impl Io + 'static) -> Self {
        Self { early: Bytes::new(), kind: Kind::Other(Box::new(io)) }
    }

    /// Puts bytes back that were read from it.
    #[must_use]
    pub(crate) fn with_early(mut self, early: Bytes) -> Self {
        self.early = early;
        self
    }

    /// Closes it so that the peer sees an error and not an end; only TCP can tell the difference.
    pub(crate) fn reset(self) {
        if let Kind::Tcp(tcp) = &self.kind {
            // It is closed either way.
            tcp.set_zero_linger().ok();
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match &mut self.kind {
            Kind::Tcp(tcp) => Pin::new(tcp),
            Kind::Other(io) => Pin::new(io.as_mut()),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self { early: Bytes::new(), kind: Kind::Tcp(tcp) }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return self.io().poll_read(cx, buffer);
        }
        let length = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..length]);
        self.early.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.is_write_vectored(),
            Kind::Other(io) => io.is_write_vectored(),
        }
    }
}
