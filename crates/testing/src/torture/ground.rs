//! One data dir that is tortured round after round, with its site, its server and its ledger.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use reqwest::Method;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::ledger::Ledger;
use crate::cdp::Page;
use crate::demo_site::DemoSite;
use crate::place::Place;
use crate::processes;
use crate::program::{Program, ProgramOptions, binary, wait_until};

/// How many revisions of a profile retention keeps in rounds that prune. In the others it keeps all.
pub const KEPT: usize = 2;

/// Where rounds happen, one at a time.
#[derive(Debug)]
pub struct Ground {
    place: Place,
    /// Where to log in.
    pub site: DemoSite,
    /// What the data dir owes.
    pub ledger: Ledger,
    /// The process groups of every browser seen here.
    pub groups: Vec<i32>,
    /// How long the last whole end of a session took: chance chooses the moments of a save from it.
    pub save_time: Duration,
}

impl Ground {
    /// Makes an empty one.
    pub async fn new() -> Result<Self> {
        Ok(Self {
            place: Place::new()?,
            site: DemoSite::start("127.0.0.1:0".parse()?).await?,
            ledger: Ledger::default(),
            groups: Vec::new(),
            save_time: Duration::from_millis(300),
        })
    }

    /// Returns the data dir.
    pub fn data(&self) -> PathBuf {
        self.place.data()
    }

    /// Returns where running sessions' files are.
    pub fn work(&self) -> PathBuf {
        self.place.work()
    }

    /// Returns a session's state directory.
    pub fn state(&self, session: &str) -> PathBuf {
        self.work().join(session).join("state")
    }

    /// Returns a fresh directory for a checkout.
    pub fn scratch(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir_in(self.place.path())?)
    }

    /// Starts the server with these failpoints armed.
    pub async fn start(&self, failpoints: &str) -> Result<Program> {
        Program::start(&self.data(), &self.options(failpoints)).await.context("the server does not start")
    }

    /// Starts `roadstead prune` beside the server, with these failpoints armed.
    pub fn prune(&self, failpoints: &str) -> Result<Child> {
        let config = self.place.path().join("prune.toml");
        std::fs::write(&config, format!("[profile]\nkeep_last = {KEPT}\nkeep_days = 0\n"))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = Command::new(binary()?);
        command.arg("prune").arg("--data-dir").arg(self.data()).arg("--config").arg(config);
        let command = command.env("ROADSTEAD_FAILPOINTS", failpoints).kill_on_drop(true);
        Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
    }

    /// Starts the server and kills it while it starts, at a moment that chance chooses. Returns whether it was killed.
    pub async fn start_and_kill(&self, rng: &mut Rng) -> Result<bool> {
        let moment = Duration::from_micros(rng.u64(0..150_000));
        let options = self.options("");
        // The future's drop kills the process.
        let Ok(started) = timeout(moment, Program::start(&self.data(), &options)).await else {
            wait_until("the killed server is gone", || self.is_free()).await?;
            return Ok(true);
        };
        started.context("the server does not start")?.kill().await?;
        Ok(true)
    }

    fn options(&self, failpoints: &str) -> ProgramOptions {
        ProgramOptions {
            config: format!("[profile]\nkeep_last = {}\n", u32::MAX),
            log: Some(self.log()),
            failpoints: failpoints.to_owned(),
            ..ProgramOptions::default()
        }
    }

    /// Tells whether no server has the data dir. One that is killed loses its name first, then its lock.
    fn is_free(&self) -> bool {
        let lock = std::fs::File::open(self.data().join("lock"));
        let unlocked = lock.is_ok_and(|lock| flock(lock, FlockOperation::NonBlockingLockShared).is_ok());
        unlocked && !processes::is_served(&self.data())
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("server.log")
    }

    /// Starts a session. Returns its id and its DevTools URL.
    pub async fn create(
        program: &Program,
        profile: Value,
        full: bool,
        tag: &str,
    ) -> Result<(String, String)> {
        let body = json!({
            "browser": {"headless": {"active": !full}, "profile": profile}, "session": {"tags": [tag]},
        });
        let data = program.data(Method::POST, "/v1/sessions", Some(body)).await?;
        let text =
            |name: &str| data[name].as_str().map(str::to_owned).with_context(|| format!("no {name}: {data}"));
        Ok((text("id")?, text("cdp_url")?))
    }

    /// Opens a session on a profile, and lets `look` look at its page before the session is ended.
    pub async fn look<T>(
        &self,
        program: &Program,
        profile: &str,
        look: impl AsyncFnOnce(&mut Page, &DemoSite) -> Result<T>,
    ) -> Result<T> {
        let (id, url) = Self::create(program, json!({"name": profile}), false, "look").await?;
        let mut page = Page::open(&url).await?;
        let seen = look(&mut page, &self.site).await?;
        program.data(Method::DELETE, &format!("/v1/sessions/{id}"), None).await?;
        Ok(seen)
    }

    /// Runs a command of the program and returns what it printed; it must succeed.
    pub async fn command(&self, arguments: &[&str]) -> Result<String> {
        let (ended, printed) = self.place.command(arguments, "").await?;
        ensure!(ended.success(), "roadstead {}: {printed}", arguments.join(" "));
        Ok(printed)
    }

    /// Notes that retention lets all but the latest `keep` revisions of every profile go.
    pub fn release_all(&mut self, keep: usize) {
        let names: Vec<_> = self.ledger.promises.iter().map(|promise| promise.profile.clone()).collect();
        for name in &names {
            self.ledger.release(name, keep);
        }
    }

    /// Notes the browsers that run now, so that none of their processes is forgotten.
    pub fn note_browsers(&mut self) {
        for browser in processes::browsers(&self.work()) {
            if !self.groups.contains(&browser.group) {
                self.groups.push(browser.group);
            }
        }
    }

    /// Waits until no session's files and no browser's processes are left.
    pub async fn require_nothing_left(&self) -> Result<()> {
        self.place.require_no_files().await?;
        let work = self.work();
        wait_until("no browser's process is left", || processes::left(&work, &self.groups).is_empty())
            .await
            .with_context(|| format!("{:?}", processes::left(&work, &self.groups)))
    }

    /// Keeps the data dir for whoever wants to find out what happened, with a description beside it.
    pub fn keep(self, what: &str) -> Result<PathBuf> {
        let mut text = what.to_owned();
        write!(text, "\n\nWhat the data dir owes:\n{:#}\n", serde_json::to_value(&self.ledger)?)?;
        let path = self.place.keep();
        write_description(&path, &text)?;
        Ok(path)
    }
}

fn write_description(dir: &Path, text: &str) -> Result<()> {
    Ok(std::fs::write(dir.join("autopsy.txt"), text)?)
}
