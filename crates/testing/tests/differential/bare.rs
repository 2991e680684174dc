//! The browser without us: the same binary with the same switches as a server's, but for a debugging port and a
//! user data dir of its own.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use roadstead_testing::program::wait_until;
use rustix::process::Pid;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Whom Chromium's sandbox works as, where the test is root.
const NOBODY: u32 = 65534;

/// Which of the two builds a browser is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    HeadlessShell,
    Full,
}

impl Build {
    fn of(executable: &Path) -> Self {
        let name = executable.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with("shell") { Self::HeadlessShell } else { Self::Full }
    }
}

/// A running browser with a debugging port. Dropping it kills it.
#[derive(Debug)]
pub struct Bare {
    child: Child,
    address: String,
    build: Build,
    _dir: TempDir,
}

impl Bare {
    /// Starts one that is like the process `model`.
    pub async fn like(model: Pid) -> Result<Self> {
        let model = PathBuf::from(format!("/proc/{}", model.as_raw_nonzero()));
        let dir = tempfile::Builder::new().prefix("roadstead-bare-").tempdir()?;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711))?;
        let (profile, home) = (dir.path().join("profile"), dir.path().join("home"));
        let executable = std::fs::read_link(model.join("exe"))?;
        let line = std::fs::read_to_string(model.join("cmdline"))?;
        let mut command = command(&executable, arguments(&line, &profile), &home);
        let is_root = rustix::process::geteuid().is_root();
        for directory in [&profile, &home] {
            std::fs::create_dir(directory)?;
            if is_root {
                chown(directory, Some(NOBODY), Some(NOBODY))?;
            }
        }
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn()?;
        let port = profile.join("DevToolsActivePort");
        wait_until("the bare browser listens", || read_port(&port).is_some()).await?;
        let (port, path) = read_port(&port).context("it has just been there")?;
        let (address, build) = (format!("127.0.0.1:{port}{path}"), Build::of(&executable));
        Ok(Self { child, address, build, _dir: dir })
    }

    /// Returns which build it is.
    pub fn build(&self) -> Build {
        self.build
    }

    /// Returns the URL of its browser's WebSocket.
    pub fn websocket(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Asks for `/json/protocol`.
    pub async fn protocol(&self) -> Result<serde_json::Value> {
        let host = self.address.split('/').next().unwrap_or_default();
        Ok(reqwest::get(format!("http://{host}/json/protocol")).await?.json().await?)
    }

    /// Ends it.
    pub async fn end(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

fn command(executable: &Path, arguments: Vec<String>, home: &Path) -> Command {
    let mut command = Command::new(executable);
    command.args(arguments);
    command.current_dir(home).env_clear().env("HOME", home).env("TMPDIR", home).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// Chromium writes its command line anew, with spaces between the arguments. Each but the last begins with two dashes.
fn arguments(line: &str, profile: &Path) -> Vec<String> {
    let line = line.trim_end_matches('\0').replace('\0', " ");
    let mut arguments: Vec<String> = line.split(" --").skip(1).map(|rest| format!("--{rest}")).collect();
    for argument in &mut arguments {
        if argument == "--remote-debugging-pipe" {
            "--remote-debugging-port=0".clone_into(argument);
        } else if argument.starts_with("--user-data-dir=") {
            *argument = format!("--user-data-dir={}", profile.display());
        }
    }
    if let Some(last) = arguments.pop() {
        arguments.extend(last.split(' ').map(str::to_owned));
    }
    arguments
}

fn read_port(file: &Path) -> Option<(String, String)> {
    let text = std::fs::read_to_string(file).ok()?;
    let (port, path) = text.split_once('\n')?;
    (!path.is_empty()).then(|| (port.to_owned(), path.trim().to_owned()))
}
