//! The body of `POST /v1/sessions` becomes a request: what each field means, and what this server cannot do.
//!
//! A field is refused where silence would mislead: its caller counts on something that would not happen. A field is
//! accepted without acting where nobody can be misled: a default that every SDK sends along, or a restriction of a
//! feature that does not exist. `docs/api-quirks.md` has the table.

use std::collections::HashSet;
use std::time::Duration;

use roadstead_api::ExtensionId;
use roadstead_api::session_create::{
    BrowserConfig, SessionConfig, SessionCreateRequest, Toggle, ViewportConfig,
};
use serde_json::Value;

use super::body::typed;
use super::params::page_url;
use super::{session_mask, session_profile, session_proxy};
use crate::error::{Error, Result};
use crate::exits::choice::Wish;
use crate::session::request::{BrowserRequest, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_DURATION, SessionRequest};

/// The longest side of a viewport, in CSS pixels: what Chromium can paint at all.
const MAX_SIDE: i64 = 16_384;
/// How many extensions, and how many certificates, a session may name.
const MAX_BELONGINGS: usize = 20;
/// The longest name of a certificate (the published API's limit).
const MAX_CERTIFICATE_NAME_CHARS: usize = 255;
/// A limit beyond this is none: it keeps moments in range, and nobody will be there to see it.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 100);

/// Reads a body into a request.
pub fn read(body: Value) -> Result<SessionRequest> {
    let wire: SessionCreateRequest = typed(&body)?;
    let session = wire.session.clone().unwrap_or_default();
    let browser = wire.browser.clone().unwrap_or_default();
    let way = session_proxy::read("session.proxy.", session.proxy.as_ref())?;
    refuse_contradictions(&way, &browser)?;
    let timeout = session.timeout.unwrap_or_default();
    let request = SessionRequest {
        initial_url: initial_url(session.initial_url.as_deref())?,
        tags: session.tags.clone().unwrap_or_default(),
        max_duration: minutes("session.timeout.max_duration", timeout.max_duration, DEFAULT_MAX_DURATION)?,
        idle_timeout: minutes("session.timeout.idle_timeout", timeout.idle_timeout, DEFAULT_IDLE_TIMEOUT)?,
        profile: session_profile::read(browser.profile.as_ref())?,
        way,
        browser: browser_request(&browser)?,
        recording: on(session.recording),
        token_only: is_on(session.scoped_access),
        configuration: without_secrets(body),
    };
    refuse_unimplemented(&wire, &session, &browser)?;
    Ok(request)
}

fn on(toggle: Option<Toggle>) -> Option<bool> {
    toggle.and_then(|toggle| toggle.active)
}

fn is_on(toggle: Option<Toggle>) -> bool {
    on(toggle) == Some(true)
}

/// The rules between fields that the published API documents.
fn refuse_contradictions(way: &Wish, browser: &BrowserConfig) -> Result<()> {
    if is_on(browser.captcha_solver) && matches!(way, Wish::Usual | Wish::Direct) {
        return Err(Error::InvalidRequest("CAPTCHA solver requires proxy to be active.".to_owned()));
    }
    if is_on(browser.popup_blocker) && on(browser.adblock) == Some(false) {
        return Err(Error::InvalidRequest("Popup blocker requires adblock to be active.".to_owned()));
    }
    Ok(())
}

/// Refuses everything that would be missed, in one answer.
fn refuse_unimplemented(
    wire: &SessionCreateRequest,
    session: &SessionConfig,
    browser: &BrowserConfig,
) -> Result<()> {
    let filled = |list: Option<usize>| list.is_some_and(|length| length > 0);
    let asked = [
        (session.x402 == Some(true), "session.x402", "it needs a payment provider; leave it out"),
        (is_on(browser.captcha_solver), "browser.captcha_solver", "it needs a solving service; leave it out"),
        (is_on(browser.extra_stealth), "browser.extra_stealth", "it needs a patched browser; leave it out"),
        (
            is_on(browser.web_bot_auth),
            "browser.web_bot_auth",
            "it needs a registered signing key; leave it out",
        ),
        (
            filled(wire.integrations.as_ref().map(Vec::len)),
            "integrations",
            "they need a third party; leave it out",
        ),
        (
            filled(wire.identities.as_ref().map(Vec::len)),
            "identities",
            "nothing logs in with them; log in once and use browser.profile",
        ),
    ];
    let missing: Vec<_> =
        asked.iter().filter(|(asked, ..)| *asked).map(|(_, field, why)| format!("{field}: {why}.")).collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::NotImplemented(missing.join(" "))) }
}

