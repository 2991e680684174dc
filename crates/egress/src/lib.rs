//! The forward proxy that every browser uses: a listener per browser, exits, the address policy, counts.

mod check;
mod connect;
mod content;
mod counted_stream;
mod dialer;
mod egress;
mod exit;
mod failure;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod headers;
mod host;
mod http_proxy;
mod limits;
mod listener;
mod network;
mod own;
mod page;
mod policy;
mod pump;
mod route;
mod service;
mod socks5;
mod stream;
mod tally;
pub mod target;
mod tls;
mod traffic;
mod tunnel;
mod upstream;
mod way;

pub use check::{CheckError, Checked, Echo, InvalidEcho};
pub use egress::Egress;
pub use exit::{Exit, ExitName, InvalidExitName, Way};
pub use host::{Destination, Host, InvalidHost};
pub use limits::Limits;
pub use listener::Listener;
pub use network::{Network, SystemNetwork};
pub use policy::{Deny, InvalidDeny, Policy, PortRange, Refusal, Rule};
pub use route::Route;
pub use stream::{Io, Stream};
pub use traffic::Traffic;
pub use upstream::{Credentials, ProxyUrlError, Scheme, UpstreamProxy};
