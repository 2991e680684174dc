//! What is kept when things end, with the real program and a real browser: orderly, killed, or with the vault in the way.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::{Ground, create, end, session, text};
use roadstead_testing::program::{Program, ProgramOptions, wait_until};
use rustix::process::{Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

/// Sessions at once in the load test, as the project promises for 2 cores.
const MANY: usize = 20;
/// What the server process may hold with that many sessions, in bytes.
const MEMORY: u64 = 40 << 20;

#[tokio::test]
async fn a_killed_server_loses_no_login() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let persisting = ground.log_in(&program, json!({"name": "persisting", "persist": true})).await?;
    let other = create(&program, Value::Null).await?;
    // The login is in a checkpoint once the portable state holds its session cookie.
    let portable = ground.data().join("work").join(&persisting).join("state/portable.json");
    wait_until("the checkpoint holds the login", || {
        std::fs::read_to_string(&portable).is_ok_and(|text| text.contains("\"session\":true"))
    })
    .await?;
    program.kill().await?;

    let program = ground.program().await?;
    let saved = session(&program, &persisting).await?;
    ensure!(saved["status"] == "completed" && saved["reason"] == "node_lost", "{saved}");
    let lost = session(&program, text(&other["id"])).await?;
    ensure!(lost["status"] == "failed" && lost["reason"] == "node_lost", "{lost}");
    let profile = program.data(Method::GET, "/v1/profiles/persisting", None).await?;
    ensure!(profile["status"] == "active" && profile["revision"] == 1, "{profile}");
    ground.require_all_kept(&program, "persisting").await?;
    ground.require_no_files().await?;
    program.stop().await?;
    let (fine, printed) = ground.command(&["check", "--read-data"]).await?;
    ensure!(fine && printed.contains("1 profiles with 1 revisions: 0 problems"), "{printed}");
    Ok(())
}

#[tokio::test]
async fn a_terminated_server_saves_what_runs_and_exits_with_0() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let browser = ground.browser_of(&id)?;
    program.stop().await?;
    ensure!(test_kill_process(browser).is_err(), "the browser outlived the server");
    ground.require_no_files().await?;

    let program = ground.program().await?;
    let saved = session(&program, &id).await?;
    ensure!(saved["status"] == "completed" && saved["reason"] == "shutdown", "{saved}");
    ground.require_all_kept(&program, "p").await?;
    program.stop().await
}

#[tokio::test]
async fn a_browser_that_dies_fails_its_session_and_is_saved_all_the_same() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let portable = ground.data().join("work").join(&id).join("state/portable.json");
    wait_until("the checkpoint holds the login", || {
        std::fs::read_to_string(&portable).is_ok_and(|text| text.contains("\"session\":true"))
    })
    .await?;
    kill_process(ground.browser_of(&id)?, Signal::KILL)?;
    let ended =
        program.wait_for(&format!("/v1/sessions/{id}"), |session| session["status"] == "failed").await?;
    ensure!(ended["reason"] == "browser_exited", "{ended}");
    let profile = program.data(Method::GET, "/v1/profiles/p", None).await?;
    ensure!(profile["status"] == "active" && profile["revision"] == 1, "{profile}");
    // Chromium had no chance to flush: what a checkpoint holds is there, its own files are as old as its habits.
    let state = ground.look(&program, "p").await?;
    ensure!(state.user.is_some(), "logged out: {state:?}");
    program.stop().await
}

#[tokio::test]
async fn a_save_that_fails_keeps_the_head_and_is_made_at_the_next_start() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    end(&program, &id).await?;
    let head = program.data(Method::GET, "/v1/profiles/p", None).await?;

    let session_on_it = create(&program, json!({"name": "p", "persist": true})).await?;
    let id = text(&session_on_it["id"]).to_owned();
    // A file where the repository was: no backend can write there, not even as root.
    let vault = ground.data().join("vault");
    let aside = ground.data().join("aside");
    std::fs::rename(&vault, &aside)?;
    std::fs::write(&vault, "")?;
    let (status, answer) = program.call(Method::DELETE, &format!("/v1/sessions/{id}"), None).await?;
    ensure!(
        status == StatusCode::INTERNAL_SERVER_ERROR && text(&answer["error"]["message"]).contains("\"p\""),
        "{status} {answer}"
    );
    let failed = program.data(Method::GET, "/v1/profiles/p", None).await?;
    ensure!(failed["status"] == "failed" && !failed["status_reason"].is_null(), "{failed}");
    ensure!(failed["revision"] == head["revision"], "{failed}");
    ensure!(session(&program, &id).await?["status"] == "failed");
    ensure!(ground.work_dirs()?.len() == 1, "{:?}", ground.work_dirs()?);

    std::fs::remove_file(&vault)?;
    std::fs::rename(&aside, &vault)?;
    ground.require_all_kept(&program, "p").await?;
    let later = create(&program, json!({"name": "p", "persist": true})).await?;
    end(&program, text(&later["id"])).await?;
    program.stop().await?;

    let program = ground.program().await?;
    let mended = program.data(Method::GET, "/v1/profiles/p", None).await?;
    ensure!(
        mended["status"] == "active" && mended["revision"] == 2,
        "what ended later stays the head: {mended}"
    );
    let (_, revisions) = ground.command(&["profiles", "revisions", "p"]).await?;
    ensure!(revisions.lines().count() == 3 && revisions.contains("recovered"), "{revisions}");
    ground.require_no_files().await?;
    program.stop().await
}

