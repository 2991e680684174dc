//! `/v1/tools/{screenshot,page-pdf,fetch-webpage}?sessionId=`: what one page gives, in a running session or in a headless one that
//! lasts as long as the request.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use roadstead_api::{
    ErrorResponse, FetchWebpageRequest, PageFormat, PagePdfRequest, ScreenshotRequest, SessionId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, IntoResponses};

use super::body::JsonBody;
use super::error::Failure;
use super::numbers::{millis, whole};
use super::params::{Params, page_url, session_id};
use super::{TAG_TOOLS, session_request};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::readable::markdown;
use crate::session::drive::content::{Reading, Which};
use crate::session::drive::paper::Print;
use crate::session::drive::screen::Picture;

/// How long a page may be left alone before it is pictured or read.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// The longest side of a viewport, in CSS pixels: what Chromium can paint at all.
const MAX_SIDE: u32 = 16_384;
/// The largest sheet and margin, in inches: more than any plotter has.
const MAX_INCHES: f64 = 200.0;

/// In which session.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ToolParams {
    /// A running session; without it the tool starts one and ends it.
    #[serde(rename = "sessionId")]
    session_id: Option<String>,
}

/// What every tool may answer besides, for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document has it")]
pub enum CannotUse {
    /// There is no such session.
    #[response(status = 404)]
    NoSession(ErrorResponse),
    /// The session does not run (any more), or has no page; says why.
    #[response(status = 409)]
    NotRunning(ErrorResponse),
    /// All places for sessions are taken, or the key creates too many a minute.
    #[response(status = 429)]
    NoPlace(ErrorResponse),
    /// The page could not be opened; has Chromium's net error.
    #[response(status = 502)]
    NoPage(ErrorResponse),
    /// The browser did not start, or the server is shutting down.
    #[response(status = 503)]
    NoBrowser(ErrorResponse),
    /// The page does not answer in time.
    #[response(status = 504)]
    Busy(ErrorResponse),
}

/// Take a picture of a page
#[utoipa::path(
    post, path = "/tools/screenshot", tag = TAG_TOOLS, params(ToolParams), request_body = ScreenshotRequest,
    responses(
        (status = 200, description = "The picture.", content(([u8] = "image/png"), ([u8] = "image/jpeg"))),
        (status = 501, description = "`s3_target_address` is not here.", body = ErrorResponse),
        CannotUse,
    )
)]
pub async fn take_screenshot(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<ToolParams>,
    JsonBody(body): JsonBody<ScreenshotRequest>,
) -> Result<impl IntoResponse, Failure> {
    if body.s3_target_address.as_deref().is_some_and(|address| !address.is_empty()) {
        let instead = "s3_target_address: the picture is in the answer; upload it from there.";
        return Err(Error::NotImplemented(instead.to_owned()).into());
    }
    let picture = read_picture(&body)?;
    let url = wanted_url(body.url.as_deref(), &params)?;
    let sessions = app.sessions().clone();
    let project = caller.project;
    let work = async move |session: SessionId| {
        if let Some(url) = url {
            sessions.require_running(project, session).await?.goto(&url).await?;
        }
        sessions.act(project, session, picture).await
    };
    let taken = in_session(&app, &caller, &params, work).await?;
    let kind = if picture.jpeg.is_some() { "image/jpeg" } else { "image/png" };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], taken))
}

/// Print a page
///
/// As PDF.
#[utoipa::path(
    post, path = "/tools/page-pdf", tag = TAG_TOOLS, params(ToolParams), request_body = PagePdfRequest,
    responses(
        (status = 200, description = "The PDF.", content_type = "application/pdf", body = [u8]),
        CannotUse,
    )
)]
pub async fn print_page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<ToolParams>,
    JsonBody(body): JsonBody<PagePdfRequest>,
) -> Result<impl IntoResponse, Failure> {
    let print = Print(read_paper(&body)?);
    let url = wanted_url(body.url.as_deref(), &params)?;
    let sessions = app.sessions().clone();
    let project = caller.project;
    let work = async move |session: SessionId| {
        if let Some(url) = url {
            sessions.require_running(project, session).await?.goto(&url).await?;
        }
        sessions.act(project, session, print).await
    };
    let printed = in_session(&app, &caller, &params, work).await?;
    Ok(([(CONTENT_TYPE, "application/pdf"), (CACHE_CONTROL, "no-store")], printed))
}