fn initial_url(url: Option<&str>) -> Result<Option<String>> {
    let url = url.map(str::trim).filter(|url| !url.is_empty());
    url.map(|url| page_url("session.initial_url", url)).transpose()
}

/// Reads a limit in minutes; `None` is no limit. SDKs send 0 in full bodies, where it can only mean the default.
fn minutes(field: &str, value: Option<f64>, default: Duration) -> Result<Option<Duration>> {
    const NEVER: f64 = -1.0;
    match value {
        None | Some(0.0) => Ok(Some(default)),
        Some(NEVER) => Ok(None),
        Some(value) if value > 0.0 => {
            let limit = Duration::try_from_secs_f64(value * 60.0).ok();
            Ok(limit.filter(|limit| *limit < FOREVER))
        }
        Some(_) => Err(Error::invalid(
            field,
            "must be a positive number of minutes, -1 for no limit, or 0 for the default",
        )),
    }
}

fn browser_request(config: &BrowserConfig) -> Result<BrowserRequest> {
    let usual = BrowserRequest::default();
    let ViewportConfig { width, height } = config.viewport.unwrap_or_default();
    Ok(BrowserRequest {
        headless: on(config.headless).unwrap_or(usual.headless),
        width: side("browser.viewport.width", width, usual.width)?,
        height: side("browser.viewport.height", height, usual.height)?,
        fullscreen: on(config.fullscreen).unwrap_or(usual.fullscreen),
        disable_web_security: on(config.disable_web_security).unwrap_or(usual.disable_web_security),
        disable_dialogs: on(config.disable_dialogs).unwrap_or(usual.disable_dialogs),
        pdf_viewer: on(config.pdf_viewer).unwrap_or(usual.pdf_viewer),
        popup_blocker: on(config.popup_blocker).unwrap_or(usual.popup_blocker),
        force_popups_as_tabs: on(config.force_popups_as_tabs).unwrap_or(usual.force_popups_as_tabs),
        p2p_download: on(config.p2p_download).unwrap_or(usual.p2p_download),
        adblock: on(config.adblock),
        extensions: extensions(config)?,
        ca_certificates: ca_certificates(config)?,
        mask: session_mask::read(config.sensitive_data_mask.as_ref())?,
    })
}

fn extensions(config: &BrowserConfig) -> Result<Vec<ExtensionId>> {
    const FIELD: &str = "browser.extensions";
    let named = once_each(FIELD, config.extensions.as_deref())?;
    if !named.is_empty() && is_on(config.headless) {
        let why =
            "need a browser that is not headless; leave browser.headless out, or leave out the extensions";
        return Err(Error::invalid(FIELD, why));
    }
    let read = |(at, id): (usize, &String)| {
        id.parse()
            .map_err(|_| Error::invalid(&format!("{FIELD}[{at}]"), "must be the id of an extension, a UUID"))
    };
    let mut ids: Vec<ExtensionId> = named.iter().enumerate().map(read).collect::<Result<_>>()?;
    // One id may be written in two ways.
    let mut known = HashSet::new();
    ids.retain(|id| known.insert(*id));
    Ok(ids)
}

fn ca_certificates(config: &BrowserConfig) -> Result<Vec<String>> {
    const FIELD: &str = "browser.ca_certificates";
    let named = once_each(FIELD, config.ca_certificates.as_deref())?;
    for (at, name) in named.iter().enumerate() {
        require_certificate_name(&format!("{FIELD}[{at}]"), name)?;
    }
    Ok(named)
}

/// Checks what a certificate is called.
pub(super) fn require_certificate_name(field: &str, name: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=MAX_CERTIFICATE_NAME_CHARS).contains(&name.len()) && name.chars().all(known) {
        return Ok(());
    }
    let why = format!("must be 1 to {MAX_CERTIFICATE_NAME_CHARS} letters, digits, hyphens and underscores");
    Err(Error::invalid(field, why))
}

/// Reads a list of things to have, none of them twice.
fn once_each(field: &str, list: Option<&[String]>) -> Result<Vec<String>> {
    let mut known = HashSet::new();
    let list: Vec<_> = list.into_iter().flatten().filter(|name| known.insert(*name)).cloned().collect();
    if list.len() > MAX_BELONGINGS {
        return Err(Error::invalid(field, format!("must be {MAX_BELONGINGS} at most")));
    }
    Ok(list)
}

fn side(field: &str, pixels: Option<i64>, usual: u32) -> Result<u32> {
    match pixels {
        None | Some(0) => Ok(usual),
        Some(pixels @ 1..=MAX_SIDE) => Ok(u32::try_from(pixels).expect("MAX_SIDE fits")),
        Some(_) => {
            Err(Error::invalid(field, format!("must be between 1 and {MAX_SIDE}, or 0 for the default")))
        }
    }
}

