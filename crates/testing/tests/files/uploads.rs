//! Files for file choosers.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;
use roadstead_testing::cdp::Page;
use roadstead_testing::form::{self, begin, form};
use roadstead_testing::ground::text;
use serde_json::{Value, json};

use crate::ground::{Build, Ground, Session, bytes, hash};
use crate::in_both_builds;

/// What the page says of the files in its chooser: their names, sizes and hashes.
const SHOWN: &str = "(async () => {
    const shown = [];
    for (const file of document.querySelector('input').files) {
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
        shown.push([file.name, file.size, [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')]);
    }
    return shown;
})()";

/// Opens the page with the chooser, and puts files into it by their paths.
async fn choose(ground: &Ground, session: &Session, paths: &[&str]) -> Result<Page> {
    let mut page = Page::open(&session.cdp_url).await?;
    page.visit(&ground.url("/chooser")).await?;
    let root = page.call("DOM.getDocument", json!({})).await?["root"]["nodeId"].clone();
    let input = page.call("DOM.querySelector", json!({"nodeId": root, "selector": "input"})).await?;
    page.call("DOM.setFileInputFiles", json!({"nodeId": input["nodeId"], "files": paths})).await?;
    Ok(page)
}

in_both_builds!(a_page_gets_the_uploaded_bytes);
async fn a_page_gets_the_uploaded_bytes(build: Build) -> Result<()> {
    let ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let session = ground.session(build.body()).await?;
    let (one, two) = (bytes(3_000_000, 1), bytes(1_000, 2));
    let first = ground.upload(&session, "uploads", form("Grüße 1.bin", &one)).await?;
    let second = ground.upload(&session, "uploads", form("../../two", &two)).await?;
    let mut page = choose(&ground, &session, &[text(&first["path"]), text(&second["path"])]).await?;
    let shown = page.evaluate(SHOWN).await?;
    let expected = json!([["Grüße 1.bin", 3_000_000, hash(&one)], ["two", 1_000, hash(&two)]]);
    ensure!(shown == expected, "{shown}");
    // Another session's browser does not get at it.
    let other = ground.session(build.body()).await?;
    if let Ok(mut page) = choose(&ground, &other, &[text(&first["path"])]).await {
        let read = page.evaluate(SHOWN).await;
        ensure!(read.as_ref().map_or(true, |shown| shown[0][2] != hash(&one)), "{read:?}");
    }
    ground.program.stop().await?;
    ground.place.require_no_files().await
}

/// How much of a large file a server may hold.
const MOST_MEMORY: u64 = 48 << 20;

#[tokio::test]
async fn a_large_file_is_never_in_memory() -> Result<()> {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 400;
    let ground = Ground::new("").await?;
    let session = ground.session(Build::Shell.body()).await?;
    ground.upload(&session, "uploads", form("warm", b"up")).await?;
    let before = ground.program.resident_bytes()?;
    let piece = Bytes::from(bytes(PIECE, 3));
    let pieces = std::iter::repeat_n(piece, PIECES);
    let whole =
        [Bytes::from(begin("file", "large"))].into_iter().chain(pieces).chain([Bytes::from(form::end())]);
    let body = Body::wrap_stream(stream::iter(whole.map(Ok::<_, std::io::Error>)));
    let (sent, grown) = tokio::join!(
        async {
            let sent = ground.upload(&session, "uploads", body).await;
            ground.http.get(format!("{}/healthz", ground.program.url())).send().await.map(|_| sent)
        },
        highest(&ground, before),
    );
    let (sent, grown): (Value, u64) = (sent??, grown?);
    ensure!(sent["size"] == PIECE * PIECES, "{sent}");
    let stored = std::fs::metadata(text(&sent["path"])).context("the file is there")?;
    ensure!(stored.len() == (PIECE * PIECES) as u64);
    ensure!(grown < MOST_MEMORY, "the server grew by {} MiB", grown >> 20);
    ground.program.stop().await
}

/// Watches how much the server grows until the large file is whole.
async fn highest(ground: &Ground, before: u64) -> Result<u64> {
    let work = ground.place.work();
    let whole = || {
        let sessions = std::fs::read_dir(&work).into_iter().flatten().flatten();
        sessions.map(|session| session.path().join("uploads/large")).any(|file| file.is_file())
    };
    let mut most = 0;
    while !whole() {
        most = most.max(ground.program.resident_bytes()?.saturating_sub(before));
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    Ok(most)
}