/// Read a page
///
/// After its scripts have run: its HTML, or what there is to read in it as Markdown.
#[utoipa::path(
    post, path = "/tools/fetch-webpage", tag = TAG_TOOLS, params(ToolParams), request_body = FetchWebpageRequest,
    responses(
        (status = 200, description = "The page.", content_type = "text/plain", body = String),
        CannotUse,
    )
)]
pub async fn fetch_webpage(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<ToolParams>,
    JsonBody(body): JsonBody<FetchWebpageRequest>,
) -> Result<impl IntoResponse, Failure> {
    let reading = read_reading(&body, &params)?;
    let sessions = app.sessions().clone();
    let project = caller.project;
    let work = async move |session: SessionId| sessions.read(project, session, reading).await;
    let page = in_session(&app, &caller, &params, work).await?;
    let told = match body.format.unwrap_or_default() {
        PageFormat::Html => page.html,
        PageFormat::Markdown => {
            let convert = move || markdown(&page.html, &page.url, page.depth, page.text);
            tokio::task::spawn_blocking(convert).await.expect("converting a page does not panic")
        }
    };
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], told))
}

/// Works in the session that is named, or in a headless one that ends with the work.
async fn in_session<T: Send + 'static, W: Future<Output = Result<T>> + Send>(
    app: &App,
    caller: &Caller,
    params: &ToolParams,
    work: impl FnOnce(SessionId) -> W + Send + 'static,
) -> Result<T> {
    match named(params)? {
        Some(session) => work(session).await,
        None => {
            app.limits().create(caller)?;
            let request = session_request::read(json!({"browser": {"headless": {"active": true}}}))?;
            app.sessions().with_one(caller, request, work).await
        }
    }
}

fn named(params: &ToolParams) -> Result<Option<SessionId>> {
    params.session_id.as_deref().filter(|id| !id.is_empty()).map(session_id).transpose()
}

/// Reads where to go. It may be left out where there is a page already.
fn wanted_url(url: Option<&str>, params: &ToolParams) -> Result<Option<String>> {
    match url.filter(|url| !url.trim().is_empty()) {
        Some(url) => page_url("url", url).map(Some),
        None if named(params)?.is_some() => Ok(None),
        None => Err(Error::invalid("url", "is required, since there is no sessionId")),
    }
}

fn read_picture(body: &ScreenshotRequest) -> Result<Picture> {
    let side =
        |field, value: Option<f64>| value.map(|value| whole(field, Some(value), 0, 1..=MAX_SIDE)).transpose();
    let quality = whole("image_quality", body.image_quality, 100, 1..=100)?;
    let scroll = body.scroll_all_content.unwrap_or_default();
    Ok(Picture {
        wait: millis("wait", body.wait, Duration::ZERO, MAX_WAIT)?,
        viewport: (side("width", body.width)?, side("height", body.height)?),
        whole: scroll || body.capture_full_height.unwrap_or_default(),
        scroll,
        jpeg: (quality < 100).then_some(quality),
    })
}

