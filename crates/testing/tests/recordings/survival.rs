//! What is left of a recording when its browser or its server dies.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;

use crate::ground::{Build, Colour, Ground};
use crate::in_both_builds;

in_both_builds!(a_killed_browser_leaves_what_was_recorded);
async fn a_killed_browser_leaves_what_was_recorded(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let mut session = ground.session(build, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    session.show(Colour::Blue).await?;
    let count = ground.until_seen(&session.id, Colour::Blue).await?;
    // The browser does not live to answer.
    drop(session.page.call_browser("Browser.crash", json!({})).await);
    ground
        .program
        .wait_for(&format!("/v1/sessions/{}", session.id), |shown| shown["status"] == "failed")
        .await?;
    let recording = ground.recording(&session.id).await?;
    ensure!(
        recording["status"] == "completed" && recording["frames"].as_u64() >= Some(count as u64),
        "{recording}"
    );
    ensure!(ground.colours(&session.id).await?.ends_with(&[Colour::Red, Colour::Blue]));
    ground.program.stop().await?;
    ground.place.require_no_files().await
}

in_both_builds!(a_killed_server_leaves_what_was_recorded);
async fn a_killed_server_leaves_what_was_recorded(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let mut session = ground.session(build, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    session.show(Colour::Blue).await?;
    let count = ground.until_seen(&session.id, Colour::Blue).await?;
    let Ground { program, place, .. } = ground;
    program.kill().await?;
    let ground = Ground::at(place, "").await?;
    let recording = ground.recording(&session.id).await?;
    ensure!(recording["status"] == "interrupted", "{recording}");
    ensure!(
        recording["frames"].as_u64() >= Some(count as u64) && recording["duration"] != "0.000",
        "{recording}"
    );
    ensure!(ground.colours(&session.id).await?.ends_with(&[Colour::Red, Colour::Blue]));
    let path = format!("/v1/sessions/{}/recordings/primary", session.id);
    ground.program.data(Method::DELETE, &path, None).await?;
    ensure!(!ground.place.data().join("recordings").join(&session.id).exists());
    ground.program.stop().await
}
