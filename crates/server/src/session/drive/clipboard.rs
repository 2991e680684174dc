//! The clipboard: reading and setting it, and copying and pasting with it.
//!
//! `navigator.clipboard` would need a permission of the page's origin, and has none to give where a page is not secure. But
//! whoever copies or pastes by hand needs no permission anywhere: the page gets an event with the clipboard in it. So the
//! clipboard is read by a paste of ours, and set by a copy of ours, of which our listeners, first in line in the window,
//! leave nothing to the page's own. A page that listens in the same place, and did before us, sees a key that is none.
//!
//! A browser has one clipboard for all its pages. One on an X display shares it with the display.

use serde_json::json;

use super::keyboard::Shortcut;
use super::pointer::Pointer;
use super::tab::{Activation, Tab};
use super::{Act, CALL_TIMEOUT, failed, frames};
use crate::error::{Error, Result};

/// Returns the clipboard's text; empty when it holds none.
#[derive(Clone, Copy, Debug)]
pub struct Read;

/// Sets the clipboard's text.
#[derive(Clone, Debug)]
pub struct Write(pub String);

/// Copies what is selected, and returns it.
#[derive(Clone, Copy, Debug)]
pub struct Copy;

/// Pastes a text where the cursor is.
#[derive(Clone, Debug)]
pub struct Paste(pub String);

impl Act for Read {
    type Done = String;

    async fn perform(self, tab: &Tab, _pointer: &mut Pointer) -> Result<String> {
        let focus = frames::in_focus(tab).await?;
        let text = read(&focus.tab).await;
        focus.leave().await;
        text
    }
}

impl Act for Write {
    type Done = ();

    async fn perform(self, tab: &Tab, _pointer: &mut Pointer) -> Result<()> {
        let script = format!("({SET})({})", json!(self.0));
        let set = tab.run(&script, Activation::User, CALL_TIMEOUT).await.map_err(failed)?;
        if set == true {
            return Ok(());
        }
        Err(Error::Conflict(
            "The selected tab shows something that cannot copy; go to a page first.".to_owned(),
        ))
    }
}

impl Act for Copy {
    type Done = String;

    async fn perform(self, tab: &Tab, _pointer: &mut Pointer) -> Result<String> {
        let focus = frames::in_focus(tab).await?;
        let text = copy(&focus.tab).await;
        focus.leave().await;
        text
    }
}

impl Act for Paste {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        Write(self.0).perform(tab, pointer).await?;
        Shortcut::of(&["Control", "V"]).press(tab).await
    }
}

/// Reads the clipboard in the frame that has the focus.
async fn read(tab: &Tab) -> Result<String> {
    tab.evaluate(AWAIT_PASTE).await?;
    let pasted = async {
        tab.input("Input.dispatchKeyEvent", json!({"type": "rawKeyDown", "commands": ["paste"]})).await?;
        tab.input("Input.dispatchKeyEvent", json!({"type": "keyUp"})).await
    };
    let pasted = pasted.await;
    let text = tab.evaluate(TAKE_PASTE).await;
    pasted?;
    // Chromium tells nobody of a paste when there is nothing to be pasted.
    Ok(text?.as_str().unwrap_or_default().to_owned())
}

/// Copies what is selected in the frame that has the focus.
async fn copy(tab: &Tab) -> Result<String> {
    let selected = tab.evaluate(SELECTED).await?;
    Shortcut::of(&["Control", "C"]).press(tab).await?;
    if tab.evaluate(COPIED_ITS_OWN).await? == true {
        // The page copied something of its own making.
        return read(tab).await;
    }
    Ok(selected.as_str().unwrap_or_default().to_owned())
}

/// Waits for one paste, and keeps it and its key from the page.
const AWAIT_PASTE: &str = "(() => {
    globalThis.pasteWatch?.end();
    const watch = globalThis.pasteWatch = { text: '' };
    const swallow = (event) => event.stopImmediatePropagation();
    const take = (event) => {
        watch.text = event.clipboardData.getData('text/plain');
        event.preventDefault();
        event.stopImmediatePropagation();
    };
    const keys = ['keydown', 'keypress', 'keyup', 'beforepaste'];
    watch.end = () => {
        removeEventListener('paste', take, true);
        for (const kind of keys) removeEventListener(kind, swallow, true);
        globalThis.pasteWatch = undefined;
        return watch.text;
    };
    addEventListener('paste', take, true);
    for (const kind of keys) addEventListener(kind, swallow, true);
})()";
const TAKE_PASTE: &str = "globalThis.pasteWatch?.end()";

/// Copies a text that is not on the page. Returns whether that was possible.
const SET: &str = "(text) => {
    const allow = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };
    const put = (event) => { event.clipboardData.setData('text/plain', text); allow(event); };
    addEventListener('beforecopy', allow, true);
    addEventListener('copy', put, true);
    try { return document.execCommand('copy'); }
    catch { return false; }
    finally {
        removeEventListener('beforecopy', allow, true);
        removeEventListener('copy', put, true);
    }
}";

/// Returns the text that is selected, in a field or in the document. Notes the next copy, which the page may make its own.
const SELECTED: &str = "(() => {
    globalThis.copyWatch?.end();
    const watch = globalThis.copyWatch = {
        event: undefined,
        note(event) { watch.event = event; },
        end() {
            removeEventListener('copy', watch.note, true);
            globalThis.copyWatch = undefined;
            return Boolean(watch.event?.defaultPrevented);
        },
    };
    addEventListener('copy', watch.note, true);
    let root = document;
    while (root.activeElement?.shadowRoot) root = root.activeElement.shadowRoot;
    const active = root.activeElement;
    if (['INPUT', 'TEXTAREA'].includes(active?.tagName?.toUpperCase())) {
        if (active.type === 'password') return '';
        const { selectionStart: start, selectionEnd: end } = active;
        if (start !== null && end > start) return active.value.slice(start, end);
    }
    return String(root.getSelection?.() ?? getSelection());
})()";
const COPIED_ITS_OWN: &str = "Boolean(globalThis.copyWatch?.end())";
