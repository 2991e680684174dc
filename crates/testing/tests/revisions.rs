//! Revisions with the real program and a real browser: saving while running, going back, being guarded, being the only
//! writer, and what a restore brings and says.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use roadstead_testing::cdp::Page;
use roadstead_testing::demo_site::DemoSite;
use roadstead_testing::ground::{Ground, create, end, session, text};
use roadstead_testing::processes::left;
use roadstead_testing::program::{Program, ProgramOptions, wait_until};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

/// A page that never stops writing: one number, counted up, into every kind of storage.
const WRITER: &str = "(async () => {
    const database = await new Promise((resolve, reject) => {
        const request = indexedDB.open('writer', 1);
        request.onupgradeneeded = () => request.result.createObjectStore('numbers');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    window.written = 0;
    window.write = async () => {
        const number = window.written + 1;
        localStorage.setItem('number', number);
        sessionStorage.setItem('number', number);
        document.cookie = `number=${number}; max-age=86400`;
        await new Promise((resolve, reject) => {
            const change = database.transaction('numbers', 'readwrite');
            change.objectStore('numbers').put(number, 'number');
            change.oncomplete = resolve;
            change.onerror = () => reject(change.error);
        });
        window.written = number;
        setTimeout(window.write, 0);
    };
    window.write();
})()";

