//! A way out that changes under a running session.

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::ground::{Ground, ip, source_addresses, start};

#[tokio::test]
async fn a_running_session_changes_its_address_and_keeps_its_page() -> Result<()> {
    let ground = Ground::new().await?;
    let exits = source_addresses(&[("one", "127.0.0.41"), ("two", "127.0.0.42")]);
    let down = "[[egress.exits]]\nname = \"down\"\nkind = \"proxy\"\nurl = \"http://127.0.0.1:1\"\n";
    let program = ground.program(&format!("{exits}{down}")).await?;
    let mut session = start(&program, Value::Null, json!({"exit": "one"})).await?;
    session.require_seen_as(&ground.witness.url("/first"), "127.0.0.41").await?;
    // A WebSocket goes through a tunnel, an event stream over a connection that is kept.
    let connect = "(async () => {
        window.cut = [];
        const socket = new WebSocket(`ws://${location.host}/socket`);
        socket.onclose = () => cut.push('socket');
        const ticks = new EventSource('/ticks');
        ticks.onerror = () => { ticks.close(); cut.push('ticks'); };
        await Promise.all([new Promise((done) => { socket.onopen = done; }), new Promise((done) => { ticks.onmessage = done; })]);
        return cut.length;
    })()";
    let cut = session.page.evaluate(connect).await?;
    ensure!(cut == 0, "{cut}");

    let path = format!("/v1/sessions/{}/proxy", session.id);
    let (status, answer) = program.call(Method::PUT, &path, Some(json!({"exit": "down"}))).await?;
    ensure!(status == StatusCode::BAD_GATEWAY, "{answer}");
    let cut = session.page.evaluate("cut.length").await?;
    ensure!(cut == 0, "a change that failed cut {cut} connections");

    let changed = program.data(Method::PUT, &path, Some(json!({"exit": "two"}))).await?;
    ensure!(changed["proxy"]["address"] == "127.0.0.42", "{changed}");
    session.page.wait_for("cut.length === 2").await?;
    session.page.evaluate("fetch('/second').then(() => null)").await?;
    ensure!(ground.witness.who_asked("/second") == [ip("127.0.0.42")], "{:?}", ground.witness.seen());
    let title = session.page.evaluate("location.pathname").await?;
    ensure!(title == "/first", "the page is another: {title}");

    program.data(Method::PUT, &path, Some(json!({"active": false}))).await?;
    session.page.evaluate("fetch('/third').then(() => null)").await?;
    ensure!(ground.witness.who_asked("/third") == [ip("127.0.0.1")], "{:?}", ground.witness.seen());
    // What failed changed nothing, and is not on record; newest first.
    let log = format!("/v1/audit?action=session.proxy&session={}", session.id);
    let log = program.data(Method::GET, &log, None).await?;
    let subjects: Vec<_> =
        log["items"].as_array().into_iter().flatten().map(|entry| &entry["subject"]).collect();
    ensure!(subjects == [&Value::Null, &json!("two")], "{log}");
    session.end(&program).await?;
    program.stop().await
}
