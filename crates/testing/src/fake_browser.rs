//! The fake Chromium, ready to be configured as an executable.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// How a fake browser behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    #[default]
    Good,
    /// Ends before it has answered.
    ExitAtOnce,
    /// Never answers.
    Silent,
    /// Answers `Browser.close`, and stays.
    IgnoreClose,
    /// Stays also when it gets SIGINT or SIGTERM.
    IgnoreCloseAndTerm,
}

/// Puts a fake browser into `dir`, where any user can run it, and returns its path.
///
/// It is a script, so that the real program is found by its arguments and not by the environment, which browsers do not
/// get. The script also puts the pipe's fds where a program without unsafe code can have them.
pub fn install(dir: &Path, behaviour: Behaviour) -> Result<PathBuf> {
    let program = dir.join("fake-chromium-program");
    std::fs::copy(built()?, &program)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let (trap, vice) = match behaviour {
        Behaviour::Good => ("", ""),
        Behaviour::ExitAtOnce => ("", "--exit-at-once"),
        Behaviour::Silent => ("", "--silent"),
        Behaviour::IgnoreClose => ("", "--ignore-close"),
        Behaviour::IgnoreCloseAndTerm => ("trap '' INT TERM", "--ignore-close"),
    };
    let script = format!("#!/bin/sh\n{trap}\nexec {} {vice} \"$@\" <&3 >&4 3<&- 4>&-\n", program.display());
    let path = dir.join("fake-chromium");
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Finds the built program beside the running test.
fn built() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let found = test.ancestors().map(|dir| dir.join("fake-chromium")).find(|path| path.is_file());
    found.context("fake-chromium is not built: run `cargo build -p roadstead-testing --bins`")
}
