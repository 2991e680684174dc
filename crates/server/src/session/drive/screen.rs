//! A picture of what the selected tab shows.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::failed;
use super::tab::Tab;
use crate::error::{Error, Result};

/// How long a page may take to be painted. A heavy one takes a second on a busy machine.
const PAINT_TIMEOUT: Duration = Duration::from_secs(20);

/// Captures the viewport, as PNG.
pub async fn capture(tab: &Tab) -> Result<Vec<u8>> {
    let answer =
        tab.call("Page.captureScreenshot", json!({"format": "png"}), PAINT_TIMEOUT).await.map_err(failed)?;
    let data = answer["data"].as_str().unwrap_or_default();
    BASE64_STANDARD
        .decode(data)
        .map_err(|error| Error::internal("The browser's picture was not understood.", error))
}
