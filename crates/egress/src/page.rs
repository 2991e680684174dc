//! The page that a failed request is answered with: what failed, through which exit, what to do.

use std::fmt::Write;

use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response};

use crate::content::Answer;
use crate::failure::Failure;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// Nothing of a failure is worth keeping, and nothing in it is to run.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:15vh auto;padding:0 1em;color:#222;background:#fff}\
h1{font-size:1.3em}small{color:#666}@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}small{color:#999}}";

/// The `<meta>` that tells our pages from a site's. Its content is the type of the error (RFC 9209, section 2.3).
pub const MARK: &str = "roadstead-failure";

/// Answers a request that failed.
pub(crate) fn answer(failure: &Failure) -> Response<Answer> {
    let mut response = Response::new(Answer::page(page(failure)));
    *response.status_mut() = failure.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(PROXY_STATUS, proxy_status(failure));
    if matches!(failure, Failure::BadRequest(_)) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// RFC 9209: our name, the error's type, and the sentence as a string of structured fields.
fn proxy_status(failure: &Failure) -> HeaderValue {
    let mut value = format!("roadstead; error={}; details=\"", failure.proxy_error());
    for character in failure.to_string().chars() {
        match character {
            '"' | '\\' => value.extend(['\\', character]),
            ' '..='~' => value.push(character),
            _ => value.push('?'),
        }
    }
    value.push('"');
    HeaderValue::from_str(&value).expect("printable ASCII is a header's value")
}

fn page(failure: &Failure) -> String {
    let status = failure.status();
    let title = status.canonical_reason().unwrap_or("Failed");
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"{MARK}\" content=\"{}\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>",
        failure.proxy_error()
    );
    escape(&mut page, &failure.to_string());
    page.push_str("</p>");
    if !failure.advice().is_empty() {
        page.push_str("<p>");
        escape(&mut page, failure.advice());
        page.push_str("</p>");
    }
    writeln!(page, "<p><small>Roadstead, {}</small></p></html>", status.as_u16())
        .expect("a String takes all");
    page
}

fn escape(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            _ => page.push(character),
        }
    }
}
