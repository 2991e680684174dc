//! `/api/sessions` and `/api/profiles`: what came before `/v1`, for scripts that were written then. They are not in the OpenAPI
//! document, and do nothing of their own: a body is put into today's shape, and today's code takes it from there.
//!
//! | then | now |
//! | --- | --- |
//! | `headless`, `recording`, `adblock_config`, `captcha_config` as a flag or an object with `active` | `browser.headless`, `session.recording`, `browser.adblock`, `browser.captcha_solver` |
//! | `adblock_config.popup_blocking_active` | `browser.popup_blocker` |
//! | `proxy_config`, `profile`, `viewport`, `initial_url`, `tags` | `session.proxy`, `browser.profile`, `browser.viewport`, `session.initial_url`, `session.tags` |
//! | `timeout`, `idle_timeout`, in minutes | `session.timeout` |
//!
//! A session's answers are bare, a list is an array right under `data`, and a recording is nothing but the addresses of its videos.

use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Json, Router};
use roadstead_api::{Data, Profile, SessionCreated, SessionDetails, SessionStatusItem};
use serde_json::{Map, Value, json};

use super::body::OptionalBody;
use super::error::Failure;
use super::origin::WebSocketOrigin;
use super::params::{Params, SessionPath};
use super::rate_limit::RateLimitFields;
use super::session_list::{self, FilterParams};
use super::{auth, profiles, session_recordings, sessions};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};

/// The routes, behind the key.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/sessions", get(session_list::list_sessions).post(create_session))
        .route("/sessions/active", get(list_active))
        .route("/sessions/all", axum::routing::delete(sessions::end_all_sessions))
        .route("/sessions/{session_id}", get(get_session).delete(sessions::end_session))
        .route("/sessions/{session_id}/recording", get(list_videos))
        .route("/profiles", get(list_profiles).post(profiles::create_profile))
        .route(
            "/profiles/{name}",
            get(profiles::get_profile).put(profiles::update_profile).delete(profiles::delete_profile),
        )
        .route_layer(from_fn_with_state(app.clone(), auth::require_key))
}

async fn create_session(
    app: State<App>,
    caller: Extension<Caller>,
    origin: WebSocketOrigin,
    OptionalBody(body): OptionalBody,
) -> Result<(RateLimitFields, Json<SessionCreated>), Failure> {
    let body = OptionalBody(modern(body)?);
    let (fields, Json(Data { data })) = sessions::create_session(app, caller, origin, body).await?;
    Ok((fields, Json(data)))
}

async fn get_session(
    app: State<App>,
    caller: Extension<Caller>,
    origin: WebSocketOrigin,
    path: SessionPath,
) -> Result<Json<SessionDetails>, Failure> {
    let Json(Data { data }) = sessions::get_session(app, caller, origin, path).await?;
    Ok(Json(data))
}

async fn list_active(
    app: State<App>,
    caller: Extension<Caller>,
    params: Params<FilterParams>,
) -> Result<Json<Data<Vec<SessionStatusItem>>>, Failure> {
    let Json(Data { data }) = session_list::list_live_sessions(app, caller, params).await?;
    Ok(Json(Data::of(data.items)))
}

/// `{"data": {"videos": ["https://…"]}}`, as the scripts of then read it.
async fn list_videos(
    app: State<App>,
    caller: Extension<Caller>,
    origin: WebSocketOrigin,
    path: SessionPath,
) -> Result<Json<Value>, Failure> {
    let Json(Data { data }) = session_recordings::list_recordings(app, caller, origin, path).await?;
    let videos: Vec<_> = data.items.iter().map(|recording| recording.file_link.as_str()).collect();
    Ok(Json(json!({"data": {"videos": videos}})))
}

async fn list_profiles(
    app: State<App>,
    caller: Extension<Caller>,
) -> Result<Json<Data<Vec<Profile>>>, Failure> {
    let Json(Data { data }) = profiles::list_profiles(app, caller).await?;
    Ok(Json(Data::of(data.items)))
}

