//! Framing: JSON texts, each ended by a NUL byte, as `--remote-debugging-pipe` has them.

use std::io;

use bytes::BytesMut;
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest message either way, in bytes. Chromium's own limit for a debugging port is 256 MiB as well.
pub const MAX_MESSAGE_BYTES: usize = 256 << 20;
/// The longest message that is given to the browser, in bytes. Chromium reads up to 100 MiB, its NUL included
/// (`kReceiveBufferSizeForDevTools`; measured with 156), and after one byte more it never reads from the pipe again.
pub const MAX_COMMAND_BYTES: usize = 99 << 20;
/// How much is asked of the pipe at once. Every session keeps a buffer of about this size.
const READ_BYTES: usize = 256 << 10;

/// Reads messages off a pipe.
#[derive(Debug)]
pub struct MessageReader<R> {
    pipe: R,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no NUL.
    searched: usize,
    /// The longest message, in bytes.
    longest: usize,
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    /// Reads from `pipe`.
    pub fn new(pipe: R) -> Self {
        Self::with_limit(pipe, MAX_MESSAGE_BYTES)
    }

    /// Reads messages of at most `longest` bytes from `pipe`.
    pub(crate) fn with_limit(pipe: R, longest: usize) -> Self {
        Self { pipe, buffer: BytesMut::with_capacity(READ_BYTES), searched: 0, longest }
    }

    /// Returns the next message without its NUL, or `None` when the pipe has ended between two.
    ///
    /// An end inside a message is [`io::ErrorKind::UnexpectedEof`]; one longer than [`MAX_MESSAGE_BYTES`] is
    /// [`io::ErrorKind::InvalidData`]. Not cancel-safe in its error, cancel-safe otherwise.
    pub async fn next(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            let end = memchr(0, &self.buffer[self.searched..]).map(|length| self.searched + length);
            self.searched = end.unwrap_or(self.buffer.len());
            if self.searched > self.longest {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than allowed"));
            }
            if let Some(end) = end {
                let mut message = self.buffer.split_to(end + 1);
                message.truncate(end);
                self.searched = 0;
                return Ok(Some(message));
            }
            self.buffer.reserve(READ_BYTES.min(self.searched.max(READ_BYTES / 16)));
            if self.pipe.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }
}

/// Writes one message. Not cancel-safe: a part of it may be written.
pub async fn write_message(pipe: &mut (impl AsyncWrite + Unpin), mut message: Vec<u8>) -> io::Result<()> {
    message.push(0);
    pipe.write_all(&message).await?;
    pipe.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_out_as_they_went_in_whatever_the_chunks() {
        let (mut far, near) = tokio::io::duplex(7);
        let messages: Vec<Vec<u8>> =
            vec![b"{}".to_vec(), Vec::new(), vec![b'x'; 100_000], "{\"a\":\"é\"}".as_bytes().to_vec()];
        let sent = messages.clone();
        let writer = tokio::spawn(async move {
            for message in sent {
                write_message(&mut far, message).await.unwrap();
            }
        });
        let mut reader = MessageReader::new(near);
        for expected in messages {
            assert_eq!(reader.next().await.unwrap().unwrap(), expected);
        }
        assert!(reader.next().await.unwrap().is_none());
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_an_error_whatever_the_chunks() {
        for chunk in [1, 5, 64] {
            let (mut far, near) = tokio::io::duplex(chunk);
            let writer = tokio::spawn(async move { far.write_all(b"four\0five5\0").await });
            let mut reader = MessageReader::with_limit(near, 4);
            assert_eq!(reader.next().await.unwrap().unwrap(), b"four"[..]);
            assert_eq!(reader.next().await.unwrap_err().kind(), io::ErrorKind::InvalidData, "{chunk}");
            drop(reader);
            drop(writer.await.unwrap());
        }
    }

    #[tokio::test]
    async fn an_end_inside_a_message_is_an_error() {
        let mut reader = MessageReader::new(&b"{}\0{\"half"[..]);
        assert!(reader.next().await.unwrap().is_some());
        assert_eq!(reader.next().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
