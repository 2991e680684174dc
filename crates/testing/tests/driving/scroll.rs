//! The wheel, and pictures of what it brought into view.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::program::API_KEY;
use serde_json::json;

use crate::ground::{Build, Ground};
use crate::in_both_builds;

in_both_builds!(the_wheel_scrolls_what_is_under_the_mouse);
async fn the_wheel_scrolls_what_is_under_the_mouse(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session
        .page
        .evaluate("window.turns = 0; addEventListener('wheel', (event) => { turns += event.isTrusted; })")
        .await?;
    session.act("scroll", json!({"x": 400, "y": 500, "deltaY": 600, "steps": 6})).await?;
    session.page.wait_for("scrollY === 600 && turns === 6").await?;
    session.act("scroll", json!({"x": 400, "y": 500, "deltaX": 0, "deltaY": -600, "useOs": false})).await?;
    session.page.wait_for("scrollY === 0").await?;
    session.act("scroll", json!({"x": 770, "y": 40, "deltaY": 0, "deltaX": 200})).await?;
    session.page.wait_for("document.querySelector('#scroller').scrollLeft === 200 && scrollY === 0").await
}

in_both_builds!(a_screenshot_is_a_picture_of_the_viewport);
async fn a_screenshot_is_a_picture_of_the_viewport(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    let url = format!("{}/v1/sessions/{}/screenshot", ground.program.url(), session.id);
    let request = reqwest::Client::new().request(Method::GET, url).header("anchor-api-key", API_KEY);
    let answer = request.send().await?;
    ensure!(answer.status() == 200 && answer.headers()["content-type"] == "image/png");
    let picture = answer.bytes().await?;
    ensure!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
    // The header's first eight bytes of data are the sides.
    let side =
        |at: usize| anyhow::Ok(u32::from_be_bytes(picture.get(at..at + 4).context("a header")?.try_into()?));
    let viewport = session.page.evaluate("[innerWidth, innerHeight]").await?;
    ensure!(viewport == json!([side(16)?, side(20)?]), "{viewport}");
    Ok(())
}