/// What a page finds of those numbers.
const READER: &str = "(async () => {
    const database = await new Promise((resolve, reject) => {
        const request = indexedDB.open('writer', 1);
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const stored = await new Promise((resolve, reject) => {
        const request = database.transaction('numbers').objectStore('numbers').get('number');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    return {
        local: Number(localStorage.getItem('number')), database: stored,
        cookie: Number(document.cookie.match(/number=(\\d+)/)?.[1]),
    };
})()";

/// A page of the site that holds no scripts of its own.
fn quiet(ground: &Ground) -> String {
    format!("{}/whoami", ground.site().url())
}

async fn open(session: &Value) -> Result<Page> {
    Page::open(text(&session["cdp_url"])).await
}

async fn full_chromium(program: &Program, profile: Value) -> Result<Value> {
    let body = json!({"browser": {"profile": profile}});
    program.data(Method::POST, "/v1/sessions", Some(body)).await
}

async fn refused(program: &Program, profile: Value) -> Result<(StatusCode, String)> {
    let body = json!({"browser": {"headless": {"active": true}, "profile": profile}});
    let (status, answer) = program.call(Method::POST, "/v1/sessions", Some(body)).await?;
    Ok((status, answer["error"]["message"].as_str().unwrap_or_default().to_owned()))
}

async fn checkpoint(program: &Program, profile: &str, id: &str) -> Result<Value> {
    let path = format!("/v1/profiles/{profile}/checkpoint");
    program.data(Method::POST, &path, Some(json!({"session_id": id}))).await
}

async fn revisions(program: &Program, profile: &str) -> Result<Vec<Value>> {
    let listed = program.data(Method::GET, &format!("/v1/profiles/{profile}/revisions"), None).await?;
    Ok(listed["items"].as_array().context("a list")?.clone())
}

async fn profile(program: &Program, name: &str) -> Result<Value> {
    program.data(Method::GET, &format!("/v1/profiles/{name}"), None).await
}

async fn checkpoint_under_a_writing_page(headless: bool) -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let profile = json!({"name": "p", "persist": true});
    let writing =
        if headless { create(&program, profile).await? } else { full_chromium(&program, profile).await? };
    let id = text(&writing["id"]).to_owned();
    let browser = ground.browser_of(&id)?;
    let mut page = open(&writing).await?;
    page.goto(&quiet(&ground)).await?;
    page.evaluate(WRITER).await?;
    page.wait_for("window.written > 50").await?;
    for revision in 1..=3 {
        let before = page.evaluate("window.written").await?.as_u64().context("a number")?;
        let receipt = checkpoint(&program, "p", &id).await?;
        ensure!(
            receipt["status"] == "saved" && receipt["cause"] == "checkpoint" && receipt["durable"] == true,
            "{receipt}"
        );
        ensure!(receipt["revision"] == revision && receipt["captured"]["databases"] == 1, "{receipt}");
        // The client is still connected, to the same browser, and the page goes on.
        page.wait_for(&format!("window.written > {before}")).await?;
        ensure!(ground.browser_of(&id)? == browser, "the browser was restarted");
        let after = page.evaluate("window.written").await?.as_u64().context("a number")?;

        let restored = create(&program, json!({"name": "p", "revision": revision})).await?;
        let mut look = open(&restored).await?;
        look.goto(&quiet(&ground)).await?;
        let found = look.evaluate(READER).await?;
        for kind in ["local", "database", "cookie"] {
            let number = found[kind].as_u64().with_context(|| format!("{kind}: {found}"))?;
            ensure!((before..=after).contains(&number), "{kind}: {number} is not in {before}..={after}");
        }
        end(&program, text(&restored["id"])).await?;
    }
    let listed = revisions(&program, "p").await?;
    let parents: Vec<_> = listed.iter().map(|revision| revision["parent"].as_u64()).collect();
    ensure!(parents == [Some(2), Some(1), None], "{parents:?}");
    ensure!(profile_status(&program).await? == "pending", "its session still runs");
    let ended = end(&program, &id).await?;
    let receipts = ended["receipts"].as_array().context("a list")?;
    let causes: Vec<_> = receipts.iter().map(|receipt| text(&receipt["cause"])).collect();
    ensure!(causes == ["checkpoint", "checkpoint", "checkpoint", "ended"], "{causes:?}");
    ensure!(receipts.iter().all(|receipt| receipt["diverged_from"].is_null()), "{ended}");
    ensure!(profile_status(&program).await? == "active");
    ground.require_no_files().await?;
    program.stop().await?;
    let (fine, printed) = ground.command(&["check", "--read-data"]).await?;
    ensure!(fine, "{printed}");
    Ok(())
}

async fn profile_status(program: &Program) -> Result<String> {
    Ok(text(&profile(program, "p").await?["status"]).to_owned())
}

#[tokio::test]
async fn a_headless_session_is_saved_under_a_page_that_writes_all_the_time() -> Result<()> {
    checkpoint_under_a_writing_page(true).await
}

#[tokio::test]
async fn a_full_session_is_saved_under_a_page_that_writes_all_the_time() -> Result<()> {
    checkpoint_under_a_writing_page(false).await
}

/// Chromium writes local storage some seconds late; what the last capture held is there all the same.
#[tokio::test]
async fn local_storage_and_tabs_that_were_captured_survive_the_browsers_death() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let dying = create(&program, json!({"name": "p", "persist": true})).await?;
    let id = text(&dying["id"]).to_owned();
    let mut page = open(&dying).await?;
    page.goto(&quiet(&ground)).await?;
    page.evaluate("localStorage.setItem('kept', 'wörd'), sessionStorage.setItem('tab', 'of it')").await?;
    let portable = ground.data().join("work").join(&id).join("state/portable.json");
    wait_until("the capture holds both", || {
        std::fs::read_to_string(&portable).is_ok_and(|text| text.contains("wörd") && text.contains("of it"))
    })
    .await?;
    kill_process(ground.browser_of(&id)?, Signal::KILL)?;
    program.wait_for(&format!("/v1/sessions/{id}"), |session| session["status"] == "failed").await?;

    let restored = create(&program, json!({"name": "p", "restore_tabs": true})).await?;
    let mut page = open(&restored).await?;
    page.wait_for("location.pathname === '/whoami' && document.readyState === 'complete'").await?;
    let found = page.evaluate("[localStorage.getItem('kept'), sessionStorage.getItem('tab')]").await?;
    ensure!(found == json!(["wörd", "of it"]), "{found}");
    let shown = session(&program, text(&restored["id"])).await?;
    let restore = &shown["profile"]["restore"];
    ensure!(restore["captured"] == "checkpoint" && restore["restored"]["tabs"] == 1, "{restore}");
    program.stop().await
}

