//! A profile's own exit: every session of the profile shows its address, and nobody else does.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use roadstead_testing::ground::text;
use serde_json::json;

use crate::ground::{Ground, ip, refused, source_addresses, start, sticky};

#[tokio::test]
async fn every_session_of_a_profile_shows_its_address_also_after_a_restart() -> Result<()> {
    let ground = Ground::new().await?;
    let egress = source_addresses(&[("one", "127.0.0.11"), ("two", "127.0.0.12")]);
    let program = ground.program(&egress).await?;
    let (a, b) = (sticky(&program, "a").await?, sticky(&program, "b").await?);
    ensure!((a.as_str(), b.as_str()) == ("one", "two"), "{a} {b}");
    let profile = |name: &str| json!({"name": name, "persist": true});
    for round in 0..2 {
        for (name, address) in [("a", "127.0.0.11"), ("b", "127.0.0.12")] {
            let mut session = start(&program, profile(name), json!(null)).await?;
            session.require_seen_as(&ground.witness.url(&format!("/{name}/{round}")), address).await?;
            let shown = session.show(&program).await?;
            ensure!(
                shown["proxy"]["type"] == "dedicated_sticky_ip" && shown["proxy"]["address"] == address,
                "{shown}"
            );
            session.end(&program).await?;
        }
    }
    program.kill().await?;
    // The order of the configuration matters to nobody who holds an exit.
    let turned = source_addresses(&[("two", "127.0.0.12"), ("one", "127.0.0.11")]);
    let program = ground.program(&turned).await?;
    for (name, address) in [("a", "127.0.0.11"), ("b", "127.0.0.12")] {
        let mut session = start(&program, profile(name), json!(null)).await?;
        session.require_seen_as(&ground.witness.url("/after"), address).await?;
        session.end(&program).await?;
    }
    program.stop().await?;

    // An exit that was taken out of the configuration is missed, not replaced.
    let program = ground.program(&source_addresses(&[("two", "127.0.0.12")])).await?;
    let body = json!({"browser": {"headless": {"active": true}, "profile": {"name": "a"}}});
    let (status, why) = refused(&program, body).await?;
    ensure!(
        status == StatusCode::BAD_GATEWAY && why.contains("not in this server's configuration any more"),
        "{why}"
    );
    program.stop().await
}

/// How many sessions run side by side.
const MANY: usize = 20;

#[tokio::test]
async fn twenty_sessions_side_by_side_never_show_each_others_address() -> Result<()> {
    let ground = Ground::new().await?;
    let mut egress = "allow = [\"127.0.0.0/8\"]\n".to_owned();
    for number in 1..=MANY {
        let address = format!("127.0.1.{number}");
        writeln!(
            egress,
            "[[egress.exits]]\nname = \"exit-{number}\"\nkind = \"source_address\"\naddress = \"{address}\""
        )?;
    }
    let program = ground.program(&egress).await?;
    let mut held = Vec::new();
    for number in 1..=MANY {
        held.push((format!("profile-{number}"), sticky(&program, &format!("profile-{number}")).await?));
    }
    let starts = held.iter().map(|(name, _)| start(&program, json!({"name": name}), json!(null)));
    let mut sessions = futures_util::future::try_join_all(starts).await?;
    // Pages, scripts' requests and WebSockets, all at once.
    let visits = sessions.iter_mut().enumerate().map(async |(place, session)| {
        session.page.visit(&ground.witness.url(&format!("/session-{place}"))).await?;
        let script = format!(
            "Promise.all([...Array(10).keys()].map((n) => fetch('/session-{place}')).concat(new Promise((done, fail) => {{
                const socket = new WebSocket(`ws://${{location.host}}/socket`);
                socket.onopen = () => socket.send('ahoy');
                socket.onmessage = () => {{ socket.close(); done(); }};
                socket.onerror = fail;
            }}))).then(() => true)"
        );
        let done = session.page.evaluate(&script).await?;
        ensure!(done == true, "{done}");
        Ok(())
    });
    futures_util::future::try_join_all(visits).await?;
    for (place, (_, exit)) in held.iter().enumerate() {
        let number = exit.strip_prefix("exit-").context("an exit of ours")?;
        let seen = ground.witness.who_asked(&format!("/session-{place}"));
        ensure!(
            seen.len() == 11 && seen.iter().all(|from| *from == ip(&format!("127.0.1.{number}"))),
            "{exit}: {seen:?}"
        );
    }
    for session in sessions {
        session.end(&program).await?;
    }
    program.stop().await
}

