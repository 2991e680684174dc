//! Clicks, presses, moves and drags.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::ground::{Build, Ground};
use crate::in_both_builds;

in_both_builds!(clicks_are_a_users);
async fn clicks_are_a_users(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.act("mouse/click", json!({"x": 50, "y": 40})).await?;
    session.require_happened(&["mousedown button 0", "mouseup button 0", "click button 0"]).await?;
    session.act("mouse/click", json!({"x": 50.5, "y": 40.5, "button": "middle"})).await?;
    session
        .require_happened(&["mousedown button 1", "mouseup button 1", "auxclick button 1", "paste button"])
        .await?;
    session.act("mouse/doubleClick", json!({"x": 50, "y": 40})).await?;
    let twice = ["mousedown button 0", "mouseup button 0", "click button 0"].repeat(2);
    session.require_happened(&[&twice[..], &["dblclick button 0"]].concat()).await
}

in_both_builds!(a_selector_finds_what_is_far_away_inside_or_late);
async fn a_selector_finds_what_is_far_away_inside_or_late(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    let clicked = |id: &str| ["mousedown", "mouseup", "click"].map(|kind| format!("{kind} {id} 0"));
    for (selector, id) in
        [("#far", "far"), ("#inside", "inside"), ("#deepest", "deepest"), ("#button", "button")]
    {
        session.act("mouse/click", json!({"selector": selector})).await?;
        let clicked = match id {
            // The text in it is what is clicked.
            "inside" => clicked("B"),
            _ => clicked(id),
        };
        session.require_happened(&clicked.each_ref().map(String::as_str)).await?;
    }
    session.act("mouse/click", json!({"selector": ".many", "index": 1, "button": "right"})).await?;
    session
        .require_happened(&[
            "mousedown BUTTON 2",
            "contextmenu BUTTON 2",
            "mouseup BUTTON 2",
            "auxclick BUTTON 2",
        ])
        .await?;
    let late = "setTimeout(() => { document.querySelector('#hidden').style.display = 'block'; }, 300)";
    session.page.evaluate(late).await?;
    session.act("mouse/click", json!({"selector": "#hidden", "selectorTimeoutMs": 10_000})).await?;
    session.require_happened(&clicked("hidden").each_ref().map(String::as_str)).await
}

in_both_builds!(a_click_reaches_a_frame_of_another_site);
async fn a_click_reaches_a_frame_of_another_site(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.act("mouse/click", json!({"x": 50, "y": 160})).await?;
    session.require_happened_inside(&["click inner"]).await?;
    session.act("keyboard/type", json!({"text": "aé"})).await?;
    session.require_happened_inside(&["keydown inner a", "input inner a", "input inner é"]).await?;
    ensure!(session.page.evaluate("inner.value").await? == "aé");
    Ok(())
}

in_both_builds!(what_is_pressed_stays_so_until_it_is_released);
async fn what_is_pressed_stays_so_until_it_is_released(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    session.act("mouse/down", json!({"x": 400, "y": 40})).await?;
    session.act("mouse/move", json!({"x": 450, "y": 140})).await?;
    session.act("mouse/move", json!({"x": 500, "y": 340})).await?;
    session.act("mouse/up", json!({"x": 500, "y": 340})).await?;
    session.act("mouse/move", json!({"x": 900, "y": 500})).await?;
    session.page.wait_for("mover.offsetLeft === 460 && mover.offsetTop === 300").await?;
    session.require_happened(&["mousedown mover 0", "mouseup mover 0", "click mover 0"]).await
}

in_both_builds!(a_drag_moves_what_follows_the_mouse);
async fn a_drag_moves_what_follows_the_mouse(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    let drag = json!({"startX": 400, "startY": 40, "endX": 500, "endY": 340});
    session.act("drag-and-drop", drag).await?;
    session.page.wait_for("mover.offsetLeft === 460 && mover.offsetTop === 300").await?;
    session.require_happened(&["mousedown mover 0", "mouseup mover 0", "click mover 0"]).await
}

in_both_builds!(what_is_draggable_is_dropped);
async fn what_is_draggable_is_dropped(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.on_stage(build).await?;
    let dropped = ["mousedown draggable 0", "dragstart draggable 0", "drop target 0", "dragend draggable 0"];
    session.act("drag-and-drop", json!({"startX": 520, "startY": 40, "endX": 650, "endY": 40})).await?;
    session.page.wait_for("target.textContent === 'cargo'").await?;
    session.require_happened(&dropped).await?;
    // The same by hand.
    session.page.evaluate("target.textContent = ''").await?;
    session.act("mouse/down", json!({"x": 520, "y": 40})).await?;
    for x in [530, 560, 640, 650] {
        session.act("mouse/move", json!({"x": x, "y": 40})).await?;
    }
    session.act("mouse/up", json!({"x": 650, "y": 40})).await?;
    session.page.wait_for("target.textContent === 'cargo'").await?;
    session.require_happened(&dropped).await?;
    // And a click is a click again.
    session.act("mouse/click", json!({"x": 50, "y": 40})).await?;
    session.require_happened(&["mousedown button 0", "mouseup button 0", "click button 0"]).await
}
