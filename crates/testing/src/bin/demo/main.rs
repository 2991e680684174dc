//! The main job, told with numbers: a real browser logs in, becomes a profile, ends, and comes back logged in.
//!
//! Starts the built server and the demo site, which lie beside this program, plays the story over HTTP and the DevTools
//! protocol, and leaves both running so that the reader can go on. What an earlier run left running is stopped first.
//! Exits with 1 if anything of the login was not kept.

mod addresses;
mod api;
mod background;
mod story;
mod tell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use uuid::Uuid;

use crate::api::Api;
use crate::background::Background;
use roadstead_testing::program::LOOPBACK_ALLOWED;

#[derive(Parser)]
#[command(name = "demo", about = "Shows a logged-in browser becoming a profile and coming back")]
struct Arguments {
    /// Stops what an earlier run left running, and does nothing else.
    #[arg(long)]
    stop: bool,
}

/// Where the server listens when nothing else does there.
const USUAL_LISTEN: &str = "127.0.0.1:8700";
/// Where it listens otherwise: any free port.
const ANY_LISTEN: &str = "127.0.0.1:0";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let binaries = std::env::current_exe()?.parent().context("a program lies in a directory")?.to_owned();
    let dir = binaries.parent().context("binaries lie in a target directory")?.join("demo");

    background::stop_recorded(&dir).await?;
    if arguments.stop {
        return Ok(ExitCode::SUCCESS);
    }
    match run(&binaries, &dir).await {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => {
            background::stop_recorded(&dir).await?;
            Err(error.context(format!("the demo failed; the server's log is {}", server_log(&dir).display())))
        }
    }
}

/// Plays the story. Returns whether everything was kept.
async fn run(binaries: &Path, dir: &Path) -> Result<bool> {
    // Every run tells the whole story from the beginning; the directory is the demo's own.
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("failed to empty {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir)?;

    let key = format!("sk-{}", Uuid::new_v4().simple());
    let mut site = Background::new("demo-site", binaries, dir);
    site.args(["--listen", ANY_LISTEN]);
    let mut server = Background::new("roadstead", binaries, dir);
    let config = dir.join("roadstead.toml");
    std::fs::write(&config, format!("{LOOPBACK_ALLOWED}{}", addresses::EXITS))?;
    server.args(["serve", "--listen", free_listen()]).arg("--data-dir").arg(dir.join("data"));
    server.arg("--config").arg(config);
    server.env("ROADSTEAD_API_KEY", &key);

    let site = site.start("demo site on ").await?;
    let server = server.start("listening on ").await?;
    tell::scene(&server, &site, &server_log(dir));

    let api = Api::new(&server.url, &key);
    let outcome = story::play(&api, &site.url).await?;
    tell::table(&outcome);
    let own_addresses = addresses::play(&api).await?;
    tell::next(&outcome, &server, &site, &key, &binaries.join("roadstead"), dir);
    Ok(outcome.is_everything_kept() && own_addresses)
}

fn server_log(dir: &Path) -> PathBuf {
    background::log_of("roadstead", dir)
}

/// Returns the usual address if it is free: the reader then meets the one that the documentation names.
fn free_listen() -> &'static str {
    if std::net::TcpListener::bind(USUAL_LISTEN).is_ok() { USUAL_LISTEN } else { ANY_LISTEN }
}
