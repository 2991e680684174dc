//! What an extension says of itself, and what of that no session may have.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_api::ExtensionId;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Chromium loads no older one any more.
const VERSION: u64 = 3;
/// Permissions with which an extension would go around what this server guards, and how. An extension's settings come before the
/// command line's.
const REFUSED: &[(&str, &str)] = &[
    ("proxy", "it could send traffic past the session's exit; set session.proxy instead"),
    ("privacy", "it could let WebRTC send traffic past the session's exit"),
    (
        "debugger",
        "it would have the browser's protocol without the server's rules; use the session's cdp_url",
    ),
    ("nativeMessaging", "it could start programs on the server's machine"),
];

/// A manifest that sessions may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// As it was uploaded.
    pub value: Map<String, Value>,
    /// As Chromium is to read it: with a key, so that the extension has one id for ever, wherever its files are.
    pub keyed: Map<String, Value>,
    /// The id that Chromium knows it by: it follows from the key.
    pub chromium_id: String,
}

impl Manifest {
    /// Reads the text of `manifest.json`. One without a key of its own is given one that follows from `id`.
    ///
    /// Errors: [`Error::InvalidRequest`], which says what to change.
    pub fn read(text: &[u8], id: ExtensionId) -> Result<Self> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let Ok(Value::Object(value)) = serde_json::from_slice(text) else {
            return Err(refused("its manifest.json is no JSON object; comments are not allowed in it"));
        };
        require_shape(&value)?;
        require_harmless(&value)?;
        let key = match value.get("key") {
            None => Sha256::digest(format!("roadstead extension {id}")).to_vec(),
            Some(key) => read_key(key)?,
        };
        let mut keyed = value.clone();
        keyed.insert("key".to_owned(), STANDARD.encode(&key).into());
        Ok(Self { value, keyed, chromium_id: chromium_id(&key) })
    }
}

fn require_shape(manifest: &Map<String, Value>) -> Result<()> {
    if manifest.get("manifest_version").and_then(Value::as_u64) != Some(VERSION) {
        return Err(refused("its manifest_version must be 3, since Chromium loads no other"));
    }
    let text = |name: &str| manifest.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("name").trim().is_empty() {
        return Err(refused("its manifest needs a name"));
    }
    let parts: Vec<_> = text("version").split('.').collect();
    if parts.len() > 4 || parts.iter().any(|part| part.parse::<u16>().is_err()) {
        return Err(refused(
            "its version must be one to four numbers with dots between them, 1.0 for example",
        ));
    }
    // Chrome Apps had sockets.
    if manifest.contains_key("app") {
        return Err(refused("it is an app, not an extension"));
    }
    Ok(())
}

/// Refuses permissions that no session may have, also where the extension would only ask for them later.
fn require_harmless(manifest: &Map<String, Value>) -> Result<()> {
    for list in ["permissions", "optional_permissions"] {
        let wanted =
            manifest.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in wanted {
            if let Some((name, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
                return Err(refused(format!("it asks for the permission \"{name}\", and {why}")));
            }
        }
    }
    Ok(())
}

fn read_key(key: &Value) -> Result<Vec<u8>> {
    let text: String = key.as_str().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    let key = STANDARD.decode(text).ok().filter(|key| !key.is_empty());
    key.ok_or_else(|| refused("the key in its manifest is no base64; leave it out, and it gets one"))
}

/// Chromium's rule: the first half of the key's hash, its digits moved from 0-f to a-p.
pub(super) fn chromium_id(key: &[u8]) -> String {
    let hex = Sha256::digest(key).iter().take(16).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    });
    let moved = |digit: char| digit.to_digit(16).and_then(|digit| char::from_digit(digit + 10, 26));
    hex.chars().filter_map(moved).collect()
}

/// Says why an extension is not taken.
pub(super) fn refused(why: impl std::fmt::Display) -> Error {
    Error::InvalidRequest(format!("The extension is refused: {why}."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id() -> ExtensionId {
        "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e".parse().unwrap()
    }

    fn read(manifest: &Value) -> Result<Manifest> {
        Manifest::read(manifest.to_string().as_bytes(), id())
    }

    #[test]
    fn an_extension_has_one_id_for_ever() {
        let plain = json!({"manifest_version": 3, "name": "a", "version": "1.0"});
        let (one, two) = (read(&plain).unwrap(), read(&plain).unwrap());
        assert_eq!(one.chromium_id, two.chromium_id);
        assert!(!one.value.contains_key("key") && one.keyed.contains_key("key"));
        let other = Manifest::read(plain.to_string().as_bytes(), ExtensionId::random()).unwrap();
        assert_ne!(other.chromium_id, one.chromium_id);
        // The same file behind a byte order mark.
        assert_eq!(Manifest::read(format!("\u{feff}{plain}").as_bytes(), id()).unwrap(), one);
        // Measured: what Chromium 148 makes of the SHA-256 of "roadstead" as a key.
        let key = STANDARD.encode(Sha256::digest("roadstead"));
        let keyed = read(&json!({"manifest_version": 3, "name": "a", "version": "1", "key": key})).unwrap();
        assert_eq!(keyed.chromium_id, "lacbpcehocfjmnkcgchahanbdogjljfc");
    }

    #[test]
    fn what_chromium_would_not_load_is_refused_at_once() {
        let cases = [
            (json!([]), "its manifest.json is no JSON object"),
            (json!({"name": "a", "version": "1"}), "its manifest_version must be 3"),
            (json!({"manifest_version": 2, "name": "a", "version": "1"}), "its manifest_version must be 3"),
            (json!({"manifest_version": 3, "name": " ", "version": "1"}), "its manifest needs a name"),
            (json!({"manifest_version": 3, "name": "a"}), "its version must be"),
            (json!({"manifest_version": 3, "name": "a", "version": "1.2.3.4.5"}), "its version must be"),
            (json!({"manifest_version": 3, "name": "a", "version": "v1"}), "its version must be"),
            (
                json!({"manifest_version": 3, "name": "a", "version": "1", "key": "?"}),
                "the key in its manifest",
            ),
            (json!({"manifest_version": 3, "name": "a", "version": "1", "app": {}}), "it is an app"),
        ];
        for (manifest, why) in cases {
            let message = read(&manifest).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("The extension is refused: {why}")),
                "{manifest}: {message}"
            );
        }
        assert!(Manifest::read(b"{// a comment\n}", id()).is_err());
    }

    #[test]
    fn what_would_go_around_the_exit_is_refused_wherever_it_is_asked_for() {
        for (permission, _) in REFUSED {
            for list in ["permissions", "optional_permissions"] {
                let manifest = json!({"manifest_version": 3, "name": "a", "version": "1", list: ["storage", permission]});
                let message = read(&manifest).unwrap_err().to_string();
                assert!(message.contains(&format!("\"{permission}\"")), "{message}");
            }
        }
    }
}
