//! Reading and rewriting the three things of a DevTools message that the multiplexer needs: `id`, `method`, `sessionId`.
//!
//! A message is one JSON object. Only its top level is walked; every value is skipped without being read, strings by
//! `memchr`, so that a reply of several megabytes costs one pass. What is rewritten is cut out and replaced in place; all
//! other bytes go through as they came.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Where the interesting members of a message are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The value of `id`.
    pub id: Option<Range<usize>>,
    /// The value of `method`, quotes included.
    pub method: Option<Range<usize>>,
    /// The value of `sessionId`, quotes included.
    pub session: Option<Member>,
    /// Just after the opening brace.
    pub start: usize,
    /// Whether the object has any member.
    pub empty: bool,
    /// Where the first member is that no command has.
    pub other: Option<usize>,
}

/// A member of an object: its value, and all of it with one comma, so that cutting it leaves valid JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The value.
    pub value: Range<usize>,
    /// Key, colon, value, and the comma before or after.
    pub whole: Range<usize>,
}

/// Says that a text is not one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct Malformed;

/// Finds the interesting members. It checks no more of the JSON than finding them takes.
pub fn outline(text: &[u8]) -> Result<Outline, Malformed> {
    let mut at = skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return Err(Malformed);
    }
    at += 1;
    let mut found = Outline { start: at, empty: true, ..Outline::default() };
    let mut comma_before = None;
    loop {
        at = skip_space(text, at);
        match text.get(at) {
            Some(b'}') => break,
            Some(b'"') => {}
            _ => return Err(Malformed),
        }
        found.empty = false;
        let key_start = at;
        let key_end = skip_string(text, at)?;
        at = skip_space(text, key_end);
        if text.get(at) != Some(&b':') {
            return Err(Malformed);
        }
        let value_start = skip_space(text, at + 1);
        let value_end = skip_value(text, value_start)?;
        at = skip_space(text, value_end);
        let comma_after = (text.get(at) == Some(&b',')).then_some(at);
        note(&mut found, text, key_start..key_end, value_start..value_end, comma_before, comma_after)?;
        match text.get(at) {
            Some(b',') => {
                comma_before = Some(at);
                at += 1;
            }
            Some(b'}') => break,
            _ => return Err(Malformed),
        }
    }
    if skip_space(text, at + 1) == text.len() { Ok(found) } else { Err(Malformed) }
}

/// Notes a member if it is one of the three. One that comes twice is refused: two readers of the message might each
/// believe another of them.
fn note(
    found: &mut Outline,
    text: &[u8],
    key: Range<usize>,
    value: Range<usize>,
    comma_before: Option<usize>,
    comma_after: Option<usize>,
) -> Result<(), Malformed> {
    let name = unquote(&text[key.clone()]).ok_or(Malformed)?;
    let again = match &*name {
        "id" => found.id.replace(value).is_some(),
        "method" => found.method.replace(value).is_some(),
        "sessionId" => {
            let whole = match (comma_before, comma_after) {
                (Some(comma), _) => comma..value.end,
                (None, Some(comma)) => key.start..comma + 1,
                (None, None) => key.start..value.end,
            };
            found.session.replace(Member { value, whole }).is_some()
        }
        "params" => false,
        _ => {
            found.other.get_or_insert(key.start);
            false
        }
    };
    if again { Err(Malformed) } else { Ok(()) }
}

/// Writes a client's message as the browser is to see it: our id instead of the client's, and a session always. One without a
/// name is the root, as it is to Chromium.
pub fn to_browser(text: &[u8], outline: &Outline, id: i32, session: &str) -> Vec<u8> {
    let place = outline.id.clone().unwrap_or(outline.start..outline.start);
    let session = format!("\"{session}\"");
    let mut edits = match &outline.session {
        None => vec![(place, format!("{id},\"sessionId\":{session}"))],
        Some(member) if is_unnamed(text, member) => {
            vec![(place, id.to_string()), (member.value.clone(), session)]
        }
        Some(_) => vec![(place, id.to_string())],
    };
    edits.sort_unstable_by_key(|(place, _)| place.start);
    let mut out = Vec::with_capacity(text.len() + 96);
    let mut from = 0;
    for (place, with) in edits {
        out.extend_from_slice(&text[from..place.start]);
        out.extend_from_slice(with.as_bytes());
        from = place.end;
    }
    out.extend_from_slice(&text[from..]);
    out
}

/// Tells whether a session is named by an empty string.
pub(crate) fn is_unnamed(text: &[u8], session: &Member) -> bool {
    &text[session.value.clone()] == b"\"\""
}

/// Writes a message of the browser as a client is to see it: `id` is what the client called its request, and the
/// session goes if it is the client's own root.
///
/// It works in place where it can, which is always but for odd ids: a shorter id is padded with spaces, and Chromium
/// writes the session last.
pub fn to_client(mut text: BytesMut, outline: &Outline, id: Option<&[u8]>, strip_session: bool) -> Bytes {
    if let Some(member) = outline.session.as_ref().filter(|_| strip_session) {
        let tail = text.len() - member.whole.end;
        text.copy_within(member.whole.end.., member.whole.start);
        text.truncate(member.whole.start + tail);
    }
    let (Some(id), Some(place)) = (id, outline.id.clone()) else {
        return text.freeze();
    };
    let moved = outline.session.as_ref().filter(|member| strip_session && member.whole.end <= place.start);
    let shift = moved.map_or(0, |member| member.whole.len());
    let place = place.start - shift..place.end - shift;
    if id.len() <= place.len() {
        let (padding, digits) = text[place.clone()].split_at_mut(place.len() - id.len());
        padding.fill(b' ');
        digits.copy_from_slice(id);
        return text.freeze();
    }
    let mut out = BytesMut::with_capacity(text.len() + id.len());
    out.extend_from_slice(&text[..place.start]);
    out.extend_from_slice(id);
    out.extend_from_slice(&text[place.end..]);
    out.freeze()
}

