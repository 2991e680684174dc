//! What is left of a batch when the server is killed in the middle of it, or stopped: the real program, over a fake browser.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::fake_browser::{self, Behaviour};
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions};
use roadstead_testing::upstream::{PASSWORD, Protocol, USER, Upstream};
use serde_json::{Value, json};

/// A place for a data dir, and the options of every program on it: two sessions at once.
fn ground() -> Result<(Place, ProgramOptions)> {
    let place = Place::new()?;
    for (name, behaviour) in [("good", Behaviour::Good), ("silent", Behaviour::Silent)] {
        let dir = place.path().join(name);
        std::fs::create_dir(&dir)?;
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755))?;
        fake_browser::install(&dir, behaviour)?;
    }
    use_browser(&place, "good")?;
    let browser = place.path().join("browser");
    let browser = browser.display();
    let config = format!(
        "[sessions]\nmax_concurrent = 2\nqueue_wait_seconds = 0\n[chromium]\nexecutable = '{browser}'\nheadless_shell = '{browser}'\nconfine = 'off'"
    );
    Ok((place, ProgramOptions { config, ..ProgramOptions::default() }))
}

/// Lets every browser from now on be the good one, or the silent one, which never answers.
fn use_browser(place: &Place, name: &str) -> Result<()> {
    let (link, draft) = (place.path().join("browser"), place.path().join("browser.new"));
    std::os::unix::fs::symlink(place.path().join(name).join("fake-chromium"), &draft)?;
    Ok(std::fs::rename(draft, link)?)
}

