//! How long things may take, and how large they may be.

use std::time::Duration;

/// How long things may take, and how large they may be. The default is for use; tests are less patient.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Waiting for a route, once a request is there.
    pub pending: Duration,
    /// Looking a name up.
    pub resolve: Duration,
    /// Connecting, over all addresses of a name.
    pub connect: Duration,
    /// A proxy's handshakes: TLS, SOCKS, and its answer to CONNECT, which it gives when it has reached the site.
    pub handshake: Duration,
    /// How long a request's head may take to arrive. An idle connection of the browser counts as one that is on its way, so
    /// this is longer than Chromium keeps an unused one (5 minutes at most, and it takes no harm from losing it).
    pub head: Duration,
    /// How large a request's or an answer's head may be, in bytes. Chromium's own limit for answers is 256 KiB.
    pub head_bytes: usize,
    /// How long a request's content is held back for a `100 Continue`. RFC 9110 asks clients not to wait for ever; curl
    /// waits as long.
    pub expect: Duration,
    /// A whole check of an exit.
    pub check: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending: Duration::from_secs(30),
            resolve: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(30),
            head: Duration::from_secs(330),
            head_bytes: 256 << 10,
            expect: Duration::from_secs(1),
            check: Duration::from_secs(10),
        }
    }
}
