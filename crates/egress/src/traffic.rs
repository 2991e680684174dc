//! What went through a listener.

/// What went through a listener since it was made, a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes towards the network: requests and tunnels, without TCP, and without the TLS and handshakes of a proxy exit.
    pub sent: u64,
    /// Bytes from the network, counted alike.
    pub received: u64,
    /// Requests and tunnels that were asked for, also those that failed.
    pub requests: u64,
    /// The hosts that were reached, sorted; at most 1,000.
    pub domains: Vec<String>,
    /// Why the last request that failed did, one or two sentences, also when it failed because of the policy.
    pub last_problem: Option<String>,
}
