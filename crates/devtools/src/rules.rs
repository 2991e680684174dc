//! Which commands of a client are not for the browser.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::message::{Malformed, Outline, outline, unquote};
use crate::scan::scan_object;

/// What a client is told that wants a proxy for a browser context.
const OWN_PROXY: &str = "Browser contexts have no proxies of their own here: the session's is set by session.proxy, or PUT /v1/sessions/{id}/proxy";
/// What a client is told whose parameters we cannot read, and Chromium might.
const UNCLEAR: &str = "Invalid parameters: each is given once, and has its documented type";
/// How many `Target.sendMessageToTarget` may be in one another.
const MAX_NESTING: usize = 4;

/// The behavior under which a file is named by its download's id: two never meet, and no site chooses a name on our disk.
const UNDER_NAMES_OF_THEIR_OWN: &str = "allowAndName";

/// What a client is told that sets where downloads go in the older, nested form of the protocol.
const NESTED_DOWNLOADS: &str = "Not supported here: set the download behavior in a flattened session";

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Forward,
    /// It asks for the end of the browser, which is the owner's to bring about.
    Close,
    /// It is refused, with these words.
    Refuse(&'static str),
}

/// Decides about a command.
pub(crate) fn decide(text: &[u8], outline: &Outline) -> Decision {
    decide_nested(text, outline, 0)
}

/// Decides about a new browser context: with a proxy of its own, be it an empty one, it would go around the browser's.
/// What is not clear to us may be clear to Chromium, so it is refused.
fn decide_context(text: &[u8]) -> Decision {
    #[derive(Deserialize)]
    struct Wire {
        params: Option<Params>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        proxy_server: Option<IgnoredAny>,
        proxy_bypass_list: Option<IgnoredAny>,
    }
    match serde_json::from_slice(text) {
        Ok(Wire { params: None | Some(Params { proxy_server: None, proxy_bypass_list: None }) }) => {
            Decision::Forward
        }
        Ok(_) => Decision::Refuse(OWN_PROXY),
        Err(_) => Decision::Refuse(UNCLEAR),
    }
}

/// Rewrites a command that says where downloads go: they go into the session's own directory, each under a name that no other
/// has, wherever the client wanted them. Clients name directories of their own machine, Playwright for each context that it
/// makes, so a refusal would be the end of them. `None` when the command allows nothing.
pub(crate) fn redirect_downloads(text: &[u8], outline: &Outline, dir: &str) -> Option<Vec<u8>> {
    if !tells_of_downloads(text, outline) {
        return None;
    }
    // What Chromium finds malformed sets nothing.
    let mut command: Value = serde_json::from_slice(text).ok()?;
    let params = command.get_mut("params")?.as_object_mut()?;
    match params.get("behavior")?.as_str()? {
        "allow" | "allowAndName" if params.get("downloadPath").is_some_and(Value::is_string) => {}
        "default" => {}
        _ => return None,
    }
    params.insert("behavior".to_owned(), UNDER_NAMES_OF_THEIR_OWN.into());
    params.insert("downloadPath".to_owned(), dir.into());
    Some(command.to_string().into_bytes())
}

/// Tells whether a command says what becomes of downloads.
pub(crate) fn tells_of_downloads(text: &[u8], outline: &Outline) -> bool {
    let method = outline.method.clone().and_then(|place| unquote(&text[place]));
    method.is_some_and(|method| sets_downloads(&method))
}

/// Orders that all downloads go into a directory, and that we are told of them. For the pipe's own root.
pub(crate) fn downloads_into(dir: &str) -> Value {
    json!({"behavior": UNDER_NAMES_OF_THEIR_OWN, "downloadPath": dir, "eventsEnabled": true})
}

fn sets_downloads(method: &str) -> bool {
    matches!(method, "Browser.setDownloadBehavior" | "Page.setDownloadBehavior")
}

