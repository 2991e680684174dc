//! Downloads that are handed to whoever drives the browser, and kept nowhere: `browser.p2p_download`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use roadstead_testing::program::{API_KEY, Program, ProgramOptions, wait_until};
use serde_json::{Value, json};

use crate::downloads::{click, on_links, over};
use crate::ground::{Build, Ground, MEDIUM, Session, bytes, hash};
use crate::in_both_builds;

/// What scripts call, as the published examples do.
const EXTRACT: &str = "window._anchorExtractDownloadData()";
/// The same, by a page that no client has told to.
const BY_ITSELF: &str = "window['_anchorExtract' + 'DownloadData']()";
const READY: &str = "Anchor.downloadReady";

fn p2p(build: Build) -> Value {
    let mut body = build.body();
    body["browser"]["p2p_download"] = json!({"active": true});
    body
}

/// Has a page extract its download. Returns the bytes.
async fn extracted(page: &mut Page) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(text(&page.evaluate(EXTRACT).await?))?)
}

/// Has a page extract a download, which is refused. Returns why.
async fn refused(page: &mut Page, call: &str) -> Result<String> {
    let why =
        page.evaluate(&format!("{call}.then(() => 'it was not refused', error => error.message)")).await?;
    Ok(text(&why).to_owned())
}

fn kept(ground: &Ground, session: &Session) -> PathBuf {
    ground.place.data().join("downloads").join(&session.id)
}

/// Counts what is kept of downloads.
fn files(ground: &Ground, session: &Session) -> usize {
    std::fs::read_dir(kept(ground, session)).map_or(0, Iterator::count)
}

in_both_builds!(a_page_and_a_client_get_the_bytes_and_nothing_stays);
async fn a_page_and_a_client_get_the_bytes_and_nothing_stays(build: Build) -> Result<()> {
    let ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let session = on_links(&ground, p2p(build)).await?;
    let (mut client, mut page) = (Page::open(&session.cdp_url).await?, Page::open(&session.cdp_url).await?);
    click(&ground, &session, "#medium").await?;
    // In the page's CDP session, as the documentation's script listens; and around it.
    let (one, other) = (client.event_anywhere(READY).await?, client.event_anywhere(READY).await?);
    let sessions = [one["sessionId"].as_str(), other["sessionId"].as_str()];
    ensure!(sessions.contains(&None) && sessions.contains(&client.cdp_session()), "{one} {other}");
    ensure!(one["params"] == other["params"], "{one} {other}");
    let told = &one["params"];
    ensure!(told["suggestedFilename"] == "medium" && told["totalBytes"] == MEDIUM, "{told}");
    ensure!(told["url"] == ground.url("/medium"), "{told}");
    let url = text(&told["p2pDownloadUrl"]);
    let fetched = ground.http.get(url).send().await?;
    ensure!(fetched.status() == 200, "{}", fetched.status());
    let expected = hash(&bytes(MEDIUM, 10));
    ensure!(hash(&fetched.bytes().await?) == expected);
    ensure!(hash(&extracted(&mut page).await?) == expected);
    // A page's own, which nobody else could fetch.
    click(&ground, &session, "#blob").await?;
    ensure!(client.event(READY).await?["guid"] != told["guid"]);
    ensure!(extracted(&mut page).await? == b"made here");
    let [item, _] = over(&ground, &session, 2).await?.try_into().ok().context("two")?;
    ensure!(item["id"] == told["guid"] && item["status"] == "completed", "{item}");
    // The one's token opens nothing else.
    let (place, token) = url.split_once('?').context("a token")?;
    let list = place.rsplit_once('/').context("a list")?.0;
    for other in [format!("{list}?{token}"), format!("{list}/{}?{token}", session.id)] {
        ensure!(ground.http.get(other).send().await?.status() == 401);
    }
    ensure!(files(&ground, &session) == 2);
    ground.program.data(Method::DELETE, &format!("/v1/sessions/{}", session.id), None).await?;
    ensure!(!kept(&ground, &session).exists());
    over(&ground, &session, 0).await?;
    ensure!(ground.http.get(place).header("anchor-api-key", API_KEY).send().await?.status() == 404);
    ensure!(ground.http.get(url).send().await?.status() == 401);
    ground.program.stop().await?;
    let left = std::fs::read_dir(ground.place.data().join("downloads"))?.count();
    ensure!(left == 0, "{left} are left");
    ground.place.require_no_files().await
}