/// What a page and a page of another site find, when a browser was killed after a capture, with files that hold older and that
/// were, or were not, written after it.
async fn found_after_a_death(files_are_newer: bool) -> Result<Value> {
    let ground = Ground::new().await?;
    let other_site = DemoSite::start("127.0.0.1:0".parse()?).await?;
    let other = format!("{}/whoami", other_site.url());
    let program = ground.program().await?;
    let first = create(&program, json!({"name": "p", "persist": true})).await?;
    let mut page = open(&first).await?;
    page.visit(&quiet(&ground)).await?;
    page.evaluate("localStorage.login = 'older', localStorage.moved = 'in the files'").await?;
    page.visit(&other).await?;
    page.evaluate("localStorage.login = 'of another site'").await?;
    end(&program, text(&first["id"])).await?;

    let dying = create(&program, json!({"name": "p", "persist": true})).await?;
    let id = text(&dying["id"]).to_owned();
    let state = ground.data().join("work").join(&id).join("state");
    let files = state.join("user-data/Default/Local Storage/leveldb");
    let mut older = Vec::new();
    for entry in fs::read_dir(&files)? {
        let path = entry?.path();
        older.push((path.clone(), fs::read(path)?));
    }
    let mut page = open(&dying).await?;
    page.visit(&quiet(&ground)).await?;
    page.evaluate("localStorage.login = 'captured', delete localStorage.moved").await?;
    wait_until("the value is captured", || {
        fs::read_to_string(state.join("portable.json")).is_ok_and(|text| text.contains("captured\"]"))
    })
    .await?;
    // Neither may write another word: not the browser to its files, not the server of its end.
    program.signal(Signal::STOP)?;
    let browser = ground.browser_of(&id)?;
    kill_process(browser, Signal::KILL)?;
    let (work, group) = (ground.data().join("work"), browser.as_raw_nonzero().get());
    wait_until("the browser is gone", || left(&work, &[group]).is_empty()).await?;
    program.kill().await?;
    fs::remove_dir_all(&files)?;
    fs::create_dir(&files)?;
    let hour = Duration::from_hours(1);
    let captured = fs::metadata(state.join("portable.json"))?.modified()?;
    let written = if files_are_newer { captured + hour } else { captured - hour };
    for (path, bytes) in older {
        fs::write(&path, bytes)?;
        File::options().write(true).open(&path)?.set_modified(written)?;
    }

    let program = ground.program().await?;
    let restored = create(&program, json!({"name": "p"})).await?;
    let mut page = open(&restored).await?;
    page.visit(&quiet(&ground)).await?;
    let own = page.evaluate("[localStorage.login, localStorage.moved ?? null]").await?;
    page.visit(&other).await?;
    let others = page.evaluate("localStorage.login").await?;
    program.stop().await?;
    Ok(json!([own[0], own[1], others]))
}

/// Chromium's storage service may be behind the pages, or have written for another site.
#[tokio::test]
async fn a_captured_value_counts_though_the_files_are_newer_and_what_only_they_hold_stays() -> Result<()> {
    let found = found_after_a_death(true).await?;
    ensure!(found == json!(["captured", "in the files", "of another site"]), "{found}");
    Ok(())
}

#[tokio::test]
async fn a_capture_that_is_newer_than_the_files_stands_for_the_whole_of_its_site() -> Result<()> {
    let found = found_after_a_death(false).await?;
    ensure!(found == json!(["captured", null, "of another site"]), "{found}");
    Ok(())
}

