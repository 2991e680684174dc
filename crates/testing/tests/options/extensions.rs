//! Extensions at work in full Chromium.

use std::io::{Cursor, Write as _};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use reqwest::Method;
use roadstead_testing::ground::text;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::ground::Ground;

fn archive(files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in files {
        writer.start_file(*name, SimpleFileOptions::default())?;
        writer.write_all(contents.as_bytes())?;
    }
    Ok(writer.finish()?.into_inner())
}

fn site() -> Router {
    Router::new().route("/", get(async || Html("<!doctype html><title>plain</title>")))
}

/// An extension whose script marks every page, and counts how often it did, for as long as the extension's storage lasts.
fn marker(mark: &str) -> Result<Vec<u8>> {
    let manifest = json!({
        "manifest_version": 3, "name": "Marker", "version": "1.0", "permissions": ["storage"],
        "content_scripts": [{"matches": ["<all_urls>"], "js": ["js/mark.js"]}],
    });
    let script = format!(
        "chrome.storage.local.get('seen').then(async ({{ seen = 0 }}) => {{
            await chrome.storage.local.set({{ seen: seen + 1 }});
            document.documentElement.dataset.{mark} = `${{chrome.runtime.id}} ${{seen + 1}}`;
        }});"
    );
    archive(&[("marker/manifest.json", &manifest.to_string()), ("marker/js/mark.js", &script)])
}

#[tokio::test]
async fn a_content_script_runs_where_the_extension_is_named() -> Result<()> {
    let mut ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let url = ground.site(site()).await?;
    let one = ground.upload("/v1/extensions", "one", ("one.zip", &marker("one")?)).await?;
    let two = ground.upload("/v1/extensions", "two", ("two.zip", &marker("two")?)).await?;
    let (_, mut page) = ground.session(json!({"extensions": [one["id"], two["id"]]})).await?;
    page.visit(&url).await?;
    for mark in ["one", "two"] {
        page.wait_for(&format!("'{mark}' in document.documentElement.dataset")).await?;
    }
    // Nothing is left of how the server looked whether they are there.
    let targets = page.call_browser("Target.getTargets", json!({})).await?;
    let pages: Vec<_> =
        targets["targetInfos"].as_array().into_iter().flatten().filter(|t| t["type"] == "page").collect();
    ensure!(pages.len() == 1, "{pages:?}");
    let (_, mut page) = ground.session(json!({"extensions": [one["id"]]})).await?;
    page.visit(&url).await?;
    page.wait_for("'one' in document.documentElement.dataset").await?;
    ensure!(page.evaluate("'two' in document.documentElement.dataset").await? == false);
    // It runs before the next page's own scripts, so one that is there would have been by now.
    let (_, mut page) = ground.session(json!({})).await?;
    page.visit(&url).await?;
    ensure!(page.evaluate("Object.keys(document.documentElement.dataset).length").await? == 0);
    ground.stop().await
}

#[tokio::test]
async fn what_it_stores_stays_in_a_profile_and_it_does_not() -> Result<()> {
    let mut ground = Ground::new("").await?;
    let url = ground.site(site()).await?;
    let one = ground.upload("/v1/extensions", "one", ("one.zip", &marker("one")?)).await?;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let browser = json!({"profile": {"name": "p", "persist": true}, "extensions": [one["id"]]});
        let (id, mut page) = ground.session(browser).await?;
        page.visit(&url).await?;
        page.wait_for("'one' in document.documentElement.dataset").await?;
        seen.push(text(&page.evaluate("document.documentElement.dataset.one").await?).to_owned());
        drop(page);
        ground.end(&id).await?;
    }
    let id = seen[0].split(' ').next().context("an id")?;
    ensure!(seen == [format!("{id} 1"), format!("{id} 2")], "{seen:?}");
    let (_, mut page) = ground.session(json!({"profile": {"name": "p"}})).await?;
    page.visit(&url).await?;
    ensure!(page.evaluate("Object.keys(document.documentElement.dataset).length").await? == 0);
    ground.stop().await
}

#[tokio::test]
async fn what_chromium_does_not_load_is_no_session() -> Result<()> {
    let ground = Ground::new("").await?;
    let manifest = json!({
        "manifest_version": 3, "name": "Broken", "version": "1.0",
        "content_scripts": [{"matches": ["<all_urls>"], "js": ["missing.js"]}],
    });
    let broken = archive(&[("manifest.json", &manifest.to_string())])?;
    let broken = ground.upload("/v1/extensions", "broken", ("broken.zip", &broken)).await?;
    let body = json!({"browser": {"extensions": [broken["id"]]}});
    let (status, answer) = ground.program.call(Method::POST, "/v1/sessions", Some(body)).await?;
    ensure!(
        status == 400
            && answer["error"]["message"].as_str().is_some_and(|words| words.contains("does not load")),
        "{answer}"
    );
    // Deleted while nobody has it, it is as if it had never been.
    let path = format!("/v1/extensions/{}", text(&broken["id"]));
    ground.program.data(Method::DELETE, &path, None).await?;
    let kept = std::fs::read_dir(ground.place.data().join("extensions"))?
        .filter_map(|entry| Some(entry.ok()?.file_name()));
    ensure!(kept.eq(["incoming"]), "its file is left");
    ground.stop().await
}

#[tokio::test]
async fn a_client_cannot_load_one_of_its_own() -> Result<()> {
    let ground = Ground::new("").await?;
    let (_, mut page) = ground.session(json!({})).await?;
    let refused = page.call_browser("Extensions.loadUnpacked", json!({"path": "/tmp"})).await;
    ensure!(refused.is_err(), "{refused:?}");
    drop::<Value>(page.evaluate("1").await?);
    ground.stop().await
}