#[tokio::test]
async fn an_address_that_is_not_the_expected_one_starts_no_session() -> Result<()> {
    let ground = Ground::new().await?;
    let echo = ground.witness.url("/ip");
    let egress = format!(
        "{}echo_url = \"{echo}\"\nexpect = \"127.0.0.11\"\n",
        source_addresses(&[("free", "127.0.0.13"), ("checked", "127.0.0.11")])
    );
    let program =
        ground.program(&egress.replacen("[[egress", &format!("echo_url = \"{echo}\"\n[[egress"), 1)).await?;
    // What the first session of a profile sees is what all its sessions must see, where nothing is configured.
    sticky(&program, "a").await?;
    let mut session = start(&program, json!({"name": "a"}), json!(null)).await?;
    session.require_seen_as(&ground.witness.url("/a"), "127.0.0.13").await?;
    session.end(&program).await?;
    sticky(&program, "b").await?;
    let before = ground.witness.seen().len();

    ground.witness.lie(Some(ip("203.0.113.9")));
    for (name, why) in [
        ("a", "sites see 203.0.113.9, and this profile's sessions have seen 127.0.0.13 so far"),
        ("b", "sites see 203.0.113.9, and 127.0.0.11 is expected"),
    ] {
        let body = json!({
            "session": {"initial_url": ground.witness.url("/never")},
            "browser": {"headless": {"active": true}, "profile": {"name": name}},
        });
        let (status, found) = refused(&program, body).await?;
        ensure!(status == StatusCode::BAD_GATEWAY && found.contains(why), "{status} {found}");
    }
    let asked: Vec<_> = ground.witness.seen().into_iter().skip(before).map(|seen| seen.path).collect();
    ensure!(asked.iter().all(|path| path == "/ip"), "{asked:?}");
    let (worked, printed) = ground.command(&["exits", "test", "checked"]).await?;
    ensure!(
        !worked && printed.contains("wrong: sites see 203.0.113.9, and 127.0.0.11 is expected"),
        "{printed}"
    );

    ground.witness.lie(None);
    let (worked, printed) = ground.command(&["exits", "test"]).await?;
    ensure!(worked && printed.contains("sites see 127.0.0.13"), "{printed}");
    let (worked, printed) = ground.command(&["exits", "list"]).await?;
    ensure!(worked && printed.contains("a of default") && printed.contains("127.0.0.11"), "{printed}");
    let mut session = start(&program, json!({"name": "b"}), json!(null)).await?;
    session.require_seen_as(&ground.witness.url("/b"), "127.0.0.11").await?;
    let listed = session.show(&program).await?;
    ensure!(text(&listed["proxy"]["address"]) == "127.0.0.11", "{listed}");
    session.end(&program).await?;
    program.stop().await?;

    // An operator who wants the change says so; from then on it is the profile's address.
    let moved = source_addresses(&[("checked", "127.0.0.11"), ("free", "127.0.0.13")]);
    let program =
        ground.program(&format!("{moved}echo_url = \"{echo}\"\nexpect = \"203.0.113.9\"\n")).await?;
    ground.witness.lie(Some(ip("203.0.113.9")));
    start(&program, json!({"name": "a"}), json!(null)).await?.end(&program).await?;
    let profile = program.data(Method::GET, "/v1/profiles/a", None).await?;
    ensure!(profile["exit"] == json!({"name": "free", "address": "203.0.113.9"}), "{profile}");
    program.stop().await
}
