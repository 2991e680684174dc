//! Authorities that a session trusts, and no other session does.

use anyhow::{Result, ensure};
use reqwest::Method;
use roadstead_testing::cdp::Page;
use serde_json::{Value, json};

use crate::ground::{Ground, authority};

/// Goes to a page, and returns what went wrong; empty when it is shown.
async fn problem(page: &mut Page, url: &str) -> Result<String> {
    let answer = page.call("Page.navigate", json!({"url": url})).await?;
    Ok(answer["errorText"].as_str().unwrap_or_default().to_owned())
}

async fn is_trusted_where_it_is_named(browser: Value) -> Result<()> {
    let mut ground = Ground::new("[chromium]\nconfine = \"require\"").await?;
    let (one, two) = (authority("One")?, authority("Two")?);
    let (of_one, of_two) = (ground.tls_site(&one).await?, ground.tls_site(&two).await?);
    ground.upload("/v1/certificates", "one", ("one.der", one.der())).await?;
    ground.upload("/v1/certificates", "two", ("two.cer", two.der())).await?;
    let url = |port: u16| format!("https://localhost:{port}/");
    let naming = |names: Value| {
        let mut browser = browser.clone();
        browser["ca_certificates"] = names;
        browser
    };
    let unknown = "net::ERR_CERT_AUTHORITY_INVALID";
    for (names, expected) in
        [(json!(["one"]), ["", unknown]), (json!([]), [unknown, unknown]), (json!(["two", "one"]), ["", ""])]
    {
        let (_, mut page) = ground.session(naming(names.clone())).await?;
        let found =
            [problem(&mut page, &url(of_one.port())).await?, problem(&mut page, &url(of_two.port())).await?];
        ensure!(found == expected, "{names}: {found:?}");
    }
    // It is trusted to say who a site is, not to be believed for another.
    let (_, mut page) = ground.session(naming(json!(["one"]))).await?;
    let wrong = format!("https://127.0.0.1:{}/", of_one.port());
    let found = problem(&mut page, &wrong).await?;
    ensure!(found == "net::ERR_CERT_COMMON_NAME_INVALID", "{found}");
    // Who has it goes on; nobody gets it any more.
    ground.program.data(Method::DELETE, "/v1/certificates/one", None).await?;
    ensure!(problem(&mut page, &url(of_one.port())).await?.is_empty());
    let body = json!({"browser": naming(json!(["one"]))});
    let (status, answer) = ground.program.call(Method::POST, "/v1/sessions", Some(body)).await?;
    ensure!(status == 400, "{answer}");
    ground.stop().await
}

#[tokio::test]
async fn is_trusted_where_it_is_named_in_full_chromium() -> Result<()> {
    is_trusted_where_it_is_named(json!({})).await
}

#[tokio::test]
async fn is_trusted_where_it_is_named_in_the_headless_shell() -> Result<()> {
    is_trusted_where_it_is_named(json!({"headless": {"active": true}})).await
}

#[tokio::test]
async fn no_profile_carries_it_on() -> Result<()> {
    let mut ground = Ground::new("").await?;
    let one = authority("One")?;
    let url = format!("https://localhost:{}/", ground.tls_site(&one).await?.port());
    ground.upload("/v1/certificates", "one", ("one.der", one.der())).await?;
    let with = json!({"profile": {"name": "p", "persist": true}, "ca_certificates": ["one"]});
    let (id, mut page) = ground.session(with).await?;
    ensure!(problem(&mut page, &url).await?.is_empty());
    ground.end(&id).await?;
    let (_, mut page) = ground.session(json!({"profile": {"name": "p"}})).await?;
    let found = problem(&mut page, &url).await?;
    ensure!(found == "net::ERR_CERT_AUTHORITY_INVALID", "{found}");
    ground.stop().await
}
