//! Who may work on a local repository at the same time, between processes: a command line beside the server.
//!
//! The lock is flock(2)'s on the repository's directory, so it needs no file of its own, and ends with its process however that
//! ends. A repository that does not exist has no lock: whoever makes it makes the directory first.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
};

use crate::locks::Share;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    #[cfg_attr(not(test), expect(dead_code, reason = "held for its drop"))]
    directory: OwnedFd,
}

impl ProcessLock {
    /// Waits for the lock. `None` for a repository that does not exist.
    pub(crate) fn take(directory: &Path, share: Share) -> io::Result<Option<Self>> {
        let operation = match share {
            Share::Together => FlockOperation::LockShared,
            Share::Alone => FlockOperation::LockExclusive,
        };
        loop {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = match rustix::fs::open(directory, flags, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(None),
                opened => opened?,
            };
            match rustix::fs::flock(&opened, operation) {
                Err(Errno::INTR) => continue,
                locked => locked?,
            }
            // Whoever had it may have deleted the repository, and another may have made it again.
            let locked = rustix::fs::fstat(&opened)?;
            match std::fs::metadata(directory) {
                Ok(found) if (found.dev(), found.ino()) == (locked.st_dev, locked.st_ino) => {
                    return Ok(Some(Self { directory: opened }));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Child, Command},
        sync::mpsc,
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    /// util-linux's flock holds the lock as another process would.
    fn other_process(directory: &Path, how: &str) -> Child {
        let child = Command::new("flock")
            .args([how, "--no-fork"])
            .arg(directory)
            .args(["sh", "-c", "touch locked; exec sleep 600"])
            .current_dir(directory)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !directory.join("locked").exists() {
            assert!(Instant::now() < deadline, "flock did not lock");
            thread::yield_now();
        }
        child
    }

    #[test]
    fn another_process_is_waited_for_and_its_death_ends_the_wait() {
        let directory = tempfile::tempdir().unwrap();
        let mut other = other_process(directory.path(), "--shared");
        assert!(ProcessLock::take(directory.path(), Share::Together).unwrap().is_some());
        let (sender, taken) = mpsc::channel();
        let path = directory.path().to_owned();
        let waiting = thread::spawn(move || {
            let lock = ProcessLock::take(&path, Share::Alone).unwrap();
            sender.send(lock.is_some()).unwrap();
        });
        assert!(taken.recv_timeout(Duration::from_millis(50)).is_err(), "it did not wait");
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(taken.recv_timeout(Duration::from_secs(30)).unwrap());
        waiting.join().unwrap();
    }

    #[test]
    fn a_repository_that_does_not_exist_has_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("repository");
        for share in [Share::Together, Share::Alone] {
            assert!(ProcessLock::take(&missing, share).unwrap().is_none());
            assert!(!missing.exists());
        }
    }

    #[test]
    fn a_directory_that_was_made_again_is_locked_and_not_its_predecessor() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("repository");
        std::fs::create_dir(&path).unwrap();
        let old = ProcessLock::take(&path, Share::Alone).unwrap();
        let waiting = {
            let path = path.clone();
            thread::spawn(move || ProcessLock::take(&path, Share::Alone).unwrap())
        };
        std::fs::remove_dir(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        drop(old);
        let new = waiting.join().unwrap().unwrap();
        let locked = rustix::fs::fstat(&new.directory).unwrap();
        assert_eq!(locked.st_ino, std::fs::metadata(&path).unwrap().ino());
    }
}
