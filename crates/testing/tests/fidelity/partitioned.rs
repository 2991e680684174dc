//! State that is partitioned by the site of the page: what a frame of another site holds under one is not there under
//! another. Cookies (CHIPS), and the storage that Chromium partitions by itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use reqwest::Url;
use serde_json::{Value, json};

use crate::ground::{Ground, Pair, Session, report_cookies};

const FRAME: &str = "https://buoy.example/within";
const PUPPET: &str = "https://buoy.example/puppet";
const PARTITIONED: &str = "Path=/; Secure; HttpOnly; SameSite=None; Partitioned";
/// The pages that show a frame of buoy.example, and buoy.example itself.
const TOPS: &[&str] =
    &["https://harbour.example/embed", "https://pier.example/embed", "https://buoy.example/embed"];
/// The site that shows itself within another site within itself: neither first party nor third party.
const AROUND: &str = "https://harbour.example/around";

fn with(url: &str, name: &str, value: &str) -> Result<String> {
    Ok(Url::parse_with_params(url, [(name, value)])?.into())
}

fn cookies(value: &str) -> String {
    format!("session={value}; {PARTITIONED}\nkept={value}; Max-Age=2592000; {PARTITIONED}")
}

/// The address of a page of harbour.example with a frame of buoy.example that shows `inner`.
fn around(inner: &str) -> Result<String> {
    with("https://harbour.example/embed", "frame", &with("https://buoy.example/embed", "frame", inner)?)
}

/// Lets a frame under each page set its cookies.
async fn set_all(session: &mut Session) -> Result<()> {
    for top in TOPS {
        let set = with("https://buoy.example/cookies", "set", &cookies(top))?;
        session.page.visit(&with(top, "frame", &set)?).await?;
    }
    let unpartitioned = "unpartitioned=1; Path=/; Secure; HttpOnly; SameSite=None";
    session.page.visit(&with("https://buoy.example/cookies", "set", unpartitioned)?).await?;
    let within_itself = with("https://harbour.example/cookies", "set", &cookies(AROUND))?;
    session.page.visit(&around(&within_itself)?).await?;
    let itself = with("https://harbour.example/cookies", "set", &cookies("itself"))?;
    session.page.visit(&itself).await
}

type Sent = BTreeMap<String, String>;

/// Returns the cookies that each frame sends, by the page that shows it.
async fn look(ground: &Ground, session: &mut Session) -> Result<BTreeMap<&'static str, Sent>> {
    let sent = |url: &str| ground.site.cookies_at(url).with_context(|| format!("{url} was not asked for"));
    let mut seen = BTreeMap::new();
    for top in TOPS {
        session.page.visit(&with(top, "frame", FRAME)?).await?;
        let mut cookies = sent(FRAME)?;
        // Whether a third party gets its unpartitioned cookies is the build's affair: Debian's full Chromium says no.
        cookies.remove("unpartitioned");
        seen.insert(*top, cookies);
    }
    session.page.visit(&around(AROUND)?).await?;
    seen.insert(AROUND, sent(AROUND)?);
    session.page.visit("https://harbour.example/itself").await?;
    seen.insert("itself", sent("https://harbour.example/itself")?);
    Ok(seen)
}

async fn partitioned_cookies_come_back_apart(pair: Pair) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.session(pair.saved_by).await?;
    set_all(&mut session).await?;
    let before = report_cookies(&mut session.page).await?;
    let seen_before = look(&ground, &mut session).await?;
    for (page, sent) in &seen_before {
        ensure!(
            sent["kept"] == *page && sent["session"] == *page && sent.len() == 2,
            "before the end, in {page}: {sent:?}"
        );
    }
    ensure!(before.len() == 2 * seen_before.len() + 1, "before the end: {before:#?}");
    ground.end(session).await?;

    let mut session = ground.session(pair.opened_in).await?;
    let after = report_cookies(&mut session.page).await?;
    ensure!(before == after, "held {before:#?}, and now {after:#?}");
    let seen_after = look(&ground, &mut session).await?;
    ensure!(seen_before == seen_after, "sites got {seen_before:#?}, and now {seen_after:#?}");
    ground.end(session).await
}

/// Runs a script in the frame under each of the pages.
async fn in_each_frame(session: &mut Session, script: &str) -> Result<Vec<Value>> {
    let mut said = Vec::new();
    for top in &TOPS[..2] {
        session.page.visit(&with(top, "frame", PUPPET)?).await?;
        said.push(session.page.evaluate_in_puppet(&format!("({script})({})", json!(top))).await?);
    }
    session.page.visit(PUPPET).await?;
    said.push(session.page.evaluate(&format!("({script})('first party')")).await?);
    Ok(said)
}

const WRITE: &str = "async (value) => {
    localStorage.setItem('top', value);
    await (await caches.open('frames')).put('/top', new Response(value));
    await new Promise((resolve, reject) => {
        const request = indexedDB.open('frames', 1);
        request.onupgradeneeded = () => request.result.createObjectStore('kept').put(value, 'top');
        Object.assign(request, { onsuccess: resolve, onerror: reject });
    });
}";
const READ: &str = "async () => {
    const cached = await (await caches.open('frames')).match('/top');
    const indexed = await new Promise((resolve) => {
        const request = indexedDB.open('frames', 1);
        request.onupgradeneeded = () => request.transaction.abort();
        request.onerror = () => resolve(null);
        request.onsuccess = () => {
            const got = request.result.transaction('kept').objectStore('kept').get('top');
            got.onsuccess = () => resolve(got.result);
        };
    });
    return [localStorage.getItem('top'), cached ? await cached.text() : null, indexed];
}";

async fn partitioned_storage_comes_back_apart(pair: Pair) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.session(pair.saved_by).await?;
    in_each_frame(&mut session, WRITE).await?;
    ground.end(session).await?;
    let mut session = ground.session(pair.opened_in).await?;
    let found = in_each_frame(&mut session, READ).await?;
    for (top, found) in [TOPS[0], TOPS[1], "first party"].into_iter().zip(&found) {
        ensure!(*found == json!([top, top, top]), "under {top}: {found}");
    }
    ground.end(session).await
}

crate::in_every_pair!(partitioned_cookies_come_back_apart);
crate::in_every_pair!(partitioned_storage_comes_back_apart);
