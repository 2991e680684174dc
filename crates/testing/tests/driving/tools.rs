//! What one page gives, in a session that is named and in one that lasts as long as the request.

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, Response, StatusCode};
use roadstead_testing::program::API_KEY;
use serde_json::{Value, json};

use crate::ground::{Build, Ground};
use crate::in_both_builds;

/// Asks a tool for something, in a session if one is named.
async fn ask(ground: &Ground, tool: &str, session: Option<&str>, body: &Value) -> Result<Response> {
    let session = session.map(|id| format!("?sessionId={id}")).unwrap_or_default();
    let url = format!("{}/v1/tools/{tool}{session}", ground.program.url());
    let request = reqwest::Client::new().post(url).header("anchor-api-key", API_KEY);
    let request = request.header("content-type", "application/json").body(body.to_string());
    Ok(request.send().await?)
}

async fn given(ground: &Ground, tool: &str, session: Option<&str>, body: Value) -> Result<Vec<u8>> {
    let answer = ask(ground, tool, session, &body).await?;
    let status = answer.status();
    let bytes = answer.bytes().await?;
    ensure!(status == StatusCode::OK, "{tool} {body}: {status} {}", String::from_utf8_lossy(&bytes));
    Ok(bytes.into())
}

async fn refused(ground: &Ground, tool: &str, session: Option<&str>, body: Value) -> Result<(u16, String)> {
    let answer = ask(ground, tool, session, &body).await?;
    let status = answer.status().as_u16();
    let told: Value = serde_json::from_slice(&answer.bytes().await?)?;
    ensure!(told["error"]["code"] == status, "{tool} {body}: {told}");
    Ok((status, told["error"]["message"].as_str().unwrap_or_default().to_owned()))
}

async fn live_sessions(ground: &Ground) -> Result<Value> {
    Ok(ground.program.data(Method::GET, "/v1/sessions/all/status", None).await?["count"].clone())
}

/// The sides of a PNG: the header's first eight bytes of data.
fn sides(picture: &[u8]) -> Result<(u32, u32)> {
    ensure!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "no PNG");
    let side =
        |at: usize| anyhow::Ok(u32::from_be_bytes(picture.get(at..at + 4).context("a header")?.try_into()?));
    Ok((side(16)?, side(20)?))
}

#[tokio::test]
async fn a_tool_without_a_session_leaves_none() -> Result<()> {
    let ground = Ground::new().await?;
    let url = ground.url("/long");
    let picture =
        given(&ground, "screenshot", None, json!({"url": url, "width": 400, "height": 300.0})).await?;
    ensure!(sides(&picture)? == (400, 300));
    let whole =
        json!({"url": url, "width": 400, "height": 300, "capture_full_height": true, "image_quality": 100});
    ensure!(sides(&given(&ground, "screenshot", None, whole).await?)? == (400, 5000));
    let jpeg =
        given(&ground, "screenshot", None, json!({"url": url, "image_quality": 40, "wait": 10})).await?;
    ensure!(jpeg.starts_with(b"\xff\xd8\xff"));
    let pdf = given(&ground, "page-pdf", None, json!({"url": url, "landscape": true})).await?;
    ensure!(pdf.starts_with(b"%PDF-") && pdf.len() > 1000);
    let (status, why) =
        refused(&ground, "screenshot", None, json!({"url": "http://nobody.invalid/"})).await?;
    ensure!(status == 502 && why.contains("net::ERR_"), "{status} {why}");
    ensure!(live_sessions(&ground).await? == 0);
    Ok(())
}

#[tokio::test]
async fn a_tools_own_session_ends_also_when_its_caller_hangs_up() -> Result<()> {
    let ground = Ground::new().await?;
    let body = json!({"url": ground.url("/plain"), "wait": 3000});
    let asked = ask(&ground, "screenshot", None, &body);
    let alive = ground.program.wait_for("/v1/sessions/all/status", |all| all["count"] == 1);
    tokio::select! {
        answer = asked => anyhow::bail!("{answer:?}"),
        alive = alive => alive?,
    };
    ground.program.wait_for("/v1/sessions/all/status", |all| all["count"] == 0).await?;
    Ok(())
}

in_both_builds!(a_picture_leaves_the_page_as_it_was);
async fn a_picture_leaves_the_page_as_it_was(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let mut session = ground.session(build).await?;
    session.act("goto", json!({"url": ground.url("/long")})).await?;
    let before = session.page.evaluate("[innerWidth, innerHeight, scrollY, window.seen ?? null]").await?;
    let resized = json!({"width": 500, "height": 200});
    ensure!(sides(&given(&ground, "screenshot", Some(&session.id), resized).await?)? == (500, 200));
    session.page.wait_for(&format!("innerWidth === {} && innerHeight === {}", before[0], before[1])).await?;
    let after = session.page.evaluate("[innerWidth, innerHeight, scrollY, window.seen ?? null]").await?;
    ensure!(after == before, "{before} became {after}");
    let whole = given(&ground, "screenshot", Some(&session.id), json!({"scroll_all_content": true})).await?;
    ensure!(sides(&whole)?.1 == 5000);
    ensure!(session.page.evaluate("seen && scrollY === 0").await? == true, "the end was not seen");
    Ok(())
}