fn decide_nested(text: &[u8], found: &Outline, level: usize) -> Decision {
    #[derive(Deserialize)]
    struct Wire {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        message: String,
    }
    match found.method.clone().and_then(|place| unquote(&text[place])).as_deref() {
        Some("Browser.close") => Decision::Close,
        Some("Target.createBrowserContext") => decide_context(text),
        // One gives a page the whole protocol, past everything that is decided here; full Chromium connects to the addresses
        // that the other gives, past the proxy that it has.
        Some("Target.exposeDevToolsProtocol" | "Target.setRemoteLocations") => {
            Decision::Refuse("Not supported")
        }
        Some(method) if level > 0 && sets_downloads(method) => Decision::Refuse(NESTED_DOWNLOADS),
        Some("Target.sendMessageToTarget") if level == MAX_NESTING => Decision::Refuse("Nested too deep"),
        Some("Target.sendMessageToTarget") => {
            let Ok(Wire { params: Params { message } }) = serde_json::from_slice(text) else {
                return Decision::Refuse(UNCLEAR);
            };
            // Chromium takes comments, and a quotation mark in one would have us read past what it reads. What is JSON is the
            // same to both.
            match scan_object(message.as_bytes(), |_| {})
                .map_err(|_| Malformed)
                .and_then(|_| outline(message.as_bytes()))
            {
                Ok(inner) => decide_nested(message.as_bytes(), &inner, level + 1),
                Err(_) => Decision::Refuse(UNCLEAR),
            }
        }
        _ => Decision::Forward,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(text: &str) -> Decision {
        decide(text.as_bytes(), &outline(text.as_bytes()).unwrap())
    }

    /// Wraps a command as the older, nested form of the protocol does.
    fn nested(text: &str) -> String {
        json!({"id": 1, "method": "Target.sendMessageToTarget", "params": {"message": text}}).to_string()
    }

    #[test]
    fn downloads_go_into_their_own_directory_however_another_is_named() {
        let redirected = |text: &str| {
            let outline = outline(text.as_bytes()).unwrap();
            let text = redirect_downloads(text.as_bytes(), &outline, "/own")?;
            Some(serde_json::from_slice::<Value>(&text).unwrap())
        };
        for method in
            ["Browser.setDownloadBehavior", "Page.setDownloadBehavior", r"Browser.set\u0044ownloadBehavior"]
        {
            for key in ["downloadPath", r"\u0064ownloadPath"] {
                let text = format!(
                    r#"{{"id": 7, "method": "{method}", "sessionId": "S", "params": {{"behavior": "allow", "{key}": "/etc"}}}}"#
                );
                let after = redirected(&text).unwrap();
                assert_eq!(
                    after["params"],
                    json!({"behavior": "allowAndName", "downloadPath": "/own"}),
                    "{text}"
                );
                assert_eq!((&after["id"], &after["sessionId"]), (&json!(7), &json!("S")));
                assert_eq!(decision(&nested(&text)), Decision::Refuse(NESTED_DOWNLOADS));
            }
        }
        let own = json!({"behavior": "allowAndName", "downloadPath": "/own"});
        let twice = r#"{"id": 1, "method": "Page.setDownloadBehavior", "params": {"behavior": "deny", "behavior": "allow", "downloadPath": "/a", "downloadPath": "/b"}}"#;
        assert_eq!(redirected(twice).unwrap()["params"], own);
        let usual =
            r#"{"id": 1, "method": "Browser.setDownloadBehavior", "params": {"behavior": "default"}}"#;
        assert_eq!(
            redirected(usual).unwrap()["params"],
            own,
            "what Chromium does by default is not captured"
        );
        for text in [
            r#"{"id": 1, "method": "Browser.setDownloadBehavior", "params": {"behavior": "deny"}}"#,
            r#"{"id": 1, "method": "Browser.setDownloadBehavior", "params": {"behavior": "allow", "downloadPath": ["/etc"]}}"#,
            r#"{"id": 1, "method": "Browser.setDownloadBehavior", "params": {"behavior": "allow"}}"#,
            r#"{"id": 1, "method": "Browser.setDownloadBehavior", "params": {"downloadPath": "/etc"}}"#,
            r#"{"id": 1, "method": "Browser.setDownloadBehavior"}"#,
            r#"{"id": 1, "method": "Page.navigate", "params": {"downloadPath": "/etc"}}"#,
        ] {
            assert_eq!(redirected(text), None, "{text}");
        }
    }

    #[test]
    fn a_context_with_a_proxy_is_refused_however_it_is_written() {
        let context =
            |rest: &str| format!("{{\"id\": 1, \"method\": \"Target.createBrowserContext\"{rest}}}");
        for rest in
            ["", ", \"params\": {}", ", \"params\": {\"disposeOnDetach\": true}", ", \"sessionId\": \"A\""]
        {
            assert_eq!(decision(&context(rest)), Decision::Forward, "{rest}");
            assert_eq!(decision(&nested(&context(rest))), Decision::Forward, "{rest}");
        }
        for rest in [
            r#", "params": {"proxyServer": "direct://"}"#,
            r#", "params": {"proxyServer": ""}"#,
            r#", "params": {"\u0070roxyServer": "direct://"}"#,
            r#", "params": {"proxyBypassList": "*"}"#,
            r#", "\u0070arams": {"proxyServer": "direct://"}"#,
            r#", "params": {"proxyServer": "direct://"}, "params": {}"#,
            r#", "params": {}, "params": {"proxyServer": "direct://"}"#,
            r#", "params": {"proxyServer": "a", "proxyServer": null}"#,
            r#", "params": {"proxyServer": "direct://",}"#,
            r#", "params": ["direct://"]"#,
        ] {
            for text in [context(rest), nested(&context(rest)), nested(&nested(&context(rest)))] {
                let decided = outline(text.as_bytes()).map(|outline| decide(text.as_bytes(), &outline));
                assert!(matches!(decided, Err(_) | Ok(Decision::Refuse(_))), "{text}: {decided:?}");
            }
        }
        let commented = nested(r#"{"id": 1, "x": [/*"*/], "method": "Browser.close", "y": [/*"*/]}"#);
        assert_eq!(decision(&commented), Decision::Refuse(UNCLEAR));
        let twice = r#"{"id": 1, "method": "Target.sendMessageToTarget", "params": {"message": "{}", "message": "{}"}}"#;
        assert_eq!(decision(twice), Decision::Refuse(UNCLEAR));
        let twice = r#"{"id": 1, "method": "Target.getTargets", "method": "Target.createBrowserContext"}"#;
        assert_eq!(decision(&nested(twice)), Decision::Refuse(UNCLEAR));
    }
}