in_both_builds!(a_page_gets_only_what_began_in_it_and_when_a_client_asks);
async fn a_page_gets_only_what_began_in_it_and_when_a_client_asks(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, p2p(build)).await?;
    let mut page = Page::open(&session.cdp_url).await?;
    ensure!(page.evaluate("Object.keys(window).some(name => /anchor/i.test(name))").await? == false);
    click(&ground, &session, "#small").await?;
    over(&ground, &session, 1).await?;
    let why = refused(&mut page, BY_ITSELF).await?;
    ensure!(why.starts_with("Only a DevTools client"), "{why}");
    ensure!(extracted(&mut page).await? == bytes(1_000, 9));
    let mut listener = Page::open(&session.cdp_url).await?;
    // Another page of the same site.
    let new = json!({"url": ground.url("/links")});
    let created = page.call_browser("Target.createTarget", new).await?;
    let url = session.cdp_url.replacen("/?", &format!("/devtools/page/{}?", text(&created["targetId"])), 1);
    let mut second = Page::open_page(&url).await?;
    second.wait_for("document.readyState === 'complete'").await?;
    let why = refused(&mut second, EXTRACT).await?;
    ensure!(why == "No download has begun in this page.", "{why}");
    // What that one downloads is not the first one's, and nobody hears of it in the first one.
    // Not before its answer is here: events that come meanwhile are skipped.
    let later = |link: &str| format!("void setTimeout(() => document.querySelector('{link}').click(), 200)");
    second.evaluate(&later("#blob")).await?;
    ensure!(second.event(READY).await?["suggestedFilename"] == "blob.txt");
    ensure!(extracted(&mut second).await? == b"made here");
    ensure!(extracted(&mut page).await? == bytes(1_000, 9));
    page.evaluate(&later("#small")).await?;
    for (name, count) in [("blob.txt", 1), ("small", 2)] {
        for _ in 0..count {
            let heard = listener.event_anywhere(READY).await?;
            ensure!(heard["params"]["suggestedFilename"] == name, "{heard}");
        }
    }
    // Another site in the same page.
    page.visit(&ground.elsewhere("/links")).await?;
    let why = refused(&mut page, EXTRACT).await?;
    ensure!(why == "The page's last download began at another site.", "{why}");
    ground.program.stop().await
}

in_both_builds!(frames_get_nothing_and_their_pages_what_their_own_site_began);
async fn frames_get_nothing_and_their_pages_what_their_own_site_began(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, p2p(build)).await?;
    let mut page = Page::open(&session.cdp_url).await?;
    page.visit(&ground.framed("localhost")).await?;
    over(&ground, &session, 1).await?;
    let why = refused(&mut page, EXTRACT).await?;
    ensure!(why == "No download has begun in this page.", "{why}");
    page.visit(&ground.framed("127.0.0.1")).await?;
    over(&ground, &session, 2).await?;
    ensure!(page.evaluate("typeof frames[0]._anchorExtractDownloadData").await? == "undefined");
    ensure!(extracted(&mut page).await? == bytes(1_000, 9));
    ground.program.stop().await
}