/// Runs a statement on the database, and returns the first value of what it yields.
fn database(data: &Path, statement: &str) -> Result<String> {
    let script =
        "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); print(c.execute(sys.argv[2]).fetchone()[0])";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(data.join("roadstead.db"))
        .arg(statement)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Orders a batch, and returns its path.
async fn order(program: &Program, count: u64, configuration: Value) -> Result<String> {
    let body = json!({"count": count, "configuration": configuration});
    let batch = program.data(Method::POST, "/v1/batch-sessions", Some(body)).await?;
    Ok(format!("/v1/batch-sessions/{}", batch["batch_id"].as_str().context("an id")?))
}

/// Asks for a session, and returns where its status is.
async fn ask(program: &Program) -> Result<String> {
    let asked = program.data(Method::POST, "/v1/sessions/async", Some(json!({}))).await?;
    Ok(format!("/v1/sessions/async/{}/status", asked["request_id"].as_str().context("an id")?))
}

/// Ends the sessions of a batch as they come up, until all of it was started.
async fn work_off(program: &Program, batch: &str) -> Result<Value> {
    loop {
        let open = |batch: &Value| batch["status"] == "pending" || batch["status"] == "processing";
        let has_running = |batch: &Value| batch["sessions"].to_string().contains("cdp_url");
        let shown = program.wait_for(batch, |batch| !open(batch) || has_running(batch)).await?;
        if !open(&shown) {
            return Ok(shown);
        }
        for item in shown["sessions"].as_array().context("a list")? {
            if let (Some(_), Some(id)) = (item["cdp_url"].as_str(), item["session_id"].as_str()) {
                program.data(Method::DELETE, &format!("/v1/sessions/{id}"), None).await?;
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_killed_goes_on_with_the_batch() -> Result<()> {
    let (place, options) = ground()?;
    let program = Program::start(&place.data(), &options).await?;
    let batch = order(&program, 5, json!({})).await?;
    let before = program.wait_for(&batch, |batch| batch["completed_requests"] == 2).await?;
    let single = ask(&program).await?;
    ensure!(program.data(Method::GET, &single, None).await?["status"] == "pending");
    program.kill().await?;

    let program = Program::start(&place.data(), &options).await?;
    // The first two were started, and ended with the server; that is their own story.
    for item in &before["sessions"].as_array().context("a list")?[..2] {
        let id = item["session_id"].as_str().context("an id")?;
        let lost = program.data(Method::GET, &format!("/v1/sessions/{id}"), None).await?;
        ensure!(lost["status"] == "failed" && lost["reason"] == "node_lost", "{lost}");
    }
    // The single session goes first.
    let ready = program.wait_for(&single, |single| single["status"] == "ready").await?;
    ensure!(ready["session"]["cdp_url"].is_string(), "{ready}");
    let after = work_off(&program, &batch).await?;
    ensure!(after["status"] == "completed" && after["completed_requests"] == 5, "{after}");
    for number in 0..2 {
        let (before, after) = (&before["sessions"][number], &after["sessions"][number]);
        ensure!(before["session_id"] == after["session_id"], "{before} was started again: {after}");
    }
    // Exactly as many as were asked for: none twice, none lost.
    let id = batch.rsplit('/').next().context("an id")?;
    let started = program.data(Method::GET, &format!("/v1/sessions?batch_id={id}"), None).await?;
    ensure!(started["total"] == 5, "{started}");
    program.stop().await
}

#[tokio::test]
async fn a_start_that_a_kill_interrupts_is_made_again() -> Result<()> {
    let (place, options) = ground()?;
    // Browsers that never answer: whatever is started is under way when the server is killed.
    use_browser(&place, "silent")?;
    let program = Program::start(&place.data(), &options).await?;
    let batch = order(&program, 2, json!({})).await?;
    program.wait_for("/v1/sessions", |sessions| sessions["total"] == 2).await?;
    ensure!(program.data(Method::GET, &batch, None).await?["processing_requests"] == 2);
    program.kill().await?;

    use_browser(&place, "good")?;
    let program = Program::start(&place.data(), &options).await?;
    let done = program.wait_for(&batch, |batch| batch["status"] == "completed").await?;
    ensure!(done["completed_requests"] == 2 && done["sessions"][0]["retry_count"] == 0, "{done}");
    // An orderly stop meanwhile is no different.
    program.data(Method::DELETE, "/v1/sessions/all", None).await?;
    use_browser(&place, "silent")?;
    let single = ask(&program).await?;
    program.wait_for(&single, |single| single["status"] == "processing").await?;
    program.stop().await?;

    use_browser(&place, "good")?;
    let program = Program::start(&place.data(), &options).await?;
    program.wait_for(&single, |single| single["status"] == "ready").await?;
    program.stop().await
}

#[tokio::test]
async fn a_secret_survives_a_kill_and_not_another_root_key() -> Result<()> {
    let (place, options) = ground()?;
    let program = Program::start(&place.data(), &options).await?;
    for _ in 0..2 {
        program.data(Method::POST, "/v1/sessions", Some(json!({}))).await?;
    }
    let loopback = "127.0.0.1:0".parse()?;
    let site = program.url().trim_start_matches("http://").parse()?;
    let upstream = Upstream::start(Protocol::Http, loopback, "127.0.0.1".parse()?, site).await?;
    let proxy = json!({"type": "custom", "server": format!("http://{}", upstream.address()), "username": USER, "password": PASSWORD});
    let configuration = json!({"session": {"proxy": proxy}});
    let kept = order(&program, 1, configuration.clone()).await?;
    program.kill().await?;

    let program = Program::start(&place.data(), &options).await?;
    let done = program.wait_for(&kept, |batch| batch["status"] == "completed").await?;
    let id = done["sessions"][0]["session_id"].as_str().context("an id")?;
    let session = program.data(Method::GET, &format!("/v1/sessions/{id}"), None).await?;
    ensure!(session["proxy"]["type"] == "custom" && !session.to_string().contains(PASSWORD), "{session}");
    let sealed = "SELECT count(*) FROM batches WHERE sealed IS NOT NULL";
    ensure!(database(&place.data(), sealed)? == "0", "what is not needed any more is forgotten");

    program.data(Method::POST, "/v1/sessions", Some(json!({}))).await?;
    let lost = order(&program, 1, configuration).await?;
    ensure!(database(&place.data(), sealed)? == "1");
    program.kill().await?;
    let (rotated, printed) = place.command(&["keys", "rotate-root"], "").await?;
    ensure!(rotated.success(), "{printed}");
    let program = Program::start(&place.data(), &options).await?;
    let failed = program.wait_for(&lost, |batch| batch["status"] == "failed").await?;
    let why = failed["sessions"][0]["error"].as_str().context("a reason")?;
    ensure!(why.contains("the server's root key was changed") && why.ends_with("Ask for it again."), "{why}");
    program.stop().await
}
