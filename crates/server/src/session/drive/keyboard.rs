//! The keyboard: typing a text, and keys that are held together.
//!
//! What a US keyboard has is typed with its keys, so that a page sees `keydown` and `keyup`. Everything else comes as a whole
//! character, as an input method would bring it: a page sees `beforeinput` and `input`.

use std::time::Duration;

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation as _;

use super::keys::{self, Key, SHIFT};
use super::pointer::Pointer;
use super::tab::Tab;
use super::{Act, CALL_TIMEOUT, failed, pause};
use crate::error::{Error, Result};

/// The longest text that is typed, in characters. A keystroke takes one to two milliseconds.
const MAX_CHARACTERS: usize = 20_000;
/// The longest time that a typed text may take in delays.
const MAX_TYPING: Duration = Duration::from_mins(5);
/// How many keys are held at once at most: two hands have ten fingers.
const MAX_KEYS: usize = 10;
/// The longest time that keys are held.
const MAX_HOLD: Duration = Duration::from_mins(1);

/// How long a page that has not answered may take to take the release of a key.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(200);

/// A text, in keystrokes.
#[derive(Debug)]
pub struct Type {
    strokes: Vec<Stroke>,
    delay: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Stroke {
    /// A key, and the modifiers that are held for it.
    Key(Box<Key>, u8),
    /// What no key types.
    Insert(String),
}

/// Keys that are held together.
#[derive(Debug)]
pub struct Shortcut {
    keys: Vec<Key>,
    hold: Duration,
}

impl Type {
    /// Plans the keystrokes of a text, `delay` apart. Errors: it would take too long.
    pub fn plan(text: &str, delay: Duration) -> Result<Self> {
        let characters: Vec<_> = text.graphemes(true).collect();
        if characters.len() > MAX_CHARACTERS {
            return Err(Error::invalid(
                "text",
                format!(
                    "at most {MAX_CHARACTERS} characters are typed, and it has {}; paste it",
                    characters.len()
                ),
            ));
        }
        let pauses = u32::try_from(characters.len().saturating_sub(1)).unwrap_or(u32::MAX);
        if delay.saturating_mul(pauses) > MAX_TYPING {
            return Err(Error::invalid(
                "delay",
                format!("a text is typed within {} s, and this would take longer", MAX_TYPING.as_secs()),
            ));
        }
        let mut strokes = Vec::new();
        for character in characters {
            match (stroke(character), strokes.last_mut()) {
                // With no pause between them they may as well come at once.
                (Stroke::Insert(more), Some(Stroke::Insert(before))) if delay.is_zero() => {
                    before.push_str(&more);
                }
                (stroke, _) => strokes.push(stroke),
            }
        }
        Ok(Self { strokes, delay })
    }
}

fn stroke(character: &str) -> Stroke {
    let mut codes = character.chars();
    let key = match (codes.next(), codes.next(), character) {
        (Some(code), None, _) => keys::typing(code),
        (_, _, "\r\n") => keys::typing('\n'),
        _ => None,
    };
    match key {
        Some((key, shift)) => Stroke::Key(Box::new(key), if shift { SHIFT } else { 0 }),
        None => Stroke::Insert(character.to_owned()),
    }
}

impl Shortcut {
    /// Plans to press keys by their names, and to hold them. Errors: a name that is no key's; too many, or for too long.
    pub fn plan(names: &[String], hold: Duration) -> Result<Self> {
        if names.is_empty() || names.len() > MAX_KEYS {
            return Err(Error::invalid("keys", format!("must be 1 to {MAX_KEYS} names of keys")));
        }
        if hold > MAX_HOLD {
            return Err(Error::invalid("holdTime", format!("must be from 0 to {}", MAX_HOLD.as_millis())));
        }
        let mut keys: Vec<Key> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let field = format!("keys[{index}]");
            let key = keys::named(name).ok_or_else(|| {
                Error::invalid(
                    &field,
                    format!("there is no key {name:?}; there are A, 7, F5, Control, Alt, Shift, Command, Enter, Up and the like"),
                )
            })?;
            if keys.contains(&key) {
                return Err(Error::invalid(&field, format!("{name:?} is held already")));
            }
            keys.push(key);
        }
        Ok(Self { keys, hold })
    }

    /// Presses and releases them.
    pub(super) async fn press(&self, tab: &Tab) -> Result<()> {
        together(tab, &self.keys, self.hold).await
    }

    /// Keys that there are, at once.
    pub(super) fn of(names: &[&str]) -> Self {
        let keys = names.iter().map(|name| keys::named(name).expect("a name from the table"));
        Self { keys: keys.collect(), hold: Duration::ZERO }
    }
}

impl Act for Type {
    type Done = ();

