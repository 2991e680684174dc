//! The forward proxy that every browser uses: a listener per browser, exits, the address policy, counts.

mod check;
mod egress;
mod exit;
mod host;
mod listener;
mod policy;
mod route;
mod traffic;
mod upstream;

pub use check::{CheckError, Checked, Echo, InvalidEcho};
pub use egress::Egress;
pub use exit::{Exit, ExitName, InvalidExitName, Way};
pub use host::{Destination, Host, InvalidHost};
pub use listener::Listener;
pub use policy::{Deny, InvalidDeny, Policy, PortRange, Refusal, Rule};
pub use route::Route;
pub use traffic::Traffic;
pub use upstream::{Credentials, ProxyUrlError, Scheme, UpstreamProxy};
