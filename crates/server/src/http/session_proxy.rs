//! `session.proxy` of a session's body becomes a wish for a way out, and `PUT /v1/sessions/{id}/proxy` changes it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{ChangeStatus, Data, ErrorResponse, ProxyConfig, SessionProxyChanged};
use roadstead_egress::UpstreamProxy;

use super::body::JsonBody;
use super::error::Failure;
use super::params::SessionPath;
use super::{TAG_SESSIONS, session_view};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::exits::choice::{Place, Wish};

/// The place types of the published API, the older ones among them: residential, mobile and government addresses are the
/// operator's affair here.
const PLACE_TYPES: [&str; 4] = ["anchor_proxy", "anchor_residential", "anchor_mobile", "anchor_gov"];

/// Change a session's way out
///
/// While it runs, without a restart. The body is that of `session.proxy` on a create; an empty one asks for what the session
/// would have without. The new way is checked first; connections over the old one are cut.
#[utoipa::path(
    put, path = "/sessions/{session_id}/proxy", tag = TAG_SESSIONS, request_body = ProxyConfig,
    params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "The session goes over the new way now.", body = Data<SessionProxyChanged>),
        (status = 404, description = "There is no such session, or it does not run.", body = ErrorResponse),
        (status = 409, description = "The exit is reserved for a profile.", body = ErrorResponse),
        (status = 501, description = "The server has no exits.", body = ErrorResponse),
        (status = 502, description = "The new way does not work, or shows another address. Nothing is changed.", body = ErrorResponse),
        (status = 503, description = "All exits that match are reserved.", body = ErrorResponse),
    )
)]
pub async fn put_session_proxy(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ProxyConfig>,
) -> Result<Json<Data<SessionProxyChanged>>, Failure> {
    let wish = read("", Some(&body))?;
    let record = app.sessions().change_way(&caller, id, wish).await?;
    let proxy = session_view::proxy(&record);
    Ok(Json(Data::of(SessionProxyChanged { status: ChangeStatus::Success, session_id: id, proxy })))
}

/// Reads which way out is wished for. `at` is where the fields are in the body: `session.proxy.` or nothing.
pub fn read(at: &str, config: Option<&ProxyConfig>) -> Result<Wish> {
    let Some(config) = config else {
        return Ok(Wish::Usual);
    };
    let kind = kind(at, config)?;
    match (config.active, kind) {
        (Some(false), _) => Ok(Wish::Direct),
        (None, None) => Ok(Wish::Usual),
        (_, Some(Kind::Custom)) => custom(at, config),
        (_, Some(Kind::Named)) => match &config.exit {
            Some(exit) => Ok(Wish::Named(exit.clone())),
            None => Err(Error::invalid(&format!("{at}exit"), "is required, since type is \"exit\"")),
        },
        (_, Some(Kind::Place) | None) => Ok(Wish::At(place(config))),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Custom,
    Place,
    Named,
}

/// Tells what a configuration asks for; `None` when it asks for nothing in particular.
fn kind(at: &str, config: &ProxyConfig) -> Result<Option<Kind>> {
    let has_place = [&config.country_code, &config.region, &config.city].iter().any(|label| label.is_some());
    match config.r#type.as_deref() {
        Some("custom") => Ok(Some(Kind::Custom)),
        Some("exit") => Ok(Some(Kind::Named)),
        Some(kind) if PLACE_TYPES.contains(&kind) => Ok(Some(Kind::Place)),
        Some(_) => {
            Err(Error::invalid(&format!("{at}type"), "must be \"anchor_proxy\", \"custom\" or \"exit\""))
        }
        None if config.server.is_some() => Ok(Some(Kind::Custom)),
        None if config.exit.is_some() => Ok(Some(Kind::Named)),
        None => Ok(has_place.then_some(Kind::Place)),
    }
}

fn place(config: &ProxyConfig) -> Place {
    let label = |label: &Option<String>| label.clone().filter(|label| !label.is_empty());
    let region = label(&config.region);
    // As the published API says.
    let city = label(&config.city).filter(|_| region.is_some());
    Place { country_code: label(&config.country_code), region, city }
}

