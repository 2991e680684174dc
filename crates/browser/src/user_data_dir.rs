//! Making a user data dir ready for the next browser: no lock of a dead one, no pages of an earlier life.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

/// Names of the links by which a running Chromium claims its user data dir.
const SINGLETON: &[&str] = &["SingletonLock", "SingletonSocket", "SingletonCookie"];

/// Makes a user data dir ready: makes it if it does not exist, removes the locks of a browser that is no more, and writes
/// the preferences that each start needs.
///
/// `open_pdf_externally` decides whether a PDF is downloaded instead of shown.
///
/// # Errors
/// `AddrInUse` if a browser that is alive on this machine holds the dir.
pub fn prepare_user_data_dir(dir: &Path, open_pdf_externally: bool) -> io::Result<()> {
    fs::create_dir_all(dir.join("Default"))?;
    release(dir)?;
    let preferences = dir.join("Default/Preferences");
    let before = read_preferences(&preferences)?;
    let mut after = before.clone();
    set_preferences(&mut after, open_pdf_externally);
    if after != before {
        write_atomically(&preferences, &serde_json::to_vec(&after).expect("a JSON object serialises"))?;
    }
    Ok(())
}

/// Removes the `Singleton*` links unless their owner lives. `SingletonLock` points at `<host>-<pid>`.
fn release(dir: &Path) -> io::Result<()> {
    if let Ok(owner) = fs::read_link(dir.join("SingletonLock"))
        && is_alive(owner.as_os_str(), dir)
    {
        let message = format!("{} is in use by {}", dir.display(), owner.display());
        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    }
    for name in SINGLETON {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Tells whether the owner of a lock is a process of this machine that was started on this very dir. Another program may
/// have its number by now; and a profile brought from another host names a process that says nothing here.
fn is_alive(owner: &OsStr, dir: &Path) -> bool {
    let Some((_host, pid)) = owner.to_str().and_then(|owner| owner.rsplit_once('-')) else {
        return false;
    };
    let Ok(pid) = pid.parse::<u32>() else {
        return false;
    };
    let Ok(command_line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let wanted = [b"--user-data-dir=", dir.as_os_str().as_encoded_bytes()].concat();
    command_line.split(|byte| *byte == 0).any(|argument| argument == wanted)
}

fn read_preferences(path: &Path) -> io::Result<Map<String, Value>> {
    match fs::read(path) {
        // Chromium itself starts over when it cannot read its preferences.
        Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(error),
    }
}

fn set_preferences(preferences: &mut Map<String, Value>, open_pdf_externally: bool) {
    set(preferences, "plugins", "always_open_pdf_externally", json!(open_pdf_externally));
    // Otherwise a browser that was killed greets its successor with an offer to restore its pages.
    set(preferences, "profile", "exit_type", json!("Normal"));
    set(preferences, "profile", "exited_cleanly", json!(true));
}

fn set(preferences: &mut Map<String, Value>, section: &str, key: &str, value: Value) {
    let section = preferences.entry(section).or_insert_with(|| json!({}));
    if !section.is_object() {
        *section = json!({});
    }
    section.as_object_mut().expect("just made one").insert(key.to_owned(), value);
}

/// Replaces a file by a complete one, or not at all.
fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("roadstead.tmp");
    let mut file = fs::File::create(&draft)?;
    file.write_all(contents)?;
    drop(file);
    fs::rename(&draft, path)
}
