//! Advertisements: refused at the way out, not loaded in pages, and hidden.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{Html, IntoResponse as _, Response};
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::ground::Ground;

/// What was asked for, by host and path.
type Asked = Arc<Mutex<BTreeSet<String>>>;

/// What a page shows once everything is loaded, and what came late was added.
const SETTLED: &str = "document.readyState === 'complete' && window.settled === true";

/// A page with an image, scripts, a frame of its own and one of another site, and elements early and late.
fn page(other: &str) -> String {
    format!(
        "<!doctype html><title>page</title>
        <div id=early class='teaser banner'>early</div><div id=kept class=kept>kept</div>
        <div id=odd data-ad=1>odd</div><div id=local class=local>local</div>
        <script src=/ads/a.js></script><script src=/ads/good.js></script><script src=/own.js></script>
        <img src=/pixel.gif><img src=/photo.gif>
        <iframe id=own src=/framed></iframe><iframe id=advert src=/advert></iframe>
        <iframe src='{other}/cross'></iframe>
        <script>addEventListener('load', async () => {{
            document.body.insertAdjacentHTML('beforeend', '<p><b id=late-ad>late</b></p>');
            const named = document.getElementById('kept').cloneNode();
            named.id = 'named';
            document.body.append(named);
            requestAnimationFrame(() => {{ named.className = 'banner'; window.settled = true; }});
        }})</script>"
    )
}

async fn answer(State((asked, other)): State<(Asked, String)>, headers: HeaderMap, uri: Uri) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    asked.lock().unwrap().insert(format!("{host}{}", uri.path()));
    let script = |text: &str| ([(header::CONTENT_TYPE, "text/javascript")], text.to_owned()).into_response();
    match uri.path() {
        "/" => {
            let policy = [(header::CONTENT_SECURITY_POLICY, "style-src 'none'")];
            (policy, Html(page(&other))).into_response()
        }
        "/framed" | "/cross" => {
            Html("<!doctype html><i id=framed class=banner>x</i><img src=/pixel.gif>").into_response()
        }
        "/ads/a.js" => script("window.advertised = true"),
        "/ads/good.js" => script("window.good = true"),
        "/own.js" => script("window.own = true"),
        _ => ().into_response(),
    }
}

