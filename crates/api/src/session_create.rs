//! The body of `POST /v1/sessions`: every documented field, and those that older clients still send.
//!
//! These types read what is well-typed and judge nothing: what a value means, and whether this server can do it, is
//! decided where the body becomes a request. Unknown keys are skipped, null is as good as absent.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::Value;
use utoipa::ToSchema;

use crate::object;

/// A session's configuration. Everything in it is optional.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SessionCreateRequest {
    /// What concerns the session.
    #[serde(default, deserialize_with = "object::optional")]
    pub session: Option<SessionConfig>,
    /// What concerns the browser.
    #[serde(default, deserialize_with = "object::optional")]
    pub browser: Option<BrowserConfig>,
    /// Integrations to load. Not implemented: anything but an empty list is refused with 501.
    #[serde(default, deserialize_with = "object::optional_list")]
    pub integrations: Option<Vec<IntegrationConfig>>,
    /// Identities to log in with. Not implemented: anything but an empty list is refused with 501.
    #[serde(default, deserialize_with = "object::optional_list")]
    pub identities: Option<Vec<IdentityConfig>>,
}

/// What concerns the session.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SessionConfig {
    /// Where the first page goes once the profile is restored: an http, https, about or data URL.
    #[schema(format = "uri")]
    pub initial_url: Option<String>,
    /// Labels to find the session by.
    #[schema(example = json!(["production", "customer-123"]))]
    pub tags: Option<Vec<String>>,
    /// Whether what the session shows is recorded; as the server's configuration says when absent, which is off unless it says otherwise.
    #[serde(default, deserialize_with = "object::optional")]
    pub recording: Option<Toggle>,
    /// The way out to the network: it overrides the profile's own exit and the server's default one.
    #[serde(default, deserialize_with = "object::optional")]
    pub proxy: Option<ProxyConfig>,
    /// When the session ends by itself.
    #[serde(default, deserialize_with = "object::optional")]
    pub timeout: Option<TimeoutConfig>,
    /// Restrictions of the live view. Accepted; there is no live view yet.
    #[serde(default, deserialize_with = "object::optional")]
    pub live_view: Option<LiveViewConfig>,
    /// Payments by x402. Not implemented: true is refused with 501.
    pub x402: Option<bool>,
    /// Makes the session token-only from the start: `cdp_url` carries a scoped token, which can be revoked and is shown only once.
    #[serde(default, deserialize_with = "object::optional")]
    pub scoped_access: Option<Toggle>,
}

/// What concerns the browser.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct BrowserConfig {
    /// The profile to start from, and whether to save into it.
    #[serde(default, deserialize_with = "object::optional")]
    pub profile: Option<ProfileConfig>,
    /// Ad blocking, on by default: hosts on the server's filter list are refused. When `true` is given, pages do not load either what the
    /// list names by its address, and do not show it; when `false`, nothing is blocked.
    #[serde(default, deserialize_with = "object::optional")]
    pub adblock: Option<Toggle>,
    /// Blocks windows that pages open by themselves, on by default; contradicts ad blocking that is off. The headless shell cannot, and
    /// opens them.
    #[serde(default, deserialize_with = "object::optional")]
    pub popup_blocker: Option<Toggle>,
    /// Solving CAPTCHAs; needs an active proxy. Not implemented: active is refused.
    #[serde(default, deserialize_with = "object::optional")]
    pub captcha_solver: Option<Toggle>,
    /// Runs without a window, off by default.
    #[serde(default, deserialize_with = "object::optional")]
    pub headless: Option<Toggle>,
    /// The page's inner size.
    #[serde(default, deserialize_with = "object::optional")]
    pub viewport: Option<ViewportConfig>,
    /// Starts fullscreen, off by default.
    #[serde(default, deserialize_with = "object::optional")]
    pub fullscreen: Option<Toggle>,
    /// Shows PDFs in a page, on by default; they are downloaded when it is off.
    #[serde(default, deserialize_with = "object::optional")]
    pub pdf_viewer: Option<Toggle>,
    /// Hands downloads to clients instead of storing them, off by default: the page that one began in has
    /// `window._anchorExtractDownloadData()`, a promise of the last one as Base64, and none outlives the session.
    #[serde(default, deserialize_with = "object::optional")]
    pub p2p_download: Option<Toggle>,
    /// Ids of uploaded extensions (`/v1/extensions`), 20 at most. They need a browser that is not headless.
    pub extensions: Option<Vec<String>>,
    /// Names of uploaded certificates (`/v1/certificates`) of authorities that the session trusts besides the usual ones, 20 at most.
    #[schema(example = json!(["my-internal-ca"]))]
    pub ca_certificates: Option<Vec<String>>,
    /// Switches the same-origin policy off, off by default.
    #[serde(default, deserialize_with = "object::optional")]
    pub disable_web_security: Option<Toggle>,
    /// A patched browser. Not implemented: active is refused with 501.
    #[serde(default, deserialize_with = "object::optional")]
    pub extra_stealth: Option<Toggle>,
    /// Opens windows that pages ask for as tabs of the window that they are in, off by default. The headless shell has no windows.
    #[serde(default, deserialize_with = "object::optional")]
    pub force_popups_as_tabs: Option<Toggle>,
    /// Signs requests for Web Bot Auth. Not implemented: active is refused with 501.
    #[serde(default, deserialize_with = "object::optional")]
    pub web_bot_auth: Option<Toggle>,
    /// Dismisses alert, confirm and prompt at once, off by default.
    #[serde(default, deserialize_with = "object::optional")]
    pub disable_dialogs: Option<Toggle>,
    /// Traces of the browser. Accepted; there are no traces yet.
    #[serde(default, deserialize_with = "object::optional")]
    pub tracing: Option<TracingConfig>,
    /// Masks sensitive data in pages, off by default: in texts it is replaced, fields show it as discs or blurred. What forms send stays.
    #[serde(default, deserialize_with = "object::optional")]
    pub sensitive_data_mask: Option<SensitiveDataMaskConfig>,
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct Toggle {
    /// Whether it is on.
    pub active: Option<bool>,
}