async fn tabs_come_back(save_headless: bool, open_headless: bool) -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let start = async |headless: bool, profile: Value| {
        if headless { create(&program, profile).await } else { full_chromium(&program, profile).await }
    };
    let first = start(save_headless, json!({"name": "p", "persist": true})).await?;
    let mut page = open(&first).await?;
    page.goto(&format!("{}/style.css", ground.site().url())).await?;
    page.wait_for("location.pathname === '/style.css' && document.readyState === 'complete'").await?;
    page.goto(&quiet(&ground)).await?;
    page.wait_for("location.pathname === '/whoami' && document.readyState === 'complete'").await?;
    page.evaluate("sessionStorage.setItem('of', 'the first')").await?;
    let second = format!("{}/kinds.js", ground.site().url());
    page.call("Target.createTarget", json!({"url": second})).await?;
    let pages = format!("/v1/sessions/{}/pages", text(&first["id"]));
    program.wait_for(&pages, |pages| pages["count"] == 2).await?;
    let ended = end(&program, text(&first["id"])).await?;
    ensure!(ended["receipts"][0]["captured"]["tabs"] == 2, "{ended}");

    let blank = start(open_headless, json!({"name": "p"})).await?;
    let pages = async |session: &Value| {
        program.data(Method::GET, &format!("/v1/sessions/{}/pages", text(&session["id"])), None).await
    };
    let found = pages(&blank).await?;
    ensure!(found["count"] == 1 && found["items"][0]["url"] == "about:blank", "no surprises: {found}");
    end(&program, text(&blank["id"])).await?;

    // An initial URL does not take the place of a tab.
    let style = format!("{}/style.css", ground.site().url());
    let body = json!({
        "browser": {"headless": {"active": open_headless}, "profile": {"name": "p", "restore_tabs": true}},
        "session": {"initial_url": style},
    });
    let restored = program.data(Method::POST, "/v1/sessions", Some(body)).await?;
    let mut expected = vec![second, style, quiet(&ground)];
    expected.sort();
    let path = format!("/v1/sessions/{}/pages", text(&restored["id"]));
    // A page that has just been opened has no address for a moment.
    program
        .wait_for(&path, |pages| {
            let items = pages["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut urls: Vec<_> = items.iter().filter_map(|page| page["url"].as_str()).collect();
            urls.sort_unstable();
            urls == expected
        })
        .await?;
    let report = session(&program, text(&restored["id"])).await?;
    ensure!(report["profile"]["restore"]["restored"]["tabs"] == 2, "{report}");
    let targets = pages(&restored).await?;
    let items = targets["items"].as_array().context("a list")?;
    let first = items.iter().find(|page| text(&page["url"]).ends_with("/whoami")).context("it is there")?;
    let mut page = Page::open_page(text(&first["cdp_url"])).await?;
    page.wait_for("document.readyState === 'complete'").await?;
    ensure!(page.evaluate("sessionStorage.getItem('of')").await? == "the first");
    let history = page.call("Page.getNavigationHistory", json!({})).await?;
    let entries = history["entries"].as_array().context("a list")?;
    let went_through = |part: &str| entries.iter().any(|entry| text(&entry["url"]).ends_with(part));
    // Only full Chromium can bring a history back, from files of its own.
    let native = !save_headless && !open_headless;
    ensure!(went_through("/whoami") && went_through("/style.css") == native, "{history}");
    program.stop().await
}

#[tokio::test]
async fn tabs_come_back_in_the_headless_shell() -> Result<()> {
    tabs_come_back(true, true).await
}

#[tokio::test]
async fn tabs_come_back_in_full_chromium_with_their_history() -> Result<()> {
    tabs_come_back(false, false).await
}

#[tokio::test]
async fn tabs_come_back_in_the_other_build() -> Result<()> {
    tabs_come_back(true, false).await?;
    tabs_come_back(false, true).await
}

#[tokio::test]
async fn a_run_that_lost_its_login_is_held_back_and_can_be_promoted() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let guarded = json!({"name": "p", "persist": true, "require_cookies": ["harbour_session@127.0.0.1"]});
    let id = ground.log_in(&program, guarded.clone()).await?;
    let ended = end(&program, &id).await?;
    ensure!(ended["receipts"][0]["held_back"].is_null(), "{ended}");

    let loses = create(&program, guarded).await?;
    let mut page = open(&loses).await?;
    page.goto(&quiet(&ground)).await?;
    page.call("Storage.clearCookies", json!({})).await?;
    let ended = end(&program, text(&loses["id"])).await?;
    let receipt = &ended["receipts"][0];
    ensure!(receipt["status"] == "saved" && receipt["revision"] == 2, "{receipt}");
    ensure!(receipt["held_back"]["missing_cookies"] == json!(["harbour_session@127.0.0.1"]), "{receipt}");
    let shown = profile(&program, "p").await?;
    ensure!(shown["revision"] == 1 && shown["status"] == "failed", "{shown}");
    ensure!(text(&shown["status_reason"]).contains("harbour_session@127.0.0.1"), "{shown}");
    ground.require_all_kept(&program, "p").await?;

    let promoted = program.data(Method::POST, "/v1/profiles/p/revisions/2/promote", None).await?;
    ensure!(promoted["head"] == true && promoted["held_back"].is_null(), "{promoted}");
    ensure!(!ground.look(&program, "p").await?.is_complete());
    let back = program.data(Method::POST, "/v1/profiles/p/revisions/1/rollback", None).await?;
    ensure!(back["revision"] == 3 && back["cause"] == "rolled_back" && back["parent"] == 1, "{back}");
    ground.require_all_kept(&program, "p").await?;
    program.stop().await
}