const LIST: &str = "[Adblock Plus 2.0]
! Title: a test's
/ads/*$script
@@/ads/good.js
/pixel.gif$image
/advert$subdocument
##.banner
###late-ad
##div[data-ad]
##<<< no selector
##.kept:no-such-thing(1)
localhost##.local
||127.0.0.2^
";

struct Sites {
    ground: Ground,
    asked: Asked,
    port: u16,
}

impl Sites {
    /// Starts one site that two hosts have, and a third host that is on the list.
    async fn new(config: &str) -> Result<Self> {
        let mut ground = Ground::new(config).await?;
        let asked = Asked::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let routes = Router::new()
            .fallback(answer)
            .with_state((Arc::clone(&asked), format!("http://127.0.0.1:{port}")));
        ground.serve(listener, routes.clone());
        ground.serve(TcpListener::bind(("127.0.0.2", port)).await?, routes);
        Ok(Self { ground, asked, port })
    }

    async fn session(&self, headless: bool, adblock: Value) -> Result<(String, Page)> {
        self.asked.lock().unwrap().clear();
        let mut browser = json!({"headless": {"active": headless}});
        if !adblock.is_null() {
            browser["adblock"] = json!({"active": adblock});
            browser["popup_blocker"] = json!({"active": adblock});
        }
        self.ground.session(browser).await
    }

    fn was_asked(&self, what: &str) -> bool {
        self.asked.lock().unwrap().contains(what)
    }
}

async fn display(page: &mut Page, id: &str) -> Result<Value> {
    page.evaluate(&format!("getComputedStyle(document.getElementById('{id}')).display")).await
}

/// Writes a list beside a data dir that is to be made. Returns the configuration that names it.
fn configured(list: &std::path::Path) -> String {
    format!("[adblock]\nlists = [{list:?}]\n")
}

fn list() -> Result<(tempfile::TempDir, std::path::PathBuf)> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("list.txt");
    std::fs::write(&path, LIST)?;
    Ok((dir, path))
}

#[tokio::test]
async fn what_a_list_names_is_neither_loaded_nor_shown() -> Result<()> {
    let (_dir, path) = list()?;
    let sites = Sites::new(&configured(&path)).await?;
    for headless in [true, false] {
        let (_, mut page) = sites.session(headless, json!(true)).await?;
        page.visit(&format!("http://localhost:{}/", sites.port)).await?;
        page.wait_for(SETTLED).await?;
        for (id, hidden) in [("early", true), ("odd", true), ("local", true), ("kept", false)] {
            ensure!((display(&mut page, id).await? == "none") == hidden, "{headless} {id}");
        }
        // What comes late is found, and what gets its name late.
        for id in ["late-ad", "named"] {
            page.wait_for(&format!("getComputedStyle(document.getElementById('{id}')).display === 'none'"))
                .await
                .with_context(|| format!("{headless} {id}"))?;
        }
        let loaded = page.evaluate("[window.advertised, window.good, window.own]").await?;
        ensure!(loaded == json!([null, true, true]), "{headless}: {loaded}");
        page.wait_for(
            "frames[0].getComputedStyle(frames[0].document.getElementById('framed')).display === 'none'",
        )
        .await?;
        for (what, comes) in [
            ("localhost/own.js", true),
            ("localhost/photo.gif", true),
            ("localhost/ads/good.js", true),
            ("localhost/ads/a.js", false),
            ("localhost/pixel.gif", false),
            ("localhost/advert", false),
            ("127.0.0.1/cross", true),
            ("127.0.0.1/pixel.gif", false),
        ] {
            ensure!(sites.was_asked(what) == comes, "{headless}: {what}");
        }
        // A page's own scripts see no trace of what is done in it, but the sheet.
        ensure!(page.evaluate("typeof hideAndAsk").await? == "undefined");
    }
    sites.ground.stop().await
}

#[tokio::test]
async fn a_host_is_refused_to_whoever_does_not_say_and_to_nobody_who_says_no() -> Result<()> {
    let (_dir, path) = list()?;
    let sites = Sites::new(&configured(&path)).await?;
    let (here, listed) =
        (format!("http://localhost:{}/", sites.port), format!("http://127.0.0.2:{}/own.js", sites.port));
    let load = format!("fetch('{listed}', {{mode: 'no-cors'}}).then(() => 'came', () => 'failed')");
    for (adblock, comes) in [(json!(null), false), (json!(true), false), (json!(false), true)] {
        let (_, mut page) = sites.session(true, adblock.clone()).await?;
        page.visit(&here).await?;
        page.evaluate(&load).await?;
        ensure!(sites.was_asked("127.0.0.2/own.js") == comes, "{adblock}");
        // In its pages only somebody who asked for it has it.
        page.wait_for(SETTLED).await?;
        ensure!(sites.was_asked("localhost/ads/a.js") == (adblock != true), "{adblock}");
        ensure!((display(&mut page, "early").await? == "none") == (adblock == true), "{adblock}");
        // Who goes there is told why it is refused.
        page.goto(&listed).await?;
        page.wait_for("document.body !== null").await?;
        let told = page.evaluate("document.body.innerText").await?;
        ensure!(text(&told).contains("browser.adblock") != comes, "{adblock}: {told}");
    }
    sites.ground.stop().await
}

#[tokio::test]
async fn an_operator_can_have_it_off_and_a_list_is_read_again() -> Result<()> {
    let (_dir, path) = list()?;
    let sites = Sites::new(&format!("{}active = false\n", configured(&path))).await?;
    let listed = format!("http://127.0.0.2:{}/own.js", sites.port);
    let (_, mut page) = sites.session(true, json!(null)).await?;
    page.goto(&listed).await?;
    ensure!(sites.was_asked("127.0.0.2/own.js"), "nobody asked for it");
    // One that is no list changes nothing, and one that is holds for the sessions after it.
    for (list, refused) in [("<html>", true), ("||127.0.0.9^\n", false)] {
        std::fs::write(&path, list)?;
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let (id, mut page) = sites.session(true, json!(true)).await?;
            page.goto(&listed).await?;
            let was_refused = !sites.was_asked("127.0.0.2/own.js");
            sites.ground.end(&id).await?;
            if was_refused == refused {
                break;
            }
            ensure!(tokio::time::Instant::now() < deadline, "{list:?} is not heeded");
        }
    }
    sites.ground.stop().await
}

#[tokio::test]
async fn a_client_that_holds_requests_of_its_own_goes_on_doing_so() -> Result<()> {
    let (_dir, path) = list()?;
    let sites = Sites::new(&configured(&path)).await?;
    for headless in [true, false] {
        let (_, mut page) = sites.session(headless, json!(true)).await?;
        page.call("Fetch.enable", json!({"patterns": [{"urlPattern": "*/own.js"}]})).await?;
        page.goto(&format!("http://localhost:{}/", sites.port)).await?;
        let held = page.event("Fetch.requestPaused").await?;
        let body = json!({
            "requestId": held["requestId"], "responseCode": 200, "body": "d2luZG93Lm93biA9ICdjbGllbnQn",
            "responseHeaders": [{"name": "content-type", "value": "text/javascript"}],
        });
        page.call("Fetch.fulfillRequest", body).await?;
        page.wait_for(SETTLED).await?;
        ensure!(page.evaluate("[window.own, window.advertised]").await? == json!(["client", null]));
        ensure!(!sites.was_asked("localhost/own.js") && !sites.was_asked("localhost/pixel.gif"));
    }
    sites.ground.stop().await
}
