//! Which pictures are taken, and which are not.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::cdp::Page;
use serde_json::json;

use crate::ground::{Build, Colour, Ground, page_of};
use crate::in_both_builds;

in_both_builds!(what_is_seen_is_recorded_in_its_order);
async fn what_is_seen_is_recorded_in_its_order(build: Build) -> Result<()> {
    let ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let mut session = ground.session(build, Colour::Red).await?;
    let order = [Colour::Red, Colour::Lime, Colour::Blue, Colour::Red, Colour::Yellow];
    for colour in order {
        session.show(colour).await?;
        ground.until_seen(&session.id, colour).await?;
    }
    let moments = ground.moments(&session.id).await?;
    ensure!(moments.is_sorted(), "{moments:?}");
    ground.program.data(Method::DELETE, &format!("/v1/sessions/{}", session.id), None).await?;
    let mut seen = ground.colours(&session.id).await?;
    // The empty page that every session starts with.
    if seen.first() == Some(&Colour::White) {
        seen.remove(0);
    }
    ensure!(seen == order, "{seen:?}");
    let recording = ground.recording(&session.id).await?;
    ensure!(
        recording["status"] == "completed" && recording["frames"] == ground.moments(&session.id).await?.len()
    );
    // Nothing is on the disk as it is.
    let reel = std::fs::read(ground.place.data().join("recordings").join(&session.id).join("reel"))?;
    ensure!(
        !reel.windows(4).any(|bytes| bytes == b"JFIF" || bytes == [0xff, 0xd8, 0xff, 0xe0]),
        "in the clear"
    );
    ground.program.stop().await
}

in_both_builds!(a_still_page_gives_few_pictures_and_a_busy_one_no_more_than_are_allowed);
async fn a_still_page_gives_few_pictures_and_a_busy_one_no_more_than_are_allowed(build: Build) -> Result<()> {
    let ground = Ground::new("[recordings]\nframes_per_second = 4").await?;
    let mut session = ground.session(build, Colour::Red).await?;
    let before = ground.until_seen(&session.id, Colour::Red).await?;
    session.page.evaluate("new Promise((done) => setTimeout(done, 3000))").await?;
    let still = ground.moments(&session.id).await?.len();
    ensure!(still <= before + 1, "{before} pictures, then {still} of a page that stands still");
    session.page.evaluate("busy(3000, 'blue')").await?;
    // The last change is not missed, though most are.
    let busy = ground.until_seen(&session.id, Colour::Blue).await?;
    // Four a second over three seconds, and the last.
    ensure!((still + 4..=still + 15).contains(&busy), "{still} pictures, then {busy}");
    let moments = ground.moments(&session.id).await?;
    // A picture is as old as its change, which is up to an interval before it is taken.
    let quick = moments.windows(5).find(|few| few[4] - few[0] < 700);
    ensure!(quick.is_none(), "five within {quick:?}");
    ground.program.stop().await
}

in_both_builds!(a_pause_is_not_in_it);
async fn a_pause_is_not_in_it(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let began = std::time::Instant::now();
    let mut session = ground.session(build, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    let path = |what| format!("/v1/sessions/{}/recordings/{what}", session.id);
    let (pause, resume) = (path("pause"), path("resume"));
    let (status, answer) = ground.program.call(Method::POST, &pause, None).await?;
    ensure!(status == 200 && answer == json!({"data": {"data": {"status": "success"}}}), "{answer}");
    ensure!(ground.recording(&session.id).await?["status"] == "paused");
    let before = ground.moments(&session.id).await?;
    session.page.evaluate("busy(1500, 'lime')").await?;
    ensure!(ground.moments(&session.id).await? == before, "pictures were taken in a pause");
    session.show(Colour::Blue).await?;
    // Until it is painted: what is seen when it goes on is in it.
    session.page.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 300)), 100))").await?;
    let (status, answer) = ground.program.call(Method::POST, &resume, None).await?;
    ensure!(status == 200, "{answer}");
    ground.until_seen(&session.id, Colour::Blue).await?;
    ensure!(!ground.colours(&session.id).await?.contains(&Colour::Lime), "of the pause");
    let moments = ground.moments(&session.id).await?;
    let next = moments.get(before.len()).context("one after")?;
    // It began when the session did, at the earliest, and stood still for as long as the page was busy.
    ensure!(u128::from(*next) + 1500 <= began.elapsed().as_millis(), "the pause is in the time: {moments:?}");
    ground.program.stop().await
}

in_both_builds!(the_page_that_is_seen_is_followed);
async fn the_page_that_is_seen_is_followed(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let mut session = ground.session(build, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    let new = json!({"url": page_of(Colour::Yellow)});
    let opened = session.page.call_browser("Target.createTarget", new).await?;
    ground.until_seen(&session.id, Colour::Yellow).await?;
    session.page.call_browser("Target.closeTarget", json!({"targetId": opened["targetId"]})).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    session.show(Colour::Blue).await?;
    ground.until_seen(&session.id, Colour::Blue).await?;
    // A client's own context, as Playwright's newContext makes.
    let context = session.page.call_browser("Target.createBrowserContext", json!({})).await?;
    let new = json!({"url": page_of(Colour::Lime), "browserContextId": context["browserContextId"]});
    session.page.call_browser("Target.createTarget", new).await?;
    ground.until_seen(&session.id, Colour::Lime).await?;
    ground.program.stop().await
}

in_both_builds!(a_clients_own_screencast_is_its_own);
async fn a_clients_own_screencast_is_its_own(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let mut session = ground.session(build, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    let mut watcher = Page::open(&session.cdp_url).await?;
    watcher.call("Page.startScreencast", json!({"format": "png", "maxWidth": 100, "maxHeight": 100})).await?;
    for colour in [Colour::Lime, Colour::Blue, Colour::Red, Colour::Yellow] {
        session.show(colour).await?;
        let frame = watcher.event("Page.screencastFrame").await?;
        ensure!(frame["data"].as_str().is_some_and(|data| data.starts_with("iVBOR")), "not a PNG: {frame}");
        watcher.call("Page.screencastFrameAck", json!({"sessionId": frame["sessionId"]})).await?;
        ground.until_seen(&session.id, colour).await?;
    }
    watcher.call("Page.stopScreencast", json!({})).await?;
    session.show(Colour::Lime).await?;
    ground.until_seen(&session.id, Colour::Lime).await?;
    ground.program.stop().await
}
