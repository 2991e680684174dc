//! Tools: one page's picture, paper or content, in a running session or in one of their own.
//!
//! Numbers are read as they are written, `3` or `3.0`: the SDKs differ in it.

use serde::Deserialize;
use utoipa::ToSchema;

/// What is pictured.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
pub struct ScreenshotRequest {
    /// Where to go first; with `sessionId` the selected tab's page when absent.
    #[schema(example = "https://example.com")]
    pub url: Option<String>,
    /// The viewport's width meanwhile, in CSS pixels, from 1 to 16384; as it is when absent.
    pub width: Option<f64>,
    /// The same for its height.
    pub height: Option<f64>,
    /// 100, or absent: a PNG. From 1 to 99: a JPEG of this quality.
    pub image_quality: Option<f64>,
    /// How long to wait once the page is loaded, in milliseconds, 60000 at the most; 0 when absent.
    pub wait: Option<f64>,
    /// Scrolls to the end first, so that the page loads what it loads when it is seen, and pictures the whole page.
    pub scroll_all_content: Option<bool>,
    /// Pictures the whole page, up to 16384 CSS pixels, instead of the viewport.
    pub capture_full_height: Option<bool>,
    /// Not here: the picture is in the answer.
    pub s3_target_address: Option<String>,
}

/// What is printed, and how. Lengths are inches.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PagePdfRequest {
    /// Where to go first; with `sessionId` the selected tab's page when absent.
    #[schema(example = "https://example.com")]
    pub url: Option<String>,
    /// Across; upright when absent.
    pub landscape: Option<bool>,
    /// Whether there are a header and a footer.
    pub display_header_footer: Option<bool>,
    /// HTML of the header.
    pub header_template: Option<String>,
    /// HTML of the footer.
    pub footer_template: Option<String>,
    /// Whether backgrounds are printed.
    pub print_background: Option<bool>,
    /// From 0.1 to 2; 1 when absent.
    pub scale: Option<f64>,
    /// 8.5 when absent.
    pub paper_width: Option<f64>,
    /// 11 when absent.
    pub paper_height: Option<f64>,
    /// About 0.4 when absent, as are the other three.
    pub margin_top: Option<f64>,
    /// See `marginTop`.
    pub margin_bottom: Option<f64>,
    /// See `marginTop`.
    pub margin_left: Option<f64>,
    /// See `marginTop`.
    pub margin_right: Option<f64>,
    /// Which pages; all when absent.
    #[schema(example = "1-5, 8, 11-13")]
    pub page_ranges: Option<String>,
    /// Whether the page's own size counts, when its CSS has one. `preferCSSPageSize` is the published spelling.
    #[serde(rename = "preferCSSPageSize")]
    pub prefer_css_page_size: Option<bool>,
}

/// As what a page is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PageFormat {
    /// As it is in the browser after its scripts have run.
    Html,
    /// What is to be read of it, without menus and the like.
    #[default]
    Markdown,
}

/// What is read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
pub struct FetchWebpageRequest {
    /// Where to go first; with `sessionId` the page as it is when absent.
    #[schema(example = "https://example.com")]
    pub url: Option<String>,
    /// `markdown` when absent.
    pub format: Option<PageFormat>,
    /// Reads in a page of its own, which is closed afterwards; needs a URL.
    pub new_page: Option<bool>,
    /// Reads in the session's page at this place, from 0; goes before `new_page`.
    pub page_index: Option<f64>,
    /// How long to wait once the page is loaded, in milliseconds, 60000 at the most; 0 when absent.
    pub wait: Option<f64>,
    /// Answers with what there is when the page is not loaded within 20 seconds.
    pub return_partial_on_timeout: Option<bool>,
}
