//! The real program, as a child process, and its API as a client sees it. For tests of what only a process can show:
//! signals, kills, restarts, standard output, memory.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The key that every program under test is started with.
pub const API_KEY: &str = "sk-0123456789abcdef0123456789abcdef";
/// How long a program may take to be ready, or to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// One running `roadstead serve`. Dropping it kills the process.
#[derive(Debug)]
pub struct Program {
    child: Child,
    url: String,
    client: reqwest::Client,
}

/// How to start a [`Program`].
#[derive(Clone, Debug, Default)]
pub struct ProgramOptions {
    /// The text of `roadstead.toml`; it is written beside the data dir. One without `[egress]` lets browsers reach loopback,
    /// where the tests' sites are.
    pub config: String,
    /// Where standard error goes; the test's own when absent.
    pub log: Option<PathBuf>,
    /// Where strace(1) writes what the program does to files; it is not traced when absent.
    pub trace: Option<PathBuf>,
    /// How much it logs: `RUST_LOG`; as the test itself when empty.
    pub log_filter: String,
    /// What the program's failpoints do: `ROADSTEAD_FAILPOINTS`.
    pub failpoints: String,
}

/// Finds the built `roadstead`: `ROADSTEAD_BIN`, or the binary beside the running test.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ROADSTEAD_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let found = test.ancestors().map(|dir| dir.join("roadstead")).find(|path| path.is_file());
    found.context("the program is not built: run `cargo build --workspace` first, or set ROADSTEAD_BIN")
}

/// What lets browsers reach sites on loopback.
pub const LOOPBACK_ALLOWED: &str = "[egress]\nallow = [\"127.0.0.0/8\"]\n";

/// The calls that a trace holds: all that change files, and all that answer clients.
const TRACED: &str = "openat,creat,mkdir,mkdirat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,fallocate,copy_file_range,\
    sendfile,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir";

/// The program, as itself or with a tracer attached: the process is the program's own either way.
fn command(options: &ProgramOptions) -> Result<Command> {
    let Some(trace) = &options.trace else {
        return Ok(Command::new(binary()?));
    };
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-y", "-yy", "-s", "8192", "-e", "signal=none", "-e"]);
    command.arg(format!("trace={TRACED}")).arg("-o").arg(trace).arg("--").arg(binary()?);
    Ok(command)
}

impl Program {
    /// Starts the program on a free port and waits until it says that it is ready.
    pub async fn start(data_dir: &Path, options: &ProgramOptions) -> Result<Self> {
        let config = data_dir.with_extension("toml");
        let egress = if options.config.contains("[egress]") { "" } else { LOOPBACK_ALLOWED };
        std::fs::write(&config, format!("{}\n{egress}", options.config))?;
        let log = match &options.log {
            Some(path) => std::fs::OpenOptions::new().create(true).append(true).open(path)?.into(),
            None => Stdio::inherit(),
        };
        let mut command = command(options)?;
        if !options.log_filter.is_empty() {
            command.env("RUST_LOG", &options.log_filter);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir)
            .arg("--config")
            .arg(&config)
            .env("ROADSTEAD_API_KEY", API_KEY)
            .env("ROADSTEAD_FAILPOINTS", &options.failpoints)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("its standard output is ours")?).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.context("no ready line in time")??;
        let line = line.context("the program ended before it was ready")?;
        let Some(url) = line.strip_prefix("listening on ") else {
            bail!("an unexpected first line: {line:?}");
        };
        Ok(Self { child, url: url.to_owned(), client: reqwest::Client::new() })
    }

    /// Returns the server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the process's id.
    pub fn pid(&self) -> Result<Pid> {
        let pid = self.child.id().context("the program has ended")?;
        Pid::from_raw(i32::try_from(pid)?).context("a process id is not 0")
    }

    /// Calls the API with the program's key.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.url)).header("anchor-api-key", API_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).with_context(|| format!("{path}: not JSON: {text:?}"))?))
    }

    /// Calls the API and returns `data`; anything but 200 is an error that shows the answer.
    pub async fn data(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, mut answer) = self.call(method.clone(), path, body).await?;
        if status != StatusCode::OK {
            bail!("{method} {path}: {status} {answer}");
        }
        Ok(answer["data"].take())
    }

    /// Waits until a GET answers something that `wanted` accepts, and returns its `data`.
    pub async fn wait_for(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let data = self.data(Method::GET, path, None).await?;
            if wanted(&data) {
                return Ok(data);
            }
            if Instant::now() > deadline {
                bail!("{path} never became what was waited for: {data}");
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// Waits until the program has ended.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(timeout(PATIENCE, self.child.wait()).await.context("the program did not end in time")??)
    }

    /// Stops the program the orderly way: it must exit with 0.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.ended().await?;
        if !status.success() {
            bail!("the program ended with {status}");
        }
        Ok(())
    }

    /// Kills the program.
    pub async fn kill(mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.ended().await?;
        Ok(())
    }

    /// Returns the memory that the server process holds itself, in bytes: without the pages of its executable, of which a build for
    /// tests has many, and which the kernel takes back when it likes.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?.as_raw_nonzero()))?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).context("no RssAnon line")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number in the RssAnon line")?.parse()?;
        Ok(kib * 1024)
    }
}

/// Waits until a condition holds, looking every few milliseconds.
pub async fn wait_until(what: &str, reached: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        if Instant::now() > deadline {
            bail!("it never came to this: {what}");
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
