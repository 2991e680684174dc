//! The forward proxy that every browser uses: a listener per browser, exits, the address policy, counts.
//!
//! Here are: the proxy's side towards the browser ([`Listener`]), the ways out ([`Route`], [`Exit`]), where nobody may go
//! ([`Policy`]), trying an exit ([`Egress::check`]), and what went through ([`Traffic`]). Not here: which browser gets which
//! exit and when, Chromium itself, the database, the server's configuration. Nothing here knows a session.
//!
//! What a caller may rely on:
//! - A browser reaches the network only over its listener's route of the moment. When that fails, the request fails, with a page
//!   that says why; there is no other way out.
//! - A route that is changed takes all its connections with it. Half of an answer or an upload then looks broken, never whole.
//! - An address is connected to only after the policy has passed it, and a name is resolved once: to addresses that are checked,
//!   or by the exit's proxy, which gets it as it is.
//! - The server's own listeners are not reached, whatever the policy allows. What a proxy does with a name is out of sight: one
//!   that runs on this machine and resolves a name to it is the operator's to mind.
//! - A site sees what the browser sent, in its order and spelling, and no sign of a proxy.
//! - Credentials of proxies are in no log, message, `Debug`, page or header towards the browser.
//!
//! A request's way: `listener` accepts, `service` reads it, [`target`] says what it asks for. `way` is the route in use: its
//! dialer, pool, counts and the token that cuts it. CONNECT goes on in `tunnel` and `pump`, plain HTTP in `forward` with
//! `headers` and `content`. Both get their connection from `dialer`, which checks (`policy`, `own`), resolves (`network`), connects
//! (`connect`) and speaks with proxies (`http_proxy`, `socks5`, `tls`). What fails is a `failure`, and `page` answers it.
//!
//! State: [`Egress`] owns the policy, the list of own listeners, and the TLS roots; a listener owns its route and counts; a `way`
//! owns its pool. Every task is on its listener's tracker and ends with it. `http` limits a URI to 64 KiB, and so do we.

mod check;
mod connect;
mod content;
mod counted_stream;
mod dialer;
mod egress;
mod exit;
mod failure;
mod filter;
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
pub use egress::{ConnectError, Egress};
pub use exit::{Exit, ExitName, InvalidExitName, Way};
pub use filter::Filter;
pub use host::{Destination, Host, InvalidHost};
pub use limits::Limits;
pub use listener::Listener;
pub use network::{Network, SystemNetwork};
pub use page::MARK as FAILURE_MARK;
pub use policy::{Deny, InvalidDeny, Policy, PortRange, Refusal, Rule};
pub use route::Route;
pub use stream::{Io, Stream};
pub use tally::describe_metrics;
pub use traffic::Traffic;
pub use upstream::{Credentials, ProxyUrlError, Scheme, UpstreamProxy};
