//! Programs that stay when the demo ends: started in a process group of their own, recorded, and stopped by the next run.
//!
//! A record names a process by its id and its start time, so a number that came round again is never signalled.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use roadstead_browser::process_start_time;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a program may take to say that it is ready.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may take to save its sessions and end.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// A program to be started in the background.
pub struct Background {
    name: &'static str,
    dir: PathBuf,
    command: Command,
}

/// A program that runs in the background, as it is recorded.
#[derive(Debug, Deserialize, Serialize)]
pub struct Running {
    pub pid: u32,
    pub url: String,
    start_time: u64,
}

impl Background {
    /// Prepares the program called `name` in `binaries`; its output and its record go to `dir`.
    pub fn new(name: &'static str, binaries: &Path, dir: &Path) -> Self {
        Self { name, dir: dir.to_owned(), command: Command::new(binaries.join(name)) }
    }

    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(argument);
        self
    }

    pub fn args<const N: usize>(&mut self, arguments: [&str; N]) -> &mut Self {
        self.command.args(arguments);
        self
    }

    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Starts the program and waits for its ready line, which is `greeting` and its URL.
    pub async fn start(mut self, greeting: &str) -> Result<Running> {
        let output = self.dir.join(format!("{}.out", self.name));
        self.command
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(File::create(log_of(self.name, &self.dir))?)
            .process_group(0);
        let mut child = self.command.spawn().with_context(|| {
            format!("failed to start {}: run it by `make demo`, which builds it", self.name)
        })?;
        let pid = child.id().context("a new process has an id")?;
        let url = ready(&mut child, &output, greeting)
            .await
            .with_context(|| format!("{} did not start", self.name))?;
        let start_time = process_start_time(pid).context("a running process has a start time")?;
        let running = Running { pid, url, start_time };
        fs::write(record_of(self.name, &self.dir), serde_json::to_vec(&running)?)?;
        Ok(running)
    }
}

/// Waits until the program has written its ready line to `output`, and returns the URL in it.
async fn ready(child: &mut Child, output: &Path, greeting: &str) -> Result<String> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let text = fs::read_to_string(output)?;
        if let Some((line, _)) = text.split_once('\n') {
            let url = line.strip_prefix(greeting).with_context(|| format!("unexpected output: {line:?}"))?;
            return Ok(url.to_owned());
        }
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}; its log is {}", output.with_extension("log").display());
        }
        if Instant::now() > deadline {
            child.start_kill()?;
            bail!("it was not ready in {START_PATIENCE:?}");
        }
        sleep(PAUSE).await;
    }
}

/// Stops whatever an earlier run recorded in `dir`, the orderly way, and waits until it is gone.
pub async fn stop_recorded(dir: &Path) -> Result<()> {
    for name in ["roadstead", "demo-site"] {
        let record = record_of(name, dir);
        let Ok(text) = fs::read(&record) else { continue };
        if let Ok(running) = serde_json::from_slice::<Running>(&text) {
            running.stop().await.with_context(|| format!("failed to stop {name} of an earlier run"))?;
        }
        fs::remove_file(&record)?;
    }
    Ok(())
}

impl Running {
    async fn stop(&self) -> Result<()> {
        let pid =
            i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("a recorded process has an id")?;
        if !self.is_running() {
            return Ok(());
        }
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + STOP_PATIENCE;
        while self.is_running() {
            if Instant::now() > deadline {
                bail!("process {} does not end", self.pid);
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn is_running(&self) -> bool {
        // A process that ended but was not waited for yet still has its start time, and an empty command line.
        let ended = fs::read(format!("/proc/{}/cmdline", self.pid)).is_ok_and(|line| line.is_empty());
        process_start_time(self.pid) == Some(self.start_time) && !ended
    }
}

/// Returns where a program's log goes.
pub fn log_of(name: &str, dir: &Path) -> PathBuf {
    dir.join(format!("{name}.log"))
}

fn record_of(name: &str, dir: &Path) -> PathBuf {
    dir.join(format!("{name}.json"))
}
