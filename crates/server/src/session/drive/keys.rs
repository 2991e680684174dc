//! The keys of a US keyboard: their names, and what a page is told of each.

/// Alt's bit in the protocol's `modifiers`.
pub const ALT: u8 = 1;
/// Control's.
pub const CONTROL: u8 = 2;
/// Meta's: the Windows or Command key.
pub const META: u8 = 4;
/// Shift's.
pub const SHIFT: u8 = 8;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `KeyboardEvent.key` without Shift.
    pub plain: String,
    /// `KeyboardEvent.key` with Shift.
    pub shifted: String,
    /// `KeyboardEvent.code`.
    pub code: String,
    /// `KeyboardEvent.keyCode`, which is Windows' virtual key code.
    pub virtual_code: u32,
    /// What it types; `None` when it is the same as its `key`, the empty text when it types nothing.
    text: Option<&'static str>,
    /// `KeyboardEvent.location`: 1 is the left one of two.
    pub location: u8,
    /// Its bit, if it is a modifier.
    pub modifier: u8,
}

/// A key that types a character, and another with Shift.
const CHARACTERS: [(char, char, &str, u32); 22] = [
    (' ', ' ', "Space", 32),
    ('0', ')', "Digit0", 48),
    ('1', '!', "Digit1", 49),
    ('2', '@', "Digit2", 50),
    ('3', '#', "Digit3", 51),
    ('4', '$', "Digit4", 52),
    ('5', '%', "Digit5", 53),
    ('6', '^', "Digit6", 54),
    ('7', '&', "Digit7", 55),
    ('8', '*', "Digit8", 56),
    ('9', '(', "Digit9", 57),
    (';', ':', "Semicolon", 186),
    ('=', '+', "Equal", 187),
    (',', '<', "Comma", 188),
    ('-', '_', "Minus", 189),
    ('.', '>', "Period", 190),
    ('/', '?', "Slash", 191),
    ('`', '~', "Backquote", 192),
    ('[', '{', "BracketLeft", 219),
    ('\\', '|', "Backslash", 220),
    (']', '}', "BracketRight", 221),
    ('\'', '"', "Quote", 222),
];

/// Names, without regard to case; `key`, `code`, virtual code, text, location, modifier.
type Named = (&'static [&'static str], &'static str, &'static str, u32, &'static str, u8, u8);

/// Keys that type nothing, or not what they are called.
const NAMED: [Named; 24] = [
    (&["control", "ctrl"], "Control", "ControlLeft", 17, "", 1, CONTROL),
    (&["alt", "option"], "Alt", "AltLeft", 18, "", 1, ALT),
    (&["shift"], "Shift", "ShiftLeft", 16, "", 1, SHIFT),
    (&["command", "cmd", "windows", "win", "meta", "super"], "Meta", "MetaLeft", 91, "", 1, META),
    (&["enter", "return"], "Enter", "Enter", 13, "\r", 0, 0),
    (&["escape", "esc"], "Escape", "Escape", 27, "", 0, 0),
    (&["insert", "ins"], "Insert", "Insert", 45, "", 0, 0),
    (&["delete", "del"], "Delete", "Delete", 46, "", 0, 0),
    (&["backspace"], "Backspace", "Backspace", 8, "", 0, 0),
    (&["tab"], "Tab", "Tab", 9, "", 0, 0),
    (&["up", "arrowup"], "ArrowUp", "ArrowUp", 38, "", 0, 0),
    (&["down", "arrowdown"], "ArrowDown", "ArrowDown", 40, "", 0, 0),
    (&["left", "arrowleft"], "ArrowLeft", "ArrowLeft", 37, "", 0, 0),
    (&["right", "arrowright"], "ArrowRight", "ArrowRight", 39, "", 0, 0),
    (&["pageup"], "PageUp", "PageUp", 33, "", 0, 0),
    (&["pagedown"], "PageDown", "PageDown", 34, "", 0, 0),
    (&["home"], "Home", "Home", 36, "", 0, 0),
    (&["end"], "End", "End", 35, "", 0, 0),
    (&["capslock"], "CapsLock", "CapsLock", 20, "", 0, 0),
    (&["numlock"], "NumLock", "NumLock", 144, "", 0, 0),
    (&["scrolllock"], "ScrollLock", "ScrollLock", 145, "", 0, 0),
    (&["printscreen"], "PrintScreen", "PrintScreen", 44, "", 0, 0),
    (&["pause"], "Pause", "Pause", 19, "", 0, 0),
    (&["contextmenu", "menu"], "ContextMenu", "ContextMenu", 93, "", 0, 0),
];

