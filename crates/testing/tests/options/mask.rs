//! What a session's pages show of what is sensitive: nothing, where the session wants it so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Html;
use axum::routing::get;
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::ground::text;
use roadstead_testing::upstream::{PASSWORD, Protocol, USER, Upstream};
use serde_json::{Value, json};

use crate::ground::Ground;

const BLURRED: &str = "blur(8px)";
/// What each kind looks like, and what is left of it. What only looks like one stays.
const TEXTS: [(&str, &str); 24] = [
    ("Write to jane.doe+x@mail.example.co.uk.", "Write to ****."),
    ("Call +1 (415) 555-2671 now", "Call **** now"),
    ("415-555-2671, (415) 555-2671, 415.555.2671", "****, ****, ****"),
    ("020 7946 0958", "****"),
    ("01 23 45 67 89", "****"),
    ("Tel.: 5552671", "Tel.: ****"),
    ("4111 1111 1111 1111 12/27", "**** 12/27"),
    ("378282246310005", "****"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", "****"),
    ("Authorization: Bearer abcdef0123456789abcdef", "Authorization: Bearer ****"),
    ("sk-abcdEFGH1234567890abcd", "****"),
    ("ghp_abcdefghij0123456789ABCDEFGHIJ012345", "****"),
    ("AKIAIOSFODNN7EXAMPLE", "****"),
    ("api_key = 9f86d081884c7d659a2feaa0c55ad015", "api_key = ****"),
    ("Your token is Zm9vYmFyQUJD123xyz789", "Your token is ****"),
    ("On 2024-01-02 at 10:30, or 01/02/2024", "On 2024-01-02 at 10:30, or 01/02/2024"),
    ("$1,234.56 or €1.234,56 or +12.345.678", "$1,234.56 or €1.234,56 or +12.345.678"),
    ("Order 1234567890123456", "Order 1234567890123456"),
    ("Not Luhn: 4111 1111 1111 1112", "Not Luhn: 4111 1111 1111 1112"),
    ("192.168.100.200, 1700000000000", "192.168.100.200, 1700000000000"),
    ("ISBN 978-3-16-148410-0", "ISBN 978-3-16-148410-0"),
    ("commit 9f86d081884c7d659a2feaa0c55ad015", "commit 9f86d081884c7d659a2feaa0c55ad015"),
    ("id 550e8400-e29b-41d4-a716-446655440000", "id 550e8400-e29b-41d4-a716-446655440000"),
    ("2019 2020 2021 2022, @mention, a@b", "2019 2020 2021 2022, @mention, a@b"),
];
/// A form with everything that a field may hold, and what hangs on attributes.
const FORM: &str = "<!doctype html><title>mail me@x.example</title><form action=/submitted>
<input id=email name=email type=email value=me@x.example><input id=free name=free value=me@x.example><input id=plain name=plain value=hello>
<input id=password name=password type=password value=hunter2><input id=card name=a autocomplete=cc-number value=1><input id=cvv name=cardCvv value=1>
<textarea id=area name=area>me@x.example</textarea>
<select id=choice name=choice><option>me@x.example<option value=2>you@x.example</select></form>
<input id=button type=button value=me@x.example><input id=hint placeholder='like me@x.example' title=me@x.example aria-label=me@x.example>
<img id=image alt=me@x.example><a id=call href=tel:1234>1234</a><div id=edited contenteditable>me@x.example</div>
<script id=script>window.early = document.title; '' + 'me@x.example'</script>";
const LATER: &str = "<!doctype html><div id=host></div><div id=late></div><x-late id=custom></x-late><div id=closed></div><p id=first>me@x.example</p>
<script>window.early = first.textContent;
host.attachShadow({mode: 'open'}).innerHTML = '<p>me@x.example</p><p class=private>x</p><input value=me@x.example>';
window.drawn = new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(host.shadowRoot.textContent))))</script>";
const FRAMES: &str =
    "<!doctype html><iframe src=/framed></iframe><iframe src=//localhost:PORT/framed></iframe>
<iframe srcdoc='<p>me@x.example</p><p id=here>x</p>'></iframe>";
const FRAMED: &str = "<!doctype html><p>me@x.example</p><p id=here>x</p><p id=there>x</p>";
const RULES: &str = "<!doctype html><p class=private>x</p><p id=here>x</p><p id=there>x</p><p id=text>order-12 for 34 and me@x.example</p>";

