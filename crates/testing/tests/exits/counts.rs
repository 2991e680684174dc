//! What went over a session's way out, as the API and the metrics tell it.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::ground::{Ground, source_addresses, start};

/// What a page sends, in bytes.
const POSTED: u64 = 2_000_000;

#[tokio::test]
async fn bytes_requests_and_hosts_are_counted_also_after_the_end() -> Result<()> {
    let ground = Ground::new().await?;
    let program = ground.program(&source_addresses(&[("one", "127.0.0.51")])).await?;
    let mut session = start(&program, Value::Null, json!({"exit": "one"})).await?;
    session.page.visit(&ground.witness.url("/page")).await?;
    let post =
        format!("fetch('/length', {{method: 'POST', body: new Uint8Array({POSTED})}}).then((r) => r.text())");
    let posted = session.page.evaluate(&post).await?;
    ensure!(posted.as_str() == Some("2000000"), "{posted}");
    let running = session.show(&program).await?;
    let id = session.id.clone();
    session.end(&program).await?;
    let over = program.data(Method::GET, &format!("/v1/sessions/{id}"), None).await?;
    let listed = program.data(Method::GET, "/v1/sessions?domains=127.0.0.1&proxy=true", None).await?;
    let other = program.data(Method::GET, "/v1/sessions?domains=example.com", None).await?;
    ensure!(other["total"] == 0, "{other}");
    for shown in [&running, &over, &listed["sessions"][0]] {
        let bytes = shown["proxy_bytes"].as_u64().context("a number")?;
        ensure!((POSTED..POSTED + 100_000).contains(&bytes), "{shown}");
        ensure!(shown["requests"].as_u64() >= Some(2) && shown["domains"] == json!(["127.0.0.1"]), "{shown}");
    }
    ensure!(listed["sessions"][0]["browser_ip"] == "127.0.0.51", "{listed}");
    ensure!(listed["sessions"][0]["proxy_type"] == "exit", "{listed}");

    let metrics = reqwest::get(format!("{}/metrics", program.url())).await?.text().await?;
    for metric in [
        "roadstead_exit_bytes_total{exit=\"one\",direction=\"sent\"}",
        "roadstead_exit_bytes_total{exit=\"one\",direction=\"received\"}",
        "roadstead_exit_requests_total{exit=\"one\"}",
        "roadstead_exit_up{exit=\"one\"} 1",
    ] {
        ensure!(metrics.contains(metric), "{metric} is not in {metrics}");
    }
    program.stop().await
}
