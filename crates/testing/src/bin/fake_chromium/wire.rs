//! The pipe: NUL-terminated JSON, in on stdin and out on stdout (where `move_pipe` has put fds 3 and 4).

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};

use serde::Deserialize;
use serde_json::Value;

/// A request, as Chromium reads it.
#[derive(Debug, Deserialize)]
pub struct Request {
    pub id: i64,
    pub method: String,
    #[serde(default)]
    pub params: Value,
    #[serde(rename = "sessionId")]
    pub session: Option<String>,
}

/// Reads requests until the pipe closes.
pub fn requests(pipe: impl Read) -> impl Iterator<Item = io::Result<Request>> {
    BufReader::with_capacity(1 << 16, pipe)
        .split(0)
        .map(|message| message.and_then(|message| serde_json::from_slice(&message).map_err(io::Error::other)))
}

/// The way out.
pub struct Writer<W>(W);

impl<W: Write> Writer<W> {
    pub fn new(pipe: W) -> Self {
        Self(pipe)
    }

    pub fn send(&mut self, messages: &[Value]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            serde_json::to_writer(&mut bytes, message)?;
            bytes.push(0);
        }
        self.0.write_all(&bytes)?;
        self.0.flush()
    }
}

/// Closes both ends.
pub fn close() -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}