/// Finds the key that types a character, and whether Shift is held for it.
pub fn typing(character: char) -> Option<(Key, bool)> {
    if character.is_ascii_alphabetic() {
        return Some((letter(character), character.is_ascii_uppercase()));
    }
    match character {
        '\n' | '\r' => return Some((named("enter")?, false)),
        '\t' => return Some((named("tab")?, false)),
        _ => {}
    }
    let (plain, shifted, code, virtual_code) =
        *CHARACTERS.iter().find(|(plain, shifted, ..)| [*plain, *shifted].contains(&character))?;
    Some((character_key(plain, shifted, code, virtual_code), character != plain))
}

/// Finds a key by its name: a letter, a digit, a character of the keyboard, `F1` to `F12`, or one of the names that the
/// API's documentation lists. Case is not minded.
pub fn named(name: &str) -> Option<Key> {
    let mut characters = name.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return typing(character).map(|(key, _)| key);
    }
    let lower = name.to_ascii_lowercase();
    if lower == "space" {
        return typing(' ').map(|(key, _)| key);
    }
    if let Some(number) = lower.strip_prefix('f').and_then(|number| number.parse::<u32>().ok())
        && (1..=12).contains(&number)
        && lower == format!("f{number}")
    {
        let name = format!("F{number}");
        return Some(Key {
            plain: name.clone(),
            shifted: name.clone(),
            code: name,
            virtual_code: 111 + number,
            text: Some(""),
            location: 0,
            modifier: 0,
        });
    }
    let (_, key, code, virtual_code, text, location, modifier) =
        *NAMED.iter().find(|(names, ..)| names.contains(&lower.as_str()))?;
    Some(Key {
        plain: key.to_owned(),
        shifted: key.to_owned(),
        code: code.to_owned(),
        virtual_code,
        text: Some(text),
        location,
        modifier,
    })
}

fn letter(character: char) -> Key {
    let upper = character.to_ascii_uppercase();
    character_key(character.to_ascii_lowercase(), upper, &format!("Key{upper}"), u32::from(upper))
}

fn character_key(plain: char, shifted: char, code: &str, virtual_code: u32) -> Key {
    Key {
        plain: plain.to_string(),
        shifted: shifted.to_string(),
        code: code.to_owned(),
        virtual_code,
        text: None,
        location: 0,
        modifier: 0,
    }
}

impl AsRef<Self> for Key {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Key {
    /// Returns `KeyboardEvent.key` while `modifiers` are held.
    pub fn key_with(&self, modifiers: u8) -> &str {
        if modifiers & SHIFT == 0 { &self.plain } else { &self.shifted }
    }

    /// Returns what it types while `modifiers` are held. With Control, Alt or Meta it types nothing.
    pub fn text_with(&self, modifiers: u8) -> &str {
        match self.text {
            _ if modifiers & !SHIFT != 0 => "",
            Some(text) => text,
            None => self.key_with(modifiers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_of_ascii_has_a_key_that_types_it() {
        for character in ' '..='~' {
            let (key, shift) = typing(character).unwrap();
            assert_eq!(key.text_with(if shift { SHIFT } else { 0 }), character.to_string());
        }
        assert!(typing('é').is_none() && typing('你').is_none() && typing('\u{1}').is_none());
    }

    #[test]
    fn every_documented_name_is_a_key() {
        for name in [
            "Control",
            "Ctrl",
            "Alt",
            "Shift",
            "Command",
            "Cmd",
            "Windows",
            "Win",
            "Enter",
            "Return",
            "Escape",
            "Esc",
            "Insert",
            "Ins",
            "Up",
            "Down",
            "Left",
            "Right",
            "PageUp",
            "PageDown",
            "Home",
            "End",
            "Tab",
            "Space",
            "Backspace",
            "Delete",
            "CapsLock",
            "NumLock",
        ] {
            assert!(named(name).is_some(), "{name}");
            assert_eq!(named(name), named(&name.to_uppercase()), "{name}");
        }
        for number in 1..=12 {
            assert_eq!(named(&format!("F{number}")).unwrap().virtual_code, 111 + number);
        }
        for character in ('A'..='Z').chain('0'..='9') {
            assert!(named(&character.to_string()).is_some(), "{character}");
        }
        for wrong in ["", "F0", "F13", "F01", "Hyper", "Ctrl+A", "é"] {
            assert!(named(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn modifiers_change_what_a_key_types() {
        let key = named("A").unwrap();
        assert_eq!((key.key_with(0), key.text_with(0)), ("a", "a"));
        assert_eq!((key.key_with(SHIFT), key.text_with(SHIFT)), ("A", "A"));
        assert_eq!((key.key_with(CONTROL), key.text_with(CONTROL)), ("a", ""));
        let enter = named("return").unwrap();
        assert_eq!((enter.key_with(SHIFT), enter.text_with(SHIFT)), ("Enter", "\r"));
        assert_eq!(named("tab").unwrap().text_with(0), "");
    }
}