#[tokio::test]
async fn caches_go_first_and_a_profile_that_is_too_large_keeps_its_head() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let ended = end(&program, &id).await?;
    let whole = ended["receipts"][0]["size_bytes"].as_u64().context("a size")?;
    let cache = ended["receipts"][0]["captured"]["bytes"]["http_cache"].as_u64().context("a cache")?;
    let dropping = create(&program, json!({"name": "p", "persist": true, "cache": "drop"})).await?;
    let ended = end(&program, text(&dropping["id"])).await?;
    let receipt = &ended["receipts"][0];
    ensure!(receipt["dropped_caches"][0]["kind"] == "http_cache", "{receipt}");
    ensure!(receipt["captured"]["bytes"]["http_cache"].is_null(), "{receipt}");
    program.stop().await?;

    // A budget that the profile only fits without its cache.
    let limit = |bytes: u64| ProgramOptions {
        config: format!("[profile]\nmax_bytes = {bytes}"),
        ..ProgramOptions::default()
    };
    let program = Program::start(&ground.data(), &limit(whole - cache / 2)).await?;
    let large = create(&program, json!({"name": "p", "revision": 1, "persist": true})).await?;
    let ended = end(&program, text(&large["id"])).await?;
    let receipt = &ended["receipts"][0];
    ensure!(receipt["status"] == "saved" && receipt["revision"] == 3, "{receipt}");
    ensure!(receipt["dropped_caches"][0]["kind"] == "http_cache", "{receipt}");
    ground.require_no_files().await?;
    program.stop().await?;

    let program = Program::start(&ground.data(), &limit(1_000)).await?;
    let larger = create(&program, json!({"name": "p", "persist": true})).await?;
    let path = format!("/v1/sessions/{}", text(&larger["id"]));
    let (status, answer) = program.call(Method::DELETE, &path, None).await?;
    ensure!(status == StatusCode::INTERNAL_SERVER_ERROR, "{answer}");
    let reason = text(&answer["data"]["receipts"][0]["reason"]);
    ensure!(reason.contains("profile.max_bytes is 1000") && reason.contains("indexed_db"), "{reason}");
    ensure!(profile(&program, "p").await?["revision"] == 3);
    program.stop().await?;

    // With a larger budget the next start saves what did not fit.
    let program = ground.program().await?;
    ensure!(profile(&program, "p").await?["revision"] == 4);
    ground.require_no_files().await?;
    program.stop().await
}

#[tokio::test]
async fn a_newer_chromiums_profile_is_refused_unless_the_caller_insists() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    end(&program, &id).await?;
    program.stop().await?;
    let change = "UPDATE revisions SET browser_version = 'Chrome/999.0.1.2' RETURNING 1";
    ground.database(change)?;
    let program = ground.program().await?;
    let (status, message) = refused(&program, json!({"name": "p"})).await?;
    ensure!(status == StatusCode::CONFLICT, "{status} {message}");
    ensure!(message.contains("Chromium 999") && message.contains("allow_downgrade"), "{message}");
    let opened = create(&program, json!({"name": "p", "allow_downgrade": true})).await?;
    let shown = session(&program, text(&opened["id"])).await?;
    let impossible = &shown["profile"]["restore"]["impossible"][0];
    ensure!(impossible["kind"] == "profile" && text(&impossible["reason"]).contains("999"), "{shown}");
    program.stop().await
}

#[tokio::test]
async fn a_cookie_that_expires_between_sessions_is_reported() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let short = create(&program, json!({"name": "p", "persist": true})).await?;
    let mut page = open(&short).await?;
    page.goto(&quiet(&ground)).await?;
    page.evaluate("document.cookie = 'short=1; max-age=2', document.cookie = 'long=1; max-age=900'").await?;
    end(&program, text(&short["id"])).await?;
    let restored = create(&program, json!({"name": "p"})).await?;
    let mut page = open(&restored).await?;
    page.goto(&quiet(&ground)).await?;
    page.wait_for("document.cookie === 'long=1'").await?;
    let late = create(&program, json!({"name": "p"})).await?;
    let shown = session(&program, text(&late["id"])).await?;
    let skipped = &shown["profile"]["restore"]["skipped"];
    ensure!(
        skipped == &json!([{"kind": "cookie", "name": "short@127.0.0.1", "reason": "it has expired"}]),
        "{shown}"
    );
    program.stop().await
}

