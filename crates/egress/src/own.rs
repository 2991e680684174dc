//! The server's own listeners, which no browser reaches, whatever the policy allows.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Refusal;
use crate::policy::meant;

/// The addresses that the server listens on.
#[derive(Debug, Default)]
pub(crate) struct OwnListeners(Mutex<HashSet<SocketAddr>>);

impl OwnListeners {
    pub fn add(&self, address: SocketAddr) {
        self.listeners().insert(address);
    }

    pub fn remove(&self, address: SocketAddr) {
        self.listeners().remove(&address);
    }

    /// Refuses an address that ends at one of them.
    pub fn check(&self, address: IpAddr, port: u16) -> Result<(), Refusal> {
        let on_this_port: Vec<IpAddr> =
            self.listeners().iter().filter(|own| own.port() == port).map(SocketAddr::ip).collect();
        let hit = on_this_port
            .iter()
            .any(|own| meant(address).iter().any(|target| reaches(*target, meant(*own)[0])));
        if hit { Err(Refusal::own_listener(SocketAddr::new(address, port))) } else { Ok(()) }
    }

    fn listeners(&self) -> MutexGuard<'_, HashSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether connecting to `target` may end at a socket that listens on `own`.
fn reaches(target: IpAddr, own: IpAddr) -> bool {
    // Linux takes 0.0.0.0 and :: for its own loopback.
    target == own || target.is_unspecified() || (own.is_unspecified() && is_local(target))
}

/// Whether an address is this machine's: then a socket can be bound to it.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}
