//! Finding the Chromium binaries of this machine.
//!
//! Distributions install `/usr/bin/chromium` as a shell script that starts the real binary: it reads files outside the
//! browser's home and adds flags of its own, so the real binary is preferred wherever it is known to live.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Full Chromium, the best first. Names without a slash are looked up in `PATH`.
const FULL: &[&str] = &[
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// The headless shell, the best first.
const HEADLESS_SHELL: &[&str] = &[
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/lib64/chromium-browser/headless_shell",
    "chromium-headless-shell",
    "chrome-headless-shell",
    "headless_shell",
];

/// The browsers found on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executables {
    /// Full Chromium.
    pub full: Option<PathBuf>,
    /// The headless shell.
    pub headless_shell: Option<PathBuf>,
}

impl Executables {
    /// Finds each build: the configured path if there is one, else the first of the usual places.
    ///
    /// A configured path is taken at its word: if nothing can be run there the launch says so, rather than another
    /// browser being picked in silence.
    pub fn find(full: Option<&Path>, headless_shell: Option<&Path>) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self {
            full: full.map(Path::to_owned).or_else(|| first_runnable(FULL, &path)),
            headless_shell: headless_shell
                .map(Path::to_owned)
                .or_else(|| first_runnable(HEADLESS_SHELL, &path)),
        }
    }
}

fn first_runnable(candidates: &[&str], path: &OsStr) -> Option<PathBuf> {
    candidates.iter().find_map(|candidate| {
        if candidate.contains('/') {
            return Some(PathBuf::from(candidate)).filter(|file| is_runnable(file));
        }
        env::split_paths(path).map(|dir| dir.join(candidate)).find(|file| is_runnable(file))
    })
}

fn is_runnable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_configured_path_wins_and_is_not_second_guessed() {
        let found =
            Executables::find(Some(Path::new("/nowhere/chromium")), Some(Path::new("/nowhere/shell")));
        assert_eq!(found.full.as_deref(), Some(Path::new("/nowhere/chromium")));
        assert_eq!(found.headless_shell.as_deref(), Some(Path::new("/nowhere/shell")));
    }

    #[test]
    fn what_cannot_be_run_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, runnable) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&plain, "").unwrap();
        fs::write(&runnable, "").unwrap();
        fs::set_permissions(&runnable, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("zero")).unwrap();
        let found = first_runnable(&["zero", "one", "two"], dir.path().as_os_str());
        assert_eq!(found, Some(runnable));
    }
}
