//! A picture of what the selected tab shows.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::pointer::Pointer;
use super::tab::{Activation, Tab};
use super::{Act, failed, pause};
use crate::error::{Error, Result};

/// How long a page may take to be painted. A heavy one takes a second on a busy machine.
const PAINT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a page is scrolled for, at the most: one that grows as it is scrolled has no end.
const SCROLL_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest picture, in CSS pixels: what Chromium can paint at all.
const MAX_HEIGHT: f64 = 16_384.0;

/// Goes to the page's end, a viewport at a time, and back: what is loaded when it is seen has been asked for then.
const SCROLL: &str = "(async () => {
    const end = () => document.scrollingElement.scrollHeight - innerHeight;
    const until = performance.now() + 8000;
    while (scrollY < end() - 1 && performance.now() < until) {
        scrollBy({ top: innerHeight, behavior: 'instant' });
        await new Promise((shown) => setTimeout(shown, 100));
    }
    scrollTo({ top: 0, behavior: 'instant' });
})()";

/// What of a page is in a picture, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// How long the page is left alone first.
    pub wait: Duration,
    /// Width and height of the viewport meanwhile, in CSS pixels; where one is absent it is as it was.
    pub viewport: (Option<u32>, Option<u32>),
    /// Whether the picture is of the whole page, up to 16384 pixels, and not of the viewport.
    pub whole: bool,
    /// Whether the page is scrolled to its end first.
    pub scroll: bool,
    /// The quality of a JPEG, from 0 to 100; a PNG when absent.
    pub jpeg: Option<u32>,
}

impl Act for Picture {
    type Done = Vec<u8>;

    async fn perform(self, tab: &Tab, _pointer: &mut Pointer) -> Result<Vec<u8>> {
        pause(tab.mux(), self.wait).await?;
        let is_resized = self.viewport != (None, None);
        if is_resized {
            let (width, height) = self.viewport;
            let metrics = json!({
                "width": width.unwrap_or(0), "height": height.unwrap_or(0), "deviceScaleFactor": 0, "mobile": false,
            });
            tab.input("Emulation.setDeviceMetricsOverride", metrics).await?;
        }
        let taken = self.take(tab).await;
        if is_resized {
            tab.input("Emulation.clearDeviceMetricsOverride", json!({})).await?;
        }
        taken
    }
}

impl Picture {
    async fn take(self, tab: &Tab) -> Result<Vec<u8>> {
        if self.scroll {
            tab.run(SCROLL, Activation::None, SCROLL_TIMEOUT).await.map_err(failed)?;
        }
        let mut params = match self.jpeg {
            Some(quality) => json!({"format": "jpeg", "quality": quality}),
            None => json!({"format": "png"}),
        };
        if self.whole {
            let metrics =
                tab.call("Page.getLayoutMetrics", json!({}), PAINT_TIMEOUT).await.map_err(failed)?;
            let size = &metrics["cssContentSize"];
            let height = size["height"].as_f64().unwrap_or_default().min(MAX_HEIGHT);
            params["captureBeyondViewport"] = json!(true);
            // The page is as wide as its viewport, whose scroll bar is not in the picture.
            let viewport = self.viewport.0.map(f64::from).or(tab.looks().map(|looks| looks.width));
            let width = size["width"].as_f64().unwrap_or_default().max(viewport.unwrap_or_default());
            params["clip"] = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        }
        capture(tab, params).await
    }
}

/// Captures the viewport, as PNG.
pub async fn capture_viewport(tab: &Tab) -> Result<Vec<u8>> {
    capture(tab, json!({"format": "png"})).await
}

async fn capture(tab: &Tab, params: Value) -> Result<Vec<u8>> {
    let answer = tab.call("Page.captureScreenshot", params, PAINT_TIMEOUT).await.map_err(failed)?;
    let data = answer["data"].as_str().unwrap_or_default();
    BASE64_STANDARD
        .decode(data)
        .map_err(|error| Error::internal("The browser's picture was not understood.", error))
}
