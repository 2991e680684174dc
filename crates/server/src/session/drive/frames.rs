//! The frame that has the focus.
//!
//! A page's scripts do not see into frames of other sites, and what is pasted or copied by a key happens in the frame that
//! has the focus. Frames of other sites are in our page's CDP session, or, where Chromium gives them a process of their own,
//! targets of their own, which may have the same again.

use roadstead_devtools::CallError;
use serde_json::{Value, json};

use super::tab::Tab;
use super::{CALL_TIMEOUT, failed};
use crate::error::{Error, Result};

/// A tab whose scripts run in the frame that has the focus.
#[derive(Debug)]
pub struct InFocus {
    /// It.
    pub tab: Tab,
    /// Our CDP sessions in frames.
    attached: Vec<String>,
}

impl InFocus {
    /// Ends the CDP sessions that it took to get there.
    pub async fn leave(self) {
        for session in &self.attached {
            // One that is gone is as good.
            drop(self.tab.mux().detach(session, CALL_TIMEOUT).await);
        }
    }
}

/// Tells whether a document, if it has the focus, has it itself and not in a frame of it.
const KEEPS_IT: &str = "(() => {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    return !['IFRAME', 'FRAME', 'OBJECT', 'EMBED'].includes(active?.tagName?.toUpperCase());
})()";

/// Finds the frame that has the focus: nearly always the page itself.
pub async fn in_focus(tab: &Tab) -> Result<InFocus> {
    let mut attached = Vec::new();
    if tab.evaluate(KEEPS_IT).await? == true {
        return Ok(InFocus { tab: tab.clone(), attached });
    }
    let found = look_in_frames(tab, &mut attached).await;
    let found = found.map_err(failed);
    let left = InFocus { tab: tab.clone(), attached };
    match found {
        Ok(Some(tab)) => Ok(InFocus { tab, ..left }),
        Ok(None) => {
            left.leave().await;
            Err(Error::Conflict(
                "The focus is in a frame that cannot be read; click into the page first.".to_owned(),
            ))
        }
        Err(error) => {
            left.leave().await;
            Err(error)
        }
    }
}

async fn look_in_frames(tab: &Tab, attached: &mut Vec<String>) -> Result<Option<Tab>, CallError> {
    let is_here = format!("document.hasFocus() && {KEEPS_IT}");
    let mut known = Vec::new();
    let mut sessions = vec![tab.session().to_owned()];
    while let Some(session) = sessions.pop() {
        let mut tree = tab.mux().call_in(&session, "Page.getFrameTree", json!({}), CALL_TIMEOUT).await?;
        let mut frames = Vec::new();
        flatten(&tree["frameTree"].take(), &mut frames);
        for frame in &frames {
            let inside = tab.in_frame(&session, frame);
            // A frame that has gone meanwhile does not have the focus.
            if inside.evaluate(&is_here).await.is_ok_and(|here| here == true) {
                return Ok(Some(inside));
            }
        }
        known.extend(frames);
        let targets = json!({"filter": [{"type": "iframe"}]});
        let targets = tab.mux().call("Target.getTargets", targets, CALL_TIMEOUT).await?;
        for target in targets["targetInfos"].as_array().into_iter().flatten() {
            let text = |name: &str| target[name].as_str().unwrap_or_default().to_owned();
            let (id, parent) = (text("targetId"), text("parentFrameId"));
            if known.contains(&parent) && !known.contains(&id) {
                known.push(id.clone());
                let session = tab.mux().attach_to_target(&id, CALL_TIMEOUT).await?;
                attached.push(session.clone());
                sessions.push(session);
            }
        }
    }
    Ok(None)
}

/// Lists the ids of a frame and all that are in it.
fn flatten(tree: &Value, ids: &mut Vec<String>) {
    ids.extend(tree["frame"]["id"].as_str().map(str::to_owned));
    for child in tree["childFrames"].as_array().into_iter().flatten() {
        flatten(child, ids);
    }
}
