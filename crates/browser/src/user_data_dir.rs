//! Making a user data dir ready for the next browser: no lock of a dead one, no pages of an earlier life.
//!
//! Measured with Chromium 156: both builds open exactly one about:blank page, after `Browser.close`, after SIGKILL and
//! after their pipe closed alike, with one exception: full Chromium reopens the tabs of its last life when the profile's
//! own `session.restore_on_startup` is 1. The headless shell has neither sessions nor `Singleton*` links nor preferences.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde_json::{Map, Value, json};

/// Names of the links by which a running Chromium claims its user data dir.
const SINGLETON: &[&str] = &["SingletonLock", "SingletonSocket", "SingletonCookie"];

/// The value of `session.restore_on_startup` that brings no page back. The URL of the command line is opened instead.
const OPEN_NEW_TAB_PAGE: u8 = 5;

/// Whether `chrome://policy/test` exists, where a client could set policies: they come before the command line, the proxy
/// among them. Debian's full Chromium has the page (156).
const TEST_PAGE: &str = "policy_test_page_enabled";
/// The policies that were set there, for the next start.
const TEST_POLICIES: &str = "local_test_policies_for_next_startup";

/// Opens no symbolic link.
const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Makes a user data dir ready: makes it if it does not exist, removes the locks of a browser that is no more, and writes
/// the preferences that each start needs.
///
/// `open_pdf_externally` decides whether a PDF is downloaded instead of shown.
///
/// # Errors
/// `AddrInUse` if a browser that is alive on this machine holds the dir.
pub fn prepare_user_data_dir(dir: &Path, open_pdf_externally: bool) -> io::Result<()> {
    let profile = dir.join("Default");
    // The last browser's user may have put links here, and we may be root: no link is followed in what was theirs.
    if profile.is_symlink() {
        fs::remove_file(&profile)?;
    }
    fs::create_dir_all(&profile)?;
    release(dir)?;
    let preferences = profile.join("Preferences");
    let before = read_preferences(&preferences)?;
    let mut after = before.clone();
    set_preferences(&mut after, open_pdf_externally);
    if after != before {
        write_preferences(&preferences, &after)?;
    }
    let local_state = dir.join("Local State");
    let mut state = read_preferences(&local_state)?;
    if state.remove(TEST_POLICIES).is_some() {
        write_preferences(&local_state, &state)?;
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
    match OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path) {
        // Chromium itself starts over when it cannot read its preferences.
        Ok(file) => Ok(serde_json::from_reader(BufReader::new(file)).unwrap_or_default()),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Ok(Map::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(error),
    }
}

fn write_preferences(path: &Path, preferences: &Map<String, Value>) -> io::Result<()> {
    write_atomically(path, &serde_json::to_vec(preferences).expect("a JSON object serialises"))
}

fn set_preferences(preferences: &mut Map<String, Value>, open_pdf_externally: bool) {
    preferences.insert(TEST_PAGE.to_owned(), json!(false));
    set(preferences, "plugins", "always_open_pdf_externally", json!(open_pdf_externally));
    // Otherwise a browser that was killed greets its successor with an offer to restore its pages.
    set(preferences, "profile", "exit_type", json!("Normal"));
    set(preferences, "profile", "exited_cleanly", json!(true));
    set(preferences, "session", "restore_on_startup", json!(OPEN_NEW_TAB_PAGE));
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
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(contents)?;
    drop(file);
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn preferences_of(dir: &Path) -> Value {
        serde_json::from_slice(&fs::read(dir.join("Default/Preferences")).unwrap()).unwrap()
    }

    #[test]
    fn a_fresh_dir_is_made_and_gets_its_preferences() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("made/of/need");
        prepare_user_data_dir(&dir, true).unwrap();
        let found = preferences_of(&dir);
        assert_eq!(found["plugins"]["always_open_pdf_externally"], true);
        assert_eq!(found["profile"]["exit_type"], "Normal");
        prepare_user_data_dir(&dir, false).unwrap();
        assert_eq!(preferences_of(&dir)["plugins"]["always_open_pdf_externally"], false);
    }

    #[test]
    fn what_else_the_preferences_hold_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("Default")).unwrap();
        let before = json!({
            "profile": {"exit_type": "Crashed", "name": "Ada"},
            "session": {"restore_on_startup": 1, "startup_urls": ["http://x.test/"]},
            "plugins": "broken",
            "intl": {"accept_languages": "de"},
        });
        fs::write(dir.path().join("Default/Preferences"), before.to_string()).unwrap();
        prepare_user_data_dir(dir.path(), true).unwrap();
        let expected = json!({
            "profile": {"exit_type": "Normal", "exited_cleanly": true, "name": "Ada"},
            "session": {"restore_on_startup": 5, "startup_urls": ["http://x.test/"]},
            "plugins": {"always_open_pdf_externally": true},
            "intl": {"accept_languages": "de"},
            "policy_test_page_enabled": false,
        });
        assert_eq!(preferences_of(dir.path()), expected);
        let names = fs::read_dir(dir.path().join("Default")).unwrap();
        assert_eq!(names.count(), 1, "no draft is left");
    }

    #[test]
    fn policies_of_an_earlier_life_go() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("Local State");
        let before =
            json!({"local_test_policies_for_next_startup": "[{\"name\": \"ProxyMode\"}]", "kept": 1});
        fs::write(&state, before.to_string()).unwrap();
        prepare_user_data_dir(dir.path(), true).unwrap();
        let after: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
        assert_eq!(after, json!({"kept": 1}));
    }

    #[test]
    fn unreadable_preferences_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("Default")).unwrap();
        fs::write(dir.path().join("Default/Preferences"), "{\"torn\":").unwrap();
        prepare_user_data_dir(dir.path(), false).unwrap();
        assert_eq!(preferences_of(dir.path())["session"]["restore_on_startup"], 5);
    }

    #[test]
    fn links_of_the_last_browsers_user_lead_nowhere() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("secret");
        fs::write(&secret, "{\"kept\": true}").unwrap();
        let profile = dir.path().join("Default");
        fs::create_dir(&profile).unwrap();
        for name in ["Preferences", "Preferences.roadstead.tmp"] {
            symlink(&secret, profile.join(name)).unwrap();
        }
        prepare_user_data_dir(dir.path(), true).unwrap();
        assert_eq!(preferences_of(dir.path())["kept"], Value::Null, "a link was read");
        fs::remove_dir_all(&profile).unwrap();
        symlink(outside.path(), &profile).unwrap();
        prepare_user_data_dir(dir.path(), true).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "{\"kept\": true}", "a link was written through");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn locks_of_the_dead_go_and_locks_of_others_do_too() {
        let dir = tempfile::tempdir().unwrap();
        // Our own process lives, but is no browser on this dir.
        for owner in ["elsewhere-4194304", "no pid", &format!("here-{}", std::process::id())] {
            for name in SINGLETON {
                symlink(owner, dir.path().join(name)).unwrap();
            }
            prepare_user_data_dir(dir.path(), false).unwrap();
            for name in SINGLETON {
                assert!(
                    dir.path().join(name).symlink_metadata().is_err(),
                    "{name} of {owner} is still there"
                );
            }
        }
    }

    #[test]
    fn the_lock_of_a_living_browser_stays() {
        let dir = tempfile::tempdir().unwrap();
        // The arguments of a shell are visible like those of a browser.
        let claim = format!("--user-data-dir={}", dir.path().display());
        let mut owner = std::process::Command::new("sh")
            .args(["-c", "read line", "sh", &claim])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // A process has no arguments for an instant between `exec` and its first instruction.
        let command_line = format!("/proc/{}/cmdline", owner.id());
        while fs::read(&command_line).unwrap().is_empty() {
            std::thread::yield_now();
        }
        symlink(format!("here-{}", owner.id()), dir.path().join("SingletonLock")).unwrap();
        let error = prepare_user_data_dir(dir.path(), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        assert!(dir.path().join("SingletonLock").symlink_metadata().is_ok());
        drop(owner.stdin.take());
        owner.wait().unwrap();
        prepare_user_data_dir(dir.path(), false).unwrap();
    }
}
