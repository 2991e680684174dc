//! What cannot be done, and browsers that die while it is.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;

use crate::ground::{Build, Ground};
use crate::in_both_builds;

in_both_builds!(what_cannot_be_done_says_why);
async fn what_cannot_be_done_says_why(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    let viewport = session.page.evaluate("`${innerWidth} × ${innerHeight}`").await?;
    let viewport = viewport.as_str().unwrap_or_default().to_owned();
    for (path, body, field) in [
        ("mouse/click", json!({"x": 9999, "y": 10}), "x: 9999 is outside"),
        ("mouse/click", json!({"x": 10, "y": -1}), "y: -1 is outside"),
        ("mouse/doubleClick", json!({"x": 9999, "y": 10}), "x: "),
        ("mouse/down", json!({"x": 9999, "y": 10}), "x: "),
        ("mouse/up", json!({"x": 9999, "y": 10}), "x: "),
        ("mouse/move", json!({"x": 10, "y": 9999}), "y: "),
        ("scroll", json!({"x": 10, "y": 9999, "deltaY": 1}), "y: "),
        ("drag-and-drop", json!({"startX": 1, "startY": 9999, "endX": 1, "endY": 1}), "startY: "),
        ("drag-and-drop", json!({"startX": 1, "startY": 1, "endX": 9999, "endY": 1}), "endX: "),
    ] {
        let (status, message) = session.refused(path, body.clone()).await?;
        ensure!(status == 400 && message.starts_with(field), "{path} {body}: {status} {message}");
        ensure!(message.contains(&viewport), "{message} does not name {viewport}");
    }
    for (body, words) in [
        (
            json!({"selector": "#nobody", "timeout": 100}),
            "selector: no element matched \"#nobody\" within 100 ms",
        ),
        (
            json!({"selector": "#hidden", "timeout": 100}),
            "selector: element 0 that matches \"#hidden\" was not visible within 100 ms",
        ),
        (
            json!({"selector": ".many", "index": 7, "timeout": 0}),
            "selector: only 2 elements matched \".many\" within 0 ms, and index 7 is wanted",
        ),
        (json!({"selector": "a[", "timeout": 100}), "selector: \"a[\" is not valid: "),
    ] {
        let (status, message) = session.refused("mouse/click", body.clone()).await?;
        ensure!(status == 400 && message.starts_with(words), "{body}: {status} {message}");
    }
    session.require_happened(&[]).await
}

in_both_builds!(a_browser_that_dies_ends_what_is_done_in_it);
async fn a_browser_that_dies_ends_what_is_done_in_it(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.page.evaluate("document.querySelector('#field').focus()").await?;
    let began = Instant::now();
    let typing = session.refused("keyboard/type", json!({"text": "never to its end", "delay": 20_000}));
    let mut killer = roadstead_testing::cdp::Page::open(&session.cdp_url).await?;
    let dying = async {
        killer.wait_for("document.querySelector('#field').value === 'n'").await?;
        let waiting = session.refused("mouse/click", json!({"x": 1, "y": 1}));
        // The browser does not live to answer.
        let (waiting, _) = tokio::join!(waiting, killer.call_browser("Browser.crash", json!({})));
        waiting
    };
    let (typing, waiting) = tokio::join!(typing, dying);
    ensure!(typing? == (404, "Session not found or unreachable.".to_owned()));
    let (status, message) = waiting?;
    ensure!([404, 409].contains(&status), "{status} {message}");
    ensure!(began.elapsed() < Duration::from_secs(15));
    let path = format!("/v1/sessions/{}", session.id);
    ground.program.wait_for(&path, |shown| shown["status"] == "failed").await?;
    let (status, message) = session.refused("mouse/click", json!({"x": 1, "y": 1})).await?;
    ensure!(
        status == 409 && message == "The session does not run: it is failed (browser_exited).",
        "{message}"
    );
    Ok(())
}

/// Full Chromium's page stands still behind a dialog. The headless shell closes dialogs by itself.
#[tokio::test]
async fn a_dialog_keeps_a_page_from_answering_and_goto_leaves_it() -> Result<()> {
    let ground = Ground::new().await?;
    let session = ground.on_stage(Build::Full).await?;
    for what in ["#alert", "#button"] {
        let (status, message) =
            session.refused("mouse/click", json!({"selector": what, "timeout": 100})).await?;
        ensure!(
            status == 504 && message.starts_with("The page does not answer: it is busy, or shows a dialog."),
            "{message}"
        );
    }
    session.act("goto", json!({"url": ground.url("/stage")})).await?;
    session.act("mouse/click", json!({"selector": "#button"})).await
}

in_both_builds!(a_session_that_is_driven_is_not_idle);
async fn a_session_that_is_driven_is_not_idle(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let headless = json!({"active": build == Build::Shell});
    let body = json!({"session": {"timeout": {"idle_timeout": 0.03}}, "browser": {"headless": headless}});
    let created = ground.program.data(Method::POST, "/v1/sessions", Some(body)).await?;
    let path = format!("/v1/sessions/{}", roadstead_testing::ground::text(&created["id"]));
    let typed = json!({"text": "four", "delay": 1_000});
    ground.program.call(Method::POST, &format!("{path}/keyboard/type"), Some(typed)).await?;
    ensure!(
        ground.program.data(Method::GET, &path, None).await?["status"] == "running",
        "three seconds of typing, and 1.8 of idling allowed"
    );
    let ended = ground.program.wait_for(&path, |shown| shown["status"] == "completed").await?;
    ensure!(ended["reason"] == "idle");
    Ok(())
}
