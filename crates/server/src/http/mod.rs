//! Every route on one page, the layers in front of them, and nothing else.
//!
//! A request passes, from the outside in: [`client_address`] (where it comes from), [`observe`] (id, span, log line,
//! count), the panic guard, [`head`] (its size), [`uri`] (its URL must mean something), [`body_deadline`] (its body must come in
//! time), [`unread_body`] (what nobody reads of it does not cost the connection), for DevTools [`browser_origin`] (which page is it from) and under `/v1` [`auth`] (whose key is it). Then a handler
//! extracts, converts, makes one call, converts back. Handlers never change state themselves, so a client that hangs up cannot half-apply anything.
//! [`error`] alone knows which condition is which status.

mod applications;
mod audit;
mod auth;
mod batch_view;
mod batches;
mod billing;
mod body;
mod body_deadline;
mod browser_origin;
mod cdp;
mod cdp_access;
mod cdp_json;
mod certificates;
mod client_address;
mod docs;
mod error;
mod events;
mod exits;
mod extensions;
mod file_access;
mod forwarded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod head;
mod history;
mod identities;
mod legacy;
mod numbers;
mod observe;
mod openapi;
mod origin;
mod params;
mod profile_events;
mod profiles;
mod published;
mod rate_limit;
mod relay;
mod replay;
mod revisions;
mod save_failed;
mod session_async;
mod session_downloads;
mod session_drive;
mod session_files;
mod session_input;
mod session_list;
mod session_mask;
mod session_profile;
mod session_proxy;
mod session_recordings;
mod session_request;
mod session_tags;
mod session_tokens;
mod session_view;
mod sessions;
mod system;
mod tools;
mod unread_body;
mod upload_body;
mod uri;
mod webhooks;

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::client_address::ClientAddress;
pub(crate) use self::session_request::read as read_session_request;

use crate::app::App;

/// The OpenAPI tags.
const TAG_SESSIONS: &str = "Browser Sessions";
const TAG_BATCHES: &str = "Batch Sessions";
const TAG_BILLING: &str = "Billing";
const TAG_RECORDINGS: &str = "Session Recordings";
const TAG_AGENT: &str = "Agentic capabilities";
const TAG_DRIVING: &str = "OS Level Control";
const TAG_PROFILES: &str = "Profiles";
const TAG_EVENTS: &str = "Event Coordination";
const TAG_APPLICATIONS: &str = "Applications";
const TAG_IDENTITIES: &str = "Identities";
const TAG_WEBHOOKS: &str = "Webhooks";
const TAG_EXITS: &str = "Exits";
const TAG_SYSTEM: &str = "System";
const TAG_DEVTOOLS: &str = "DevTools";
const TAG_TOOLS: &str = "Tools";
const TAG_EXTENSIONS: &str = "Extensions";
const TAG_CERTIFICATES: &str = "Certificates";

/// Puts the whole HTTP surface together.
pub fn router(app: App) -> Router {
    let (documented, document) = documented(&app).split_for_parts();
    let (v1, _) = v1(&app).split_for_parts();
    let docs = docs::routes(&document);
    let document = document.to_json().expect("an OpenAPI document of our own is representable as JSON");
    documented
        .merge(websockets(&app))
        .merge(docs)
        .nest("/v2", v2(&app))
        // Scripts in the wild use this prefix for the same routes.
        .nest("/api/v1", v1)
        // What came before `/v1`, in its own shapes.
        .nest("/api", legacy::routes(&app))
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], document)))
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(from_fn(unread_body::discard))
        .layer(from_fn_with_state(app.clone(), body_deadline::limit))
        .layer(from_fn(uri::require_well_formed))
        .layer(from_fn(head::require_small))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn(observe::observe))
        .layer(from_fn_with_state(app.clone(), client_address::note))
        .with_state(app)
}

/// The routes that the OpenAPI document has.
fn documented(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(system::healthz))
        .routes(routes!(system::readyz))
        .routes(routes!(system::metrics))
        .merge(devtools(app))
        .nest("/v1", v1(app))
}

/// Where DevTools clients look for a browser. No page of another site gets here, whatever it knows.
fn devtools(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(cdp_json::version))
        .routes(routes!(cdp_json::list))
        .routes(routes!(cdp_json::protocol))
        .route_layer(from_fn_with_state(app.clone(), browser_origin::require_own))
}

