//! Going somewhere, in which tab, and what is said when that fails.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use roadstead_testing::cdp::Page;
use serde_json::json;

use crate::ground::{Build, Ground};
use crate::in_both_builds;

in_both_builds!(goto_waits_for_the_load);
async fn goto_waits_for_the_load(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.session(build).await?;
    let shown = "[document.title, document.readyState, location.hash]";
    session.act("goto", json!({"url": ground.url("/plain")})).await?;
    ensure!(session.page.evaluate(shown).await? == json!(["plain", "complete", ""]));
    session.act("goto", json!({"url": ground.url("/stage")})).await?;
    ensure!(session.page.evaluate(shown).await? == json!(["stage", "complete", ""]));
    session.page.evaluate("window.same = true").await?;
    session.act("goto", json!({"url": ground.url("/stage#below")})).await?;
    ensure!(session.page.evaluate("[window.same, location.hash]").await? == json!([true, "#below"]));
    session.act("goto", json!({"url": ground.url("/stage")})).await?;
    session.act("goto", json!({"url": ground.url("/missing")})).await?;
    ensure!(session.page.evaluate("document.title").await? == "missing");
    session.act("goto", json!({"url": ground.url("/download")})).await?;
    ensure!(session.page.evaluate("document.title").await? == "missing", "a download leaves the page there");
    session.act("goto", json!({"url": ground.url("/moved")})).await?;
    session.page.wait_for("document.title === 'plain'").await?;
    session.act("goto", json!({"url": "data:text/html,<title>data</title>"})).await?;
    session.act("goto", json!({"url": "about:blank"})).await
}

in_both_builds!(a_failed_navigation_has_its_net_error);
async fn a_failed_navigation_has_its_net_error(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let session = ground.session(build).await?;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for (url, status, words) in [
        (format!("http://{nobody}/"), 502, "net::ERR_CONNECTION_REFUSED"),
        (format!("https://{nobody}/"), 502, "net::ERR_TUNNEL_CONNECTION_FAILED"),
        (ground.url("/nothing"), 502, "net::ERR_ABORTED"),
        ("http://10.255.255.1/".to_owned(), 502, "net::ERR_BLOCKED_BY_ADMINISTRATOR"),
        ("http://127.0.0.1:1/".to_owned(), 400, "net::ERR_UNSAFE_PORT"),
        ("http://[nonsense/".to_owned(), 400, "url: "),
        ("file:///etc/passwd".to_owned(), 400, "url: "),
        ("javascript:alert(1)".to_owned(), 400, "url: "),
        ("example.com".to_owned(), 400, "url: "),
        (String::new(), 400, "url: "),
    ] {
        let (got, message) = session.refused("goto", json!({"url": url})).await?;
        ensure!(got == status && message.contains(words), "{url}: {got} {message}");
        ensure!(!message.contains(&format!("{nobody}/")) || message.contains("reached"), "{message}");
    }
    session.act("goto", json!({"url": ground.url("/plain")})).await
}

in_both_builds!(the_selected_tab_is_the_newest_that_is_visible);
async fn the_selected_tab_is_the_newest_that_is_visible(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    // A tab that the page opens is in front.
    let open =
        "addEventListener('click', () => { window.opened = open('/plain', '_blank'); }, { once: true })";
    session.page.evaluate(open).await?;
    session.act("mouse/click", json!({"selector": "#button"})).await?;
    session.page.wait_for("opened.document.readyState === 'complete'").await?;
    session.act("goto", json!({"url": ground.url("/missing")})).await?;
    ensure!(session.page.evaluate("document.title").await? == "stage");
    session.page.wait_for("opened.document.title === 'missing'").await?;
    // When it is gone, the first is again.
    session.page.evaluate("opened.close()").await?;
    let mut client = Page::open(&session.cdp_url).await?;
    wait_for_pages(&mut client, 1).await?;
    session.act("goto", json!({"url": ground.url("/plain")})).await?;
    ensure!(session.page.evaluate("document.title").await? == "plain");
    Ok(())
}

async fn wait_for_pages(client: &mut Page, count: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let targets = client.call_browser("Target.getTargets", json!({"filter": [{"type": "page"}]})).await?;
        if targets["targetInfos"].as_array().is_some_and(|targets| targets.len() == count) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "there are never {count} pages: {targets}");
    }
}