/// When the session ends by itself. Minutes, with fractions; -1 means never, 0 means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, ToSchema)]
pub struct TimeoutConfig {
    /// The hard limit on the session's life, in minutes; 20 by default.
    #[schema(example = 20)]
    pub max_duration: Option<f64>,
    /// How long the session lives with nobody connected, in minutes; 5 by default.
    #[schema(example = 5)]
    pub idle_timeout: Option<f64>,
}

/// Restrictions of the live view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct LiveViewConfig {
    /// Whether viewers may only look.
    pub read_only: Option<bool>,
    /// Whether the link works only once.
    pub one_time_url: Option<bool>,
}

/// The way out to the network: the server's exits by place or name, or a proxy of your own by address. One type holds all
/// three, told apart by `type`.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ProxyConfig {
    /// Whether it is used; true by default. False means the direct way, also for a profile that has an exit of its own.
    pub active: Option<bool>,
    /// `anchor_proxy` (or one of its older names), `custom`, or `exit`. Without one, `server` makes it `custom`, `exit` makes it
    /// `exit`, and anything else is `anchor_proxy`.
    #[schema(example = "custom")]
    pub r#type: Option<String>,
    /// The country to appear in, two letters: an exit with that label.
    #[schema(example = "de")]
    pub country_code: Option<String>,
    /// The region to appear in: an exit with that label.
    pub region: Option<String>,
    /// The city to appear in: an exit with that label. Ignored without a region.
    pub city: Option<String>,
    /// The name of an exit of the server.
    pub exit: Option<String>,
    /// A proxy of your own: `http://`, `https://` or `socks5://HOST:PORT`, or `HOST:PORT` for http.
    #[schema(example = "socks5://proxy.example.com:1080")]
    pub server: Option<String>,
    /// Your proxy's user.
    pub username: Option<String>,
    /// Your proxy's password. It is never echoed.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<Secret>,
}

/// A string that neither its `Debug` nor an error about it tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretText)
    }
}

/// Reads a string. The usual errors repeat a number that is in its place.
struct SecretText;

impl SecretText {
    const NOT_A_STRING: &str = "must be a string in quotes";
}

impl Visitor<'_> for SecretText {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(Self::NOT_A_STRING))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom(Self::NOT_A_STRING))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(Self::NOT_A_STRING))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How a session uses a profile.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
pub struct ProfileConfig {
    /// The profile's name.
    #[schema(min_length = 1, max_length = 255, example = "my-profile")]
    pub name: Option<String>,
    /// Whether the session is saved into the profile when it ends; false by default. The profile is created if it is new.
    pub persist: Option<bool>,
    /// The revision to start from, instead of the head.
    #[schema(minimum = 1)]
    pub revision: Option<u64>,
    /// Starts only once the head is this revision or a later one: read your own writes. Waits for it as long as
    /// `wait_seconds` says, 10 seconds by default, then 409.
    #[schema(minimum = 1)]
    pub min_revision: Option<u64>,
    /// `shared` (the default): any number of sessions may be saved into the profile, each as a revision. `exclusive`:
    /// this one alone; while it runs, others that would be saved into it get 409. Needs `persist`.
    #[schema(example = "shared")]
    pub writer: Option<String>,
    /// How long to wait for another writer to end, or for `min_revision`, in seconds; 409 after that. At most 600.
    #[schema(minimum = 0, maximum = 600)]
    pub wait_seconds: Option<f64>,
    /// Cookies that the profile must hold when it is saved, as `name@host`. A save that lacks one is stored, and does not
    /// become the head. Needs `persist`.
    #[schema(example = json!(["sid@app.example"]))]
    pub require_cookies: Option<Vec<String>>,
    /// Opens the tabs that were open, with their session storage; false by default.
    pub restore_tabs: Option<bool>,
    /// Whether caches are saved: `keep` (the default) or `drop`. Needs `persist` to drop.
    #[schema(example = "keep")]
    pub cache: Option<String>,
    /// Opens a profile that a newer major version of Chromium wrote, which may lose some of it; false by default.
    pub allow_downgrade: Option<bool>,
}