/// Puts a flat body into today's shape. What it holds besides is passed on: some scripts mixed the two.
fn modern(body: Value) -> Result<Value> {
    let Value::Object(mut flat) = body else { return Ok(body) };
    let (mut session, mut browser) = (taken(&mut flat, "session")?, taken(&mut flat, "browser")?);
    for (from, to) in [("initial_url", "initial_url"), ("tags", "tags"), ("proxy_config", "proxy")] {
        session.extend(flat.remove(from).map(|value| (to.to_owned(), value)));
    }
    for same in ["profile", "viewport"] {
        browser.extend(flat.remove(same).map(|value| (same.to_owned(), value)));
    }
    if let Some(recording) = toggle(&mut flat, "recording")? {
        session.insert("recording".to_owned(), recording);
    }
    let blocks_popups = match flat.get("adblock_config") {
        Some(Value::Object(config)) => config.get("popup_blocking_active").cloned(),
        _ => None,
    };
    browser.extend(blocks_popups.map(|active| ("popup_blocker".to_owned(), json!({"active": active}))));
    for (from, to) in
        [("headless", "headless"), ("adblock_config", "adblock"), ("captcha_config", "captcha_solver")]
    {
        browser.extend(toggle(&mut flat, from)?.map(|value| (to.to_owned(), value)));
    }
    match (flat.remove("timeout"), flat.remove("idle_timeout")) {
        (None, None) => {}
        (Some(timeout @ Value::Object(_)), None) => drop(session.insert("timeout".to_owned(), timeout)),
        (longest, idle) => {
            let timeout = json!({"max_duration": longest, "idle_timeout": idle});
            session.insert("timeout".to_owned(), timeout);
        }
    }
    flat.insert("session".to_owned(), Value::Object(session));
    flat.insert("browser".to_owned(), Value::Object(browser));
    Ok(Value::Object(flat))
}

/// Takes an object out of a body; an empty one where there is none.
fn taken(body: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Error::invalid(name, "must be an object")),
    }
}

/// Takes what is on or off out of a body: a flag, or an object with `active`.
fn toggle(body: &mut Map<String, Value>, name: &str) -> Result<Option<Value>> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(active @ Value::Bool(_)) => Ok(Some(json!({"active": active}))),
        Some(Value::Object(config)) => Ok(config.get("active").map(|active| json!({"active": active}))),
        Some(_) => Err(Error::invalid(name, "must be true, false, or an object with active")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_body_becomes_todays() {
        let flat = json!({
            "adblock_config": {"active": true, "popup_blocking_active": true},
            "captcha_config": {"active": false}, "headless": false, "recording": {"active": false},
            "proxy_config": {"type": "anchor_residential", "active": false},
            "profile": {"name": "p", "persist": true, "store_cache": true},
            "viewport": {"width": 1440, "height": 900}, "timeout": 10, "idle_timeout": 3,
            "initial_url": "https://example.com", "tags": ["a"],
        });
        let today = json!({
            "session": {
                "initial_url": "https://example.com", "tags": ["a"], "recording": {"active": false},
                "proxy": {"type": "anchor_residential", "active": false},
                "timeout": {"max_duration": 10, "idle_timeout": 3},
            },
            "browser": {
                "adblock": {"active": true}, "popup_blocker": {"active": true},
                "captcha_solver": {"active": false}, "headless": {"active": false},
                "profile": {"name": "p", "persist": true, "store_cache": true},
                "viewport": {"width": 1440, "height": 900},
            },
        });
        assert_eq!(modern(flat).unwrap(), today);
        assert_eq!(modern(today.clone()).unwrap(), today, "today's shape is passed on");
        assert_eq!(modern(json!({})).unwrap(), json!({"session": {}, "browser": {}}));
        let one = modern(json!({"timeout": 5, "recording": true})).unwrap();
        let session =
            json!({"timeout": {"max_duration": 5, "idle_timeout": null}, "recording": {"active": true}});
        assert_eq!(one["session"], session);
        for wrong in [json!({"session": []}), json!({"headless": "yes"}), json!({"recording": 1})] {
            assert!(modern(wrong).is_err());
        }
    }
}
