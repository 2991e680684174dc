//! Which commands of a client are not for the browser.

use serde::Deserialize;
use serde_json::Value;

use crate::message::{Outline, outline, unquote};

/// What a client is told that wants a proxy for a browser context.
const OWN_PROXY: &str = "Browser contexts have no proxies of their own here: the session's is set by session.proxy, or PUT /v1/sessions/{id}/proxy";
/// How many `Target.sendMessageToTarget` may be in one another.
const MAX_NESTING: usize = 4;

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Forward,
    /// It asks for the end of the browser, which is the owner's to bring about.
    Close,
    /// It is refused, with these words.
    Refuse(&'static str),
}

/// Decides about a command.
pub(crate) fn decide(text: &[u8], outline: &Outline) -> Decision {
    decide_nested(text, outline, 0)
}

/// Tells whether a new browser context is to have a proxy. What cannot be read here is the browser's to refuse.
fn names_a_proxy(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Wire {
        params: Params,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        proxy_server: Option<Value>,
        proxy_bypass_list: Option<Value>,
    }
    let Ok(Wire { params }) = serde_json::from_slice(text) else {
        return false;
    };
    let named = |value: Option<Value>| value.is_some_and(|value| value != "" && !value.is_null());
    named(params.proxy_server) || named(params.proxy_bypass_list)
}

fn decide_nested(text: &[u8], found: &Outline, level: usize) -> Decision {
    #[derive(Deserialize)]
    struct Wire {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        message: String,
    }
    match found.method.clone().and_then(|place| unquote(&text[place])).as_deref() {
        Some("Browser.close") => Decision::Close,
        // A context with a proxy of its own would go around the one that the browser has.
        Some("Target.createBrowserContext") if names_a_proxy(text) => Decision::Refuse(OWN_PROXY),
        // Full Chromium connects to the addresses given, past the proxy that it has.
        Some("Target.setRemoteLocations") => Decision::Refuse("Not supported"),
        Some("Target.sendMessageToTarget") if level == MAX_NESTING => Decision::Refuse("Nested too deep"),
        Some("Target.sendMessageToTarget") => {
            // What cannot be read here is the browser's to refuse.
            let Ok(Wire { params: Params { message } }) = serde_json::from_slice(text) else {
                return Decision::Forward;
            };
            match outline(message.as_bytes()) {
                Ok(inner) => decide_nested(message.as_bytes(), &inner, level + 1),
                Err(_) => Decision::Forward,
            }
        }
        _ => Decision::Forward,
    }
}
