//! An extension of the server's own: windows that pages open become tabs of the window that they are in.
//!
//! Chromium opens a window of its own for `window.open` with features that describe one, and has no switch for that. A script that runs in
//! every frame before the page's own takes those features out, so that a tab is opened; what a page may know of its opener stays as
//! it asked. `window.open` looks native to whoever looks at it.

use std::path::{Path, PathBuf};

use roadstead_browser::UserId;
use serde_json::json;

use super::package::{make_dir, not_installed, write};
use crate::error::Result;
use crate::session::files::FileName;

/// Its directory's name. No uploaded extension has it: theirs are UUIDs.
const DIR: &str = "popups-as-tabs";
/// The base64 of "roadstead popups as tabs".
const KEY: &str = "cm9hZHN0ZWFkIHBvcHVwcyBhcyB0YWJz";
/// What Chromium makes of that key.
pub const CHROMIUM_ID: &str = "nmacdcfbhefmpfokobfebkhajhlciaco";
const SCRIPT: &str = "const asTabs = (open) => new Proxy(open, {
    apply(open, self, given) {
        if (given.length > 2 && given[2] !== undefined && given[2] !== null) {
            const features = `${given[2]}`.split(/[\\s,]+/);
            given[2] = features.filter((feature) => /^no(opener|referrer)(=|$)/i.test(feature)).join(',');
        }
        return Reflect.apply(open, self, given);
    },
});
window.open = asTabs(window.open);
// With three arguments it is the same, and what `open` means in an attribute such as `onclick`.
Document.prototype.open = asTabs(Document.prototype.open);
";

/// Writes it into a session's directory of extensions, and returns where it is. Blocks.
pub fn install(extensions: &Path, user: Option<UserId>) -> Result<PathBuf> {
    let manifest = json!({
        "manifest_version": 3, "name": "Popups as tabs", "version": "1.0", "key": KEY,
        "content_scripts": [{
            "matches": ["<all_urls>"], "js": ["open.js"], "world": "MAIN", "run_at": "document_start",
            "all_frames": true, "match_about_blank": true, "match_origin_as_fallback": true,
        }],
    });
    let dir = extensions.join(DIR);
    make_dir(&dir, user).map_err(not_installed)?;
    let manifest = manifest.to_string();
    for (name, contents) in [("manifest.json", manifest.as_str()), ("open.js", SCRIPT)] {
        write(&dir, &[FileName::of(name)], &mut contents.as_bytes(), user, &mut 0)?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::chromium_id;
    use super::*;

    #[test]
    fn the_id_is_that_of_the_key() {
        assert_eq!(chromium_id(b"roadstead popups as tabs"), CHROMIUM_ID);
    }
}