#[tokio::test]
async fn two_that_save_into_one_profile_both_get_their_revision() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let one = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let two = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let (one, two) = tokio::join!(end(&program, &one), end(&program, &two));
    let mut numbers = [&one?, &two?].map(|ended| ended["receipts"][0]["revision"].as_u64());
    numbers.sort_unstable();
    ensure!(numbers == [Some(1), Some(2)], "{numbers:?}");
    ground.require_all_kept(&program, "p").await?;
    let (fine, printed) = ground.command(&["profiles", "revisions", "p"]).await?;
    ensure!(fine && printed.lines().count() == 2, "{printed}");
    program.stop().await
}

#[tokio::test]
async fn a_profile_deleted_under_a_session_is_dropped_and_the_session_goes_on() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    end(&program, &id).await?;
    let session = create(&program, json!({"name": "p", "persist": true})).await?;
    let id = text(&session["id"]).to_owned();
    program.data(Method::DELETE, "/v1/profiles/p", None).await?;
    let mut page = Page::open(text(&session["cdp_url"])).await?;
    ensure!(ground.site().state(&mut page).await?.is_complete());
    let ended = end(&program, &id).await?;
    ensure!(ended["receipts"][0]["status"] == "dropped", "{ended}");
    let left = std::fs::read_dir(ground.data().join("vault"))?.count();
    ensure!(left == 0, "{left} repositories are left of a deleted profile");
    program.stop().await
}

#[tokio::test]
async fn twenty_sessions_at_once_and_a_small_server() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let one = async |number: usize| {
        let name = format!("many-{number}");
        let id = ground.log_in(&program, json!({"name": name, "persist": true})).await?;
        let memory = program.resident_bytes()?;
        let ended = end(&program, &id).await?;
        ensure!(ended["receipts"][0]["status"] == "saved", "{ended}");
        Ok(memory)
    };
    let memory = futures_util::future::try_join_all((0..MANY).map(one)).await?.into_iter().max();
    let memory = memory.max(Some(program.resident_bytes()?)).context("there were sessions")?;
    ensure!(memory < MEMORY, "the server process held {} MiB", memory >> 20);
    ground.require_all_kept(&program, "many-7").await?;
    ground.require_no_files().await?;
    program.stop().await
}

#[tokio::test]
async fn the_data_directory_is_closed_and_has_one_server() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    for (file, mode) in [("roadstead.db", 0o600), ("root.key", 0o600), ("vault", 0o700)] {
        let found = std::fs::metadata(ground.data().join(file))?.permissions().mode() & 0o777;
        ensure!(found == mode, "{file} has the mode {found:o}");
    }
    let second = Program::start(&ground.data(), &ProgramOptions::default()).await;
    ensure!(second.is_err(), "a second server started on the same data directory");
    program.stop().await
}

#[tokio::test]
async fn keys_open_their_own_project_until_they_are_revoked() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    program.data(Method::POST, "/v1/profiles", Some(json!({"name": "mine"}))).await?;
    let (_, key) = ground.command(&["keys", "create", "--project", "other", "--name", "theirs"]).await?;
    let ask = async |key: &str| {
        let url = format!("{}/v1/profiles/mine", program.url());
        Ok::<_, anyhow::Error>(
            reqwest::Client::new().get(url).header("anchor-api-key", key).send().await?.status(),
        )
    };
    ensure!(ask(key.trim()).await? == StatusCode::NOT_FOUND);
    let (_, listed) = ground.command(&["keys", "list"]).await?;
    ensure!(!listed.contains(key.trim()), "a listing shows a key");
    let id =
        listed.lines().find(|line| line.contains("theirs")).and_then(|line| line.split_whitespace().next());
    let (fine, printed) = ground.command(&["keys", "revoke", id.context("the key is listed")?]).await?;
    ensure!(fine, "{printed}");
    ensure!(ask(key.trim()).await? == StatusCode::UNAUTHORIZED);
    program.stop().await
}

#[tokio::test]
async fn the_doctor_starts_the_browsers_and_a_damaged_vault_is_found() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    end(&program, &id).await?;
    program.stop().await?;
    let (fine, printed) = ground.command(&["doctor"]).await?;
    ensure!(fine && printed.contains("full Chromium starts"), "{printed}");
    let pack = largest_file(&ground.data().join("vault"))?;
    let mut bytes = std::fs::read(&pack)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::set_permissions(&pack, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(&pack, bytes)?;
    let (fine, printed) = ground.command(&["check", "--read-data"]).await?;
    ensure!(!fine && printed.contains("\"p\""), "{printed}");
    Ok(())
}

fn largest_file(dir: &std::path::Path) -> Result<PathBuf> {
    let mut largest = (0, PathBuf::new());
    let mut rooms = vec![dir.to_owned()];
    while let Some(room) = rooms.pop() {
        for entry in std::fs::read_dir(room)? {
            let (path, found) = {
                let entry = entry?;
                (entry.path(), entry.metadata()?)
            };
            if found.is_dir() {
                rooms.push(path);
            } else if found.len() > largest.0 {
                largest = (found.len(), path);
            }
        }
    }
    Ok(largest.1)
}
