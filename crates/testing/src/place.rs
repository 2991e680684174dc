//! A data dir of the program's own, for as long as a test needs it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::Result;
use tempfile::TempDir;
use tokio::process::Command;

use crate::program::{binary, wait_until};

/// A directory that holds a data dir, and whatever a test puts beside it. It is removed when dropped.
#[derive(Debug)]
pub struct Place(TempDir);

impl Place {
    /// Makes an empty one.
    pub fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("roadstead-test-").tempdir()?;
        // As root the browser runs as another user, who must be able to walk here.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711))?;
        Ok(Self(dir))
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the data dir, which the program makes.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Returns where running sessions' files are.
    pub fn work(&self) -> PathBuf {
        self.data().join("work")
    }

    /// Runs a command of the program on the data dir, beside a server or without one, with failpoints armed. Returns how it
    /// ended, and what it printed.
    pub async fn command(&self, arguments: &[&str], failpoints: &str) -> Result<(ExitStatus, String)> {
        let mut command = Command::new(binary()?);
        let command = command.args(arguments).arg("--data-dir").arg(self.data());
        let output = command.env("ROADSTEAD_FAILPOINTS", failpoints).output().await?;
        let printed = [output.stdout, output.stderr].concat();
        Ok((output.status, String::from_utf8_lossy(&printed).into_owned()))
    }

    /// Waits until no session's files are left: they go once its end is published.
    pub async fn require_no_files(&self) -> Result<()> {
        let work = self.work();
        wait_until("no session's files are left", || {
            std::fs::read_dir(&work).is_ok_and(|mut entries| entries.next().is_none())
        })
        .await
    }

    /// Keeps the directory for whoever wants to look, and returns it.
    pub fn keep(self) -> PathBuf {
        self.0.keep()
    }
}