/// The page's inner size in CSS pixels. Zero means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct ViewportConfig {
    /// Its width; 1440 by default.
    #[schema(minimum = 0, maximum = 16384, example = 1440)]
    pub width: Option<i64>,
    /// Its height; 900 by default.
    #[schema(minimum = 0, maximum = 16384, example = 900)]
    pub height: Option<i64>,
}

/// Traces of the browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct TracingConfig {
    /// Whether there are traces.
    pub active: Option<bool>,
    /// Whether they hold snapshots.
    pub snapshots: Option<bool>,
    /// Whether they hold sources.
    pub sources: Option<bool>,
}

/// What is masked in pages: email addresses, phone numbers, numbers of cards and tokens in texts, fields that hold such things or
/// passwords, and what is asked for here.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SensitiveDataMaskConfig {
    /// Whether anything is masked.
    pub active: Option<bool>,
    /// CSS selectors of what is blurred on every site, 100 at most; 400 for one that the browser does not understand.
    #[schema(example = json!([".account-balance"]))]
    pub custom_selectors: Option<Vec<String>>,
    /// CSS selectors of what is blurred on some sites, by host (`bank.com`) or domain (`*.bank.com`: itself and all below it), 100 at most.
    #[schema(example = json!({"*.bank.com": [".balance"]}))]
    pub site_selectors: Option<BTreeMap<String, Vec<String>>>,
    /// Patterns of text that is replaced, 50 at most.
    #[serde(default, deserialize_with = "object::optional_list")]
    pub custom_patterns: Option<Vec<MaskPattern>>,
}

/// A pattern of text to be masked.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct MaskPattern {
    /// A regular expression of JavaScript, without slashes and flags; 400 for what is none.
    #[schema(example = "ACC-\\d{8}")]
    pub regex: Option<String>,
    /// What is shown instead; `****` by default.
    pub mask: Option<String>,
}

/// An integration to load.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct IntegrationConfig {
    /// Its id.
    pub id: Option<String>,
    /// Its kind, `1PASSWORD` for example.
    pub r#type: Option<String>,
    /// Its own configuration.
    #[schema(value_type = Option<Object>)]
    pub configuration: Option<Value>,
}

/// An identity to log in with.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct IdentityConfig {
    /// Its id.
    pub id: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<SessionCreateRequest, serde_json::Error> {
        serde_json::from_value(body)
    }

    #[test]
    fn nulls_unknown_keys_and_nothing_are_read() {
        for body in [
            json!({}),
            json!({"session": null, "browser": null, "integrations": null, "identities": null}),
            json!({"session": {"proxy": null, "timeout": {"max_duration": null}}, "browser": {"headless": {"active": null}}}),
            json!({"integrations": [], "identities": [{}, {"id": null}]}),
            json!({"browser": {"sensitive_data_mask": {"custom_patterns": [{"regex": "a"}]}}}),
            json!({"browser": {"cross_origin_support": true, "ua_override": {"x": [1]}, "extra_stealth": {"type": "a"}}}),
        ] {
            read(body.clone()).unwrap_or_else(|error| panic!("{body}: {error}"));
        }
    }

    #[test]
    fn a_wrong_type_is_an_error_also_where_serde_would_take_an_array_for_a_struct() {
        for body in [
            json!({"session": []}),
            json!({"browser": "headless"}),
            json!({"browser": {"headless": true}}),
            json!({"browser": {"viewport": [800, 600]}}),
            json!({"browser": {"viewport": {"width": 1440.5}}}),
            json!({"session": {"tags": "one"}}),
            json!({"session": {"tags": [null]}}),
            json!({"session": {"proxy": {"active": "yes"}}}),
            json!({"session": {"proxy": true}}),
            json!({"browser": {"sensitive_data_mask": {"custom_patterns": [["a", "b"]]}}}),
            json!({"browser": {"sensitive_data_mask": {"custom_patterns": {}}}}),
            json!({"integrations": [null]}),
            json!({"identities": [{}, ["id"]]}),
        ] {
            assert!(read(body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_password_is_not_in_debug_output() {
        let body = read(json!({"session": {"proxy": {"active": true, "password": "hunter2"}}})).unwrap();
        assert!(!format!("{body:?}").contains("hunter2"));
    }
}