    async fn perform(self, tab: &Tab, _pointer: &mut Pointer) -> Result<()> {
        for (index, stroke) in self.strokes.iter().enumerate() {
            if index > 0 {
                pause(tab.mux(), self.delay).await?;
            }
            match stroke {
                Stroke::Insert(text) => tab.input("Input.insertText", json!({"text": text})).await?,
                Stroke::Key(key, 0) => together(tab, std::slice::from_ref(key), Duration::ZERO).await?,
                Stroke::Key(key, _) => {
                    let shift = keys::named("shift").expect("a name from the table");
                    together(tab, &[shift, Key::clone(key)], Duration::ZERO).await?;
                }
            }
        }
        Ok(())
    }
}

impl Act for Shortcut {
    type Done = ();

    async fn perform(self, tab: &Tab, _pointer: &mut Pointer) -> Result<()> {
        self.press(tab).await
    }
}

/// Presses keys in their order, holds them, and releases them in the reverse order, those too that were not taken in time.
async fn together(tab: &Tab, keys: &[impl AsRef<Key>], hold: Duration) -> Result<()> {
    let mut modifiers = 0;
    let mut pressed = Vec::new();
    let mut outcome = Ok(());
    for key in keys.iter().map(AsRef::as_ref) {
        modifiers |= key.modifier;
        pressed.push(key);
        outcome = tab.input("Input.dispatchKeyEvent", down(key, modifiers)).await;
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = pause(tab.mux(), hold).await;
    }
    for key in pressed.into_iter().rev() {
        modifiers &= !key.modifier;
        // A page that does not answer gets the rest all the same, and is not waited for.
        let limit = if outcome.is_ok() { CALL_TIMEOUT } else { RELEASE_TIMEOUT };
        let released = tab.call("Input.dispatchKeyEvent", event("keyUp", key, modifiers), limit).await;
        outcome = outcome.and(released.map(drop).map_err(failed));
    }
    outcome
}

fn down(key: &Key, modifiers: u8) -> Value {
    let text = key.text_with(modifiers);
    if text.is_empty() {
        return event("rawKeyDown", key, modifiers);
    }
    let mut down = event("keyDown", key, modifiers);
    down["text"] = text.into();
    down["unmodifiedText"] = text.into();
    down
}

fn event(kind: &str, key: &Key, modifiers: u8) -> Value {
    json!({
        "type": kind, "modifiers": modifiers, "key": key.key_with(modifiers), "code": key.code,
        "windowsVirtualKeyCode": key.virtual_code, "location": key.location,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, delay: u64) -> Vec<String> {
        let planned = Type::plan(text, Duration::from_millis(delay)).unwrap();
        let shown = planned.strokes.iter().map(|stroke| match stroke {
            Stroke::Key(key, modifiers) => format!("{}+{modifiers}", key.code),
            Stroke::Insert(text) => text.clone(),
        });
        shown.collect()
    }

    #[test]
    fn keys_type_what_they_can_and_the_rest_comes_in_whole_characters() {
        assert_eq!(shown("aB\r\n", 0), ["KeyA+0", "KeyB+8", "Enter+0"]);
        assert_eq!(shown("你好!", 0), ["你好", "Digit1+8"]);
        assert_eq!(shown("👨‍👩‍👧e\u{301}é", 1), ["👨‍👩‍👧", "e\u{301}", "é"]);
    }

    #[test]
    fn what_takes_too_long_is_refused() {
        assert!(Type::plan(&"a".repeat(MAX_CHARACTERS + 1), Duration::ZERO).is_err());
        assert!(Type::plan(&"a".repeat(301), Duration::from_secs(1)).is_ok());
        assert!(Type::plan(&"a".repeat(302), Duration::from_secs(1)).is_err());
        assert!(Type::plan("a", Duration::MAX).is_ok());
    }

    #[test]
    fn a_shortcut_has_keys_that_there_are_once_each() {
        let plan = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            Shortcut::plan(&names, Duration::ZERO)
                .map(|shortcut| shortcut.keys.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(plan(&["Ctrl", "Shift", "p"]), Ok(3));
        assert_eq!(plan(&["Ctrl", "CONTROL"]), Err("keys[1]: \"CONTROL\" is held already".to_owned()));
        assert!(plan(&["Ctrl", "Hyper"]).unwrap_err().starts_with("keys[1]: there is no key \"Hyper\""));
        assert!(plan(&[]).is_err() && plan(&["a"; 11]).is_err());
    }

    #[test]
    fn modifiers_are_told_with_each_key() {
        let key = keys::named("a").unwrap();
        assert_eq!(down(&key, SHIFT)["text"], "A");
        assert_eq!(down(&key, keys::CONTROL)["type"], "rawKeyDown");
        assert_eq!(down(&key, 0)["key"], "a");
    }
}
