//! What a page holds, as HTML.

use std::time::Duration;

use serde::Deserialize;

use super::tab::{Activation, Tab};
use super::{failed, navigate, pause};
use crate::error::{Error, Result};

/// How long a page's content may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a page may take to load.
const LOAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Which page is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The selected one.
    Selected,
    /// One of its own, which is closed afterwards.
    New,
    /// The one at this place in the session's list of pages.
    At(usize),
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// In which page.
    pub which: Which,
    /// Where it goes first, if anywhere.
    pub url: Option<String>,
    /// How long it is left alone once it is loaded.
    pub wait: Duration,
    /// Whether what is there is good enough when it is not loaded in time.
    pub partial: bool,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Content {
    /// Where it is from.
    pub url: String,
    /// All of it, its doctype included.
    pub html: String,
    /// Its text as it is shown.
    pub text: String,
    /// How deep its elements are nested.
    pub depth: usize,
}

const CONTENT: &str = "(() => {
    const elements = document.createTreeWalker(document, NodeFilter.SHOW_ELEMENT);
    let deepest = 0;
    const depths = new Map([[document, 0]]);
    while (elements.nextNode()) {
        const depth = depths.get(elements.currentNode.parentNode) + 1;
        depths.set(elements.currentNode, depth);
        deepest = Math.max(deepest, depth);
    }
    const doctype = document.doctype ? new XMLSerializer().serializeToString(document.doctype) : '';
    return {
        url: location.href, html: doctype + (document.documentElement?.outerHTML ?? ''),
        text: document.body?.innerText ?? '', depth: deepest,
    };
})()";

/// Goes there, waits, and reads.
pub async fn read(
    tab: &Tab,
    reading: &Reading,
    last_problem: impl FnOnce() -> Option<String> + Send,
) -> Result<Content> {
    if let Some(url) = &reading.url {
        match navigate::goto(tab, url, LOAD_TIMEOUT, last_problem).await {
            Err(Error::Timeout(_)) if reading.partial => {}
            outcome => outcome?,
        }
    }
    pause(tab.mux(), reading.wait).await?;
    let content = tab.run(CONTENT, Activation::None, READ_TIMEOUT).await.map_err(failed)?;
    serde_json::from_value(content)
        .map_err(|error| Error::internal("What the page holds was not understood.", error))
}
