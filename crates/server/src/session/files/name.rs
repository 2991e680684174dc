//! What a file may be called: one part of a path, whatever somebody else wanted it to be.

use std::fmt;

/// The longest name, in bytes. File systems take 255; what others put around a name (`.crdownload`, `(1)`) fits too.
const MAX_BYTES: usize = 200;
/// The longest extension that is kept when a name is cut, in bytes, with its dot.
const MAX_EXTENSION_BYTES: usize = 16;
/// What a file without any name of its own is called.
const NAMELESS: &str = "file";

/// One part of a path: never empty, never `.` or `..`, without separators and control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Makes a name of what somebody called a file. Of a path, theirs or another system's, the last part counts.
    pub fn of(wanted: &str) -> Self {
        let last = wanted.rsplit(['/', '\\']).next().unwrap_or_default();
        let clean: String = last.chars().filter(|c| !c.is_control() && !turns_text(*c)).collect();
        // Spaces and dots at the end vanish on other systems, and two names become one.
        let clean = clean.trim().trim_end_matches(['.', ' ']);
        Self(if clean.is_empty() { NAMELESS.to_owned() } else { cut(clean) })
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what is behind its last dot, in lower case; empty when there is none.
    pub fn extension(&self) -> String {
        match self.0.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => extension.to_ascii_lowercase(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells whether a character changes the direction of what is around it: with one, `exe.txt` may be shown for `txt.exe`.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shortens a name to what a file system takes, and keeps its extension.
fn cut(name: &str) -> String {
    if name.len() <= MAX_BYTES {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= MAX_EXTENSION_BYTES { extension } else { "" };
    let stem = &name[..name.floor_char_boundary(MAX_BYTES - extension.len())];
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_one_part_of_a_path() {
        for (wanted, name) in [
            ("report.pdf", "report.pdf"),
            ("../../x", "x"),
            ("..\\..\\x", "x"),
            ("/etc/passwd", "passwd"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("a/", "file"),
            ("...", "file"),
            (" a b ", "a b"),
            ("a\0b\nc", "abc"),
            ("\u{202e}fdp.exe", "fdp.exe"),
            ("C:\\temp\\a.txt", "a.txt"),
            (".hidden", ".hidden"),
            ("a.txt. .", "a.txt"),
            ("Grüße, 你好.txt", "Grüße, 你好.txt"),
        ] {
            assert_eq!(FileName::of(wanted).as_str(), name, "{wanted:?}");
        }
        let long = FileName::of(&format!("{}.tar.gz", "ü".repeat(300)));
        assert!(long.as_str().len() <= MAX_BYTES && long.as_str().ends_with("ü.gz"), "{long}");
        assert_eq!(
            (FileName::of("a.PDF").extension(), FileName::of(".x").extension()),
            ("pdf".into(), String::new())
        );
    }

    proptest! {
        #[test]
        fn whatever_it_was_it_stays_where_it_is_put(wanted in any::<String>()) {
            let name = FileName::of(&wanted);
            let path = std::path::Path::new("/room").join(name.as_str());
            prop_assert_eq!(path.parent(), Some(std::path::Path::new("/room")));
            prop_assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(name.as_str()));
            prop_assert!(name.as_str().len() <= MAX_BYTES && !name.as_str().contains(char::is_control));
        }
    }
}
