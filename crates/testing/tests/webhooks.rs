//! What becomes of webhooks' events when the server is killed: the real program, over a fake browser.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::fake_browser::{self, Behaviour};
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions};
use roadstead_testing::receiver::{Receiver, Reply};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A place for a data dir, and the options of a program on it, with more of the configuration.
fn ground(more: &str) -> Result<(Place, ProgramOptions)> {
    let place = Place::new()?;
    let browser = fake_browser::install(place.path(), Behaviour::Good)?;
    let options = options(&browser.display().to_string(), more);
    Ok((place, options))
}

fn options(browser: &str, more: &str) -> ProgramOptions {
    let config = format!(
        "[chromium]\nexecutable = '{browser}'\nheadless_shell = '{browser}'\nconfine = 'off'\n[webhooks]\n{more}"
    );
    ProgramOptions { config, ..ProgramOptions::default() }
}

async fn make(program: &Program, url: &str) -> Result<Value> {
    let body = json!({"url": url, "subscribed_events": ["session.completed", "session.failed"]});
    let (status, made) = program.call(Method::POST, "/v1/webhooks", Some(body)).await?;
    ensure!(status.as_u16() == 201, "{made}");
    Ok(made)
}

/// Waits until a webhook's log is as wanted, and returns its deliveries, newest first.
async fn log(program: &Program, webhook: &Value, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let path = format!("/v1/webhooks/{}/events", webhook["id"].as_str().context("an id")?);
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let (_, log) = program.call(Method::GET, &path, None).await?;
        if wanted(&log["events"]) {
            return Ok(log["events"].clone());
        }
        ensure!(Instant::now() < deadline, "the log never was as wanted: {log}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_of_a_delivery_makes_it_again() -> Result<()> {
    let (place, options) = ground("allow_private = true\nretry_base_ms = 3_600_000")?;
    let receiver = Receiver::start().await?;
    receiver.reply(&[], Reply::Silence);
    let program = Program::start(&place.data(), &options).await?;
    let webhook = make(&program, &receiver.url("/")).await?;
    // One ends and is being told when the server dies; another runs, and is told to have failed by the next server.
    let ended = program.data(Method::POST, "/v1/sessions", Some(json!({}))).await?;
    let lost = program.data(Method::POST, "/v1/sessions", Some(json!({}))).await?;
    let id = |session: &Value| session["id"].as_str().unwrap_or_default().to_owned();
    program.data(Method::DELETE, &format!("/v1/sessions/{}", id(&ended)), None).await?;
    receiver.wait_for(1).await;
    log(&program, &webhook, |events| events[0]["status"] == "in_flight").await?;
    program.kill().await?;

    receiver.reply(&[], Reply::Status(204));
    let program = Program::start(&place.data(), &options).await?;
    let all = |events: &Value| {
        events
            .as_array()
            .is_some_and(|all| all.len() == 2 && all.iter().all(|one| one["status"] == "succeeded"))
    };
    let events = log(&program, &webhook, all).await?;
    ensure!(events[1]["event_type"] == "session.completed" && events[1]["attempt"] == 1, "{events}");
    ensure!(events[0]["event_type"] == "session.failed" && events[0]["attempt"] == 1, "{events}");
    let posted = receiver.posted();
    ensure!(posted.len() == 3, "{posted:?}");
    let secret = webhook["secret"].as_str().context("a secret")?;
    ensure!(posted.iter().all(|posted| posted.signed_with(secret) == [0]), "the secret outlives the server");
    let again: Vec<_> =
        posted.iter().filter(|posted| posted.json()["data"]["session_id"] == id(&ended)).collect();
    ensure!(again.len() == 2 && again[0].body == again[1].body, "the same event, twice: {posted:?}");
    let failed =
        posted.iter().find(|posted| posted.json()["data"]["session_id"] == id(&lost)).context("told")?;
    ensure!(failed.json()["data"]["reason"] == "node_lost", "{failed:?}");
    program.stop().await
}

#[tokio::test]
async fn what_waits_for_its_next_attempt_survives_and_a_permission_taken_back_is_obeyed() -> Result<()> {
    let (place, mut options) = ground("allow_private = true\nretry_base_ms = 3_600_000")?;
    let receiver = Receiver::start().await?;
    receiver.reply(&[], Reply::Status(500));
    let program = Program::start(&place.data(), &options).await?;
    let webhook = make(&program, &receiver.url("/")).await?;
    // Told during the shutdown, or by the next server.
    program.data(Method::POST, "/v1/sessions", Some(json!({}))).await?;
    program.stop().await?;
    let program = Program::start(&place.data(), &options).await?;
    let events = log(&program, &webhook, |events| events[0]["attempt"] == 1).await?;
    ensure!(events[0]["status"] == "pending" && events[0]["response_status"] == 500, "{events}");
    program.kill().await?;
    // Due in an hour, and told so after the kill.
    let program = Program::start(&place.data(), &options).await?;
    let after = log(&program, &webhook, |_| true).await?;
    ensure!(after == events, "{after} is not {events}");
    let id = webhook["id"].as_str().context("an id")?;
    let encrypted = json!({"url": receiver.url("/").replace("http:", "https:")});
    program.call(Method::PATCH, &format!("/v1/webhooks/{id}"), Some(encrypted)).await?;
    program.stop().await?;
    // An operator who takes the permission back is obeyed at the next attempt.
    options.config =
        options.config.replace("allow_private = true\nretry_base_ms = 3_600_000", "retry_base_ms = 1");
    let program = Program::start(&place.data(), &options).await?;
    let path = format!("/v1/webhooks/{id}/test");
    let before = receiver.posted().len();
    program.call(Method::POST, &path, Some(json!({"event_type": "session.failed"}))).await?;
    let dead = log(&program, &webhook, |events| events[0]["status"] == "dead").await?;
    ensure!(dead[0]["attempt"] == 6 && dead[0]["response_status"].is_null(), "{dead}");
    let why = dead[0]["error_message"].as_str().context("a reason")?;
    ensure!(why.contains("events are not sent to (loopback)"), "{why}");
    ensure!(receiver.posted().len() == before, "nothing was posted to a private address");
    program.stop().await
}