/// The API. Whatever is added before the layer is behind the key, since that wraps the router, its fallback included.
fn v1(app: &App) -> OpenApiRouter<App> {
    let mut v1 = OpenApiRouter::new()
        .routes(routes!(sessions::create_session, session_list::list_sessions))
        .routes(routes!(sessions::end_all_sessions))
        .routes(routes!(history::get_sessions_history))
        .routes(routes!(session_async::create_session_async))
        .routes(routes!(session_async::get_async_session))
        .routes(routes!(session_list::list_live_sessions))
        .routes(routes!(sessions::get_session, sessions::end_session))
        .routes(routes!(sessions::list_pages))
        .routes(routes!(session_proxy::put_session_proxy))
        .routes(routes!(
            session_tags::get_session_tags,
            session_tags::put_session_tags,
            session_tags::delete_session_tags
        ))
        .routes(routes!(session_tokens::create_session_tokens))
        .routes(routes!(session_tokens::delete_session_token))
        .merge(driving())
        .merge(batches())
        .merge(uploads())
        .merge(webhooks())
        .merge(recordings())
        .merge(identities())
        .routes(routes!(session_downloads::list_downloads))
        .routes(routes!(profiles::create_profile, profiles::list_profiles))
        .routes(routes!(profiles::get_profile, profiles::update_profile, profiles::delete_profile))
        .routes(routes!(profile_events::follow_profile))
        .routes(routes!(revisions::checkpoint))
        .routes(routes!(revisions::list_revisions))
        .routes(routes!(revisions::get_revision, revisions::delete_revision))
        .routes(routes!(revisions::roll_back))
        .routes(routes!(revisions::promote))
        .routes(routes!(revisions::pin, revisions::unpin))
        .routes(routes!(events::signal_event))
        .routes(routes!(events::wait_for_event))
        .routes(routes!(exits::list_exits))
        .routes(routes!(exits::check_exit))
        .routes(routes!(audit::read_audit))
        .routes(routes!(billing::get_billing))
        .routes(routes!(tools::take_screenshot))
        .routes(routes!(tools::print_page))
        .routes(routes!(tools::fetch_webpage));
    let opened = opened_by_tokens();
    let mut all = v1.get_openapi().clone();
    all.merge(opened.get_openapi().clone());
    for (path, refusal) in published::refusals(&all, "/v1") {
        v1 = v1.route(path, refusal);
    }
    v1 = v1
        .fallback(error::no_such_route)
        .layer(from_fn_with_state(app.clone(), auth::require_key))
        .merge(opened);
    openapi::demand_key(v1.get_openapi_mut());
    v1
}

/// What the published API has moved there: nothing that is here.
fn v2(app: &App) -> Router<App> {
    published::refusals(&OpenApi::default(), "/v2")
        .into_iter()
        .fold(Router::new(), |v2, (path, refusal)| v2.route(path, refusal))
        .fallback(error::no_such_route)
        .layer(from_fn_with_state(app.clone(), auth::require_key))
}

/// Driving a session's browser without DevTools.
fn driving() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session_drive::goto))
        .routes(routes!(session_drive::screenshot))
        .routes(routes!(session_drive::get_clipboard, session_drive::set_clipboard))
        .routes(routes!(session_drive::copy))
        .routes(routes!(session_drive::paste))
        .routes(routes!(session_input::click))
        .routes(routes!(session_input::double_click))
        .routes(routes!(session_input::press))
        .routes(routes!(session_input::release))
        .routes(routes!(session_input::move_mouse))
        .routes(routes!(session_input::drag_and_drop))
        .routes(routes!(session_input::scroll))
        .routes(routes!(session_input::type_text))
        .routes(routes!(session_input::shortcut))
}

/// Many sessions at once.
fn batches() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(batches::create_batch, batches::list_batches))
        .routes(routes!(batches::get_batch, batches::update_batch, batches::delete_batch))
        .routes(routes!(batches::retry_batch))
}

/// Who logs in where.
fn identities() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(applications::create_application, applications::list_applications))
        .routes(routes!(applications::get_application, applications::delete_application))
        .routes(routes!(applications::list_application_identities))
        .routes(routes!(applications::create_auth_flow, applications::list_auth_flows))
        .routes(routes!(applications::update_auth_flow, applications::delete_auth_flow))
        .routes(routes!(identities::create_identity))
        .routes(routes!(identities::get_identity, identities::update_identity, identities::delete_identity))
        .routes(routes!(identities::get_identity_credentials))
}

/// Who is told of what happens.
fn webhooks() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(webhooks::create_webhook, webhooks::list_webhooks))
        .routes(routes!(
            webhooks::get_webhook,
            webhooks::update_webhook,
            webhooks::put_webhook,
            webhooks::delete_webhook
        ))
        .routes(routes!(webhooks::list_webhook_events))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhooks::send_test_event))
}

/// What takes files, which are larger than any other body, and what shows those that are kept.
fn uploads() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session_files::upload_file))
        .routes(routes!(session_files::upload_agent_file, session_files::list_agent_files))
        .routes(routes!(extensions::create_extension, extensions::list_extensions))
        .routes(routes!(extensions::get_extension, extensions::delete_extension))
        .routes(routes!(certificates::create_certificate, certificates::list_certificates))
        .routes(routes!(certificates::delete_certificate))
}

/// What sessions' browsers showed.
fn recordings() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session_recordings::list_recordings))
        .routes(routes!(session_recordings::pause_recording))
        .routes(routes!(session_recordings::resume_recording))
        .routes(routes!(session_recordings::delete_recording))
}

/// What a session's token opens as well as a key: each asks for itself.
fn opened_by_tokens() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session_downloads::fetch_download))
        .routes(routes!(session_recordings::fetch_recording))
        .routes(routes!(session_recordings::list_frames))
        .routes(routes!(session_recordings::fetch_frame))
        .routes(routes!(session_recordings::replay_recording))
}

/// DevTools: WebSockets, and the addresses that other clients look for them under.
fn websockets(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(cdp::connect))
        .route("/devtools/browser/{session_id}", get(cdp::connect_browser))
        .route("/devtools/page/{target_id}", get(cdp::connect_page))
        .route("/json/version/", get(cdp_json::version))
        .route("/json/list/", get(cdp_json::list))
        .route("/json", get(cdp_json::list))
        .route("/json/", get(cdp_json::list))
        .route("/json/protocol/", get(cdp_json::protocol))
        .route_layer(from_fn_with_state(app.clone(), browser_origin::require_own))
}
