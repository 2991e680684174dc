//! Dismissing JavaScript dialogs.
//!
//! # How Chromium behaves (156, measured)
//!
//! - Full Chromium shows a dialog that no CDP client answers, and the page stands still. The headless shell closes it, but
//!   no more so once a client has enabled the Page domain.
//! - Several sessions may watch one page; the first answer counts. A client that answers after us is told "No dialog is
//!   showing", which is what it asked for by having dialogs disabled.

use std::sync::Arc;

use roadstead_devtools::Event;
use serde_json::json;

use crate::attend::{Attendant, Call, Page};

/// Dismisses every JavaScript dialog of every page.
///
/// Alerts are closed, questions are answered with no. Only a page's plea not to be left is overruled.
#[derive(Clone, Copy, Debug)]
pub struct DismissDialogs;

impl Attendant for DismissDialogs {
    /// A page tells of the dialogs of all its frames.
    fn enters_frames(&self) -> bool {
        false
    }

    fn greet(&self, _: &Arc<Page>) -> Vec<Call> {
        // A dialog that was there before us is not reported.
        vec![("Page.enable", json!({})), dismissal(false)]
    }

    fn heed(&self, page: &Arc<Page>, event: &Event) {
        if let Some(answer) = answer(event) {
            page.order(&[answer]);
        }
    }
}

fn answer(event: &Event) -> Option<Call> {
    (event.method == "Page.javascriptDialogOpening")
        .then(|| dismissal(event.params["type"] == "beforeunload"))
}

fn dismissal(accept: bool) -> Call {
    ("Page.handleJavaScriptDialog", json!({"accept": accept}))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn event(method: &str, params: Value) -> Event {
        Event { method: method.to_owned(), params, session: Some("S".to_owned()) }
    }

    #[test]
    fn a_question_is_answered_with_no_and_leaving_is_allowed() {
        for (kind, accept) in
            [("alert", false), ("confirm", false), ("prompt", false), ("beforeunload", true)]
        {
            let opening = event("Page.javascriptDialogOpening", json!({"type": kind, "message": "?"}));
            let expected = ("Page.handleJavaScriptDialog", json!({"accept": accept}));
            assert_eq!(answer(&opening), Some(expected), "{kind}");
        }
    }

    #[test]
    fn other_news_is_ignored() {
        assert_eq!(answer(&event("Page.frameNavigated", json!({}))), None);
    }
}
