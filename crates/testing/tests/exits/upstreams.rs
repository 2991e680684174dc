//! Exits that are proxies: they see the traffic and resolve the names, and when one is gone nothing goes out another way.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use roadstead_testing::ground::text;
use roadstead_testing::upstream::{PASSWORD, Protocol, USER, Upstream};
use serde_json::{Value, json};

use crate::ground::{Ground, Session, ip, refused, start};

const SOURCE: &str = "127.0.0.21";

async fn upstream(ground: &Ground, protocol: Protocol) -> Result<Upstream> {
    let (any, site) = ("127.0.0.1:0".parse()?, ground.witness.address());
    Ok(Upstream::start(protocol, any, ip(SOURCE), site).await?)
}

fn proxy_exit(ground: &Ground, url: &str) -> String {
    let echo = ground.witness.url("/ip");
    format!(
        "allow = [\"127.0.0.0/8\"]\necho_url = \"{echo}\"\n[[egress.exits]]\nname = \"rented\"\nkind = \"proxy\"\nurl = \"{url}\"\n"
    )
}

/// A page over http, one that only the proxy can resolve, and a WebSocket, which takes a tunnel.
async fn use_it(ground: &Ground, session: &mut Session) -> Result<()> {
    session.require_seen_as(&ground.witness.url("/page"), SOURCE).await?;
    session.require_seen_as("http://only-there.example/named", SOURCE).await?;
    let echo = "new Promise((done, fail) => {
        const socket = new WebSocket('ws://only-there.example/socket');
        socket.onopen = () => socket.send('ahoy');
        socket.onmessage = ({ data }) => done(data);
        socket.onerror = () => fail('the socket failed');
    })";
    let heard = session.page.evaluate(echo).await?;
    ensure!(heard == "ahoy", "{heard}");
    let posted = session
        .page
        .evaluate("fetch('/length', {method: 'POST', body: 'x'.repeat(300000)}).then((r) => r.text())");
    let posted = posted.await?;
    ensure!(posted == "300000", "{posted}");
    Ok(())
}

async fn an_upstream_sees_the_traffic(protocol: Protocol) -> Result<()> {
    let ground = Ground::new().await?;
    let upstream = upstream(&ground, protocol).await?;
    let program = ground.program(&proxy_exit(&ground, &upstream.url(PASSWORD))).await?;
    let mut session = start(&program, Value::Null, json!({"exit": "rented"})).await?;
    use_it(&ground, &mut session).await?;
    session.end(&program).await?;
    let asked = upstream.asked();
    ensure!(asked.contains(&"only-there.example:80".to_owned()), "{asked:?}");
    ensure!(ground.witness.seen().iter().all(|seen| seen.from == ip(SOURCE)), "{:?}", ground.witness.seen());

    // The same proxy, brought by the caller.
    let custom = json!({"type": "custom", "server": upstream.url("").replace(&format!("{USER}:@"), ""), "username": USER, "password": PASSWORD});
    let mut session = start(&program, Value::Null, custom.clone()).await?;
    use_it(&ground, &mut session).await?;
    let shown = session.show(&program).await?;
    ensure!(shown["proxy"]["type"] == "custom" && !shown.to_string().contains(PASSWORD), "{shown}");
    session.end(&program).await?;

    let mut wrong = custom;
    wrong["password"] = json!("mizzen");
    let (status, why) =
        refused(&program, json!({"session": {"proxy": wrong}, "browser": {"headless": {"active": true}}}))
            .await?;
    ensure!(status == StatusCode::BAD_GATEWAY && why.contains("credentials"), "{status} {why}");
    ensure!(!why.contains("mizzen") && !why.contains(USER), "{why}");
    program.stop().await?;
    let log = ground.log()?;
    ensure!(!log.contains(PASSWORD) && !log.contains("mizzen"), "a password is in the log");
    Ok(())
}

#[tokio::test]
async fn an_http_proxy_with_a_password_sees_the_traffic() -> Result<()> {
    an_upstream_sees_the_traffic(Protocol::Http).await
}

#[tokio::test]
async fn a_socks5_proxy_with_a_password_sees_the_traffic() -> Result<()> {
    an_upstream_sees_the_traffic(Protocol::Socks5).await
}

/// Asks for things in every way that a page can. What becomes of them is the witness's to tell.
const EVERY_WAY: &str = "(async (origin) => {
    const settled = (promise) => promise.then(() => 'answered', () => 'failed');
    const loaded = (element, attribute) => new Promise((done, fail) => {
        element.onload = done;
        element.onerror = fail;
        element[attribute] = `${origin}/leak`;
        document.body.append(element);
        setTimeout(fail, 3000);
    });
    navigator.sendBeacon(`${origin}/leak`);
    const socket = new Promise((done, fail) => {
        const socket = new WebSocket(`${origin.replace('http', 'ws')}/leak`);
        socket.onopen = done;
        socket.onerror = fail;
    });
    return Promise.all([
        settled(socket),
        settled(loaded(new Image(), 'src')),
        settled(loaded(document.createElement('script'), 'src')),
    ]);
})";

async fn nothing_goes_around_an_exit_that_is_gone(protocol: Protocol) -> Result<()> {
    let ground = Ground::new().await?;
    let mut upstream = upstream(&ground, protocol).await?;
    let address = upstream.address();
    let program = ground.program(&proxy_exit(&ground, &upstream.url(PASSWORD))).await?;
    let mut session = start(&program, Value::Null, json!({"exit": "rented"})).await?;
    session.require_seen_as(&ground.witness.url("/before"), SOURCE).await?;
    session.page.evaluate("window.ticks = new EventSource('/ticks'); window.cut = false; ticks.onerror = () => { cut = true; }; null").await?;
    session.page.wait_for("ticks.readyState === 1").await?;
    upstream.stop().await;
    session.page.wait_for("cut").await?;
    session.page.evaluate("ticks.close()").await?;
    let before = ground.witness.seen();
    let origin = ground.witness.url("");
    let outcome = session.page.evaluate(&format!("{EVERY_WAY}({})", json!(origin))).await?;
    ensure!(outcome == json!(["failed", "failed", "failed"]), "{outcome}");
    let said = session.read(&ground.witness.url("/after")).await?;
    ensure!(said.contains("rented"), "the page does not say which exit failed: {said}");
    let shown = session.show(&program).await?;
    ensure!(text(&shown["proxy"]["last_problem"]).contains("rented"), "{shown}");
    ensure!(ground.witness.seen() == before, "{:?}", ground.witness.seen());
    let (status, why) = refused(
        &program,
        json!({"session": {"proxy": {"exit": "rented"}}, "browser": {"headless": {"active": true}}}),
    )
    .await?;
    ensure!(status == StatusCode::BAD_GATEWAY && why.contains("The exit \"rented\" cannot be used"), "{why}");

    // It comes back, and so does the session.
    let _again = Upstream::start(protocol, address, ip(SOURCE), ground.witness.address()).await?;
    session.require_seen_as(&ground.witness.url("/again"), SOURCE).await?;
    session.end(&program).await?;
    program.stop().await
}

#[tokio::test]
async fn nothing_goes_around_an_http_proxy_that_is_gone() -> Result<()> {
    nothing_goes_around_an_exit_that_is_gone(Protocol::Http).await
}

#[tokio::test]
async fn nothing_goes_around_a_socks5_proxy_that_is_gone() -> Result<()> {
    nothing_goes_around_an_exit_that_is_gone(Protocol::Socks5).await
}
