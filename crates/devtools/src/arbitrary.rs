//! Arbitrary JSON for the property tests: awkward keys at every depth, awkward strings, any order, any white space.

use proptest::prelude::*;
use serde_json::{Map, Value};

/// Any value, with keys such as `id` and `sessionId` inside.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A string that a careless scanner trips over.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC*",
        "[\"\\\\{}\\[\\],:\n\u{1F600}\u{0}]{0,12}",
        Just(r#"","sessionId":"0123456789ABCDEF0123456789ABCDEF"}"#.to_owned()),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("id".to_owned()),
        Just("sessionId".to_owned()),
        Just("method".to_owned()),
        "[a-z\"\\\\]{0,6}",
    ]
}

/// Any object, and a text of it.
pub(crate) fn object_text() -> impl Strategy<Value = (Map<String, Value>, String)> {
    let members = prop::collection::vec((key(), value()), 0..5);
    members
        .prop_flat_map(|members| Just(members.into_iter().collect::<Map<_, _>>()))
        .prop_flat_map(|object| (Just(object.clone()), rendered(object.into_iter().collect())))
}

/// A text of members in the order given, with space and escapes sprinkled in.
pub(crate) fn rendered(members: Vec<(String, Value)>) -> impl Strategy<Value = String> {
    let spaces = prop::collection::vec("[ \t\r\n]{0,2}", members.len() * 4 + 3);
    (any::<bool>(), any::<bool>(), spaces).prop_map(move |(pretty, escaped, spaces)| {
        let mut spaces = spaces.into_iter();
        let mut space = || spaces.next().unwrap_or_default();
        let mut text = space() + "{";
        for (place, (key, value)) in members.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let key = if escaped { escape(key) } else { serde_json::to_string(key).unwrap() };
            let value = match value {
                Value::String(value) if escaped => escape(value),
                value if pretty => serde_json::to_string_pretty(value).unwrap(),
                value => value.to_string(),
            };
            text.extend([comma, &space(), &key, &space(), ":", &space(), &value, &space()]);
        }
        text + &space() + "}" + &space()
    })
}

/// Writes a string with every character as `\uXXXX`.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::from("\"");
    for unit in text.encode_utf16() {
        write!(escaped, "\\u{unit:04x}").unwrap();
    }
    escaped + "\""
}

/// A text that was JSON until something happened to it.
pub(crate) fn damaged_text() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop_oneof![prop::sample::select(b"\"\\{}[],:0 \0".to_vec()), any::<u8>()];
    (object_text(), any::<prop::sample::Index>(), noise, 0..4).prop_map(|((_, text), at, byte, damage)| {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        match damage {
            0 => text.truncate(at),
            1 => text[at] = byte,
            2 => text.insert(at, byte),
            _ => drop(text.remove(at)),
        }
        text
    })
}
