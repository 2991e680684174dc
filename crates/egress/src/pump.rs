//! Carrying a tunnel's bytes.
//!
//! An idle tunnel holds no buffer: one is taken when bytes are there, and given back when they are gone. An end on one side
//! is passed on as an end of that direction alone; an error as an error of both.
//!
//! `splice` through a pipe was tried in place of the buffer: it takes about half of the processor time of large downloads, is no
//! faster, and needs two file descriptors more for each direction that is busy, and another way for when there are none.

use std::cell::RefCell;
use std::io;

use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::task::coop::consume_budget;
use tokio_util::sync::CancellationToken;

use crate::Stream;
use crate::counted_stream::CountedStream;
use crate::stream::Kind;
use crate::tally::{Counted, Tally};

/// How much is read at once. More does not make it faster (see `examples/egress-bench.rs`).
const BUFFER_BYTES: usize = 128 << 10;
/// How many buffers a thread keeps for the next use.
const KEPT_BUFFERS: usize = 4;
/// What each direction holds where the sockets themselves are out of reach, as below TLS.
const SMALL_BUFFER_BYTES: usize = 16 << 10;

/// Carries bytes between a browser and the network until both have ended, one has failed, or the route is cut. An error of one
/// side, and a cut, is a reset for the other: neither looks like an end.
pub(crate) async fn pump(mut browser: Stream, network: Stream, counted: Counted, cut: &CancellationToken) {
    let mut network = CountedStream::new(network, counted, false);
    let carried = tokio::select! {
        biased;
        () = cut.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
        carried = carry_both(&mut browser, &mut network) => carried,
    };
    if carried.is_err() {
        browser.reset();
        network.into_parts().0.reset();
    }
}

async fn carry_both(browser: &mut Stream, network: &mut CountedStream) -> io::Result<()> {
    if let (Kind::Tcp(inner), (Stream { early, kind: Kind::Tcp(outer) }, tally)) =
        (&mut browser.kind, network.parts())
    {
        return carry_tcp(inner, outer, (&browser.early, early), tally).await;
    }
    let (a, b) = (SMALL_BUFFER_BYTES, SMALL_BUFFER_BYTES);
    copy_bidirectional_with_sizes(browser, network, a, b).await.map(drop)
}

async fn carry_tcp(
    browser: &mut TcpStream,
    network: &mut TcpStream,
    early: (&[u8], &[u8]),
    tally: &Tally,
) -> io::Result<()> {
    let (browser_reads, mut browser_writes) = browser.split();
    let (network_reads, mut network_writes) = network.split();
    let up = async {
        network_writes.write_all(early.0).await?;
        tally.sent(early.0.len());
        carry(browser_reads, network_writes, |bytes| tally.sent(bytes)).await
    };
    let down = async {
        browser_writes.write_all(early.1).await?;
        tally.received(early.1.len());
        carry(network_reads, browser_writes, |bytes| tally.received(bytes)).await
    };
    tokio::try_join!(up, down).map(drop)
}

/// Carries one direction until its end.
async fn carry(from: ReadHalf<'_>, mut to: WriteHalf<'_>, count: impl Fn(usize)) -> io::Result<()> {
    loop {
        from.readable().await?;
        let mut buffer = Buffer::take();
        loop {
            match from.try_read(&mut buffer.0) {
                Ok(0) => {
                    // A peer that is gone already has nobody to tell.
                    to.shutdown().await.ok();
                    return Ok(());
                }
                Ok(read) => {
                    to.write_all(&buffer.0[..read]).await?;
                    count(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            consume_budget().await;
        }
    }
}

/// A buffer from the thread's stock, which it goes back to.
struct Buffer(Vec<u8>);

thread_local! {
    static STOCK: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

impl Buffer {
    fn take() -> Self {
        let kept = STOCK.with_borrow_mut(Vec::pop);
        Self(kept.unwrap_or_else(|| vec![0; BUFFER_BYTES]))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // When the thread is ending there is no stock any more.
        STOCK
            .try_with(|stock| {
                let mut stock = stock.borrow_mut();
                if stock.len() < KEPT_BUFFERS {
                    stock.push(std::mem::take(&mut self.0));
                }
            })
            .ok();
    }
}
