//! Walking over JSON without reading it: where the members of the outermost object are, and whether the text is JSON.
//!
//! The grammar is RFC 8259's, and at most as wide as that of Chromium's own parser (crdtp): what passes here passes
//! there, and means the same. The words of the errors are crdtp's. Strings, which are most of a long message, are
//! stepped over by `memchr`; nothing is copied or converted.

#[cfg(test)]
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr2;

/// How deep Chromium's parser goes; one more level is its "stack limit exceeded".
pub(crate) const MAX_DEPTH: usize = 300;

/// A text that is not JSON: what is wrong with it, and where, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanError {
    what: &'static str,
    at: usize,
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON: {} at position {}", self.what, self.at)
    }
}

/// A member of the outermost object, as places in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The key, quotes included.
    pub(crate) key: Range<usize>,
    /// The value, without the space around it.
    pub(crate) value: Range<usize>,
}

/// Walks over a whole text and hands out the members of its outermost object in their order. Returns false if the text
/// is JSON, but no object.
pub(crate) fn scan_object(text: &[u8], mut each: impl FnMut(Member)) -> Result<bool, ScanError> {
    let mut scanner = Scanner { text, at: 0, open: Nesting::default() };
    scanner.skip_space();
    match scanner.peek() {
        None => return Err(scanner.error("no input")),
        Some(b'{') => {}
        Some(_) => {
            scanner.skip_value()?;
            scanner.expect_end()?;
            return Ok(false);
        }
    }
    let mut first = true;
    scanner.enter(true)?;
    while scanner.more_members(first)? {
        first = false;
        let key = scanner.skip_key()?;
        let value = scanner.skip_value()?;
        each(Member { key, value });
    }
    scanner.expect_end()?;
    Ok(true)
}

/// Reads a JSON string, quotes included. `None` if it is no string, or not one that Rust can hold.
#[cfg(test)]
pub(crate) fn unquote(text: &[u8]) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(text).ok().map(Cow::Owned)
}

/// Which kind each open bracket is, one bit a level.
#[derive(Default)]
struct Nesting {
    depth: usize,
    objects: [u64; MAX_DEPTH.div_ceil(64)],
}

