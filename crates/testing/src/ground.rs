//! A place for the real program: a data dir, a site to log in to, and what a test does there again and again.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::cdp::Page;
use crate::demo_site::{BrowserState, DemoSite};
use crate::place::Place;
use crate::program::{Program, ProgramOptions};

/// A place for a data dir, and a site to log in to.
#[derive(Debug)]
pub struct Ground {
    place: Place,
    site: DemoSite,
}

impl Ground {
    /// Makes an empty one.
    pub async fn new() -> Result<Self> {
        Ok(Self { place: Place::new()?, site: DemoSite::start("127.0.0.1:0".parse()?).await? })
    }

    /// Returns the site.
    pub fn site(&self) -> &DemoSite {
        &self.site
    }

    /// Returns the data dir.
    pub fn data(&self) -> PathBuf {
        self.place.data()
    }

    /// Starts the program with the defaults.
    pub async fn program(&self) -> Result<Program> {
        Program::start(&self.data(), &ProgramOptions::default()).await
    }

    /// Starts a session and logs in. Returns the session's id; the page, which keeps it connected, is dropped.
    pub async fn log_in(&self, program: &Program, profile: Value) -> Result<String> {
        let session = create(program, profile).await?;
        let mut page = Page::open(text(&session["cdp_url"])).await?;
        let state = self.site.log_in(&mut page).await?;
        ensure!(state.is_complete(), "right after the login: {state:?}");
        Ok(text(&session["id"]).to_owned())
    }

    /// Starts a session on a profile, looks at the account, and ends the session.
    pub async fn look(&self, program: &Program, profile: &str) -> Result<BrowserState> {
        let session = create(program, json!({"name": profile})).await?;
        let mut page = Page::open(text(&session["cdp_url"])).await?;
        let state = self.site.state(&mut page).await?;
        end(program, text(&session["id"])).await?;
        Ok(state)
    }

    /// Requires that a session on a profile finds everything that a login left.
    pub async fn require_all_kept(&self, program: &Program, profile: &str) -> Result<()> {
        let state = self.look(program, profile).await?;
        ensure!(state.is_complete(), "after the restore: {state:?}");
        Ok(())
    }

    /// Lists the directories of running sessions, and of those that are not cleaned up. The room of what is being removed,
    /// `.shred`, comes and goes beside them.
    pub fn work_dirs(&self) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(self.place.work())?.collect::<std::io::Result<Vec<_>>>()?;
        let of_sessions =
            entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        Ok(of_sessions.map(std::fs::DirEntry::path).collect())
    }

    /// Waits until no session's files are left: they go once its end is published.
    pub async fn require_no_files(&self) -> Result<()> {
        self.place.require_no_files().await
    }

    /// Counts the snapshots in the vault.
    pub fn snapshots(&self) -> Result<usize> {
        let mut count = 0;
        for repository in std::fs::read_dir(self.data().join("vault"))? {
            count += std::fs::read_dir(repository?.path().join("snapshots"))?.count();
        }
        Ok(count)
    }

    /// Runs a statement on the database, and returns the first value of what it yields.
    pub fn database(&self, statement: &str) -> Result<String> {
        let output = std::process::Command::new("python3")
            .args([
                "-c",
                "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); print(c.execute(sys.argv[2]).fetchone()[0]); c.commit()",
            ])
            .arg(self.data().join("roadstead.db"))
            .arg(statement)
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Returns the process of a session's browser.
    pub fn browser_of(&self, session: &str) -> Result<Pid> {
        let pid = self.database(&format!("SELECT browser_pid FROM sessions WHERE id = '{session}'"))?;
        Pid::from_raw(pid.parse()?).context("a process id is not 0")
    }

    /// Runs a command of the program beside, or without, a server. Returns whether it succeeded, and what it printed.
    pub async fn command(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let (ended, printed) = self.place.command(arguments, "").await?;
        Ok((ended.success(), printed))
    }
}

/// Starts a headless session on a profile.
pub async fn create(program: &Program, profile: Value) -> Result<Value> {
    let body = json!({"browser": {"headless": {"active": true}, "profile": profile}});
    program.data(Method::POST, "/v1/sessions", Some(body)).await
}

/// Ends a session, and returns how it ended.
pub async fn end(program: &Program, id: &str) -> Result<Value> {
    program.data(Method::DELETE, &format!("/v1/sessions/{id}"), None).await
}

/// Shows a session.
pub async fn session(program: &Program, id: &str) -> Result<Value> {
    program.data(Method::GET, &format!("/v1/sessions/{id}"), None).await
}

/// Returns a string of an answer.
pub fn text(value: &Value) -> &str {
    value.as_str().expect("the API answers a string here")
}