#[tokio::test]
async fn old_revisions_go_beside_running_sessions_and_what_is_kept_opens() -> Result<()> {
    let ground = Ground::new().await?;
    let config = "[profile]\nkeep_last = 2\nkeep_days = 0".to_owned();
    let program =
        Program::start(&ground.data(), &ProgramOptions { config, ..ProgramOptions::default() }).await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    end(&program, &id).await?;
    program.data(Method::POST, "/v1/profiles/p/revisions/1/pin", None).await?;
    let running = create(&program, json!({"name": "p", "persist": true})).await?;
    let id = text(&running["id"]).to_owned();
    for _ in 0..6 {
        checkpoint(&program, "p", &id).await?;
    }
    let numbers = async || {
        let listed = revisions(&program, "p").await?;
        let numbers: Vec<_> = listed.iter().filter_map(|revision| revision["revision"].as_u64()).collect();
        Ok::<_, anyhow::Error>(numbers)
    };
    program
        .wait_for("/v1/profiles/p/revisions", |listed| {
            listed["items"].as_array().is_some_and(|revisions| revisions.len() == 3)
        })
        .await?;
    ensure!(numbers().await? == [7, 6, 1]);
    let path = ground.data().with_extension("toml").to_string_lossy().into_owned();
    let (fine, planned) = ground.command(&["prune", "--dry-run", "--config", &path]).await?;
    ensure!(fine && planned.contains("would remove 0 revisions"), "{planned}");
    let snapshots = || ground.snapshots();
    let before = snapshots()?;
    let (fine, pruned) = ground.command(&["prune", "--config", &path]).await?;
    ensure!(fine && pruned.contains("freed"), "{pruned}");
    ensure!((before, snapshots()?) == (7, 3), "{before} snapshots before, {} after", snapshots()?);
    end(&program, &id).await?;
    ground.require_all_kept(&program, "p").await?;
    let old = create(&program, json!({"name": "p", "revision": 1})).await?;
    end(&program, text(&old["id"])).await?;
    let (status, _) = refused(&program, json!({"name": "p", "revision": 3})).await?;
    ensure!(status == StatusCode::NOT_FOUND);
    program.stop().await?;
    let (fine, printed) = ground.command(&["check", "--read-data"]).await?;
    ensure!(fine, "{printed}");
    Ok(())
}

#[tokio::test]
async fn whoever_waits_for_a_save_is_told_when_it_is_durable() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let patient = program.data(Method::GET, "/v1/profiles/p?min_revision=1&timeout=60", None);
    let reader = create(&program, json!({"name": "p", "min_revision": 1, "wait_seconds": 60}));
    let exclusive = json!({"name": "p", "persist": true, "writer": "exclusive", "wait_seconds": 60});
    let writer = create(&program, exclusive);
    let ending = async {
        let ended = end(&program, &id).await?;
        Ok::<_, anyhow::Error>(ended)
    };
    let (seen, read, wrote, ended) = tokio::try_join!(patient, reader, writer, ending)?;
    ensure!(seen["revision"] == 1 && ended["receipts"][0]["revision"] == 1, "{seen}");
    for opened in [&read, &wrote] {
        ensure!(session(&program, text(&opened["id"])).await?["profile"]["revision"] == 1);
    }
    let began = tokio::time::Instant::now();
    let (status, message) =
        refused(&program, json!({"name": "p", "persist": true, "wait_seconds": 0.2})).await?;
    ensure!(status == StatusCode::CONFLICT && message.contains(text(&wrote["id"])), "{message}");
    ensure!(began.elapsed() >= Duration::from_millis(200), "it did not wait");
    program.stop().await
}

/// An exclusive writer whose save failed has lost its right once another has it: its late save is kept, beside the head.
#[tokio::test]
async fn a_stale_writer_cannot_publish() -> Result<()> {
    let ground = Ground::new().await?;
    let failpoints = "save-row=1*return->off".to_owned();
    let options = ProgramOptions { failpoints, ..ProgramOptions::default() };
    let program = Program::start(&ground.data(), &options).await?;
    let exclusive = json!({"name": "p", "persist": true, "writer": "exclusive"});
    let stale = ground.log_in(&program, exclusive.clone()).await?;
    let (status, answer) = program.call(Method::DELETE, &format!("/v1/sessions/{stale}"), None).await?;
    ensure!(status == StatusCode::INTERNAL_SERVER_ERROR, "the save was made to fail: {answer}");
    let holder = ground.log_in(&program, exclusive).await?;
    let portable = ground.data().join("work").join(&holder).join("state/portable.json");
    wait_until("the capture holds the login", || {
        std::fs::read_to_string(&portable).is_ok_and(|text| text.contains("\"session\":true"))
    })
    .await?;
    program.kill().await?;

    let program = ground.program().await?;
    let listed = revisions(&program, "p").await?;
    let of = |id: &str| {
        let found = listed.iter().find(|revision| revision["session_id"] == id);
        found.with_context(|| format!("{id} is saved: {listed:?}"))
    };
    let (stale, holder) = (of(&stale)?, of(&holder)?);
    ensure!(text(&stale["held_back"]["reason"]).contains("right to write"), "{stale}");
    ensure!(holder["head"] == true && holder["held_back"].is_null(), "{holder}");
    ensure!(holder["diverged_from"].is_null(), "{holder}");
    ensure!(profile(&program, "p").await?["status"] == "active");
    ground.require_all_kept(&program, "p").await?;
    program.stop().await
}