/// Takes out of the echo what nobody needs to read back.
fn without_secrets(mut body: Value) -> Value {
    const REDACTED: &str = "[redacted]";
    if let Some(password @ Value::String(_)) = body.pointer_mut("/session/proxy/password") {
        *password = REDACTED.into();
    }
    if let Some(Value::String(server)) = body.pointer_mut("/session/proxy/server")
        && let Some((login, place)) = server.rsplit_once('@')
    {
        let scheme = login.split_once("://").map(|(scheme, _)| format!("{scheme}://")).unwrap_or_default();
        *server = format!("{scheme}{REDACTED}@{place}");
    }
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::session::mask::Mask;
    use crate::session::request::ProfileUse;

    fn refusal(body: &Value) -> String {
        match read(body.clone()) {
            Ok(_) => panic!("{body} should be refused"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn nothing_is_all_defaults() {
        let request = read(json!({})).unwrap();
        assert_eq!(request.browser, BrowserRequest::default());
        assert_eq!(
            (request.max_duration, request.idle_timeout),
            (Some(DEFAULT_MAX_DURATION), Some(DEFAULT_IDLE_TIMEOUT))
        );
        assert_eq!((request.initial_url, request.profile), (None, None));
        assert_eq!(request.configuration, json!({}));
    }

    #[test]
    fn what_acts_is_read() {
        let body = json!({
            "session": {"initial_url": "https://example.com/a?b#c", "tags": ["a"], "timeout": {"max_duration": -1, "idle_timeout": 0.5}},
            "browser": {
                "profile": {"name": "Default profile", "persist": true}, "headless": {"active": true},
                "viewport": {"width": 800, "height": 600}, "fullscreen": {"active": true}, "pdf_viewer": {"active": false},
                "disable_web_security": {"active": true}, "disable_dialogs": {"active": true},
                "popup_blocker": {"active": false}, "force_popups_as_tabs": {"active": true}, "p2p_download": {"active": true},
                "ca_certificates": ["a", "b", "a"], "sensitive_data_mask": {"active": true},
            },
        });
        let request = read(body.clone()).unwrap();
        assert!(!request.token_only);
        assert_eq!(request.initial_url.as_deref(), Some("https://example.com/a?b#c"));
        assert_eq!(request.tags, ["a"]);
        assert_eq!((request.max_duration, request.idle_timeout), (None, Some(Duration::from_secs(30))));
        assert_eq!(request.profile, Some(ProfileUse::new("Default profile".parse().unwrap(), true)));
        assert_eq!(
            request.browser,
            BrowserRequest {
                headless: true,
                width: 800,
                height: 600,
                fullscreen: true,
                disable_web_security: true,
                disable_dialogs: true,
                pdf_viewer: false,
                popup_blocker: false,
                force_popups_as_tabs: true,
                p2p_download: true,
                ca_certificates: vec!["a".to_owned(), "b".to_owned()],
                mask: Some(Mask::default()),
                ..BrowserRequest::default()
            }
        );
        assert_eq!(request.configuration, body);
    }

    #[test]
    fn what_sdks_send_along_is_accepted() {
        let body = json!({
            "session": {
                "initial_url": "", "tags": [], "recording": {"active": true}, "timeout": {"max_duration": 0, "idle_timeout": 0},
                "proxy": {"active": false, "type": "anchor_proxy", "country_code": "af"},
                "live_view": {"read_only": true, "one_time_url": true},
            },
            "browser": {
                "adblock": {"active": true}, "popup_blocker": {"active": true}, "captcha_solver": {"active": false},
                "viewport": {"width": 0, "height": 0}, "extensions": [], "extra_stealth": {"active": false, "type": "x"},
                "force_popups_as_tabs": {"active": false}, "tracing": {"active": true, "snapshots": true, "sources": true},
                "profile": {"store_cache": true}, "sensitive_data_mask": {"active": false, "custom_selectors": ["a"]},
            },
            "integrations": [], "identities": [],
        });
        let request = read(body).unwrap();
        assert_eq!(request.browser, BrowserRequest { adblock: Some(true), ..BrowserRequest::default() });
        assert_eq!((request.max_duration, request.profile), (Some(DEFAULT_MAX_DURATION), None));
    }

    #[test]
    fn contradictions_and_nonsense_name_the_field() {
        assert_eq!(
            refusal(&json!({"browser": {"captcha_solver": {"active": true}}})),
            "CAPTCHA solver requires proxy to be active."
        );
        for (body, place) in [
            (
                json!({"browser": {"popup_blocker": {"active": true}, "adblock": {"active": false}}}),
                "Popup blocker requires adblock",
            ),
            (json!({"session": {"timeout": {"max_duration": -2}}}), "session.timeout.max_duration: "),
            (
                json!({"session": {"timeout": {"idle_timeout": "5"}}}),
                "session.timeout.idle_timeout: invalid type: string",
            ),
            (json!({"session": {"tags": [1]}}), "session.tags[0]: invalid type: integer"),
            (json!({"session": []}), "session: invalid type: sequence, expected an object"),
            (
                json!({"browser": {"headless": true}}),
                "browser.headless: invalid type: boolean `true`, expected an object",
            ),
            (json!({"browser": {"viewport": {"width": -1}}}), "browser.viewport.width: must be between"),
            (json!({"browser": {"viewport": {"height": 16385}}}), "browser.viewport.height: must be between"),
            (json!({"browser": {"extensions": ["a"]}}), "browser.extensions[0]: must be the id"),
            (
                json!({"browser": {"extensions": vec!["a"; 21].iter().enumerate().map(|(n, a)| format!("{a}{n}")).collect::<Vec<_>>()}}),
                "browser.extensions: must be 20 at most",
            ),
            (
                json!({"browser": {"extensions": ["182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"], "headless": {"active": true}}}),
                "browser.extensions: need a browser that is not headless",
            ),
            (
                json!({"browser": {"ca_certificates": ["a", "a b"]}}),
                "browser.ca_certificates[1]: must be 1 to 255",
            ),
            (json!({"browser": {"ca_certificates": [""]}}), "browser.ca_certificates[0]: must be 1 to 255"),
            (json!({"browser": {"profile": {"name": ""}}}), "browser.profile.name: must not be empty"),
            (json!({"browser": {"profile": {"persist": true}}}), "browser.profile.name: is required"),
            (
                json!({"session": {"initial_url": "file:///etc/passwd"}}),
                "session.initial_url: must be an http",
            ),
            (
                json!({"session": {"initial_url": "javascript:alert(1)"}}),
                "session.initial_url: must be an http",
            ),
            (
                json!({"session": {"initial_url": "example.com"}}),
                "session.initial_url: must be an absolute URL",
            ),
            (json!({"session": {"initial_url": "https:///x"}}), "session.initial_url: must name a host"),
            (json!({"session": {"proxy": {"type": "custom"}}}), "session.proxy.server: is required"),
        ] {
            let why = refusal(&body);
            assert!(why.starts_with(place), "{body}: {why}");
        }
    }

    #[test]
    fn what_would_be_missed_is_refused_all_at_once() {
        let body = json!({
            "session": {"proxy": {"active": true, "type": "anchor_proxy"}, "x402": true},
            "browser": {
                "captcha_solver": {"active": true}, "extra_stealth": {"active": true}, "web_bot_auth": {"active": true},
            },
            "integrations": [{"id": "a"}], "identities": [{"id": "a"}],
        });
        let why = refusal(&body);
        for field in [
            "session.x402",
            "browser.captcha_solver",
            "browser.extra_stealth",
            "browser.web_bot_auth",
            "integrations",
            "identities",
        ] {
            assert!(why.contains(&format!("{field}: ")), "{field} is not in {why}");
        }
        assert!(matches!(read(body), Err(Error::NotImplemented(_))));
    }

    #[test]
    fn a_proxys_password_is_not_echoed() {
        for (server, echoed) in [
            ("http://a:hunter2@x:1", "http://[redacted]@x:1"),
            ("a:hunter2@x:1", "[redacted]@x:1"),
            ("socks5://x:1", "socks5://x:1"),
            // What is no URL of a proxy is not read when there is no proxy.
            ("http://a:hunter2@b:hunter2@", "http://[redacted]@"),
        ] {
            let proxy = json!({"active": false, "server": server, "username": "a", "password": "hunter2"});
            let request = read(json!({"session": {"proxy": proxy}})).unwrap();
            assert_eq!(request.configuration["session"]["proxy"]["server"], echoed);
            assert!(!request.configuration.to_string().contains("hunter2"));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_number_of_minutes_is_a_limit_no_limit_or_an_error(value: f64) {
            match minutes("field", Some(value), DEFAULT_MAX_DURATION) {
                Ok(Some(limit)) => assert!(limit < FOREVER),
                Ok(None) => assert!(value > 0.0 || (value - -1.0).abs() < f64::EPSILON),
                Err(_) => assert!(value.is_nan() || value < 0.0),
            }
        }
    }
}