fn kinds() -> String {
    let lines: Vec<_> = TEXTS.iter().map(|(text, _)| *text).collect();
    format!("<!doctype html><meta charset=utf-8><ul><li>{}</ul>", lines.join("<li>"))
}

/// The site, in which every page has the strictest policy that still lets it do what it does.
fn site() -> Router {
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; frame-src *; form-action *";
    let page = |body: String| get(async move || ([(CONTENT_SECURITY_POLICY, POLICY)], Html(body)));
    Router::new()
        .route("/kinds", page(kinds()))
        .route("/form", page(FORM.to_owned()))
        .route("/submitted", page("<!doctype html>".to_owned()))
        .route("/later", page(LATER.to_owned()))
        .route("/framed", page(FRAMED.to_owned()))
        .route("/rules", page(RULES.to_owned()))
}

fn full(mask: Value) -> Value {
    Value::Object([("sensitive_data_mask".to_owned(), mask)].into_iter().collect())
}

fn shell(mask: Value) -> Value {
    let mut browser = full(mask);
    browser["headless"] = json!({"active": true});
    browser
}

/// Returns how an element is shown: its filter, and what its letters look like.
async fn look(page: &mut Page, element: &str) -> Result<(String, String)> {
    let style = format!("getComputedStyle({element})");
    let shown = page.evaluate(&format!("[{style}.filter, {style}.webkitTextSecurity]")).await?;
    Ok((text(&shown[0]).to_owned(), text(&shown[1]).to_owned()))
}

async fn require_look(page: &mut Page, element: &str, filter: &str, letters: &str) -> Result<()> {
    let found = look(page, element).await?;
    ensure!(found == (filter.to_owned(), letters.to_owned()), "{element}: {found:?}");
    Ok(())
}

async fn every_kind_is_masked_and_nothing_else(browser: Value) -> Result<()> {
    let mut ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let url = ground.site(site()).await?;
    let (_, mut page) = ground.session(browser).await?;
    page.visit(&format!("{url}/kinds")).await?;
    let shown = page.evaluate("[...document.querySelectorAll('li')].map((line) => line.textContent)").await?;
    for ((given, masked), shown) in TEXTS.iter().zip(shown.as_array().context("a list")?) {
        ensure!(shown == masked, "{given} became {shown}");
    }
    ground.stop().await
}

#[tokio::test]
async fn every_kind_is_masked_in_full_chromium() -> Result<()> {
    every_kind_is_masked_and_nothing_else(full(json!({"active": true}))).await
}

#[tokio::test]
async fn every_kind_is_masked_in_the_headless_shell() -> Result<()> {
    every_kind_is_masked_and_nothing_else(shell(json!({"active": true}))).await
}

async fn a_form_shows_nothing_and_sends_everything(browser: Value) -> Result<()> {
    let mut ground = Ground::new("").await?;
    let url = ground.site(site()).await?;
    let (_, mut page) = ground.session(browser).await?;
    page.visit(&format!("{url}/form")).await?;
    let early = page.evaluate("window.early").await?;
    ensure!(early == "mail ****", "the title was {early}, is {}", page.evaluate("document.title").await?);
    for field in ["email", "password", "card", "cvv"] {
        require_look(&mut page, field, "none", "disc").await?;
    }
    for field in ["free", "area", "button", "edited"] {
        require_look(&mut page, field, BLURRED, "none").await?;
    }
    require_look(&mut page, "plain", "none", "none").await?;
    for (shown, expected) in [
        ("hint.placeholder", "like ****"),
        ("hint.title", "****"),
        ("hint.getAttribute('aria-label')", "****"),
        ("image.alt", "****"),
        ("call.textContent", "****"),
        ("choice.innerText.replace(/\\s+/g, ' ')", "**** ****"),
        // Neither is shown, or it is edited.
        ("script.textContent.includes('me@x.example')", "true"),
        ("edited.textContent", "me@x.example"),
        ("area.textContent", "me@x.example"),
    ] {
        let found = page.evaluate(&format!("String({shown})")).await?;
        ensure!(found == expected, "{shown} is {found}");
    }
    // A password that a page shows on demand is not shown, nor what a hand or a script writes.
    page.evaluate("password.type = 'text', plain.value = 'me@x.example'").await?;
    page.wait_for("getComputedStyle(plain).filter === 'blur(8px)'").await?;
    require_look(&mut page, "password", "none", "disc").await?;
    page.evaluate("free.value = ''").await?;
    page.wait_for("getComputedStyle(free).filter === 'none'").await?;
    page.type_into("#free", "4111111111111111").await?;
    require_look(&mut page, "free", BLURRED, "none").await?;

    page.evaluate("document.forms[0].requestSubmit()").await?;
    page.wait_for("location.pathname === '/submitted'").await?;
    let sent = page.evaluate("Object.fromEntries(new URLSearchParams(location.search))").await?;
    let expected = json!({
        "email": "me@x.example", "free": "4111111111111111", "plain": "me@x.example", "password": "hunter2", "a": "1", "cardCvv": "1",
        "area": "me@x.example", "choice": "me@x.example",
    });
    ensure!(sent == expected, "{sent}");
    ground.stop().await
}

