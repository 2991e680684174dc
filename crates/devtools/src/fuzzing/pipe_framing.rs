//! The framing: however a stream is cut, and however often the reading is given up and begun again, it is the same messages.
//!
//! An input is the number of cuts, the cuts (each the length of a chunk, or 0 for a moment without any), the longest message
//! that is allowed, and the stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::poll_once;
use crate::pipe::{MessageReader, write_message};

/// The most cuts of an input; they are used again and again.
const MAX_CUTS: u8 = 16;

/// Runs one input.
pub fn pipe_framing(input: &[u8]) {
    let Some((cuts, rest)) = input.split_first() else { return };
    let (cuts, rest) = rest.split_at(usize::from(cuts % MAX_CUTS).min(rest.len()));
    let Some((longest, stream)) = rest.split_first() else { return };
    let longest = usize::from(*longest);
    let expected = expected(stream, longest);
    assert_eq!(read_all(Chunks::new(stream, &[]), longest), expected, "in one piece");
    assert_eq!(read_all(Chunks::new(stream, cuts), longest), expected, "in pieces of {cuts:?}");
    let mut written = Vec::new();
    for message in &expected.messages {
        poll_once(write_message(&mut written, message.clone()))
            .expect("memory is written at once")
            .expect("it is");
    }
    assert!(stream.starts_with(&written), "what was read is written as it came");
}

/// The messages of a stream, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    messages: Vec<Vec<u8>>,
    error: Option<io::ErrorKind>,
}

/// Reads a stream in the simplest way.
fn expected(stream: &[u8], longest: usize) -> Read {
    let mut messages: Vec<Vec<u8>> = stream.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let unfinished = messages.last().is_some_and(|rest| !rest.is_empty());
    if let Some(place) = messages.iter().position(|message| message.len() > longest) {
        messages.truncate(place);
        return Read { messages, error: Some(io::ErrorKind::InvalidData) };
    }
    messages.pop();
    Read { messages, error: unfinished.then_some(io::ErrorKind::UnexpectedEof) }
}

fn read_all(chunks: Chunks<'_>, longest: usize) -> Read {
    let mut reader = MessageReader::with_limit(chunks, longest);
    let mut messages = Vec::new();
    loop {
        match next(&mut reader) {
            Ok(Some(message)) => messages.push(message.to_vec()),
            Ok(None) => return Read { messages, error: None },
            Err(error) => return Read { messages, error: Some(error.kind()) },
        }
    }
}

/// Reads the next message. Each attempt is a new future, as in a `select!`.
fn next(reader: &mut MessageReader<Chunks<'_>>) -> io::Result<Option<BytesMut>> {
    loop {
        if let Some(read) = poll_once(reader.next()) {
            return read;
        }
    }
}

/// A pipe that gives a stream in chunks.
struct Chunks<'a> {
    stream: &'a [u8],
    cuts: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    waited: bool,
}

impl<'a> Chunks<'a> {
    /// Without cuts it gives all that fits.
    fn new(stream: &'a [u8], cuts: &'a [u8]) -> Self {
        Self { stream, cuts: cuts.iter().cycle(), waited: false }
    }
}

impl AsyncRead for Chunks<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let cut = self.cuts.next().map_or(self.stream.len(), |cut| usize::from(*cut));
        // Never twice in a row, or there would be no end.
        self.waited = cut == 0 && !self.waited && !self.stream.is_empty();
        if self.waited {
            return Poll::Pending;
        }
        let length = cut.max(1).min(self.stream.len()).min(into.remaining());
        let (chunk, rest) = self.stream.split_at(length);
        into.put_slice(chunk);
        self.stream = rest;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that reaches nothing finds nothing.
    #[test]
    fn the_target_reads_what_is_there() {
        let all = read_all(Chunks::new(b"{}\0\0{\"a\":1}\0{", &[1, 0, 3]), 7);
        let messages = [&b"{}"[..], b"", b"{\"a\":1}"].map(<[u8]>::to_vec).to_vec();
        assert_eq!(all, Read { messages, error: Some(io::ErrorKind::UnexpectedEof) });
        let all = read_all(Chunks::new(b"{}\0too long\0", &[]), 7);
        assert_eq!(all, Read { messages: vec![b"{}".to_vec()], error: Some(io::ErrorKind::InvalidData) });
    }

    #[test]
    fn the_corpus_and_what_is_near_it() {
        roadstead_replay::replay("pipe_framing", 20_000, &["\0", "{}\0", "{\"id\":1}\0"], pipe_framing);
    }
}
