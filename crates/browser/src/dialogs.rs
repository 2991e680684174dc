//! Dismissing JavaScript dialogs over the server's own connection.
//!
//! # How Chromium behaves (156, measured)
//!
//! - Full Chromium shows a dialog that no CDP client answers, and the page stands still. The headless shell closes it, but
//!   no more so once a client has enabled the Page domain.
//! - Several sessions may watch one page; the first answer counts. A client that answers after us is told "No dialog is
//!   showing", which is what it asked for by having dialogs disabled.
//! - With `waitForDebuggerOnStart: false` a `window.open` popup stays at about:blank for good. With `true`, and
//!   `Runtime.runIfWaitingForDebugger`, it goes on as if nobody had looked, and no dialog comes before we listen.
//! - A new page waits until every session that wants it to has let it go: clients that do the same are not disturbed.

use std::time::Duration;

use roadstead_devtools::{CallError, Event, Mux};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// How long the browser may take for one call. Nothing depends on the answers.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Has every JavaScript dialog of every page dismissed from now on: those of pages that exist, new tabs and popups, in
/// every browser context. Returns once the browser has taken the order; a task carries it out until the pipe closes.
///
/// Alerts are closed, questions are answered with no. Only a page's plea not to be left is overruled.
pub(crate) async fn dismiss_dialogs(mux: &Mux) -> Result<(), CallError> {
    let events = mux.subscribe();
    watch_pages(mux, true).await?;
    tokio::spawn(dismiss_all(mux.clone(), events));
    Ok(())
}

async fn watch_pages(mux: &Mux, watch: bool) -> Result<(), CallError> {
    let params = json!({
        "autoAttach": watch,
        "waitForDebuggerOnStart": watch,
        "flatten": true,
        "filter": [{"type": "page"}, {"exclude": true}],
    });
    mux.call("Target.setAutoAttach", params, CALL_TIMEOUT).await.map(drop)
}

async fn dismiss_all(mux: Mux, mut events: Receiver<Event>) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = mux.closed() => return,
        };
        match event {
            Ok(event) => {
                // Never waits for an answer here: a page that waits for us must not wait for another page.
                if let Some(answer) = answer(&mux, &event) {
                    tokio::spawn(answer);
                }
            }
            Err(RecvError::Lagged(_)) => start_over(&mux).await,
            Err(RecvError::Closed) => return,
        }
    }
}

/// A page may wait for us that we have not heard of. Letting go of all and attaching again frees every one.
async fn start_over(mux: &Mux) {
    for watch in [false, true] {
        if let Err(error) = watch_pages(mux, watch).await {
            tracing::debug!(%error, "the browser did not take the order to dismiss dialogs again");
        }
    }
}

fn answer(mux: &Mux, event: &Event) -> Option<impl Future<Output = ()> + Send + use<>> {
    let (session, calls) = plan_answer(event)?;
    let mux = mux.clone();
    Some(async move {
        // Sent in this order, each without waiting for the one before.
        let calls =
            calls.into_iter().map(|(method, params)| mux.call_in(&session, method, params, CALL_TIMEOUT));
        for outcome in futures_util::future::join_all(calls).await {
            // A page that is gone answers with an error, and so does one without a dialog.
            if let Err(error) = outcome {
                tracing::trace!(%error, "a call about dialogs was refused");
            }
        }
    })
}

/// Decides what to call, and in which CDP session, when the browser reports something.
fn plan_answer(event: &Event) -> Option<(String, Vec<(&'static str, Value)>)> {
    match event.method.as_str() {
        "Target.attachedToTarget"
            if event.session.is_none() && event.params["targetInfo"]["type"] == "page" =>
        {
            let session = event.params["sessionId"].as_str()?.to_owned();
            let calls = vec![
                ("Page.enable", json!({})),
                // One that was there before us is not reported.
                ("Page.handleJavaScriptDialog", json!({"accept": false})),
                ("Runtime.runIfWaitingForDebugger", json!({})),
            ];
            Some((session, calls))
        }
        "Page.javascriptDialogOpening" => {
            let accept = event.params["type"] == "beforeunload";
            let calls = vec![("Page.handleJavaScriptDialog", json!({"accept": accept}))];
            Some((event.session.clone()?, calls))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(method: &str, session: Option<&str>, params: Value) -> Event {
        Event { method: method.to_owned(), params, session: session.map(str::to_owned) }
    }

    fn opening(kind: &str) -> Event {
        event("Page.javascriptDialogOpening", Some("S"), json!({"type": kind, "message": "?"}))
    }

    #[test]
    fn a_question_is_answered_with_no_and_leaving_is_allowed() {
        for (kind, accept) in
            [("alert", false), ("confirm", false), ("prompt", false), ("beforeunload", true)]
        {
            let (session, calls) = plan_answer(&opening(kind)).unwrap();
            assert_eq!(session, "S");
            assert_eq!(calls, [("Page.handleJavaScriptDialog", json!({"accept": accept}))], "{kind}");
        }
    }

    #[test]
    fn a_new_page_is_watched_before_it_runs() {
        let params = json!({"sessionId": "N", "targetInfo": {"type": "page"}, "waitingForDebugger": true});
        let (session, calls) = plan_answer(&event("Target.attachedToTarget", None, params)).unwrap();
        assert_eq!(session, "N");
        assert_eq!(calls.first().unwrap().0, "Page.enable");
        assert_eq!(calls.last().unwrap().0, "Runtime.runIfWaitingForDebugger");
    }

    #[test]
    fn other_news_is_ignored() {
        assert!(plan_answer(&event("Page.frameNavigated", Some("S"), json!({}))).is_none());
        let worker = json!({"sessionId": "W", "targetInfo": {"type": "worker"}});
        assert!(plan_answer(&event("Target.attachedToTarget", None, worker)).is_none());
    }
}
