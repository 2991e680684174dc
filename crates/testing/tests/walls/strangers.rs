//! Sessions beside one another: other users, other files, other targets, other clients' CDP sessions.

use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use serde_json::{Value, json};

use crate::ground::{STRANGER, Session, Walls, is_root, open_place, program, status};

#[tokio::test]
async fn each_session_has_a_user_of_its_own_who_owns_its_files() -> Result<()> {
    let place = open_place()?;
    let program = program(&place, Walls::Up).await?;
    let (one, two) = (Session::start(&program).await?, Session::start_with(&program, false).await?);
    let mut users = Vec::new();
    for session in [&one, &two] {
        let user: u32 = status(session.pid, "Uid")?.split_whitespace().next().context("a user")?.parse()?;
        ensure!(status(session.pid, "NoNewPrivs")? == "1");
        let work = session.work_dir()?;
        for (dir, mode) in [("state/user-data", 0o700), ("home", 0o700), ("downloads", 0o700)] {
            let found = std::fs::metadata(work.join(dir))?;
            ensure!((found.uid(), found.mode() & 0o7777) == (user, mode), "{dir}: {found:?}");
        }
        let ours = if is_root() { 0o710 } else { 0o700 };
        for dir in ["", "state"] {
            let found = std::fs::metadata(work.join(dir))?;
            ensure!(found.mode() & 0o7777 == ours, "{dir}: {:o}", found.mode());
            ensure!(found.gid() == user || !is_root(), "{dir}: {found:?}");
        }
        users.push(user);
    }
    if is_root() {
        ensure!(users[0] != users[1] && users.iter().all(|user| *user >= 1_900_000_000), "{users:?}");
    }
    one.end(&program).await?;
    two.end(&program).await?;
    program.stop().await
}

#[tokio::test]
async fn with_the_walls_down_they_share_one() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let place = open_place()?;
    let program = program(&place, Walls::Down).await?;
    let (one, two) = (Session::start(&program).await?, Session::start(&program).await?);
    for session in [&one, &two] {
        let user = status(session.pid, "Uid")?;
        ensure!(user.split_whitespace().all(|id| id == STRANGER.uid.to_string()), "{user}");
    }
    one.end(&program).await?;
    two.end(&program).await?;
    program.stop().await
}

#[tokio::test]
async fn a_client_finds_no_target_of_another_session() -> Result<()> {
    let place = open_place()?;
    let program = program(&place, Walls::Up).await?;
    let (mut one, mut two) = (Session::start(&program).await?, Session::start(&program).await?);
    let targets = |listed: &Value| -> Vec<String> {
        let listed = listed["targetInfos"].as_array().into_iter().flatten();
        listed.map(|target| text(&target["targetId"]).to_owned()).collect()
    };
    let all = json!({"filter": [{}]});
    let ours = targets(&one.page.call_browser("Target.getTargets", all.clone()).await?);
    let theirs = targets(&two.page.call_browser("Target.getTargets", all).await?);
    ensure!(!ours.is_empty() && !theirs.is_empty());
    ensure!(ours.iter().all(|target| !theirs.contains(target)), "{ours:?} {theirs:?}");
    for target in &theirs {
        for method in
            ["Target.attachToTarget", "Target.activateTarget", "Target.closeTarget", "Target.getTargetInfo"]
        {
            let tried = one.page.call_browser(method, json!({"targetId": target, "flatten": true})).await;
            ensure!(tried.is_err(), "{method}: {tried:?}");
        }
        // The same attempts on a target of its own, where nothing is in the way.
        let own = json!({"targetId": ours[0], "flatten": true});
        one.page.call_browser("Target.getTargetInfo", own).await?;
        // Nor is there a way by the server: the page's address with this session's token.
        let url = format!("{}/devtools/page/{target}", program.url().replace("http", "ws"));
        let tried = Page::open_page(&format!(
            "{url}?sessionId={}&apiKey={}",
            one.id,
            roadstead_testing::program::API_KEY
        ))
        .await;
        ensure!(tried.is_err(), "{tried:?}");
    }
    one.end(&program).await?;
    two.end(&program).await?;
    program.stop().await
}

/// Two clients of one session see the same pages, but each attaches for itself.
#[tokio::test]
async fn a_client_cannot_speak_in_another_clients_cdp_session() -> Result<()> {
    let place = open_place()?;
    let program = program(&place, Walls::Up).await?;
    let mut session = Session::start(&program).await?;
    let listed = program.data(Method::GET, &format!("/v1/sessions/{}", session.id), None).await?;
    let mut second = Page::open(text(&listed["cdp_url"])).await?;
    let attached = session.page.cdp_session().context("the page is attached")?.to_owned();
    let own = second.cdp_session().context("the page is attached")?.to_owned();
    ensure!(attached != own);
    let evaluate = json!({"expression": "1 + 1"});
    let tried = second.call_in(Some(attached.clone()), "Runtime.evaluate", evaluate.clone()).await;
    ensure!(
        tried.as_ref().is_err_and(|why| why.to_string().contains("Session with given id not found")),
        "{tried:?}"
    );
    let tried = second.call_browser("Target.detachFromTarget", json!({"sessionId": attached})).await;
    ensure!(tried.is_err(), "{tried:?}");
    session.page.call("Runtime.evaluate", evaluate.clone()).await?;
    second.call_in(Some(own), "Runtime.evaluate", evaluate).await?;
    session.end(&program).await?;
    program.stop().await
}
