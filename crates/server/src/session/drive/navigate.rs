//! Going somewhere, and waiting until it is loaded.
//!
//! Where a site over http cannot be reached, the browser shows a page of the egress's, and Chromium sees no error. That
//! page is known by its mark, and becomes the net error that Chromium would have without a proxy. A site that shows the same
//! mark only says of itself that it failed. Over https Chromium says no more than that the tunnel failed, and the egress why.

use std::time::Duration;

use roadstead_devtools::CallError;
use roadstead_egress::FAILURE_MARK;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::failed;
use super::tab::{Activation, Tab};
use crate::error::{Error, Result};

/// How soon to look again whether the new document has taken the old one's place.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Errors that are the address's, not the site's.
const WRONG_ADDRESS: [&str; 4] = [
    "net::ERR_INVALID_URL",
    "net::ERR_UNSAFE_PORT",
    "net::ERR_UNKNOWN_URL_SCHEME",
    "net::ERR_DISALLOWED_URL_SCHEME",
];
/// What a navigation that shows nothing new ends with: an answer without a page, or another navigation that came first.
const ABORTED: &str = "net::ERR_ABORTED";

/// Goes to `url` and waits until everything is loaded. A download is all that there is to wait for, and so is a place within
/// the same document.
///
/// `limit` is for both, its answer and its load; `last_problem` tells what went wrong last on the session's way out.
///
/// Errors: an address that means nothing; a site that does not answer, with Chromium's net error; nothing in time.
pub async fn goto(
    tab: &Tab,
    url: &str,
    limit: Duration,
    last_problem: impl FnOnce() -> Option<String> + Send,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    let before = tab.looks().map(|looks| looks.began);
    let answer = match tab.call("Page.navigate", json!({"url": url}), limit).await {
        Ok(answer) => answer,
        Err(CallError::TimedOut) => {
            return Err(Error::Timeout(format!(
                "The site did not answer within {} s, or the page before it asks whether to leave. The browser still tries.",
                limit.as_secs()
            )));
        }
        Err(CallError::Refused(-32000, words)) => {
            return Err(Error::invalid("url", format!("the browser does not take it: {words}")));
        }
        Err(error) => return Err(failed(error)),
    };
    if answer["isDownload"] == true {
        return Ok(());
    }
    match answer["errorText"].as_str() {
        Some(problem) => Err(refused(problem, last_problem)),
        None if answer["loaderId"].is_string() => {
            wait_until_loaded(tab, before, deadline, limit).await?.require_a_site()
        }
        None => Ok(()),
    }
}

fn refused(problem: &str, last_problem: impl FnOnce() -> Option<String>) -> Error {
    if WRONG_ADDRESS.contains(&problem) {
        return Error::invalid("url", format!("the browser does not go there: {problem}"));
    }
    let why = match problem {
        ABORTED => Some("The site answered without a page, or another navigation came first.".to_owned()),
        "net::ERR_TUNNEL_CONNECTION_FAILED" | "net::ERR_PROXY_CONNECTION_FAILED" => last_problem(),
        _ => None,
    };
    not_opened(problem, why.as_deref())
}

fn not_opened(problem: &str, why: Option<&str>) -> Error {
    let why = why.map(|why| format!(" {why}")).unwrap_or_default();
    Error::SiteFailed(format!("The page could not be opened: {problem}.{why}"))
}

/// What a document is once it is loaded.
#[derive(Debug, Deserialize)]
struct Loaded {
    /// The type of the egress's error (RFC 9209), if it is the egress's own page.
    failure: Option<String>,
    /// Its sentence.
    why: Option<String>,
}

impl Loaded {
    fn require_a_site(&self) -> Result<()> {
        let Some(failure) = &self.failure else { return Ok(()) };
        let problem = match failure.as_str() {
            "dns_error" | "dns_timeout" => "net::ERR_NAME_NOT_RESOLVED",
            "connection_refused" => "net::ERR_CONNECTION_REFUSED",
            "connection_timeout" => "net::ERR_CONNECTION_TIMED_OUT",
            "connection_terminated" => "net::ERR_CONNECTION_CLOSED",
            "destination_ip_unroutable" => "net::ERR_ADDRESS_UNREACHABLE",
            "destination_ip_prohibited" | "http_request_denied" => "net::ERR_BLOCKED_BY_ADMINISTRATOR",
            _ => "net::ERR_PROXY_CONNECTION_FAILED",
        };
        Err(not_opened(problem, self.why.as_deref()))
    }
}

/// Waits for the load of the document that comes after the one that began at `before`: Chromium answers a navigation
/// shortly before the new document is there.
async fn wait_until_loaded(
    tab: &Tab,
    before: Option<f64>,
    deadline: Instant,
    limit: Duration,
) -> Result<Loaded> {
    let script = format!(
        "(async () => {{
            if (performance.timeOrigin === {}) return null;
            if (document.readyState !== 'complete')
                await new Promise((loaded) => addEventListener('load', loaded, {{ once: true }}));
            const mark = document.querySelector('meta[name={FAILURE_MARK}]');
            return {{ failure: mark?.content, why: mark ? document.querySelector('p')?.textContent : undefined }};
        }})()",
        json!(before)
    );
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tab.run(&script, Activation::None, left).await {
            Ok(loaded) if !loaded.is_null() => {
                return serde_json::from_value(loaded).map_err(|error| {
                    Error::internal("What the page says of its load was not understood.", error)
                });
            }
            Ok(_) if !left.is_zero() => sleep(LOOK_AGAIN).await,
            Ok(_) | Err(CallError::TimedOut) => {
                return Err(Error::Timeout(format!(
                    "The page is there, but was not loaded completely within {} s; it goes on loading.",
                    limit.as_secs()
                )));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_the_callers_and_the_rest_the_sites() {
        let refused = |problem| refused(problem, || Some("There was nobody.".to_owned()));
        assert!(matches!(refused("net::ERR_UNSAFE_PORT"), Error::InvalidRequest(_)));
        for (problem, words) in [
            ("net::ERR_NAME_NOT_RESOLVED", "The page could not be opened: net::ERR_NAME_NOT_RESOLVED."),
            (
                "net::ERR_TUNNEL_CONNECTION_FAILED",
                "The page could not be opened: net::ERR_TUNNEL_CONNECTION_FAILED. There was nobody.",
            ),
        ] {
            assert_eq!(refused(problem).to_string(), words);
        }
        assert!(refused(ABORTED).to_string().ends_with("came first."));
    }
}
