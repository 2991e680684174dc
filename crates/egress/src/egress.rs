//! What all listeners of a server share.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::dialer::Dialer;
use crate::failure::Failure;
use crate::own::OwnListeners;
use crate::tls::Roots;
use crate::{
    CheckError, Checked, Destination, Echo, Exit, Host, Limits, Listener, Network, Policy, Refusal, Stream,
    SystemNetwork, check, tls,
};

/// What all listeners of a server share: the policy, and which addresses are the server's own. Clones share it.
#[derive(Clone, Debug)]
pub struct Egress {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub policy: Policy,
    pub own: Arc<OwnListeners>,
    pub network: Arc<dyn Network>,
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
        let (own, network, roots) = (Arc::default(), Arc::new(network), Roots::default());
        Self { shared: Arc::new(Shared { policy, own, network, limits, roots }) }
    }

    /// Makes one with another policy, which knows the same listeners as the server's own, and uses the same network.
    #[must_use]
    pub fn with_policy(&self, policy: Policy) -> Self {
        let Shared { own, network, limits, .. } = &*self.shared;
        let (own, network, limits) = (Arc::clone(own), Arc::clone(network), *limits);
        Self { shared: Arc::new(Shared { policy, own, network, limits, roots: Roots::default() }) }
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

    /// Checks what can be told of a destination without looking its name up.
    pub fn check_destination(&self, destination: &Destination) -> Result<(), Refusal> {
        self.shared.policy.check_port(destination.port)?;
        match &destination.host {
            Host::Address(address) => self.shared.check(*address, destination.port),
            Host::Name(name) => self.shared.policy.check_name(name).map(drop),
        }
    }

    /// Connects to a destination for the server itself, directly, and begins TLS where `encrypted` says so. A name is looked up
    /// once, and only those of its addresses that passed the policy are connected to.
    pub async fn connect(&self, destination: &Destination, encrypted: bool) -> Result<Stream, ConnectError> {
        let stream = Dialer::new(Arc::clone(&self.shared), None).open(destination).await?;
        if !encrypted {
            return Ok(stream);
        }
        let failed = |why| ConnectError::Failed(format!("TLS failed: {why}"));
        let connector = self.shared.roots.connector(None).await.map_err(failed)?;
        tls::handshake(&connector, &destination.host, stream).await.map_err(failed)
    }

    /// Tries an exit: connects, logs in, and asks the echo for the address it sees when there is one. At most 10 s. The echo's
    /// own address is subject to the policy, like any site's.
    pub async fn check(&self, exit: &Exit, echo: Option<&Echo>) -> Result<Checked, CheckError> {
        check::run(&self.shared, exit, echo).await
    }
}

/// Why the server could not connect somewhere. Messages have nothing secret in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The policy refuses it.
    #[error(transparent)]
    Refused(Refusal),
    /// The name is unknown, nobody answers, or TLS failed.
    #[error("{0}")]
    Failed(String),
}

impl From<Failure> for ConnectError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            other => Self::Failed(other.to_string()),
        }
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
