//! Which commands of a client are not for the browser.

use serde::Deserialize;

use crate::message::{Outline, outline, unquote};

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
