//! The page that plays a recording in any browser. It holds nothing of any session: what it plays it fetches with the token in its
//! own address, or with a key that it asks for.
//!
//! It loads nothing from anywhere else and runs nothing but its own script; its policy says so to the browser.

use std::sync::LazyLock;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::{Html, IntoResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("replay/page.html");
const STYLE: &str = include_str!("replay/style.css");
const SCRIPT: &str = include_str!("replay/script.js");

/// The page, and its policy.
static REPLAY: LazyLock<(String, String)> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src blob:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        source(SCRIPT),
        source(STYLE)
    );
    (PAGE.replace("@STYLE@", STYLE).replace("@SCRIPT@", SCRIPT), policy)
});

/// Names a script or a style by what it is.
fn source(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// Returns the page.
pub fn page() -> impl IntoResponse {
    let (page, policy) = &*REPLAY;
    let headers = [
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        // Its address may carry a token.
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(page.as_str()))
}