#[tokio::test]
async fn a_checkpoint_that_fails_is_an_error_and_the_session_goes_on() -> Result<()> {
    let ground = Ground::new().await?;
    let failpoints = "save-row=1*return->off".to_owned();
    let options = ProgramOptions { failpoints, ..ProgramOptions::default() };
    let program = Program::start(&ground.data(), &options).await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let body = Some(json!({"session_id": id}));
    let (status, answer) = program.call(Method::POST, "/v1/profiles/p/checkpoint", body).await?;
    ensure!(status == StatusCode::INTERNAL_SERVER_ERROR, "{status} {answer}");
    ensure!(answer["data"]["status"] == "failed", "{answer}");
    ensure!(text(&answer["error"]["message"]).contains("The session goes on"), "{answer}");
    ensure!(profile_status(&program).await? == "pending", "its session still runs");
    let receipt = checkpoint(&program, "p", &id).await?;
    ensure!(receipt["status"] == "saved" && receipt["revision"] == 1, "{receipt}");
    let ended = end(&program, &id).await?;
    ensure!(ended["receipts"].as_array().is_some_and(|receipts| receipts.len() == 2), "{ended}");
    ground.require_all_kept(&program, "p").await?;
    program.stop().await
}

#[tokio::test]
async fn a_user_data_dir_from_elsewhere_becomes_a_profile() -> Result<()> {
    let ground = Ground::new().await?;
    // A save that fails leaves the files of a browser that was closed: a user data dir like any other.
    let failpoints = "save-row=1*return->off".to_owned();
    let options = ProgramOptions { failpoints, ..ProgramOptions::default() };
    let program = Program::start(&ground.data(), &options).await?;
    let id = ground.log_in(&program, json!({"name": "source", "persist": true})).await?;
    let path = format!("/v1/sessions/{id}");
    let (status, _) = program.call(Method::DELETE, &path, None).await?;
    ensure!(status == StatusCode::INTERNAL_SERVER_ERROR, "the save was made to fail");
    let user_data = ground.data().join("work").join(&id).join("state/user-data");
    let user_data = user_data.to_str().context("a path of ours")?;

    let (fine, printed) = ground.command(&["profiles", "import", "imported", user_data]).await?;
    ensure!(fine && printed.contains("imported revision 1"), "{printed}");
    let state = ground.look(&program, "imported").await?;
    ensure!(state.lost() == ["session_cookie"], "all that files carry, and no more: {state:?}");
    let listed = revisions(&program, "imported").await?;
    ensure!(listed[0]["cause"] == "imported" && listed[0]["session_id"].is_null(), "{listed:?}");
    let (fine, printed) = ground.command(&["profiles", "import", "imported", user_data]).await?;
    ensure!(fine && printed.contains("imported revision 2"), "nothing is overwritten: {printed}");

    let holder =
        create(&program, json!({"name": "imported", "persist": true, "writer": "exclusive"})).await?;
    let (fine, printed) = ground.command(&["profiles", "import", "imported", user_data]).await?;
    ensure!(!fine && printed.contains(text(&holder["id"])), "{printed}");
    let (fine, printed) = ground.command(&["profiles", "import", "other", "/"]).await?;
    ensure!(!fine && printed.contains("no Chromium user data dir"), "{printed}");
    let (status, _) = program.call(Method::GET, "/v1/profiles/other", None).await?;
    ensure!(status == StatusCode::NOT_FOUND, "an import that is refused makes no profile");
    program.stop().await?;
    let (fine, printed) = ground.command(&["check", "--read-data"]).await?;
    ensure!(fine, "{printed}");
    Ok(())
}
