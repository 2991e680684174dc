//! What every test here stands on: a witness, a program with exits, and sessions.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions};
use roadstead_testing::witness::Witness;
use serde_json::{Value, json};

/// A witness, and a place for a program.
pub struct Ground {
    pub witness: Witness,
    place: Place,
}

/// A running session, and its page.
pub struct Session {
    pub id: String,
    pub page: Page,
}

impl Ground {
    pub async fn new() -> Result<Self> {
        Ok(Self { witness: Witness::start("127.0.0.1:0".parse()?).await?, place: Place::new()? })
    }

    /// Starts the program with `[egress]` keys, and tables after them.
    pub async fn program(&self, egress: &str) -> Result<Program> {
        let config = format!("[egress]\n{egress}\n");
        let log = Some(self.place.path().join("log"));
        Program::start(&self.place.data(), &ProgramOptions { config, log, ..ProgramOptions::default() }).await
    }

    /// Returns the program's log so far.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.place.path().join("log"))?)
    }

    /// Runs a command of the program with the last configuration. Returns whether it succeeded, and what it printed.
    pub async fn command(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let config = self.place.data().with_extension("toml");
        let config = config.to_string_lossy();
        let arguments = [arguments, &["--config", &config]].concat();
        let (ended, printed) = self.place.command(&arguments, "").await?;
        Ok((ended.success(), printed))
    }
}

/// Writes exits that are addresses of this machine.
pub fn source_addresses(exits: &[(&str, &str)]) -> String {
    let one = |(name, address): &(&str, &str)| {
        format!("[[egress.exits]]\nname = \"{name}\"\nkind = \"source_address\"\naddress = \"{address}\"\n")
    };
    format!("allow = [\"127.0.0.0/8\"]\n{}", exits.iter().map(one).collect::<String>())
}

/// Starts a session in the headless shell and connects to its page.
pub async fn start(program: &Program, profile: Value, proxy: Value) -> Result<Session> {
    let body = json!({
        "session": {"proxy": proxy},
        "browser": {"headless": {"active": true}, "profile": profile},
    });
    start_with(program, body).await
}

/// Starts a session and connects to its page.
pub async fn start_with(program: &Program, body: Value) -> Result<Session> {
    let created = program.data(Method::POST, "/v1/sessions", Some(body)).await?;
    Ok(Session { id: text(&created["id"]).to_owned(), page: Page::open(text(&created["cdp_url"])).await? })
}

/// Asks for a session that is not to be had. Returns why not.
pub async fn refused(program: &Program, body: Value) -> Result<(StatusCode, String)> {
    let (status, answer) = program.call(Method::POST, "/v1/sessions", Some(body)).await?;
    ensure!(status != StatusCode::OK, "{answer}");
    Ok((status, answer["error"]["message"].as_str().unwrap_or_default().to_owned()))
}

/// Makes a profile with an exit of its own. Returns the exit's name.
pub async fn sticky(program: &Program, name: &str) -> Result<String> {
    let body = json!({"name": name, "dedicated_sticky_ip": true});
    let profile = program.data(Method::POST, "/v1/profiles", Some(body)).await?;
    Ok(text(&profile["exit"]["name"]).to_owned())
}

impl Session {
    /// Shows the session.
    pub async fn show(&self, program: &Program) -> Result<Value> {
        program.data(Method::GET, &format!("/v1/sessions/{}", self.id), None).await
    }

    /// Opens a page, and returns what it says.
    pub async fn read(&mut self, url: &str) -> Result<String> {
        self.page.visit(url).await?;
        let said = self.page.evaluate("document.body.innerText").await?;
        Ok(said.as_str().unwrap_or_default().trim().to_owned())
    }

    /// Opens a page of the witness, and requires that it saw this address.
    pub async fn require_seen_as(&mut self, url: &str, address: &str) -> Result<()> {
        let said = self.read(url).await?;
        ensure!(said == address, "{url} saw {said:?}, not {address}");
        Ok(())
    }

    /// Ends the session.
    pub async fn end(self, program: &Program) -> Result<Value> {
        program.data(Method::DELETE, &format!("/v1/sessions/{}", self.id), None).await
    }
}

/// Reads an address.
pub fn ip(address: &str) -> IpAddr {
    address.parse().expect("an address")
}
