//! DevTools over WebSockets: who may connect to which browser, and connections that bring a session of their own.
//!
//! Whatever is wrong is answered before the upgrade, as plain HTTP in the API's envelope. What happens afterwards is
//! [`super::relay`]'s.

use axum::Json;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::http::header::{HeaderValue, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use roadstead_api::Data;
use roadstead_devtools::{MAX_MESSAGE_BYTES, Root};
use serde_json::json;
use tokio::sync::oneshot;
use tracing::{Instrument as _, Span, warn};

use super::cdp_access::{Access, AccessParams, Opened};
use super::client_address::ClientAddress;
use super::error::Failure;
use super::origin::WebSocketOrigin;
use super::params::Params;
use super::relay::Relay;
use crate::app::App;
use crate::audit::{Action, Actor, Entry, Origin};
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::session::request::SessionRequest;

/// What a WebSocket may carry in one message: the protocol's limit, and room for what our id rewriting adds to it.
const MAX_WEBSOCKET_BYTES: usize = MAX_MESSAGE_BYTES + (64 << 10);

/// What a handler is given in place of a WebSocket when the request is not one.
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `GET /`: the browser of the session that the query names; with a key alone, a session of its own. To whoever does
/// not ask for a WebSocket it says what this is.
pub async fn connect(
    State(app): State<App>,
    headers: HeaderMap,
    address: ClientAddress,
    origin: WebSocketOrigin,
    Params(params): Params<AccessParams>,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    if !wants_websocket(&headers) {
        return Ok(welcome());
    }
    match params.check(&app, (&headers, address), None).await? {
        Access::Session(opened) => attach(&app, opened, (address, origin), Root::Browser, upgrade).await,
        Access::Project(caller) => bring_session(&app, caller, origin, upgrade).await,
    }
}

/// `GET /devtools/browser/{session_id}`: that session's browser.
pub async fn connect_browser(
    State(app): State<App>,
    headers: HeaderMap,
    address: ClientAddress,
    origin: WebSocketOrigin,
    Path(id): Path<String>,
    Params(params): Params<AccessParams>,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let opened = params.require_session(&app, (&headers, address), Some(&id)).await?;
    attach(&app, opened, (address, origin), Root::Browser, upgrade).await
}

/// `GET /devtools/page/{target_id}`: one page of the session that the query names.
pub async fn connect_page(
    State(app): State<App>,
    headers: HeaderMap,
    address: ClientAddress,
    origin: WebSocketOrigin,
    Path(target): Path<String>,
    Params(params): Params<AccessParams>,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let opened = params.require_session(&app, (&headers, address), None).await?;
    attach(&app, opened, (address, origin), Root::Target(target), upgrade).await
}

/// Connects a client to a running session. Nobody is connected who is not on record.
async fn attach(
    app: &App,
    Opened { session, caller, .. }: Opened,
    (address, origin): (ClientAddress, WebSocketOrigin),
    root: Root,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let upgrade = require_upgrade(upgrade)?;
    let attachment = session.attach(root, &origin.downloads_url(session.id())).await?;
    let by_token = Actor { project: Some(session.project()), key: None, origin: Origin::Client(address.0) };
    let actor = caller.map_or(by_token, |caller| caller.actor());
    let entry = Entry::of(Action::SessionAttach).in_session(session.id());
    app.db().record(&actor, &entry).await?;
    let relay = Relay { session, attachment, ping_every: app.config().server.ping_time() };
    let (tracker, span) = (app.tracker().clone(), Span::current());
    Ok(upgrade.on_upgrade(move |socket| tracker.track_future(relay.run(socket).instrument(span))))
}

/// Starts a session for a connection, and connects the two. The session ends when the connection does.
async fn bring_session(
    app: &App,
    caller: Caller,
    origin: WebSocketOrigin,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let upgrade = require_upgrade(upgrade)?;
    app.limits().create(&caller)?;
    let (ready, started) = oneshot::channel();
    let (hand_over, socket) = oneshot::channel();
    // The session's end is owed whatever becomes of this request, so a task of its own owes it.
    let owner = own_session(app.clone(), (caller, origin), ready, socket).in_current_span();
    app.tracker().spawn(owner);
    started
        .await
        .unwrap_or_else(|_| Err(Error::Unavailable("The session ended while it started.".to_owned())))?;
    Ok(upgrade.on_upgrade(async move |socket| drop(hand_over.send(socket))))
}

/// Owns a session that lives as long as one connection: starts it, says so, waits for the connection, relays, ends it.
async fn own_session(
    app: App,
    (caller, origin): (Caller, WebSocketOrigin),
    mut ready: oneshot::Sender<Result<()>>,
    socket: oneshot::Receiver<axum::extract::ws::WebSocket>,
) {
    let created = tokio::select! {
        created = app.sessions().create(&caller, SessionRequest::default()) => created,
        // The client hung up: a session whose create is dropped ends as soon as it has started.
        () = ready.closed() => return,
    };
    let session = match created {
        Ok(session) => session,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let id = session.id();
    let entry = Entry::of(Action::SessionAttach).in_session(id);
    let attached = match app.db().record(&caller.actor(), &entry).await {
        Ok(()) => session.attach(Root::Browser, &origin.downloads_url(id)).await,
        Err(error) => Err(error),
    };
    match attached {
        Err(error) => drop(ready.send(Err(error))),
        Ok(attachment) => {
            let told = ready.send(Ok(()));
            // An upgrade that fails drops its end of the channel.
            if let (Ok(()), Ok(socket)) = (told, socket.await) {
                let ping_every = app.config().server.ping_time();
                Relay { session, attachment, ping_every }.run(socket).await;
            }
        }
    }
    if let Err(error) = app.sessions().end(&caller, id).await {
        warn!(session.id = %id, %error, "failed to end the session of a connection that closed");
    }
}

/// Sets the limits of a WebSocket, or refuses what is none.
fn require_upgrade(upgrade: Upgrade) -> Result<WebSocketUpgrade, Failure> {
    match upgrade {
        Ok(upgrade) => Ok(upgrade.max_message_size(MAX_WEBSOCKET_BYTES).max_frame_size(MAX_WEBSOCKET_BYTES)),
        Err(rejection) => {
            let message = format!("This endpoint is a WebSocket: {}", rejection.body_text());
            let refused = Failure::new(StatusCode::UPGRADE_REQUIRED, message);
            Err(refused.with(UPGRADE, HeaderValue::from_static("websocket")))
        }
    }
}

/// Tells a client that asks for a WebSocket from one that does not, or that offers HTTP/2.
fn wants_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn welcome() -> Response {
    Json(Data::of(json!({
        "name": "roadstead",
        "version": env!("CARGO_PKG_VERSION"),
        "openapi": "/openapi.json",
        "devtools": "connect a WebSocket here, with ?sessionId= and ?apiKey= or ?token=",
    })))
    .into_response()
}
