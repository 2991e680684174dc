//! Where a request comes from. Whoever needs it (the audit log, rate limits) takes a [`ClientAddress`] as an argument.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

/// The address of the client that made a request.
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

/// Notes where a request comes from in its extensions.
pub async fn note(mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    if let Some(peer) = peer {
        request.extensions_mut().insert(ClientAddress(peer.to_canonical()));
    }
    next.run(request).await
}