in_both_builds!(a_window_that_opens_for_a_download_leaves_it_to_its_opener);
async fn a_window_that_opens_for_a_download_leaves_it_to_its_opener(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, p2p(build)).await?;
    let mut page = Page::open(&session.cdp_url).await?;
    click(&ground, &session, "#popup").await?;
    let (one, other) = (page.event_anywhere(READY).await?, page.event_anywhere(READY).await?);
    ensure!([&one["sessionId"], &other["sessionId"]].contains(&&json!(page.cdp_session())), "{one} {other}");
    ensure!(extracted(&mut page).await? == bytes(1_000, 9));
    ground.program.stop().await
}

in_both_builds!(what_cannot_be_handed_over_says_why);
async fn what_cannot_be_handed_over_says_why(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, p2p(build)).await?;
    let mut page = Page::open(&session.cdp_url).await?;
    click(&ground, &session, "#large").await?;
    over(&ground, &session, 1).await?;
    let why = refused(&mut page, EXTRACT).await?;
    ensure!(why.starts_with("The download is larger than the 64 MiB that a page is handed"), "{why}");
    ensure!(why.ends_with(&format!("/v1/sessions/{}/downloads.", session.id)), "{why}");
    // One that is under way is waited for.
    click(&ground, &session, "#slow").await?;
    let room = ground.place.work().join(&session.id).join("downloads");
    wait_until("one is under way", || {
        std::fs::read_dir(&room).is_ok_and(|mut entries| entries.next().is_some())
    })
    .await?;
    let why = refused(&mut page, EXTRACT).await?;
    ensure!(why.starts_with("The download is not whole after 20 s"), "{why}");
    page.evaluate(&format!("void (window.answer = {EXTRACT}.catch(error => error.message))")).await?;
    let list = format!("/v1/sessions/{}/downloads", session.id);
    let guid = std::fs::read_dir(&room)?.next().context("one is under way")??.file_name();
    let guid = guid.to_string_lossy().replace(".crdownload", "");
    page.call_browser("Browser.cancelDownload", json!({"guid": guid})).await?;
    ground.program.wait_for(&list, |shown| shown["count"] == 2).await?;
    let why = page.evaluate("window.answer").await?;
    ensure!(text(&why).starts_with("The download has no file. It was given up"), "{why}");
    ground.program.stop().await
}

in_both_builds!(without_the_option_there_is_the_event_and_the_file_stays);
async fn without_the_option_there_is_the_event_and_the_file_stays(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let session = on_links(&ground, build.body()).await?;
    let mut page = Page::open(&session.cdp_url).await?;
    ensure!(page.evaluate("typeof window._anchorExtractDownloadData").await? == "undefined");
    click(&ground, &session, "#small").await?;
    let told = page.event(READY).await?;
    let url = text(&told["p2pDownloadUrl"]);
    ensure!(ground.http.get(url).send().await?.bytes().await? == bytes(1_000, 9));
    ground.program.data(Method::DELETE, &format!("/v1/sessions/{}", session.id), None).await?;
    let place = url.split_once('?').context("a token")?.0;
    let fetched = ground.http.get(place).header("anchor-api-key", API_KEY).send().await?;
    ensure!(fetched.bytes().await? == bytes(1_000, 9));
    ground.program.stop().await
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_nothing_to_the_next() -> Result<()> {
    let ground = Ground::new("").await?;
    let (passing, lasting) =
        (on_links(&ground, p2p(Build::Shell)).await?, on_links(&ground, Build::Shell.body()).await?);
    for session in [&passing, &lasting] {
        click(&ground, session, "#small").await?;
        over(&ground, session, 1).await?;
    }
    ensure!((files(&ground, &passing), files(&ground, &lasting)) == (1, 1));
    let Ground { program, place, .. } = ground;
    program.kill().await?;
    let program = Program::start(&place.data(), &ProgramOptions::default()).await?;
    let downloads = place.data().join("downloads");
    wait_until("what was not to stay is gone", || {
        std::fs::read_dir(&downloads).is_ok_and(|entries| entries.count() == 1)
    })
    .await?;
    ensure!(downloads.join(&lasting.id).is_dir());
    program.stop().await
}
