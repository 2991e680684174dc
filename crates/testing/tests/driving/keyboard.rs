//! Typed texts, and keys that are held together.

use std::time::Instant;

use anyhow::{Result, ensure};
use roadstead_testing::cdp::Page;
use serde_json::json;

use crate::ground::{Build, Ground};
use crate::in_both_builds;

in_both_builds!(any_text_is_typed);
async fn any_text_is_typed(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.act("mouse/click", json!({"selector": "#field"})).await?;
    session.forget().await?;
    session.act("keyboard/type", json!({"text": "aB"})).await?;
    session
        .require_happened(&[
            "keydown field a",
            "input field a",
            "keyup field a",
            "keydown field Shift+S",
            "keydown field B+S",
            "input field B",
            "keyup field B+S",
            "keyup field Shift",
        ])
        .await?;
    let text = "\"Grüße\", 你好 👩‍👩‍👧 e\u{301}\n~!@#$%^&*()_+{}|:<>?`-=[]\\;',./ ١٢٣ עברית";
    session.act("keyboard/type", json!({"text": text, "delay": 1})).await?;
    let typed = session.page.evaluate("document.querySelector('#field').value").await?;
    ensure!(typed == format!("aB{text}"), "{typed}");
    ensure!(!session.page.evaluate("happened.join()").await?.to_string().contains("UNTRUSTED"));
    Ok(())
}

in_both_builds!(typing_needs_no_click_where_something_has_the_focus);
async fn typing_needs_no_click_where_something_has_the_focus(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.page.evaluate("document.querySelector('#field').focus()").await?;
    let began = Instant::now();
    session.act("keyboard/type", json!({"text": "slow", "delay": 50})).await?;
    ensure!(began.elapsed().as_millis() >= 150);
    ensure!(session.page.evaluate("document.querySelector('#field').value").await? == "slow");
    Ok(())
}

in_both_builds!(texts_come_one_after_the_other_whole_also_when_their_caller_hangs_up);
async fn texts_come_one_after_the_other_whole_also_when_their_caller_hangs_up(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.page.evaluate("document.querySelector('#field').focus()").await?;
    let value = "document.querySelector('#field').value";
    let mut watch = Page::open(&session.cdp_url).await?;
    let begun = format!("{value}.startsWith('F')");
    tokio::select! {
        typed = session.act("keyboard/type", json!({"text": "FIRST", "delay": 50})) => typed?,
        begun = watch.wait_for(&begun) => begun?,
    }
    tokio::try_join!(
        session.act("keyboard/type", json!({"text": "2222", "delay": 5})),
        session.act("keyboard/type", json!({"text": "3333", "delay": 5})),
    )?;
    let typed = watch.evaluate(value).await?;
    ensure!(["FIRST22223333", "FIRST33332222"].map(|text| json!(text)).contains(&typed), "{typed}");
    let held = "happened.filter((what) => what.startsWith('keydown')).length - happened.filter((what) => what.startsWith('keyup')).length";
    ensure!(session.page.evaluate(held).await? == 0, "no key is left pressed");
    Ok(())
}

in_both_builds!(shortcuts_reach_the_page_and_edit);
async fn shortcuts_reach_the_page_and_edit(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.page.evaluate("document.querySelector('#field').focus()").await?;
    session.act("keyboard/type", json!({"text": "one two"})).await?;
    session.forget().await?;
    session.act("keyboard/shortcut", json!({"keys": ["Ctrl", "Shift", "Left"], "holdTime": 20})).await?;
    session
        .require_happened(&[
            "keydown field Control+C",
            "keydown field Shift+SC",
            "keydown field ArrowLeft+SC",
            "keyup field ArrowLeft+SC",
            "keyup field Shift+C",
            "keyup field Control",
        ])
        .await?;
    session.act("keyboard/shortcut", json!({"keys": ["Backspace"]})).await?;
    ensure!(session.page.evaluate("document.querySelector('#field').value").await? == "one ");
    session.act("keyboard/shortcut", json!({"keys": ["Control", "A"]})).await?;
    session.act("keyboard/shortcut", json!({"keys": ["Shift", "x"]})).await?;
    session.act("keyboard/shortcut", json!({"keys": ["Enter"]})).await?;
    session.act("keyboard/shortcut", json!({"keys": ["Space"]})).await?;
    ensure!(session.page.evaluate("document.querySelector('#field').value").await? == "X\n ");
    Ok(())
}

in_both_builds!(every_documented_key_is_told_by_its_name);
async fn every_documented_key_is_told_by_its_name(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.page.evaluate("addEventListener('keydown', (event) => event.preventDefault())").await?;
    session.page.evaluate("window.codes = []; addEventListener('keydown', (event) => codes.push(`${event.code} ${event.keyCode}`))").await?;
    for (name, code) in [
        ("A", "KeyA 65"),
        ("z", "KeyZ 90"),
        ("7", "Digit7 55"),
        ("F1", "F1 112"),
        ("f12", "F12 123"),
        ("Control", "ControlLeft 17"),
        ("Ctrl", "ControlLeft 17"),
        ("Alt", "AltLeft 18"),
        ("Shift", "ShiftLeft 16"),
        ("Command", "MetaLeft 91"),
        ("Cmd", "MetaLeft 91"),
        ("Windows", "MetaLeft 91"),
        ("Win", "MetaLeft 91"),
        ("Enter", "Enter 13"),
        ("Return", "Enter 13"),
        ("Escape", "Escape 27"),
        ("Esc", "Escape 27"),
        ("Insert", "Insert 45"),
        ("Ins", "Insert 45"),
        ("Up", "ArrowUp 38"),
        ("Down", "ArrowDown 40"),
        ("Left", "ArrowLeft 37"),
        ("Right", "ArrowRight 39"),
        ("PageUp", "PageUp 33"),
        ("PageDown", "PageDown 34"),
        ("Home", "Home 36"),
        ("End", "End 35"),
        ("Tab", "Tab 9"),
        ("Space", "Space 32"),
        ("Backspace", "Backspace 8"),
        ("Delete", "Delete 46"),
        ("CapsLock", "CapsLock 20"),
        ("NumLock", "NumLock 144"),
    ] {
        session.act("keyboard/shortcut", json!({"keys": [name]})).await?;
        let told = session.page.evaluate("codes.splice(0)").await?;
        ensure!(told == json!([code]), "{name}: {told}");
    }
    Ok(())
}
