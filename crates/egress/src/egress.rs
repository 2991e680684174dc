//! What all listeners of a server share.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use crate::{CheckError, Checked, Echo, Exit, Listener, Policy};

/// What all listeners of a server share: the policy, and which addresses are the server's own. Clones share it.
#[derive(Clone, Debug)]
pub struct Egress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub policy: Policy,
    pub own: Mutex<HashSet<SocketAddr>>,
}

impl Egress {
    /// Makes one. Nothing is read or opened yet.
    pub fn new(policy: Policy) -> Self {
        Self { shared: Arc::new(Shared { policy, own: Mutex::default() }) }
    }

    /// Names a listener of the server itself, which no browser ever reaches. Listeners made here add themselves.
    pub fn refuse_always(&self, listener: SocketAddr) {
        self.shared.own.lock().expect("no panics").insert(listener);
    }

    /// Opens a listener on a free port of 127.0.0.1. Its route is [`Route::Closed`](crate::Route::Closed).
    pub async fn listen(&self) -> io::Result<Listener> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Listener::start(Arc::clone(&self.shared), socket)
    }

    /// Tries an exit: connects, logs in, and asks the echo for the address it sees when there is one. At most 10 s.
    #[allow(clippy::unused_async)]
    pub async fn check(&self, _exit: &Exit, _echo: Option<&Echo>) -> Result<Checked, CheckError> {
        Err(CheckError::Down("not there yet".to_owned()))
    }
}
