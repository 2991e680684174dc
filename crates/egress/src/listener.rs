//! One browser's listener: accepts its connections, and owns its route and its counts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::egress::Shared;
use crate::service::serve;
use crate::tally::Counts;
use crate::way::WayOut;
use crate::{Filter, Route, Stream, Traffic};

/// How long to wait after a connection could not be accepted, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One browser's way out. Dropping it closes it, and everything that goes through it, at once.
pub struct Listener {
    address: SocketAddr,
    inner: Arc<Inner>,
}

/// What the tasks of a listener share.
pub(crate) struct Inner {
    pub shared: Arc<Shared>,
    pub counts: Arc<Counts>,
    pub tasks: TaskTracker,
    /// What every request is held against, if anything.
    pub filter: OnceLock<Arc<dyn Filter>>,
    way: Mutex<Arc<WayOut>>,
    closed: CancellationToken,
}

impl Listener {
    /// Begins to accept. What the socket listens on is refused to browsers from now on, until it is closed.
    pub(crate) fn start(shared: Arc<Shared>, socket: TcpListener) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let (counts, tasks, closed) =
            (Arc::<Counts>::default(), TaskTracker::new(), CancellationToken::new());
        let way = WayOut::new(Route::Pending, &shared, &counts, &tasks, closed.child_token());
        let (filter, way) = (OnceLock::new(), Mutex::new(Arc::new(way)));
        let inner = Inner { shared, counts, tasks, filter, way, closed };
        let this = Self { address, inner: Arc::new(inner) };
        this.inner.shared.own.add(address);
        this.inner.tasks.spawn(accept(Arc::clone(&this.inner), socket, address));
        Ok(this)
    }

    /// Where the browser's proxy is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the way out, and cuts every connection that goes over the previous one: tunnels, pooled connections, requests
    /// in flight. Their tasks notice at once, but not before this returns.
    pub fn set_route(&self, route: Route) {
        let Inner { shared, counts, tasks, closed, .. } = &*self.inner;
        let way = Arc::new(WayOut::new(route, shared, counts, tasks, closed.child_token()));
        let previous = std::mem::replace(&mut *self.inner.lock(), way);
        previous.cut.cancel();
    }

    /// Holds every request against a filter from now on. The first one stays.
    pub fn set_filter(&self, filter: Arc<dyn Filter>) {
        self.inner.filter.get_or_init(|| filter);
    }

    /// The way out.
    pub fn route(&self) -> Route {
        self.inner.way().route.clone()
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        self.inner.counts.snapshot()
    }

    /// How many connections to the network are open: tunnels, and the pool's.
    pub fn connections(&self) -> usize {
        self.inner.counts.connections()
    }

    /// Waits until something holds of this listener's traffic or connections; looks again at every change. Safe to cancel.
    pub async fn wait_until(&self, mut holds: impl FnMut(&Self) -> bool + Send) {
        loop {
            let changed = self.inner.counts.changed.notified();
            tokio::pin!(changed);
            // From here on a change is not missed.
            changed.as_mut().enable();
            if holds(self) {
                return;
            }
            changed.await;
        }
    }

    /// Serves a connection that did not come in through the socket: a test's, or a fuzzer's.
    pub async fn serve(&self, stream: Stream) {
        let serving = serve(Arc::clone(&self.inner), stream);
        self.inner.unless_closed(serving).await;
    }

    /// Closes the listener and everything that goes through it, and waits until that is done.
    pub async fn close(self) {
        self.inner.closed.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.inner.closed.cancel();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Inner {
    /// The route of the moment.
    pub fn way(&self) -> Arc<WayOut> {
        Arc::clone(&self.lock())
    }

    /// The route of the moment, once it is another than [`Route::Pending`], or that one after all when none comes in time.
    pub async fn settled_way(&self) -> Arc<WayOut> {
        let deadline = Instant::now() + self.shared.limits.pending;
        loop {
            let way = self.way();
            if way.route != Route::Pending || timeout_at(deadline, way.cut.cancelled()).await.is_err() {
                return way;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<WayOut>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn unless_closed(&self, work: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => {}
            () = work => {}
        }
    }
}

/// Accepts until the listener is closed, then gives its address free.
async fn accept(inner: Arc<Inner>, socket: TcpListener, address: SocketAddr) {
    inner
        .unless_closed(async {
            loop {
                match socket.accept().await {
                    Ok((stream, _)) => serve_accepted(&inner, stream),
                    Err(error) => {
                        tracing::warn!(%error, "a browser's connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        })
        .await;
    drop(socket);
    inner.shared.own.remove(address);
}

fn serve_accepted(inner: &Arc<Inner>, stream: TcpStream) {
    // Worth a little latency at most.
    stream.set_nodelay(true).ok();
    let inner = Arc::clone(inner);
    inner.tasks.clone().spawn(async move {
        inner.unless_closed(serve(Arc::clone(&inner), stream.into())).await;
    });
}
