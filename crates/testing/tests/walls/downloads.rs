//! A client that wants a download somewhere else than in its session's own directory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use roadstead_browser::{Browser, Graces};
use serde_json::json;
use tokio::time::timeout;

use crate::ground::{PATIENCE, Session, Walls, headless_shell, open_place, options, program};

/// Makes a page offer itself for download.
const OFFER: &str = "(() => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(['loot']));
    link.download = 'loot.txt';
    link.click();
})()";

fn everybodys_dir(path: &Path) -> Result<()> {
    std::fs::create_dir(path)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?)
}

/// Whoever names another directory in whatever way gets the file where it belongs: the server has it.
#[tokio::test]
async fn a_client_does_not_choose_where_downloads_go() -> Result<()> {
    let place = open_place()?;
    let elsewhere = place.path().join("elsewhere");
    everybodys_dir(&elsewhere)?;
    let program = program(&place, Walls::Up).await?;
    let mut session = Session::start(&program).await?;
    let there = json!({"behavior": "allow", "downloadPath": elsewhere});
    let path = format!("/v1/sessions/{}/downloads", session.id);
    let captured = async |count: usize| {
        let captured = program.wait_for(&path, |shown| shown["count"] == count).await?;
        let [.., last] = captured["items"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            bail!("nothing was captured");
        };
        ensure!(last["status"] == "completed" && last["suggested_file_name"] == "loot.txt", "{last}");
        Ok(())
    };
    session.page.call_browser("Browser.setDownloadBehavior", there.clone()).await?;
    let offer = json!({"expression": OFFER, "userGesture": true});
    session.page.call("Runtime.evaluate", offer.clone()).await?;
    captured(1).await?;
    session.page.call("Page.setDownloadBehavior", there).await?;
    session.page.call("Runtime.evaluate", offer).await?;
    captured(2).await?;
    ensure!(std::fs::read_dir(&elsewhere)?.next().is_none());
    session.end(&program).await?;
    program.stop().await
}

/// Lets a browser that nobody stands in front of put a download into a directory that everybody may write to. Returns whether
/// it did.
async fn lands_elsewhere(walls: Walls) -> Result<bool> {
    let place = open_place()?;
    let elsewhere = place.path().join("elsewhere");
    everybodys_dir(&elsewhere)?;
    std::fs::create_dir(place.path().join("browser"))?;
    std::fs::set_permissions(place.path().join("browser"), std::fs::Permissions::from_mode(0o711))?;
    let browser = Browser::launch(&options(&place.path().join("browser"), headless_shell()?, walls)?).await?;
    let mux = browser.mux();
    let mut events = mux.subscribe();
    let there = json!({"behavior": "allow", "downloadPath": elsewhere, "eventsEnabled": true});
    mux.call("Browser.setDownloadBehavior", there, PATIENCE).await?;
    let page = mux.first_page(PATIENCE).await?;
    let session = mux.attach_to_target(&page, PATIENCE).await?;
    let offer = json!({"expression": OFFER, "userGesture": true});
    mux.call_in(&session, "Runtime.evaluate", offer, PATIENCE).await?;
    let over = timeout(PATIENCE, async {
        loop {
            let event = events.recv().await?;
            if event.method == "Browser.downloadProgress" && event.params["state"] != "inProgress" {
                return anyhow::Ok(event.params["state"].clone());
            }
        }
    });
    let state = over.await??;
    browser.end(Graces { close: PATIENCE, term: PATIENCE }).await;
    let landed = elsewhere.join("loot.txt").is_file();
    ensure!(landed == (state == "completed"), "{state}");
    Ok(landed)
}

#[tokio::test]
async fn nor_does_a_browser() -> Result<()> {
    ensure!(!lands_elsewhere(Walls::Up).await?);
    ensure!(lands_elsewhere(Walls::Down).await?, "the attempt must succeed where there is no wall");
    Ok(())
}
