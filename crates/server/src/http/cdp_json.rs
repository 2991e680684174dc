//! `/json/…`: where DevTools clients look for a browser's WebSockets, in the shapes of Chromium's own endpoints.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use roadstead_api::ErrorResponse;
use serde_json::{Value, json};

use super::TAG_DEVTOOLS;
use super::cdp_access::{Access, AccessParams, Opened};
use super::client_address::ClientAddress;
use super::error::Failure;
use super::origin::WebSocketOrigin;
use super::params::Params;
use crate::app::App;
use crate::error::SESSION_NOT_FOUND;

/// The version of the protocol itself, which has not changed in years.
const PROTOCOL_VERSION: &str = "1.3";

/// The browser's version
///
/// And its WebSocket. With a key and no session, the WebSocket starts a session when it is connected to.
#[utoipa::path(
    get, path = "/json/version", tag = TAG_DEVTOOLS, params(AccessParams),
    responses(
        (status = 200, description = "As Chromium's own endpoint.", body = Object),
        (status = 400, description = "The query is malformed, or names no session where one is needed.", body = ErrorResponse),
        (status = 401, description = "Neither a key nor a token that opens it.", body = ErrorResponse),
        (status = 403, description = "It comes from a page of another site.", body = ErrorResponse),
        (status = 404, description = "There is no such session, or it does not run.", body = ErrorResponse),
        (status = 429, description = "Too many wrong keys or tokens came from the client's address.", body = ErrorResponse),
    )
)]
pub async fn version(
    State(app): State<App>,
    headers: HeaderMap,
    address: ClientAddress,
    origin: WebSocketOrigin,
    Params(params): Params<AccessParams>,
) -> Result<Json<Value>, Failure> {
    let Opened { session, ticket, .. } = match params.check(&app, (&headers, address), None).await? {
        Access::Session(opened) => opened,
        Access::Project(_) => {
            let url = origin.new_session_url(params.api_key.as_deref());
            let browser = concat!("Roadstead/", env!("CARGO_PKG_VERSION"));
            return Ok(Json(json!({
                "Browser": browser, "Protocol-Version": PROTOCOL_VERSION, "webSocketDebuggerUrl": url,
            })));
        }
    };
    let version = session.running().ok_or(SESSION_NOT_FOUND)?.version;
    Ok(Json(json!({
        "Browser": version.product,
        "Protocol-Version": version.protocol_version,
        "User-Agent": version.user_agent,
        "webSocketDebuggerUrl": origin.browser_url(session.id(), &ticket),
    })))
}

/// The browser's pages
///
/// With a WebSocket for each.
#[utoipa::path(
    get, path = "/json/list", tag = TAG_DEVTOOLS, params(AccessParams),
    responses(
        (status = 200, description = "As Chromium's own endpoint.", body = Vec<Object>),
        (status = 400, description = "The query is malformed, or names no session where one is needed.", body = ErrorResponse),
        (status = 401, description = "Neither a key nor a token that opens it.", body = ErrorResponse),
        (status = 403, description = "It comes from a page of another site.", body = ErrorResponse),
        (status = 404, description = "There is no such session, or it does not run.", body = ErrorResponse),
        (status = 429, description = "Too many wrong keys or tokens came from the client's address.", body = ErrorResponse),
    )
)]
pub async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    address: ClientAddress,
    origin: WebSocketOrigin,
    Params(params): Params<AccessParams>,
) -> Result<Json<Vec<Value>>, Failure> {
    let Opened { session, ticket, .. } = params.require_session(&app, (&headers, address), None).await?;
    let pages = session.pages().await?.into_iter().map(|page| {
        json!({
            "description": "",
            "id": page.id,
            "title": page.title,
            "type": "page",
            "url": page.url,
            "webSocketDebuggerUrl": origin.page_url(session.id(), &page.id, &ticket),
        })
    });
    Ok(Json(pages.collect()))
}

/// The protocol's description
///
/// Of the Chromium that this server was built for; a browser behind a pipe does not tell its own.
#[utoipa::path(
    get, path = "/json/protocol", tag = TAG_DEVTOOLS, params(AccessParams),
    responses(
        (status = 200, description = "As Chromium's own endpoint.", body = Object),
        (status = 400, description = "The query is malformed, or names no session where one is needed.", body = ErrorResponse),
        (status = 401, description = "Neither a key nor a token that opens it.", body = ErrorResponse),
        (status = 403, description = "It comes from a page of another site.", body = ErrorResponse),
        (status = 429, description = "Too many wrong keys or tokens came from the client's address.", body = ErrorResponse),
    )
)]
pub async fn protocol(
    State(app): State<App>,
    headers: HeaderMap,
    address: ClientAddress,
    Params(params): Params<AccessParams>,
) -> Result<Response, Failure> {
    params.check(&app, (&headers, address), None).await?;
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    Ok((content_type, roadstead_devtools::PROTOCOL_JSON).into_response())
}
