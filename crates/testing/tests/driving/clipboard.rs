//! The clipboard, on pages that are secure and pages that are not.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::ground::{Build, Ground, Session};
use crate::in_both_builds;

in_both_builds!(the_clipboard_holds_what_it_was_given_and_no_page_notices);
async fn the_clipboard_holds_what_it_was_given_and_no_page_notices(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let session = ground.session(build).await?;
    let text = "two\nlines of Grüße 👩‍👩‍👧";
    // A page without anything, and one that listens to everything, also with the cursor in a field or in a frame.
    session.act("clipboard", json!({"text": text})).await?;
    ensure!(session.clipboard().await? == text);
    let mut session = ground.on_stage(build).await?;
    for selector in ["#button", "#field", "#frame"] {
        session.act("mouse/click", json!({"selector": selector})).await?;
        session.forget().await?;
        let text = format!("{text} {selector}");
        session.act("clipboard", json!({"text": text})).await?;
        ensure!(session.clipboard().await? == text);
        ensure!(session.page.evaluate("document.querySelector('#field').value").await? == "");
        ensure!(session.page.evaluate("inner.value").await? == "");
    }
    // The cursor is where it was.
    session.act("keyboard/type", json!({"text": "x"})).await?;
    session.page.wait_for("inner.value === 'x'").await
}

in_both_builds!(what_is_selected_is_copied);
async fn what_is_selected_is_copied(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.act("clipboard", json!({"text": "before"})).await?;
    ensure!(copy(&session).await? == "", "nothing is selected");
    ensure!(session.clipboard().await? == "before");
    session.page.evaluate("getSelection().selectAllChildren(document.querySelector('#words'))").await?;
    ensure!(copy(&session).await? == "Some words to copy");
    ensure!(session.clipboard().await? == "Some words to copy");
    let select = "(() => { const field = document.querySelector('#field'); field.value = 'a field'; field.focus(); field.setSelectionRange(2, 5); })()";
    session.page.evaluate(select).await?;
    ensure!(copy(&session).await? == "fie");
    session.act("mouse/click", json!({"x": 50, "y": 160})).await?;
    session.act("keyboard/type", json!({"text": "in a frame"})).await?;
    session.act("keyboard/shortcut", json!({"keys": ["Control", "a"]})).await?;
    ensure!(copy(&session).await? == "in a frame");
    let own = "document.addEventListener('copy', (event) => { event.clipboardData.setData('text/plain', 'its own'); event.preventDefault(); })";
    session.page.evaluate(own).await?;
    session.page.evaluate(select).await?;
    ensure!(copy(&session).await? == "its own");
    Ok(())
}

in_both_builds!(a_text_is_pasted_where_the_cursor_is);
async fn a_text_is_pasted_where_the_cursor_is(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.act("mouse/click", json!({"selector": "#field"})).await?;
    session.forget().await?;
    session.act("paste", json!({"text": "a\n你好"})).await?;
    session
        .require_happened(&[
            "keydown field Control+C",
            "keydown field v+C",
            "paste field",
            "input field a\n你好",
            "keyup field v+C",
            "keyup field Control",
        ])
        .await?;
    ensure!(session.page.evaluate("document.querySelector('#field').value").await? == "a\n你好");
    ensure!(session.clipboard().await? == "a\n你好");
    session.act("mouse/click", json!({"x": 50, "y": 160})).await?;
    session.act("paste", json!({"text": "inside"})).await?;
    session.page.wait_for("inner.value === 'inside'").await
}

/// Copies, and returns the text, which must be in both places.
async fn copy(session: &Session<'_>) -> Result<Value> {
    let (status, answer) = session.call(Method::POST, "copy", None).await?;
    ensure!(status == 200 && answer["text"] == answer["data"]["text"], "{status} {answer}");
    ensure!(answer["text"].is_string(), "{answer}");
    Ok(answer["text"].clone())
}