/// Reads a JSON string, quotes included. `None` if it is not one.
pub fn unquote(text: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Into::into);
    }
    serde_json::from_slice::<String>(text).ok().map(Into::into)
}

/// Reads an id as Chromium does: any number whose value is an integer of 32 bits, so that `2.0` is 2.
pub(crate) fn read_id(raw: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(raw).ok()?;
    if let Ok(id) = text.parse() {
        return Some(id);
    }
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    let whole = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range of the type")]
    whole.then_some(number as i32)
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Skips a string that starts at `at`; returns the place after its closing quote.
fn skip_string(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let mut at = at + 1;
    loop {
        let rest = text.get(at..).ok_or(Malformed)?;
        let next = at + memchr2(b'"', b'\\', rest).ok_or(Malformed)?;
        if text[next] == b'"' {
            return Ok(next + 1);
        }
        at = next + 2;
    }
}

fn skip_value(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') => skip_nested(text, at),
        Some(_) => {
            let end = text[at..]
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'));
            match end {
                Some(0) | None => Err(Malformed),
                Some(length) => Ok(at + length),
            }
        }
        None => Err(Malformed),
    }
}

/// Skips an object or array. Strings are stepped over, and only the depth of brackets is counted.
fn skip_nested(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut depth = 0usize;
    loop {
        let rest = text.get(at..).ok_or(Malformed)?;
        // Two searches, for the next string and the next bracket, would each run to the end of a long text again and
        // again; a plain walk between strings is short, since most of a message is strings.
        let step =
            rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']')).ok_or(Malformed)?;
        at += step;
        match text[at] {
            b'"' => at = skip_string(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            _ => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return Ok(at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
            "\\PC*".prop_map(Value::from),
            "[\"\\\\{}\\[\\],:\n\u{1F600}]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((key(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("id".to_owned()),
            Just("sessionId".to_owned()),
            Just("method".to_owned()),
            "[a-z\"\\\\]{0,6}"
        ]
    }

    fn message() -> impl Strategy<Value = Map<String, Value>> {
        let others = prop::collection::vec(("[a-z]{1,8}", json_value()), 0..4);
        (others, any::<i32>(), prop::option::of("[0-9A-F]{32}"), prop::option::of("\\PC{0,20}")).prop_map(
            |(others, id, session, method)| {
                let mut message: Map<String, Value> = others.into_iter().collect();
                message.insert("id".into(), id.into());
                message.insert("params".into(), json!({"id": 7, "sessionId": "inner", "text": "}\\\""}));
                session.map(|session| message.insert("sessionId".into(), session.into()));
                method.map(|method| message.insert("method".into(), method.into()));
                message
            },
        )
    }

    fn texts() -> impl Strategy<Value = (Map<String, Value>, String)> {
        (message(), any::<bool>()).prop_map(|(message, pretty)| {
            let text =
                if pretty { serde_json::to_string_pretty(&message) } else { serde_json::to_string(&message) };
            (message, text.unwrap())
        })
    }

    proptest! {
        #[test]
        fn to_the_browser_only_the_ids_change((message, text) in texts(), id in any::<i32>()) {
            let outline = outline(text.as_bytes()).unwrap();
            let sent: Map<String, Value> =
                serde_json::from_slice(&to_browser(text.as_bytes(), &outline, id, "ROOT")).unwrap();
            let mut expected = message;
            expected.insert("id".into(), id.into());
            expected.entry("sessionId").or_insert("ROOT".into());
            prop_assert_eq!(sent, expected);
        }

        #[test]
        fn to_a_client_only_the_ids_change((message, text) in texts(), id in any::<i64>(), strip in any::<bool>()) {
            let outline = outline(text.as_bytes()).unwrap();
            let original = id.to_string();
            let got = to_client(BytesMut::from(text.as_bytes()), &outline, Some(original.as_bytes()), strip);
            let got: Map<String, Value> = serde_json::from_slice(&got).unwrap();
            let mut expected = message;
            expected.insert("id".into(), id.into());
            if strip {
                expected.remove("sessionId");
            }
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn nothing_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _found = outline(&text);
        }

        #[test]
        fn broken_json_does_not_make_it_panic((_, text) in texts(), cut in any::<prop::sample::Index>()) {
            let bytes = text.as_bytes();
            prop_assert_eq!(outline(&bytes[..cut.index(bytes.len())]), Err(Malformed));
        }
    }

    #[test]
    fn an_empty_session_is_the_root() {
        for (text, expected) in [
            (r#"{"id":1,"sessionId":""}"#, r#"{"id":9,"sessionId":"ROOT"}"#),
            (r#"{"sessionId": "" , "id": 1}"#, r#"{"sessionId": "ROOT" , "id": 9}"#),
        ] {
            let found = outline(text.as_bytes()).unwrap();
            assert_eq!(to_browser(text.as_bytes(), &found, 9, "ROOT"), expected.as_bytes());
        }
    }

    #[test]
    fn a_member_that_comes_twice_is_refused() {
        for text in [
            r#"{"id":1,"id":2}"#,
            r#"{"sessionId":"A","id":1,"sessionId":"B"}"#,
            r#"{"id":1,"method":"a","m\u0065thod":"b"}"#,
        ] {
            assert_eq!(outline(text.as_bytes()), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn escaped_names_are_read() {
        let text = br#"{"\u0069d": 1, "method":"Browser\u002eclose"}"#;
        let found = outline(text).unwrap();
        assert!(found.id.is_some());
        assert_eq!(unquote(&text[found.method.unwrap()]).as_deref(), Some("Browser.close"));
    }
}
