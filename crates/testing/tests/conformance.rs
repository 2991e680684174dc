//! The official clients, unmodified, against the real program and real browsers, and schemathesis against the real program and,
//! where no page matters, fake browsers: one test per suite of `conformance/`.
//!
//! Each suite gets a server and a demo site of its own, so none sees another's sessions. The suites are programs that
//! know only two addresses and a key; what they print is shown when they fail.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use roadstead_testing::demo_site::DemoSite;
use roadstead_testing::fake_browser::{self, Behaviour};
use roadstead_testing::program::{API_KEY, Program, ProgramOptions};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// How long one suite may take; they take seconds, so this only ends what hangs.
const PATIENCE: Duration = Duration::from_mins(10);
/// How much of the server's log is shown with a failure, in bytes.
const LOG_TAIL: usize = 4096;

#[tokio::test]
async fn npm_anchorbrowser() -> Result<()> {
    javascript("anchorbrowser").await
}

#[tokio::test]
async fn npm_playwright_core() -> Result<()> {
    javascript("playwright").await
}

#[tokio::test]
async fn npm_puppeteer_core() -> Result<()> {
    javascript("puppeteer").await
}

#[tokio::test]
async fn plain_http() -> Result<()> {
    javascript("wire").await
}

#[tokio::test]
async fn pypi_anchorbrowser_1_0_1() -> Result<()> {
    python("1.0.1").await
}

#[tokio::test]
async fn pypi_anchorbrowser_0_11_3() -> Result<()> {
    python("0.11.3").await
}

#[tokio::test]
async fn pypi_schemathesis_with_a_key() -> Result<()> {
    let (_dir, browsers) = fake_browsers()?;
    schemathesis("OpenApi.test_with_a_key", &browsers).await
}

#[tokio::test]
async fn pypi_schemathesis_with_real_pages() -> Result<()> {
    schemathesis("OpenApi.test_pages", "").await
}

#[tokio::test]
async fn pypi_schemathesis_without_a_key() -> Result<()> {
    let (_dir, browsers) = fake_browsers()?;
    schemathesis("OpenApi.test_without_a_key", &browsers).await
}

/// The server's own OpenAPI document.
async fn schemathesis(test: &str, browsers: &str) -> Result<()> {
    let mut command = in_venv(".venv-schemathesis")?;
    command.args(["openapi/test_openapi.py", test]);
    run(command, &format!("{FOR_A_CROWD}\n{browsers}")).await
}

/// Makes fake browsers in a directory, and the configuration that names them: hundreds of sessions are asked for, and few
/// answers are about a page.
fn fake_browsers() -> Result<(TempDir, String)> {
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711))?;
    let browser = fake_browser::install(dir.path(), Behaviour::Good)?;
    let browser = browser.display();
    Ok((dir, format!("[chromium]\nexecutable = '{browser}'\nheadless_shell = '{browser}'")))
}

async fn javascript(suite: &str) -> Result<()> {
    require_installed("node_modules")?;
    let mut command = Command::new("node");
    command.arg(format!("js/{suite}.test.mjs"));
    run(command, "").await
}

async fn python(sdk_version: &str) -> Result<()> {
    let mut command = in_venv(&format!(".venv-{sdk_version}"))?;
    command.arg("python/all.py");
    // The suites have receivers of their own, on loopback.
    run(command, "[webhooks]\nallow_private = true").await
}

/// A virtual environment's Python, which leaves no bytecode behind.
fn in_venv(venv: &str) -> Result<Command> {
    require_installed(venv)?;
    let mut command = Command::new(conformance().join(venv).join("bin/python"));
    command.arg("-B");
    Ok(command)
}

fn conformance() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

fn require_installed(folder: &str) -> Result<()> {
    let installed = conformance().join(folder).join(".roadstead-stamp").is_file();
    ensure!(installed, "conformance/{folder} is missing: run conformance/install");
    Ok(())
}

/// A way out that every suite finds, as an address of this machine.
const EXITS: &str = r#"
[egress]
allow = ["127.0.0.0/8"]
[[egress.exits]]
name = "pier"
kind = "source_address"
address = "127.0.0.71"
country_code = "us"
"#;

/// What thought-up requests need: many sessions come a minute, and many wrong keys; what they leave is no secret.
const FOR_A_CROWD: &str = r"
[limits]
creates_per_minute = 0
failed_auth_per_minute = 0
[sessions]
shred = false
";

/// Runs a suite against a server, with more of a configuration, and a demo site of its own.
async fn run(mut suite: Command, config: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    // As root, browsers run as another user, who must be able to walk to the data dir.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711))?;
    let log = dir.path().join("server.log");
    let config = format!("{EXITS}\n{config}");
    let options = ProgramOptions { config, log: Some(log.clone()), ..ProgramOptions::default() };
    let server = Program::start(&dir.path().join("data"), &options).await?;
    let demo = DemoSite::start("127.0.0.1:0".parse()?).await?;

    suite
        .current_dir(conformance())
        .env("ROADSTEAD_URL", server.url())
        .env("ROADSTEAD_API_KEY", API_KEY)
        .env("DEMO_SITE_URL", demo.url())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, suite.output()).await.context("the suite hangs")?;
    let output = output.with_context(|| format!("failed to start {suite:?}"))?;
    if !output.status.success() {
        let log = std::fs::read(&log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL)..];
        bail!(
            "{suite:?}: {}\n{}{}\nthe server's log ends with:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(tail)
        );
    }
    server.stop().await
}