in_both_builds!(a_page_is_printed_as_it_is);
async fn a_page_is_printed_as_it_is(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let session = ground.session(build).await?;
    session.act("goto", json!({"url": ground.url("/long")})).await?;
    let one = given(&ground, "page-pdf", Some(&session.id), json!({"pageRanges": "1"})).await?;
    let all =
        given(&ground, "page-pdf", Some(&session.id), json!({"printBackground": true, "scale": 1.0})).await?;
    ensure!(one.starts_with(b"%PDF-") && all.starts_with(b"%PDF-") && one.len() < all.len());
    let (status, why) = refused(&ground, "page-pdf", Some(&session.id), json!({"pageRanges": "x"})).await?;
    ensure!(status == 400, "{status} {why}");
    Ok(())
}

in_both_builds!(a_page_is_read_after_its_scripts_have_run);
async fn a_page_is_read_after_its_scripts_have_run(build: Build) -> Result<()> {
    let ground = Ground::new().await?;
    let session = ground.session(build).await?;
    let id = Some(session.id.as_str());
    session.act("goto", json!({"url": ground.url("/plain")})).await?;
    let story = json!({"url": ground.url("/story"), "new_page": true, "format": "html"});
    let html = String::from_utf8(given(&ground, "fetch-webpage", id, story).await?)?;
    ensure!(html.starts_with("<!DOCTYPE html><html>") && html.contains("<h2>One</h2>"), "{html}");
    let plain = json!({"format": "html", "page_index": 0, "new_page": true});
    let plain = String::from_utf8(given(&ground, "fetch-webpage", id, plain).await?)?;
    ensure!(plain.contains("<title>plain</title>"), "{plain}");
    let pages = ground.program.data(Method::GET, &format!("/v1/sessions/{}/pages", session.id), None).await?;
    ensure!(pages["count"] == 1, "the page of its own is still there: {pages}");
    let story = json!({"url": ground.url("/story"), "format": "markdown"});
    let markdown = String::from_utf8(given(&ground, "fetch-webpage", id, story).await?)?;
    ensure!(markdown.starts_with("# Night\n\n") && markdown.contains("the **rain** fell"), "{markdown}");
    ensure!(!markdown.contains("Menu"), "{markdown}");
    let (status, why) = refused(&ground, "fetch-webpage", id, json!({"page_index": 7})).await?;
    ensure!(status == 400 && why.contains("page_index"), "{status} {why}");
    Ok(())
}

#[tokio::test]
async fn a_page_that_does_not_load_is_read_in_part_where_that_is_wanted() -> Result<()> {
    let ground = Ground::new().await?;
    let url = ground.url("/slow");
    let (whole, part) = tokio::join!(
        refused(&ground, "fetch-webpage", None, json!({"url": url})),
        given(&ground, "fetch-webpage", None, json!({"url": url, "return_partial_on_timeout": true})),
    );
    let (status, why) = whole?;
    ensure!(status == 504 && why.contains("20 s"), "{status} {why}");
    ensure!(String::from_utf8(part?)?.contains("what there is"));
    Ok(())
}

#[tokio::test]
async fn what_a_tool_cannot_do_says_why() -> Result<()> {
    let ground = Ground::new().await?;
    let session = ground.session(Build::Shell).await?;
    let id = session.id.clone();
    for tool in ["screenshot", "page-pdf", "fetch-webpage"] {
        let nobody = Some("00000000-0000-4000-8000-000000000000");
        let url = json!({"url": ground.url("/plain")});
        ensure!(refused(&ground, tool, nobody, url.clone()).await?.0 == 404, "{tool}");
        ensure!(
            refused(&ground, tool, None, json!({})).await?
                == (400, "url: is required, since there is no sessionId".to_owned())
        );
        let file = json!({"url": "file:///etc/passwd"});
        ensure!(refused(&ground, tool, Some(&id), file).await?.0 == 400, "{tool}");
    }
    ground.program.data(Method::DELETE, &format!("/v1/sessions/{id}"), None).await?;
    let (status, why) = refused(&ground, "screenshot", Some(&id), json!({})).await?;
    ensure!(status == 409 && why.contains("completed"), "{status} {why}");
    let elsewhere = json!({"url": "about:blank", "s3_target_address": "https://s3.example"});
    let (status, why) = refused(&ground, "screenshot", None, elsewhere).await?;
    ensure!(status == 501 && why.contains("s3_target_address"), "{status} {why}");
    Ok(())
}
