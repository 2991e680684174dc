//! Where a request comes from: the caller's address, and how it reached us.
//!
//! [`note`] finds it out once per request, from the connection and from what trusted proxies say, and puts it into the
//! request's extensions. Whoever needs it (the audit log, rate limits) takes a [`ClientAddress`] as an argument.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use super::forwarded::{Forwarded, authority};
use crate::app::App;
use crate::serving::Peer;

/// The address of the client that made a request, behind any trusted proxy.
///
/// Every request has one: extracting it never fails. `0.0.0.0` stands for a request that came over no connection, as in tests
/// of a router by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Returns the address that was noted in these extensions.
    pub fn of(extensions: &axum::http::Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// How a client reached us, by its own words or a trusted proxy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Whether it speaks TLS.
    pub secure: bool,
    /// The host, and the port if it named one; `None` when that is missing or malformed.
    pub host: Option<Authority>,
}

/// Notes where a request comes from: a [`ClientAddress`] and a [`Reached`] in its extensions.
pub async fn note(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Some(peer) = request.extensions().get::<Peer>().copied() {
        let headers = request.headers();
        let Forwarded { client, secure, host } =
            Forwarded::read(peer.address, headers, &app.config().server.trusted_proxies);
        let named = || headers.get(header::HOST).and_then(|host| authority(host.to_str().ok()?));
        let reached = Reached { secure: secure.unwrap_or(peer.secure), host: host.or_else(named) };
        request.extensions_mut().insert(ClientAddress(client));
        request.extensions_mut().insert(reached);
    }
    next.run(request).await
}
