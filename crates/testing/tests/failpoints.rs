//! The ordering edges: the program is killed at each of them, started again, and everything is held against what it
//! had promised. Which edges there are is read from the program's own table, so that none is forgotten.

use std::os::unix::process::ExitStatusExt as _;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::{Ground, create, end, text};
use roadstead_testing::program::{Program, ProgramOptions};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The table of the edges.
const TABLE: &str = include_str!("../../server/src/failpoints.rs");

/// What makes the program pass an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A session logs in and ends.
    End,
    /// A session logs in and is saved while it runs.
    Checkpoint,
    /// An old revision is deleted.
    Prune,
}

/// Every edge, how it is passed, and at which passing the program is killed.
const EDGES: &[(&str, Way, &[u32])] = &[
    ("portable-written", Way::End, &[1, 2]),
    ("portable-renamed", Way::End, &[1, 2]),
    ("vault-put", Way::End, &[1, 4]),
    ("vault-put-done", Way::End, &[2, 3]),
    ("save-bytes-stored", Way::End, &[1]),
    ("save-row", Way::End, &[1]),
    ("save-row-stored", Way::End, &[1]),
    ("session-end-recorded", Way::End, &[1]),
    ("checkpoint-frozen", Way::Checkpoint, &[1]),
    ("checkpoint-copied", Way::Checkpoint, &[1]),
    ("prune-rows-removed", Way::Prune, &[1]),
    ("vault-delete", Way::Prune, &[1, 2, 3]),
    ("vault-delete-done", Way::Prune, &[1, 2, 3]),
    ("vault-get", Way::End, &[1]),
];

#[test]
fn every_edge_of_the_table_has_a_case() {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let named: Vec<_> =
        cells.flat_map(|cell| cell.split(['`', ',', ' '])).filter(|name| name.contains('-')).collect();
    assert!(named.len() >= EDGES.len(), "{named:?}");
    for name in named {
        assert!(EDGES.iter().any(|(edge, ..)| *edge == name), "{name} has no case");
    }
}

#[tokio::test]
async fn a_server_killed_at_an_edge_of_its_own_files_loses_nothing() -> Result<()> {
    kill_at_all(|edge| edge.starts_with("portable") || edge.starts_with("checkpoint")).await
}

#[tokio::test]
async fn a_server_killed_while_it_stores_a_revision_loses_nothing() -> Result<()> {
    kill_at_all(|edge| edge.starts_with("vault-put") || edge == "vault-get").await
}

#[tokio::test]
async fn a_server_killed_between_bytes_row_and_clean_up_loses_nothing() -> Result<()> {
    kill_at_all(|edge| edge.starts_with("save") || edge.starts_with("session")).await
}

#[tokio::test]
async fn a_server_killed_while_it_prunes_loses_nothing() -> Result<()> {
    kill_at_all(|edge| edge.starts_with("prune") || edge.starts_with("vault-delete")).await
}

async fn kill_at_all(chosen: impl Fn(&str) -> bool) -> Result<()> {
    for (edge, way, passings) in EDGES.iter().filter(|(edge, ..)| chosen(edge)) {
        for passing in *passings {
            kill_at(edge, *way, *passing)
                .await
                .with_context(|| format!("killed at {edge}, passing {passing}"))?;
        }
    }
    Ok(())
}

async fn kill_at(edge: &str, way: Way, passing: u32) -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program().await?;
    let id = ground.log_in(&program, json!({"name": "p", "persist": true})).await?;
    let mut promised = vec![end(&program, &id).await?["receipts"][0].clone()];
    if way == Way::Prune {
        // Something else, so that the first revision has bytes of its own.
        promised = pass(&ground, &program, Way::End).await?;
    }
    program.stop().await?;

    let failpoints = format!("{edge}=kill@{passing}");
    let mut program =
        Program::start(&ground.data(), &ProgramOptions { failpoints, ..ProgramOptions::default() }).await?;
    // Whatever it answers before it dies is a promise; that it does not answer is what it was asked for.
    if let Ok(receipts) = pass(&ground, &program, way).await {
        promised.extend(receipts);
    }
    if edge.starts_with("portable") {
        // These are passed as soon as a session runs, and again by itself when something changes.
        drop(create(&program, json!({"name": "p", "persist": true})).await);
    }
    let status = program.ended().await?;
    ensure!(status.signal() == Some(Signal::KILL.as_raw()), "it was not killed there: {status}");

    let program = ground.program().await?;
    ground.require_no_files().await?;
    let profile = program.data(Method::GET, "/v1/profiles/p", None).await?;
    ensure!(profile["status"] == "active", "{profile}");
    let listed = program.data(Method::GET, "/v1/profiles/p/revisions", None).await?;
    let listed = listed["items"].as_array().context("a list")?;
    for receipt in promised.iter().filter(|receipt| receipt["status"] == "saved") {
        let kept = |revision: &&Value| {
            revision["revision"] == receipt["revision"] && revision["digest"] == receipt["digest"]
        };
        ensure!(listed.iter().any(|revision| kept(&revision)), "{receipt} is not among {listed:?}");
    }
    let state = ground.look(&program, "p").await?;
    // Between two captures a new login's session cookie is nowhere but in the browser: the one before it is kept.
    let torn = edge.starts_with("portable") && state.user.is_some();
    ensure!(torn || state.is_complete(), "after the restore: {state:?}");
    for revision in listed {
        let number = revision["revision"].as_u64();
        let opened = create(&program, json!({"name": "p", "revision": number})).await?;
        end(&program, text(&opened["id"])).await?;
    }
    program.stop().await?;
    let (fine, printed) = ground.command(&["check", "--read-data"])?;
    ensure!(fine, "{printed}");
    let (fine, printed) = ground.command(&["prune"])?;
    ensure!(fine, "{printed}");
    let (fine, printed) = ground.command(&["check", "--read-data"])?;
    ensure!(fine, "{printed}");
    Ok(())
}

/// Does what passes the edge, and returns the receipts that came back.
async fn pass(ground: &Ground, program: &Program, way: Way) -> Result<Vec<Value>> {
    if way == Way::Prune {
        program.data(Method::DELETE, "/v1/profiles/p/revisions/1", None).await?;
        return Ok(Vec::new());
    }
    let session = create(program, json!({"name": "p", "persist": true})).await?;
    let id = text(&session["id"]);
    let mut page = Page::open(text(&session["cdp_url"])).await?;
    page.call("Storage.clearCookies", json!({})).await?;
    ground.site().log_in(&mut page).await?;
    if way == Way::Checkpoint {
        let body = Some(json!({"session_id": id}));
        return Ok(vec![program.data(Method::POST, "/v1/profiles/p/checkpoint", body).await?]);
    }
    let ended = end(program, id).await?;
    Ok(ended["receipts"].as_array().context("a list")?.clone())
}
