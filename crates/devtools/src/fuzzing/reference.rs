//! What a message is and what it asks for, read by a full JSON parser: slow, and nothing of the multiplexer's own.
//!
//! Where readers may differ it takes the worse: of members that come twice it looks at both.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What no client may ask of the browser, whatever is said with it. To be extended with `rules`.
const NEVER: [&[u8]; 3] = [b"Browser.close", b"Target.exposeDevToolsProtocol", b"Target.setRemoteLocations"];
/// How deep the nested form of the protocol is looked into.
const MAX_LEVELS: usize = 16;

/// A member of an object: its key, as bytes, and its value as it is written.
pub(super) type Member = (Vec<u8>, String);

/// Reads an object's members in their order; `None` if the text is no JSON object.
///
/// Chromium takes control characters in strings and the parser does not, so they are spaces here.
pub(super) fn members(text: &[u8]) -> Option<Vec<Member>> {
    let text = without_controls(text);
    serde_json::from_slice::<Members>(&text).ok().map(|members| members.0)
}

fn without_controls(text: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    let plain = |byte: &u8| {
        let inside = in_string;
        in_string ^= *byte == b'"' && !escaped;
        escaped = inside && *byte == b'\\' && !escaped;
        if inside { (*byte).max(b' ') } else { *byte }
    };
    text.iter().map(plain).collect()
}

/// Returns the values of a key.
pub(super) fn values<'a>(members: &'a [Member], key: &str) -> impl Iterator<Item = &'a str> {
    members.iter().filter(move |(found, _)| found == key.as_bytes()).map(|(_, value)| value.as_str())
}

/// Reads a value that is a string.
pub(super) fn string(value: &str) -> Option<Vec<u8>> {
    serde_json::from_str::<Text>(value).ok().map(|text| text.0)
}

/// Reads an id: a number that is a whole one of 32 bits.
pub(super) fn id(value: &str) -> Option<i32> {
    let number: f64 = serde_json::from_str(value).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "it is compared with what it was")]
    let id = number as i32;
    #[expect(clippy::float_cmp, reason = "it is the same number or another one")]
    (f64::from(id) == number).then_some(id)
}

/// Tells whether some reader could find something in a message that is not for the browser.
pub(super) fn is_forbidden(text: &[u8]) -> bool {
    is_forbidden_at(text, 0)
}

fn is_forbidden_at(text: &[u8], level: usize) -> bool {
    let Some(message) = members(text).filter(|_| level < MAX_LEVELS) else { return false };
    let methods: Vec<_> = values(&message, "method").filter_map(string).collect();
    let asks = |method: &str| methods.iter().any(|found| found == method.as_bytes());
    let params: Vec<_> = values(&message, "params").filter_map(|params| members(params.as_bytes())).collect();
    let has = |key: &str| params.iter().any(|params| values(params, key).next().is_some());
    let has_forbidden_message = || {
        let messages = params.iter().flat_map(|params| values(params, "message")).filter_map(string);
        messages.into_iter().any(|message| is_forbidden_at(&message, level + 1))
    };
    methods.iter().any(|method| NEVER.contains(&method.as_slice()))
        || asks("Target.createBrowserContext") && (has("proxyServer") || has("proxyBypassList"))
        || asks("Target.sendMessageToTarget") && has_forbidden_message()
}

/// A string that need not be one that Rust can hold: half a surrogate pair is taken.
struct Text(Vec<u8>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<Text, E> {
                Ok(Text(text.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Members(Vec<Member>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(key), value)) = map.next_entry::<Text, Box<RawValue>>()? {
                    members.push((key, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_of_two_members_are_seen_and_any_string_is_read() {
        let found = members(br#" {"a":1,"\u0061":[ {} ],"\ud800":"\udfff"} "#).unwrap();
        assert_eq!(values(&found, "a").collect::<Vec<_>>(), ["1", "[ {} ]"]);
        assert!(string(&found[2].1).is_some());
        assert_eq!((members(b"[]"), members(b"{\"a\":1,}")), (None, None));
        assert_eq!(members(b"{\"a\tb\\\"\x01\":1\t}"), Some(vec![(b"a b\" ".to_vec(), "1".to_owned())]));
        assert_eq!(members(b"{\"a\":1\x01}"), None);
    }

    #[test]
    fn what_is_forbidden_is_found_wherever_it_is() {
        let close = r#"{"id":1,"method":"x","meth\u006fd":"Browser.close"}"#;
        let nested =
            serde_json::json!({"method": "Target.sendMessageToTarget", "params": {"message": close}});
        for text in [close, &nested.to_string()] {
            assert!(is_forbidden(text.as_bytes()), "{text}");
        }
        for (text, forbidden) in [
            (r#"{"method":"Target.createBrowserContext","params":{"proxyServer":null}}"#, true),
            (r#"{"method":"Target.createBrowserContext","params":{"x":"proxyServer"}}"#, false),
            (r#"{"method":"Target.getTargets","params":{"method":"Browser.close"}}"#, false),
        ] {
            assert_eq!(is_forbidden(text.as_bytes()), forbidden, "{text}");
        }
    }
}
