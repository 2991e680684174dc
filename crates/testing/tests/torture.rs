//! Nothing is lost: a short campaign of torture, and a disk that is really full. `make torture` plays longer ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use roadstead_testing::ground::{Ground, create, session, text};
use roadstead_testing::program::{Program, ProgramOptions};
use roadstead_testing::torture::{Campaign, Cell, Until};
use serde_json::json;

/// Signals that must reach a process.
const KILLS: u64 = 50;
/// The size of a disk that is soon full: room for one profile.
const DISK_BYTES: usize = 8 << 20;

#[expect(clippy::print_stderr, reason = "the seed, without which nobody can play it again")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_a_short_campaign() -> Result<()> {
    let given = std::env::var("ROADSTEAD_TORTURE_SEED").ok();
    let seed =
        given.map_or_else(|| Ok(fastrand::u64(..)), |text| text.parse()).context("a seed is a number")?;
    eprintln!("ROADSTEAD_TORTURE_SEED={seed}");
    let campaign =
        Campaign { seed, until: Until::Kills(KILLS), workers: 2, cells: Cell::all(), verbose: true };
    let (tally, outcome) = campaign.run().await;
    eprintln!("{tally}");
    outcome?;
    ensure!(tally.missing().is_empty(), "cells without a round: {:?}", tally.missing());
    ensure!(tally.kills() >= KILLS, "{} kills", tally.kills());
    Ok(())
}

#[tokio::test]
async fn a_disk_that_is_really_full_loses_nothing() -> Result<()> {
    let ground = Ground::new().await?;
    let vault = ground.data().join("vault");
    let disk = SmallDisk::mount(&vault)?;
    let program = ground.program().await?;
    let first = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    program.data(Method::DELETE, &format!("/v1/sessions/{first}"), None).await?;
    let program = disk.fill(&ground, program).await?;

    let second = ground.log_in(&program, json!({"name": "second", "persist": true})).await?;
    let looked = create(&program, json!({"name": "p"})).await?;
    let (status, answer) = program.call(Method::DELETE, &format!("/v1/sessions/{second}"), None).await?;
    ensure!(status == StatusCode::INTERNAL_SERVER_ERROR, "{status} {answer}");
    ensure!(answer["data"]["receipts"][0]["status"] == "failed", "{answer}");
    let profile = program.data(Method::GET, "/v1/profiles/second", None).await?;
    ensure!(profile["status"] == "failed" && profile["revision"].is_null(), "{profile}");
    program.data(Method::DELETE, &format!("/v1/sessions/{}", text(&looked["id"])), None).await?;
    ground.require_all_kept(&program, "p").await?;
    let (fine, printed) = ground.command(&["check", "--read-data"]).await?;
    ensure!(fine && printed.contains(" 0 problems"), "on the full disk: {printed}");
    program.stop().await?;

    disk.free()?;
    let program = ground.program().await?;
    let saved = session(&program, &second).await?;
    ensure!(saved["receipts"][0]["status"] == "saved", "{saved}");
    ground.require_all_kept(&program, "second").await?;
    ground.require_no_files().await?;
    program.stop().await?;
    let (fine, printed) = ground.command(&["check", "--read-data"]).await?;
    ensure!(fine && printed.contains("2 profiles with 2 revisions: 0 problems"), "{printed}");
    Ok(())
}

/// A file system of its own below the vault, or, where none can be mounted, a failpoint that says "no room".
enum SmallDisk {
    Real(PathBuf),
    Pretended,
}

impl SmallDisk {
    #[expect(clippy::print_stderr, reason = "says which of the two was tested")]
    fn mount(at: &Path) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        let options = format!("size={DISK_BYTES},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "roadstead-test"]).arg(at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            eprintln!("a disk of {DISK_BYTES} bytes is mounted at {}", at.display());
            return Ok(Self::Real(at.to_owned()));
        }
        eprintln!("nothing can be mounted here: a failpoint says that the disk is full");
        Ok(Self::Pretended)
    }

    /// Leaves no room on the disk. The program that is returned has to live with that.
    async fn fill(&self, ground: &Ground, program: Program) -> Result<Program> {
        match self {
            Self::Real(at) => {
                let mut ballast = std::fs::File::create(at.join("ballast"))?;
                let full = std::io::copy(&mut std::io::repeat(0), &mut ballast);
                ensure!(full.is_err(), "the disk has no end");
                Ok(program)
            }
            Self::Pretended => {
                program.stop().await?;
                let failpoints = "vault-put=return(full)".to_owned();
                let options = ProgramOptions { failpoints, ..ProgramOptions::default() };
                Program::start(&ground.data(), &options).await
            }
        }
    }

    /// Makes room again.
    fn free(&self) -> Result<()> {
        match self {
            Self::Real(at) => Ok(std::fs::remove_file(at.join("ballast"))?),
            Self::Pretended => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Self::Real(at) = self {
            // Whoever reads the test's failure wants that, and not this one's.
            drop(Command::new("umount").arg("--lazy").arg(at).status());
        }
    }
}
