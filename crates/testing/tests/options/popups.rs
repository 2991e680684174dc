//! Windows that pages open.

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use roadstead_testing::cdp::Page;
use serde_json::{Value, json};

use crate::ground::Ground;

/// A page that opens a window by itself, and one when it is clicked, also from a frame.
const OPENER: &str = "<!doctype html><title>opener</title><body style='margin:0'>
<div onclick=\"window.byHand = open('/popup', '_blank', 'popup,width=300,height=200')\" style='width:200px;height:200px'>click</div>
<div onclick=\"window.named = window.open('/other', 'name', 'width=300,height=200')\" style='width:200px;height:200px'>click</div>
<iframe src=/frame style='border:0;width:200px;height:200px'></iframe>
<script>window.alone = open('/alone', '_blank', 'width=300,height=200'); window.tried = true</script>";
const FRAME: &str = "<!doctype html><title>frame</title><body style='margin:0'>
<div onclick=\"open('/framed', '_blank', 'width=300,height=200,noopener')\" style='width:200px;height:200px'>click</div>";

fn site() -> Router {
    let other = || get(async || Html("<!doctype html><title>opened</title>"));
    Router::new()
        .route("/", get(async || Html(OPENER)))
        .route("/frame", get(async || Html(FRAME)))
        .route("/popup", other())
        .route("/framed", other())
        .route("/other", other())
        .route("/alone", other())
}

async fn click(page: &mut Page, y: u32) -> Result<()> {
    for kind in ["mousePressed", "mouseReleased"] {
        let event = json!({"type": kind, "x": 100, "y": y, "button": "left", "clickCount": 1});
        page.call("Input.dispatchMouseEvent", event).await?;
    }
    Ok(())
}

/// Waits until a page shows a path, and returns the window that it is in.
async fn window_of(page: &mut Page, path: &str) -> Result<Value> {
    for _ in 0..500 {
        let targets = page.call_browser("Target.getTargets", json!({})).await?;
        let mut targets = targets["targetInfos"].as_array().into_iter().flatten();
        let shows = |target: &&Value| target["url"].as_str().is_some_and(|url| url.ends_with(path));
        if let Some(target) = targets.find(|target| target["type"] == "page" && shows(target)) {
            let asked = json!({"targetId": target["targetId"]});
            return Ok(page.call_browser("Browser.getWindowForTarget", asked).await?["windowId"].clone());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    None.with_context(|| format!("no page shows {path}"))
}

#[tokio::test]
async fn what_no_hand_has_opened_is_blocked_unless_the_session_wants_it() -> Result<()> {
    let mut ground = Ground::new("").await?;
    let url = ground.site(site()).await?;
    for (browser, opened) in [
        (json!({}), false),
        (json!({"popup_blocker": {"active": true}}), false),
        (json!({"popup_blocker": {"active": false}}), true),
    ] {
        let (_, mut page) = ground.session(browser.clone()).await?;
        page.visit(&url).await?;
        ensure!(page.evaluate("window.tried && window.alone !== null").await? == opened, "{browser}");
        if !opened {
            // What a hand opens comes all the same.
            click(&mut page, 100).await?;
            window_of(&mut page, "/popup").await?;
        }
    }
    ground.stop().await
}

#[tokio::test]
async fn a_window_is_a_tab_where_the_session_wants_it() -> Result<()> {
    let mut ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let url = ground.site(site()).await?;
    for tabs in [false, true] {
        let (_, mut page) = ground.session(json!({"force_popups_as_tabs": {"active": tabs}})).await?;
        page.visit(&url).await?;
        let own = window_of(&mut page, "/").await?;
        click(&mut page, 100).await?;
        let popup = window_of(&mut page, "/popup").await?;
        ensure!((popup == own) == tabs, "{tabs}: {popup} of {own}");
        ensure!(page.evaluate("window.byHand.closed").await? == false);
        page.call("Page.bringToFront", json!({})).await?;
        click(&mut page, 300).await?;
        let other = window_of(&mut page, "/other").await?;
        ensure!((other == own) == tabs, "{tabs}: {other} of {own}");
        page.call("Page.bringToFront", json!({})).await?;
        click(&mut page, 500).await?;
        let framed = window_of(&mut page, "/framed").await?;
        ensure!((framed == own) == tabs, "{tabs}: {framed} of {own}");
    }
    ground.stop().await
}

#[tokio::test]
async fn the_headless_shell_has_no_windows_and_starts_all_the_same() -> Result<()> {
    let ground = Ground::new("").await?;
    let browser = json!({"headless": {"active": true}, "force_popups_as_tabs": {"active": true}});
    let (_, mut page) = ground.session(browser).await?;
    ensure!(page.evaluate("1").await? == 1);
    ground.stop().await
}