/// Reads how to print, into the parameters of `Page.printToPDF`: they have the same names.
fn read_paper(body: &PagePdfRequest) -> Result<Value> {
    let inches = [
        ("paperWidth", body.paper_width, f64::MIN_POSITIVE),
        ("paperHeight", body.paper_height, f64::MIN_POSITIVE),
        ("marginTop", body.margin_top, 0.0),
        ("marginBottom", body.margin_bottom, 0.0),
        ("marginLeft", body.margin_left, 0.0),
        ("marginRight", body.margin_right, 0.0),
    ];
    for (field, value, least) in inches {
        if value.is_some_and(|value| !(least..=MAX_INCHES).contains(&value)) {
            let above = if least > 0.0 { "more than 0" } else { "0" };
            return Err(Error::invalid(field, format!("must be inches, from {above} to {MAX_INCHES}")));
        }
    }
    if body.scale.is_some_and(|scale| !(0.1..=2.0).contains(&scale)) {
        return Err(Error::invalid("scale", "must be from 0.1 to 2"));
    }
    let mut params = json!({
        "landscape": body.landscape, "displayHeaderFooter": body.display_header_footer,
        "headerTemplate": body.header_template, "footerTemplate": body.footer_template,
        "printBackground": body.print_background, "scale": body.scale, "pageRanges": body.page_ranges,
        "preferCSSPageSize": body.prefer_css_page_size,
    });
    for (field, value, _) in inches {
        params[field] = json!(value);
    }
    if let Some(params) = params.as_object_mut() {
        params.retain(|_, value| !value.is_null());
    }
    Ok(params)
}

fn read_reading(body: &FetchWebpageRequest, params: &ToolParams) -> Result<Reading> {
    let url = wanted_url(body.url.as_deref(), params)?;
    let which = match body.page_index {
        Some(_) => Which::At(whole("page_index", body.page_index, 0, 0..=u32::MAX)? as usize),
        None if body.new_page.unwrap_or_default() => Which::New,
        None => Which::Selected,
    };
    if which == Which::New && url.is_none() {
        return Err(Error::invalid("url", "is required with new_page: a new page is empty"));
    }
    let wait = millis("wait", body.wait, Duration::ZERO, MAX_WAIT)?;
    Ok(Reading { which, url, wait, partial: body.return_partial_on_timeout.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong<T: std::fmt::Debug>(read: Result<T>) -> String {
        read.unwrap_err().to_string()
    }

    #[test]
    fn a_tool_without_a_session_needs_a_url() {
        let here = ToolParams { session_id: Some(SessionId::random().to_string()) };
        assert_eq!(wanted_url(None, &here).unwrap(), None);
        assert_eq!(wanted_url(Some(" https://a.example/ "), &here).unwrap().unwrap(), "https://a.example/");
        for url in [None, Some(""), Some("file:///etc/passwd"), Some("chrome://settings")] {
            assert!(wrong(wanted_url(url, &ToolParams::default())).starts_with("url: "), "{url:?}");
        }
        let new = FetchWebpageRequest { new_page: Some(true), ..FetchWebpageRequest::default() };
        assert!(wrong(read_reading(&new, &here)).starts_with("url: "));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let picture = |change: fn(&mut ScreenshotRequest)| {
            let mut body = ScreenshotRequest::default();
            change(&mut body);
            wrong(read_picture(&body))
        };
        assert!(picture(|body| body.width = Some(0.0)).starts_with("width: "));
        assert!(picture(|body| body.height = Some(16_385.0)).starts_with("height: "));
        assert!(picture(|body| body.image_quality = Some(0.0)).starts_with("image_quality: "));
        assert!(picture(|body| body.wait = Some(60_001.0)).starts_with("wait: "));
        let paper = |change: fn(&mut PagePdfRequest)| {
            let mut body = PagePdfRequest::default();
            change(&mut body);
            wrong(read_paper(&body))
        };
        assert!(paper(|body| body.scale = Some(2.1)).starts_with("scale: "));
        assert!(paper(|body| body.paper_width = Some(0.0)).starts_with("paperWidth: "));
        assert!(paper(|body| body.margin_left = Some(-1.0)).starts_with("marginLeft: "));
    }

    #[test]
    fn paper_has_what_was_asked_for_and_no_more() {
        let body = PagePdfRequest {
            landscape: Some(true),
            margin_top: Some(0.0),
            prefer_css_page_size: Some(true),
            ..PagePdfRequest::default()
        };
        let params = json!({"landscape": true, "marginTop": 0.0, "preferCSSPageSize": true});
        assert_eq!(read_paper(&body).unwrap(), params);
    }
}