fn custom(at: &str, config: &ProxyConfig) -> Result<Wish> {
    let field = format!("{at}server");
    let Some(server) = config.server.as_deref().map(str::trim).filter(|server| !server.is_empty()) else {
        return Err(Error::invalid(&field, "is required, http://proxy.example.com:8080 for example"));
    };
    let proxy = UpstreamProxy::parse(server).map_err(|why| Error::invalid(&field, why))?;
    let username = config.username.as_deref().unwrap_or_default();
    let password = config.password.as_ref().map_or("", |password| password.0.as_str());
    if username.is_empty() {
        if password.is_empty() {
            return Ok(Wish::Custom(Arc::new(proxy)));
        }
        return Err(Error::invalid(&format!("{at}username"), "is required, since there is a password"));
    }
    let proxy = proxy.with_credentials(username, password);
    Ok(Wish::Custom(Arc::new(proxy.map_err(|why| Error::invalid(&format!("{at}username"), why))?)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::body::typed;

    fn read_json(config: &Value) -> Result<Wish> {
        read("session.proxy.", Some(&serde_json::from_value(config.clone()).unwrap()))
    }

    /// A wish in a few words, without credentials.
    fn words(config: &Value) -> String {
        match read_json(config) {
            Ok(Wish::Usual) => "usual".to_owned(),
            Ok(Wish::Direct) => "direct".to_owned(),
            Ok(Wish::Custom(proxy)) => {
                format!(
                    "custom {proxy}{}",
                    if proxy.credentials.is_some() { " with credentials" } else { "" }
                )
            }
            Ok(Wish::At(Place { country_code, region, city })) => {
                let word = |label: Option<String>| label.unwrap_or_else(|| "any".to_owned());
                format!("at {} {} {}", word(country_code), word(region), word(city))
            }
            Ok(Wish::Named(name)) => format!("named {name}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_form_that_clients_send_is_read() {
        for (config, wish) in [
            (json!({}), "usual"),
            (json!({"active": false}), "direct"),
            (json!({"active": false, "type": "custom", "server": "x:1"}), "direct"),
            (json!({"active": true}), "at any any any"),
            (json!({"active": true, "type": "anchor_proxy"}), "at any any any"),
            (json!({"type": "anchor_residential", "active": true, "country_code": "de"}), "at de any any"),
            (
                json!({"type": "anchor_mobile", "country_code": "de", "region": "be", "city": "berlin"}),
                "at de be berlin",
            ),
            (
                json!({"active": true, "type": "anchor_gov", "country_code": "us", "city": "berlin"}),
                "at us any any",
            ),
            (json!({"active": true, "country_code": "", "region": null}), "at any any any"),
            (json!({"type": "custom", "server": "proxy.example:8080"}), "custom http://proxy.example:8080"),
            (
                json!({"server": " socks5://[2001:db8::1]:1080 ", "active": true}),
                "custom socks5://[2001:db8::1]:1080",
            ),
            (
                json!({"type": "custom", "server": "https://proxy.example", "username": "a", "password": "b", "active": true}),
                "custom https://proxy.example:443 with credentials",
            ),
            (
                json!({"type": "custom", "server": "http://a:b%40c@proxy.example:1", "username": "", "password": ""}),
                "custom http://proxy.example:1 with credentials",
            ),
            (json!({"exit": "berlin-1"}), "named berlin-1"),
            (json!({"type": "exit", "exit": "berlin-1", "active": true}), "named berlin-1"),
        ] {
            assert_eq!(words(&config), wish, "{config}");
        }
    }

    #[test]
    fn a_password_that_is_a_number_is_not_told() {
        for password in [json!(31_337), json!(-31_337), json!(31_337.5)] {
            let refused = typed::<ProxyConfig>(&json!({"server": "x:1", "password": password})).unwrap_err();
            assert_eq!(refused.to_string(), "password: must be a string in quotes");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_told() {
        for (config, why) in [
            (json!({"type": "vpn"}), "session.proxy.type: must be"),
            (json!({"type": "exit"}), "session.proxy.exit: is required"),
            (json!({"type": "custom"}), "session.proxy.server: is required"),
            (json!({"type": "custom", "server": ""}), "session.proxy.server: is required"),
            (
                json!({"type": "custom", "server": "ftp://a:hunter2@x:1"}),
                "session.proxy.server: the proxy's scheme",
            ),
            (
                json!({"type": "custom", "server": "http://a:hunter2@"}),
                "session.proxy.server: the proxy's host",
            ),
            (
                json!({"type": "custom", "server": "proxy.example"}),
                "session.proxy.server: the proxy has no port",
            ),
            (json!({"type": "custom", "server": "x:0"}), "session.proxy.server: the proxy's port"),
            (
                json!({"type": "custom", "server": "http://a:hunter2@x:1/p"}),
                "session.proxy.server: the proxy's URL has a path",
            ),
            (
                json!({"type": "custom", "server": "x:1", "password": "hunter2"}),
                "session.proxy.username: is required",
            ),
            (
                json!({"type": "custom", "server": "x:1", "username": "a:b", "password": "hunter2"}),
                "session.proxy.username: the proxy's user name",
            ),
        ] {
            let words = words(&config);
            assert!(words.starts_with(why) && !words.contains("hunter2"), "{config}: {words}");
        }
    }
}
