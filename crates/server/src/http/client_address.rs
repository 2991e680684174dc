//! Where a request comes from: the caller's address, and how it reached us.
//!
//! [`note`] finds it out once per request, from the connection and from what trusted proxies say, and puts it into the
//! request's extensions. Whoever needs it (the audit log, rate limits) takes a [`ClientAddress`] as an argument.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::forwarded::Forwarded;
use crate::app::App;

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

/// Notes where a request comes from: a [`ClientAddress`] and a [`Forwarded`] in its extensions.
pub async fn note(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    if let Some(peer) = peer {
        let trusted = &app.config().server.trusted_proxies;
        let forwarded = Forwarded::read(peer, request.headers(), trusted);
        request.extensions_mut().insert(ClientAddress(forwarded.client));
        request.extensions_mut().insert(forwarded);
    }
    next.run(request).await
}