#[tokio::test]
async fn a_form_shows_nothing_and_sends_everything_in_full_chromium() -> Result<()> {
    a_form_shows_nothing_and_sends_everything(full(json!({"active": true}))).await
}

#[tokio::test]
async fn a_form_shows_nothing_and_sends_everything_in_the_headless_shell() -> Result<()> {
    a_form_shows_nothing_and_sends_everything(shell(json!({"active": true}))).await
}

async fn what_comes_later_is_masked_before_it_is_seen(browser: Value) -> Result<()> {
    let mut ground = Ground::new("").await?;
    let url = ground.site(site()).await?;
    let (_, mut page) = ground.session(browser).await?;
    page.visit(&format!("{url}/later")).await?;
    ensure!(page.evaluate("window.early").await? == "****", "what was there before the page's script");
    ensure!(page.evaluate("document.adoptedStyleSheets.length").await? == 1, "it acts once");
    // A promise is settled before anything is drawn.
    for change in [
        "first.textContent = 'you@x.example'",
        "first.firstChild.data = 'you@x.example'",
        "first.innerHTML = '<b>you@x.example</b>'",
    ] {
        let shown =
            page.evaluate(&format!("({change}, Promise.resolve().then(() => first.textContent))")).await?;
        ensure!(shown == "****", "{change}: {shown}");
    }
    let in_host = "host.shadowRoot.querySelector";
    ensure!(page.evaluate("window.drawn").await? == "****x", "in a shadow root, when it was drawn first");
    require_look(&mut page, &format!("{in_host}('.private')"), BLURRED, "none").await?;
    require_look(&mut page, &format!("{in_host}('input')"), BLURRED, "none").await?;
    // Neither tells that it has got one; nor does a page that takes the style sheets away.
    let attach =
        "[late, custom].map((host) => host.attachShadow({mode: 'open'}).innerHTML = '<i>me@x.example</i>')";
    page.evaluate(attach).await?;
    page.wait_for("[late, custom].every((host) => host.shadowRoot.textContent === '****')").await?;
    page.evaluate("(host.shadowRoot.adoptedStyleSheets = [], document.adoptedStyleSheets = [])").await?;
    page.wait_for(&format!("getComputedStyle({in_host}('.private')).filter === 'blur(8px)'")).await?;
    // A page that undoes what is done does not hang, and is not shown.
    let undo =
        "new MutationObserver(() => first.textContent === '****' && (first.textContent = 'me@x.example'))";
    page.evaluate(&format!("({undo}.observe(first, {{childList: true, characterData: true, subtree: true}}), first.textContent = 'me@x.example', 0)")).await?;
    page.wait_for("getComputedStyle(document.documentElement).opacity === '0'").await?;
    ground.stop().await
}

#[tokio::test]
async fn what_comes_later_is_masked_in_full_chromium() -> Result<()> {
    what_comes_later_is_masked_before_it_is_seen(full(
        json!({"active": true, "custom_selectors": [".private"]}),
    ))
    .await
}

#[tokio::test]
async fn what_comes_later_is_masked_in_the_headless_shell() -> Result<()> {
    what_comes_later_is_masked_before_it_is_seen(shell(
        json!({"active": true, "custom_selectors": [".private"]}),
    ))
    .await
}

/// Evaluates an expression in a frame of the page's process, in a world of its own: nothing of the frame's own world is there but
/// for that.
async fn evaluate_aside(page: &mut Page, url: &str, expression: &str) -> Result<Value> {
    let mut tree = page.call("Page.getFrameTree", json!({})).await?["frameTree"].take();
    let children = tree["childFrames"].take();
    let mut frames = children.as_array().into_iter().flatten().chain([&tree]);
    let frame = frames.find(|frame| frame["frame"]["url"].as_str().is_some_and(|of| of.starts_with(url)));
    let id = &frame.with_context(|| format!("no frame shows {url}"))?["frame"]["id"];
    let world = page.call("Page.createIsolatedWorld", json!({"frameId": id})).await?;
    let question =
        json!({"expression": expression, "returnByValue": true, "contextId": world["executionContextId"]});
    Ok(page.call("Runtime.evaluate", question).await?["result"]["value"].take())
}

