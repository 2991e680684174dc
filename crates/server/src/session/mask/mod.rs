//! Masking what is sensitive in every page of a session: `browser.sensitive_data_mask`.
//!
//! What is here: what a session wishes to be masked ([`Mask`]), whether its browser understands it ([`find_invalid`]), and the attendant that has
//! it done ([`Masking`]). The work is a script's: `find.js` knows what is sensitive in a text, `mask.js` shows it differently. What is not:
//! reading the wish from a body (`http`).
//!
//! # How Chromium behaves (148, measured, both builds)
//!
//! - A script for every new document runs in frames of the page's own process too, before anything of the page, but only in a CDP
//!   session whose Page domain is enabled, and only where the page has a script itself, or somebody evaluates one. A page without
//!   any is masked when it tells that it has come, which it may do some milliseconds after it is first drawn. Enabling the Runtime
//!   domain would change that, and would let pages find out that they are watched.
//! - A style sheet that a script constructs and a document adopts acts whatever the document's policy (CSP) says of styles.
//! - With the Page domain enabled, the headless shell leaves dialogs to be answered by a client, as full Chromium always does.

use std::sync::Arc;
use std::time::Duration;

use roadstead_browser::{Attendant, Browser, Call, Page};
use roadstead_devtools::{CallError, Event};
use serde::{Deserialize, Serialize};
use serde_json::json;

const FIND: &str = include_str!("find.js");
const MASK: &str = include_str!("mask.js");
const CHECK: &str = include_str!("check.js");
/// What the script's own world in a page is called. Clients see it among a page's execution contexts.
const WORLD: &str = "roadstead-mask";
/// How long the browser may take for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What is masked besides what is always found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mask {
    /// CSS selectors of what is blurred on every site.
    pub selectors: Vec<String>,
    /// What is blurred on some sites: a host, or `*.` and a domain, which means the domain itself too, and CSS selectors.
    pub sites: Vec<(String, Vec<String>)>,
    /// What is replaced in texts.
    pub patterns: Vec<Pattern>,
}

/// Text to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pattern {
    /// A regular expression of JavaScript.
    pub regex: String,
    /// What is shown instead.
    pub mask: String,
}

/// What a browser does not understand.
#[derive(Debug, Deserialize)]
pub(super) struct Invalid {
    /// Where it is in the body.
    pub(super) field: String,
    /// Why, to be read after the field.
    pub(super) why: String,
}

/// The place of a selector or a pattern in the body of `POST /v1/sessions`.
#[derive(Serialize)]
struct Given<'a> {
    field: String,
    selector: Option<&'a str>,
    regex: Option<&'a str>,
}

impl Mask {
    fn given(&self) -> Vec<Given<'_>> {
        let selector = |field: String, selector| Given { field, selector: Some(selector), regex: None };
        let everywhere = self.selectors.iter().enumerate();
        let everywhere = everywhere.map(|(at, text)| selector(format!("custom_selectors[{at}]"), text));
        let of_sites = self.sites.iter().flat_map(|(host, selectors)| {
            let numbered = selectors.iter().enumerate();
            numbered.map(move |(at, text)| selector(format!("site_selectors.{host}[{at}]"), text))
        });
        let patterns = self.patterns.iter().enumerate().map(|(at, pattern)| Given {
            field: format!("custom_patterns[{at}].regex"),
            selector: None,
            regex: Some(&pattern.regex),
        });
        everywhere.chain(of_sites).chain(patterns).collect()
    }

    fn script(&self) -> String {
        let config = json!(self);
        // It may come twice, and acts once.
        let guard =
            "if (globalThis.roadsteadMask === document) return;\nglobalThis.roadsteadMask = document;";
        format!("(() => {{\n'use strict';\n{guard}\nconst CONFIG = {config};\n{FIND}\n{MASK}\n}})()")
    }
}

/// Asks a browser that nobody has seen yet for what it does not understand, in a tab that is closed again. Only it knows: neither
/// selectors nor patterns can be read here as it reads them.
pub(super) async fn find_invalid(browser: &Browser, mask: &Mask) -> Result<Option<Invalid>, CallError> {
    let given = mask.given();
    if given.is_empty() {
        return Ok(None);
    }
    let mux = browser.mux();
    let page = mux.open_page("about:blank", CALL_TIMEOUT).await?;
    let session = mux.attach_to_target(&page, CALL_TIMEOUT).await?;
    let question = json!({"expression": format!("({CHECK})({})", json!(given)), "returnByValue": true});
    let answer = mux.call_in(&session, "Runtime.evaluate", question, CALL_TIMEOUT).await;
    mux.see_page_out(&page, CALL_TIMEOUT).await?;
    match answer?["result"].take() {
        result if result["subtype"] == "null" => Ok(None),
        mut result => serde_json::from_value(result["value"].take())
            .map(Some)
            .map_err(|_| CallError::Refused(0, "no answer about selectors and patterns".to_owned())),
    }
}

/// Has every page and every frame masked before it is seen.
pub(super) struct Masking {
    script: Arc<str>,
}

impl Masking {
    /// Masks what is always masked, and what is wished for besides.
    pub(super) fn new(mask: &Mask) -> Self {
        Self { script: mask.script().into() }
    }
}

impl Attendant for Masking {
    fn enters_frames(&self) -> bool {
        true
    }

    fn greet(&self, _: &Arc<Page>) -> Vec<Call> {
        let script = json!({"source": *self.script, "worldName": WORLD, "runImmediately": true});
        vec![("Page.enable", json!({})), ("Page.addScriptToEvaluateOnNewDocument", script)]
    }

    fn heed(&self, page: &Arc<Page>, event: &Event) {
        if event.method != "Page.frameNavigated" {
            return;
        }
        let frame = json!({"frameId": event.params["frame"]["id"], "worldName": WORLD});
        let world = page.call("Page.createIsolatedWorld", &frame, CALL_TIMEOUT);
        let (page, script) = (Arc::clone(page), Arc::clone(&self.script));
        tokio::spawn(async move {
            // A frame that has gone on by now has told of what it went to.
            let Ok(world) = world.await else { return };
            let script = json!({"expression": *script, "contextId": world["executionContextId"]});
            page.order(&[("Runtime.evaluate", script)]);
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_given_says_where_it_stood() {
        let mask = Mask {
            selectors: vec!["a".to_owned()],
            sites: vec![("*.bank.example".to_owned(), vec!["b".to_owned(), "c".to_owned()])],
            patterns: vec![Pattern { regex: "d".to_owned(), mask: "e".to_owned() }],
        };
        let fields: Vec<_> = mask.given().into_iter().map(|given| given.field).collect();
        assert_eq!(
            fields,
            [
                "custom_selectors[0]",
                "site_selectors.*.bank.example[0]",
                "site_selectors.*.bank.example[1]",
                "custom_patterns[0].regex"
            ]
        );
    }

    #[test]
    fn a_script_cannot_be_left_by_what_is_given() {
        let text = "'`\"</script>\u{2028}*/})();";
        let mask = Mask { selectors: vec![text.to_owned()], ..Mask::default() };
        let script = mask.script();
        let literal = script.split("const CONFIG = ").nth(1).and_then(|rest| rest.split(";\n").next());
        let read: Value = serde_json::from_str(literal.unwrap()).unwrap();
        assert_eq!(read["selectors"][0], text);
    }
}
