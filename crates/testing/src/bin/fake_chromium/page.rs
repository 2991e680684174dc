//! What the fake's pages understand: going somewhere, and a few literal expressions.

use serde_json::{Value, json};

use crate::browser::{Page, Refusal};

/// An answer, and the events that come before it.
type Answer = (Value, Vec<(&'static str, Value)>);

/// Answers a method of a page. A navigation is the only one that causes events; it is over at once.
pub fn answer(
    page: &mut Page,
    id: &str,
    loader: &str,
    method: &str,
    params: &Value,
) -> Result<Answer, Refusal> {
    let quiet = |result: Value| Ok((result, Vec::new()));
    match method {
        "Page.navigate" => {
            let url = params["url"].as_str().filter(|url| url.contains(':'));
            let url = url.ok_or((-32000, "Cannot navigate to invalid URL".to_owned()))?;
            url.clone_into(&mut page.url);
            let frame = json!({"id": id, "loaderId": loader, "url": page.url, "mimeType": "text/html"});
            let events = vec![
                ("Page.frameNavigated", json!({"frame": frame, "type": "Navigation"})),
                ("Page.loadEventFired", json!({"timestamp": 1.0})),
            ];
            Ok((json!({"frameId": id, "loaderId": loader, "isDownload": false}), events))
        }
        "Page.getFrameTree" => quiet(
            json!({"frameTree": {"frame": {"id": id, "loaderId": loader, "url": page.url, "mimeType": "text/html"}}}),
        ),
        "DOMStorage.getDOMStorageItems" => quiet(json!({"entries": []})),
        "Page.handleJavaScriptDialog" => Err((-32602, "No dialog is showing".to_owned())),
        "Runtime.evaluate" => quiet(evaluate(page, params["expression"].as_str().unwrap_or_default())),
        "Page.enable"
        | "Page.bringToFront"
        | "Page.screencastFrameAck"
        | "Page.setLifecycleEventsEnabled"
        | "Runtime.enable"
        | "Runtime.runIfWaitingForDebugger"
        | "Network.enable"
        | "DOM.enable"
        | "Log.enable" => quiet(json!({})),
        _ => Err((-32601, format!("'{method}' wasn't found"))),
    }
}

/// Returns the title of what would be at a URL.
pub fn title(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.trim_end_matches('/')
}

fn evaluate(page: &Page, expression: &str) -> Value {
    let value = match expression.trim().trim_start_matches("window.") {
        "1+1" | "1 + 1" => json!(2),
        "location.href" | "document.URL" => json!(page.url),
        "document.title" => json!(title(&page.url)),
        literal => match serde_json::from_str(literal) {
            Ok(value) => value,
            Err(_) => return json!({"result": {"type": "undefined"}}),
        },
    };
    let kind = match &value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        _ => "object",
    };
    json!({"result": {"type": kind, "value": value}})
}