impl Nesting {
    fn in_object(&self) -> bool {
        let level = self.depth - 1;
        self.objects[level / 64] >> (level % 64) & 1 == 1
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    open: Nesting,
}

impl Scanner<'_> {
    fn error(&self, what: &'static str) -> ScanError {
        ScanError { what, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect_end(&mut self) -> Result<(), ScanError> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.error("unprocessed input remains")) }
    }

    /// Steps over an opening bracket.
    fn enter(&mut self, object: bool) -> Result<(), ScanError> {
        let level = self.open.depth;
        if level == MAX_DEPTH {
            return Err(self.error("stack limit exceeded"));
        }
        let bit = 1 << (level % 64);
        if object {
            self.open.objects[level / 64] |= bit;
        } else {
            self.open.objects[level / 64] &= !bit;
        }
        self.open.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Steps over the closing bracket of the innermost object or array.
    fn leave(&mut self) {
        self.open.depth -= 1;
        self.at += 1;
    }

    /// Stands before a key or the closing brace of an object; `first` says whether a comma is due. Returns whether a key
    /// follows; steps over the brace if not.
    fn more_members(&mut self, first: bool) -> Result<bool, ScanError> {
        self.skip_space();
        if !first {
            match self.peek() {
                Some(b'}') => {}
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                    return match self.peek() {
                        Some(b'}') => Err(self.error("unexpected map end")),
                        _ => Ok(true),
                    };
                }
                _ => return Err(self.error("comma or map end expected")),
            }
        }
        if self.peek() == Some(b'}') {
            self.leave();
            return Ok(false);
        }
        Ok(true)
    }

    /// The same for the elements of an array.
    fn more_elements(&mut self, first: bool) -> Result<bool, ScanError> {
        self.skip_space();
        if !first {
            match self.peek() {
                Some(b']') => {}
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                    return match self.peek() {
                        Some(b']') => Err(self.error("unexpected array end")),
                        _ => Ok(true),
                    };
                }
                _ => return Err(self.error("comma or array end expected")),
            }
        }
        if self.peek() == Some(b']') {
            self.leave();
            return Ok(false);
        }
        Ok(true)
    }

    /// Skips a key with its colon. Returns the key's place.
    fn skip_key(&mut self) -> Result<Range<usize>, ScanError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("string literal expected"));
        }
        let start = self.at;
        self.skip_string()?;
        let key = start..self.at;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("colon expected"));
        }
        self.at += 1;
        Ok(key)
    }

    /// Skips a value of any depth, without recursion. Returns its place.
    fn skip_value(&mut self) -> Result<Range<usize>, ScanError> {
        self.skip_space();
        let start = self.at;
        let outside = self.open.depth;
        'value: loop {
            // Here a value is due.
            self.skip_space();
            let mut first = false;
            match self.peek() {
                Some(b'{') => {
                    self.enter(true)?;
                    first = true;
                }
                Some(b'[') => {
                    self.enter(false)?;
                    first = true;
                }
                _ => self.skip_scalar()?,
            }
            // Here a value, or an opening bracket, is behind.
            while self.open.depth > outside {
                if self.open.in_object() {
                    if self.more_members(first)? {
                        self.skip_key()?;
                        continue 'value;
                    }
                } else if self.more_elements(first)? {
                    continue 'value;
                }
                first = false;
            }
            return Ok(start..self.at);
        }
    }

    fn skip_scalar(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'-' | b'0'..=b'9') => self.skip_number(),
            Some(b't') => self.skip_literal(b"true"),
            Some(b'f') => self.skip_literal(b"false"),
            Some(b'n') => self.skip_literal(b"null"),
            None => Err(self.error("value expected")),
            Some(_) => Err(self.error("invalid token")),
        }
    }

    fn skip_literal(&mut self, literal: &[u8]) -> Result<(), ScanError> {
        if !self.text[self.at..].starts_with(literal) {
            return Err(self.error("invalid token"));
        }
        self.at += literal.len();
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), ScanError> {
        let start = ScanError { what: "invalid token", at: self.at };
        let mut at = self.at + 1;
        loop {
            at += memchr2(b'"', b'\\', self.text.get(at..).ok_or(start)?).ok_or(start)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Ok(());
            }
            at += match self.text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') => {
                    let digits = self.text.get(at + 2..at + 6).ok_or(start)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return Err(start);
                    }
                    6
                }
                _ => return Err(start),
            };
        }
    }

    fn skip_number(&mut self) -> Result<(), ScanError> {
        let start = ScanError { what: "invalid token", at: self.at };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(start);
            }
        } else {
            self.skip_digits(start)?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits(start)?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.skip_digits(start)?;
        }
        Ok(())
    }

    /// Skips one digit or more.
    fn skip_digits(&mut self, number: ScanError) -> Result<(), ScanError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(number) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::arbitrary;

    fn error(text: &str) -> String {
        scan_object(text.as_bytes(), |_| {}).unwrap_err().to_string()
    }

    #[test]
    fn speaks_of_errors_like_chromium() {
        // As Chromium 156 answered each of them over its pipe.
        for (text, expected) in [
            ("", "JSON: no input at position 0"),
            ("{", "JSON: string literal expected at position 1"),
            (r#"{"id":1,"method":"Browser.getVersion"} x"#, "JSON: unprocessed input remains at position 39"),
            ("{'id':1}", "JSON: string literal expected at position 1"),
            (r#"{"id":1,"method":"Browser.getVersion",}"#, "JSON: unexpected map end at position 38"),
            (r#"/*c*/{"id":1}"#, "JSON: invalid token at position 0"),
            (r#"{"id":01,"method":""}"#, "JSON: invalid token at position 6"),
            (r#"{"id":+1,"method":""}"#, "JSON: invalid token at position 6"),
            (r#"{"id":1 "method":""}"#, "JSON: comma or map end expected at position 8"),
            ("\u{feff}{}", "JSON: invalid token at position 0"),
            (r#"{"id":1,"method":"Browser.getVersion","x":"\q"}"#, "JSON: invalid token at position 42"),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
    }

    #[test]
    fn goes_as_deep_as_chromium() {
        let nested = |levels| format!(r#"{{"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert_eq!(scan_object(nested(MAX_DEPTH - 1).as_bytes(), |_| {}), Ok(true));
        assert_eq!(error(&nested(MAX_DEPTH)), "JSON: stack limit exceeded at position 304");
        assert_eq!(error(&"[".repeat(1_000_000)), "JSON: stack limit exceeded at position 300");
    }

    proptest! {
        #[test]
        fn hands_out_every_member((message, text) in arbitrary::object_text()) {
            let mut found = Vec::new();
            let is_object = scan_object(text.as_bytes(), |member| {
                let key = unquote(&text.as_bytes()[member.key]).unwrap().into_owned();
                let value: Value = serde_json::from_slice(&text.as_bytes()[member.value]).unwrap();
                found.push((key, value));
            });
            prop_assert_eq!(is_object, Ok(true));
            prop_assert_eq!(found, message.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn takes_what_a_full_parser_takes_and_nothing_else(text in arbitrary::damaged_text()) {
            let full = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
            // That parser is stricter with control characters, and this one leaves UTF-8 to its caller.
            let strict = text.iter().all(|byte| *byte >= b' ') && std::str::from_utf8(&text).is_ok();
            let taken = scan_object(&text, |_| {}).is_ok();
            prop_assert!(taken == full || (!strict && taken), "{:?}", String::from_utf8_lossy(&text));
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _result = scan_object(&text, |_| {});
        }

        #[test]
        fn never_panics_on_what_looks_like_json(text in r#"[\[\]{}:,"\\u0-9eE.+\-truefalsn \n]{0,48}"#) {
            let _result = scan_object(text.as_bytes(), |_| {});
        }
    }
}