/// Evaluates an expression in the frame of another site: full Chromium has it in a process of its own, the headless shell has not.
async fn evaluate_elsewhere(page: &mut Page, expression: &str) -> Result<Value> {
    let targets = page.call_browser("Target.getTargets", json!({})).await?;
    let mut targets = targets["targetInfos"].as_array().into_iter().flatten();
    let Some(frame) = targets.find(|target| target["type"] == "iframe") else {
        return evaluate_aside(page, "http://localhost", expression).await;
    };
    let attach = json!({"targetId": frame["targetId"], "flatten": true});
    let attached = page.call_browser("Target.attachToTarget", attach).await?;
    let session = attached["sessionId"].as_str().map(str::to_owned);
    let question = json!({"expression": expression, "returnByValue": true});
    Ok(page.call_in(session, "Runtime.evaluate", question).await?["result"]["value"].take())
}

/// Waits until nothing in the page, and in the frames of its process, is to be read any more. To evaluate anything in them may be what
/// they are masked by, so nothing is. What the server asks every page for every two seconds may be, so it must not take that long.
async fn require_masked_alone(page: &mut Page) -> Result<()> {
    let mut found = String::new();
    for _ in 0..100 {
        found = page.call("DOM.getDocument", json!({"depth": -1, "pierce": true})).await?.to_string();
        if found.contains("****") && !found.contains("\"me@x.example\"") {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    bail!("{found}")
}

async fn a_page_without_scripts_is_masked(browser: Value) -> Result<()> {
    let mut ground = Ground::new("").await?;
    let url = ground.site(site()).await?;
    let (_, mut page) = ground.session(browser).await?;
    page.goto(&format!("{url}/framed")).await?;
    require_masked_alone(&mut page).await?;
    ground.stop().await
}

#[tokio::test]
async fn a_page_without_scripts_is_masked_in_full_chromium() -> Result<()> {
    a_page_without_scripts_is_masked(full(json!({"active": true}))).await
}

#[tokio::test]
async fn a_page_without_scripts_is_masked_in_the_headless_shell() -> Result<()> {
    a_page_without_scripts_is_masked(shell(json!({"active": true}))).await
}

async fn frames_are_masked(browser: Value) -> Result<()> {
    let mut ground = Ground::new("").await?;
    let inner = ground.site(site()).await?;
    let port = inner.rsplit(':').next().context("a port")?.to_owned();
    let url = ground.site(site().route("/", get(async move || Html(FRAMES.replace("PORT", &port))))).await?;
    let (_, mut page) = ground.session(browser).await?;
    page.visit(&url).await?;
    require_masked_alone(&mut page).await?;
    for (frame, here, there) in [(0, BLURRED, "none"), (2, BLURRED, "none")] {
        let within = format!("frames[{frame}].document");
        ensure!(page.evaluate(&format!("{within}.querySelector('p').textContent")).await? == "****");
        require_look(&mut page, &format!("{within}.getElementById('here')"), here, "none").await?;
        if frame == 0 {
            require_look(&mut page, &format!("{within}.getElementById('there')"), there, "none").await?;
        }
    }
    let question = "[document.querySelector('p').textContent, ...[here, there].map((place) => getComputedStyle(place).filter)]";
    let expected = json!(["****", "none", BLURRED]);
    let mut found = Value::Null;
    for _ in 0..500 {
        found = evaluate_elsewhere(&mut page, question).await?;
        if found == expected {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    ensure!(found == expected, "{found}");
    ground.stop().await
}

fn by_site() -> Value {
    json!({"active": true, "site_selectors": {"127.0.0.1": ["#here"], "*.localhost": ["#there"]}})
}

#[tokio::test]
async fn frames_are_masked_in_full_chromium() -> Result<()> {
    frames_are_masked(full(by_site())).await
}

#[tokio::test]
async fn frames_are_masked_in_the_headless_shell() -> Result<()> {
    frames_are_masked(shell(by_site())).await
}

#[tokio::test]
async fn selectors_and_patterns_of_the_callers_act_where_they_are_to() -> Result<()> {
    let mut ground = Ground::new("[egress]\nallow = [\"127.0.0.0/8\"]").await?;
    let url = ground.site(site()).await?;
    let address: SocketAddr = url.trim_start_matches("http://").parse()?;
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    // Through it, every name is the site's.
    let upstream = Upstream::start(Protocol::Http, SocketAddr::new(local, 0), local, address).await?;
    let server = format!("http://{}", upstream.address());
    let body = json!({
        "session": {"proxy": {"type": "custom", "server": server, "username": USER, "password": PASSWORD}},
        "browser": shell(json!({
            "active": true, "custom_selectors": [".private"],
            "site_selectors": {"bank.example": ["#here"], "*.Bank.example": ["#there"]},
            "custom_patterns": [{"regex": "order-\\d+", "mask": "[$& order]"}, {"regex": "\\b\\d\\d\\b"}],
        })),
    });
    let created = ground.program.data(Method::POST, "/v1/sessions", Some(body)).await?;
    let mut page = Page::open(text(&created["cdp_url"])).await?;
    for (host, here, there) in [
        ("bank.example", BLURRED, BLURRED),
        ("www.my.bank.example", "none", BLURRED),
        ("notbank.example", "none", "none"),
        ("bank.example.net", "none", "none"),
    ] {
        page.visit(&format!("http://{host}/rules")).await?;
        let shown = page.evaluate("document.getElementById('text').textContent").await?;
        ensure!(shown == "[$& order] for **** and ****", "{host}: {shown}");
        require_look(&mut page, "document.querySelector('.private')", BLURRED, "none").await?;
        require_look(&mut page, "here", here, "none").await?;
        require_look(&mut page, "there", there, "none").await?;
    }
    ground.stop().await
}

#[tokio::test]
async fn nothing_is_masked_that_is_not_to_be() -> Result<()> {
    let mut ground = Ground::new("").await?;
    let url = ground.site(site()).await?;
    for mask in [
        json!(null),
        json!({"active": false, "custom_selectors": ["a[["], "custom_patterns": [{"regex": "("}]}),
    ] {
        let (_, mut page) = ground.session(shell(mask)).await?;
        page.visit(&format!("{url}/form")).await?;
        ensure!(page.evaluate("window.early").await? == "mail me@x.example");
        ensure!(page.evaluate("document.adoptedStyleSheets.length").await? == 0);
        ensure!(page.evaluate("choice.outerHTML.includes('roadstead')").await? == false);
        require_look(&mut page, "email", "none", "none").await?;
        page.visit(&format!("{url}/kinds")).await?;
        let shown = page.evaluate("document.querySelector('li').textContent").await?;
        ensure!(shown == TEXTS[0].0, "{shown}");
    }
    ground.stop().await
}

#[tokio::test]
async fn what_the_browser_does_not_understand_is_no_session() -> Result<()> {
    let ground = Ground::new("").await?;
    for (mask, place) in [
        (json!({"custom_selectors": [".a", "b[["]}), "custom_selectors[1]: is no CSS selector"),
        (json!({"custom_selectors": ["b {} c"]}), "custom_selectors[0]: is no CSS selector"),
        (
            json!({"site_selectors": {"*.bank.example": [":nope"]}}),
            "site_selectors.*.bank.example[0]: is no CSS",
        ),
        (
            json!({"custom_patterns": [{"regex": "a"}, {"regex": "("}]}),
            "custom_patterns[1].regex: is no regular expression",
        ),
        (
            json!({"site_selectors": {"https://bank.example": ["a"]}}),
            "site_selectors: has a site that is neither",
        ),
        (json!({"custom_patterns": [{"regex": ""}]}), "custom_patterns[0].regex: must not be empty"),
    ] {
        for browser in [full, shell] {
            let mut mask = mask.clone();
            mask["active"] = json!(true);
            let body = json!({"browser": browser(mask)});
            let (status, answer) = ground.program.call(Method::POST, "/v1/sessions", Some(body)).await?;
            let why = text(&answer["error"]["message"]);
            let place = format!("browser.sensitive_data_mask.{place}");
            ensure!(status == 400 && why.starts_with(&place), "{status} {answer}");
        }
    }
    // What it does understand leaves nothing behind.
    let mask = json!({"active": true, "custom_selectors": [".a, b > c::before"], "custom_patterns": [{"regex": "(?<=a)\\p{L}"}]});
    let (_, mut page) = ground.session(shell(mask)).await?;
    let targets = page.call_browser("Target.getTargets", json!({})).await?;
    ensure!(targets["targetInfos"].as_array().is_some_and(|targets| targets.len() == 1), "{targets}");
    ground.stop().await
}
