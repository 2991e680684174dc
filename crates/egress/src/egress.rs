//! What all listeners of a server share.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::own::OwnListeners;
use crate::tls::Roots;
use crate::{
    CheckError, Checked, Echo, Exit, Limits, Listener, Network, Policy, Refusal, SystemNetwork, check,
};

/// What all listeners of a server share: the policy, and which addresses are the server's own. Clones share it.
#[derive(Clone, Debug)]
pub struct Egress {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub policy: Policy,
    pub own: OwnListeners,
    pub network: Box<dyn Network>,
    pub limits: Limits,
    pub roots: Roots,
}

impl Egress {
    /// Makes one. Nothing is read or opened yet.
    pub fn new(policy: Policy) -> Self {
        Self::with_network(policy, SystemNetwork::default(), Limits::default())
    }

    /// Makes one with a network and limits of one's own, for tests.
    pub fn with_network(policy: Policy, network: impl Network, limits: Limits) -> Self {
        let (own, network, roots) = (OwnListeners::default(), Box::new(network), Roots::default());
        Self { shared: Arc::new(Shared { policy, own, network, limits, roots }) }
    }

    /// Names a listener of the server itself, which no browser ever reaches. Listeners made here add themselves.
    pub fn refuse_always(&self, listener: SocketAddr) {
        self.shared.own.add(listener);
    }

    /// Opens a listener on a free port of 127.0.0.1. Its route is [`Route::Pending`](crate::Route::Pending).
    pub async fn listen(&self) -> io::Result<Listener> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Listener::start(Arc::clone(&self.shared), socket)
    }

    /// Tries an exit: connects, logs in, and asks the echo for the address it sees when there is one. At most 10 s. The echo's
    /// own address is subject to the policy, like any site's.
    pub async fn check(&self, exit: &Exit, echo: Option<&Echo>) -> Result<Checked, CheckError> {
        check::run(&self.shared, exit, echo).await
    }
}

impl Shared {
    /// Checks an address that is about to be connected to.
    pub fn check(&self, address: IpAddr, port: u16) -> Result<(), Refusal> {
        self.own.check(address, port)?;
        self.policy.check_address(address)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("policy", &self.policy).finish_non_exhaustive()
    }
}
