//! Files that a browser downloads. No client is attached unless a test says so: what clicks is the server's own hand.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use roadstead_testing::place::Place;
use roadstead_testing::program::{API_KEY, Program, ProgramOptions, wait_until};
use serde_json::{Value, json};

use crate::ground::{Build, Ground, Session, bytes, hash};
use crate::in_both_builds;

/// Shows the page with the links.
pub async fn on_links(ground: &Ground, body: Value) -> Result<Session> {
    let session = ground.session(body).await?;
    let url = json!({"url": ground.url("/links")});
    ground.program.call(Method::POST, &format!("/v1/sessions/{}/goto", session.id), Some(url)).await?;
    Ok(session)
}

/// Clicks on a link.
pub async fn click(ground: &Ground, session: &Session, link: &str) -> Result<()> {
    let path = format!("/v1/sessions/{}/mouse/click", session.id);
    let (status, answer) = ground.program.call(Method::POST, &path, Some(json!({"selector": link}))).await?;
    ensure!(status == 200, "{link}: {answer}");
    Ok(())
}

/// Waits until so many downloads are over. Returns them by their order.
pub async fn over(ground: &Ground, session: &Session, count: usize) -> Result<Vec<Value>> {
    let path = format!("/v1/sessions/{}/downloads", session.id);
    let mut shown = ground.program.wait_for(&path, |shown| shown["count"] == count).await?;
    Ok(shown["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Fetches a download by its link.
async fn fetch(ground: &Ground, item: &Value) -> Result<Vec<u8>> {
    let link = item["file_link"].as_str().with_context(|| format!("no file: {item}"))?;
    let response = ground.http.get(link).header("anchor-api-key", API_KEY).send().await?;
    ensure!(response.status() == 200, "{link}: {}", response.status());
    Ok(response.bytes().await?.to_vec())
}

fn room(ground: &Ground, session: &Session) -> PathBuf {
    ground.place.work().join(&session.id).join("downloads")
}

/// Waits until nothing of any download is left in the browser's room.
async fn require_empty_room(ground: &Ground, session: &Session) -> Result<()> {
    let room = room(ground, session);
    wait_until("nothing is left of downloads", || {
        std::fs::read_dir(&room).is_ok_and(|mut entries| entries.next().is_none())
    })
    .await
}

in_both_builds!(several_at_once_are_captured_with_no_client);
async fn several_at_once_are_captured_with_no_client(build: Build) -> Result<()> {
    let ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let session = on_links(&ground, build.body()).await?;
    // None of them ends before all three have begun.
    for link in ["#together-1", "#together-2", "#together-3"] {
        click(&ground, &session, link).await?;
    }
    let mut items = over(&ground, &session, 3).await?;
    items.sort_by_key(|item| text(&item["suggested_file_name"]).to_owned());
    for (item, seed) in items.iter().zip(1..) {
        let expected = bytes(500_000, seed);
        ensure!(item["status"] == "completed" && item["size"] == 500_000, "{item}");
        ensure!(item["suggested_file_name"] == format!("file-{seed}.bin"), "{item}");
        ensure!(item["original_download_url"] == ground.url(&format!("/together/{seed}")), "{item}");
        ensure!(item["origin_url"] == ground.url("/links"), "{item}");
        ensure!(hash(&fetch(&ground, item).await?) == hash(&expected), "{item}");
    }
    // A page's own: it has no address that anybody else could fetch.
    click(&ground, &session, "#blob").await?;
    let items = over(&ground, &session, 4).await?;
    let blob = items.iter().find(|item| item["suggested_file_name"] == "blob.txt").context("the blob")?;
    ensure!(fetch(&ground, blob).await? == b"made here", "{blob}");
    require_empty_room(&ground, &session).await?;
    ground.program.data(Method::DELETE, &format!("/v1/sessions/{}", session.id), None).await?;
    ensure!(fetch(&ground, blob).await? == b"made here", "it outlives its session");
    ground.program.stop().await
}

in_both_builds!(a_hostile_name_leads_nowhere);
async fn a_hostile_name_leads_nowhere(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, build.body()).await?;
    click(&ground, &session, "#hostile").await?;
    let [item] = over(&ground, &session, 1).await?.try_into().ok().context("one")?;
    let name = text(&item["suggested_file_name"]);
    ensure!(!name.contains(['/', '\\']) && !name.starts_with("..") && name.ends_with('x'), "{item}");
    ensure!(fetch(&ground, &item).await? == b"hostile", "{item}");
    let kept = ground.place.data().join("downloads").join(&session.id).join(text(&item["id"]));
    ensure!(kept.is_file(), "{} is not there", kept.display());
    ground.program.stop().await
}

const TIGHT: &str = "[files]\nmax_download_mib = 1\ndownload_seconds = 2";

in_both_builds!(what_is_too_large_or_has_no_end_is_stopped_and_the_session_goes_on);
async fn what_is_too_large_or_has_no_end_is_stopped_and_the_session_goes_on(build: Build) -> Result<()> {
    let ground = Ground::new(TIGHT).await?;
    let session = on_links(&ground, build.body()).await?;
    for (count, (link, words)) in [
        ("#endless", "It was larger than the 1 MiB that a download may have."),
        ("#announced", "It was larger than the 1 MiB that a download may have."),
        ("#slow", "It was not whole after 2 s, the longest that a download may take."),
    ]
    .into_iter()
    .enumerate()
    {
        click(&ground, &session, link).await?;
        let items = over(&ground, &session, count + 1).await?;
        let item = &items[count];
        ensure!(item["status"] == "stopped" && item["detail"] == words, "{link}: {item}");
        ensure!(item["file_link"].is_null(), "{item}");
    }
    require_empty_room(&ground, &session).await?;
    click(&ground, &session, "#small").await?;
    let items = over(&ground, &session, 4).await?;
    ensure!(fetch(&ground, &items[3]).await? == bytes(1_000, 9));
    ground.program.stop().await?;
    ground.place.require_no_files().await
}

in_both_builds!(a_killed_browser_leaves_what_was_whole);
async fn a_killed_browser_leaves_what_was_whole(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, build.body()).await?;
    click(&ground, &session, "#small").await?;
    over(&ground, &session, 1).await?;
    click(&ground, &session, "#slow").await?;
    let begun = room(&ground, &session);
    wait_until("another is on its way", || {
        std::fs::read_dir(&begun).is_ok_and(|mut entries| entries.next().is_some())
    })
    .await?;
    let mut client = Page::open(&session.cdp_url).await?;
    // The browser does not live to answer.
    drop(client.call_browser("Browser.crash", json!({})).await);
    let items = over(&ground, &session, 2).await?;
    ensure!(fetch(&ground, &items[0]).await? == bytes(1_000, 9));
    ensure!(items[1]["status"] == "interrupted" && items[1]["file_link"].is_null(), "{}", items[1]);
    let shown = ground
        .program
        .wait_for(&format!("/v1/sessions/{}", session.id), |shown| shown["status"] == "failed")
        .await?;
    ensure!(shown["reason"] == "browser_exited", "{shown}");
    ground.program.stop().await?;
    ground.place.require_no_files().await
}

in_both_builds!(a_client_that_has_its_own_way_with_downloads_leaves_ours_behind);
async fn a_client_that_has_its_own_way_with_downloads_leaves_ours_behind(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, build.body()).await?;
    let mut count = 0;
    for (behavior, comes) in [("allow", true), ("allowAndName", true), ("default", true), ("deny", false)] {
        let mut client = Page::open(&session.cdp_url).await?;
        let params = json!({"behavior": behavior, "downloadPath": "/elsewhere", "eventsEnabled": true});
        client.call_browser("Browser.setDownloadBehavior", params).await?;
        click(&ground, &session, "#small").await?;
        count += 1;
        let items = over(&ground, &session, count).await?;
        let state = if comes { "completed" } else { "canceled" };
        ensure!(items[count - 1]["status"] == state, "{behavior}: {}", items[count - 1]);
        drop(client);
        // The server may hear later than we that the client has gone; what is denied until then is denied.
        loop {
            click(&ground, &session, "#small").await?;
            count += 1;
            let items = over(&ground, &session, count).await?;
            let status = text(&items[count - 1]["status"]);
            if status == "completed" {
                break;
            }
            ensure!(count < 50, "after {behavior}: {}", items[count - 1]);
        }
    }
    ground.program.stop().await
}

#[tokio::test]
async fn what_is_kept_without_being_on_record_goes_at_the_next_start() -> Result<()> {
    let place = Place::new()?;
    let orphan = place.data().join("downloads/182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e");
    std::fs::create_dir_all(&orphan)?;
    std::fs::write(orphan.join("file"), "a file that nobody knows")?;
    let program = Program::start(&place.data(), &ProgramOptions::default()).await?;
    ensure!(!orphan.exists());
    let kept = place.data().join("downloads");
    wait_until("it is gone", || std::fs::read_dir(&kept).is_ok_and(|mut entries| entries.next().is_none()))
        .await?;
    program.stop().await
}
