//! The claim on a user data dir: a link `SingletonLock` to `<host>-<pid>`, as full Chromium makes it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The claim. Dropped, it is given up; killed, it stays.
pub struct Singleton(PathBuf);

impl Singleton {
    /// Claims a dir. `None` if another process has: unlike Chromium we never take over, so that a test finds the claims
    /// that should have been removed.
    pub fn claim(dir: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(dir)?;
        let lock = dir.join("SingletonLock");
        match symlink(format!("fake-{}", std::process::id()), &lock) {
            Ok(()) => Ok(Some(Self(lock))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Singleton {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
