//! `/docs`, and that what it says of every published operation is so.

use std::fs;
use std::path::Path;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use roadstead_testing::server::TestServer;

/// The table as it is in the repository. `ROADSTEAD_UPDATE_DOCS=1` writes it anew.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compatibility.md");

#[tokio::test]
async fn the_table_in_the_repository_is_the_servers() {
    let server = TestServer::start().await;
    let table = server.stranger().get("/docs/compatibility.md").await;
    assert_eq!(table.header(CONTENT_TYPE.as_str()), Some("text/markdown; charset=utf-8"));
    if std::env::var_os("ROADSTEAD_UPDATE_DOCS").is_some() {
        fs::write(TABLE, &table.text).unwrap();
    }
    let committed = fs::read(Path::new(TABLE)).unwrap();
    assert!(
        table.text.as_bytes() == committed,
        "docs/compatibility.md is old; run this test with ROADSTEAD_UPDATE_DOCS=1"
    );
}

#[tokio::test]
async fn every_published_operation_works_or_says_what_to_use_instead() {
    let server = TestServer::start().await;
    let table = fs::read_to_string(Path::new(TABLE)).unwrap();
    let mut seen = 0;
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        seen += 1;
        let (operation, here) = line.trim_matches(['|', ' ']).split_once(" | ").unwrap();
        let (method, path) = operation.trim_matches('`').split_once(' ').unwrap();
        let method = Method::try_from(method).unwrap();
        // As good a session's id as a name.
        let segments = path.split('/').map(|segment| {
            if segment.starts_with('{') { "00000000-0000-4000-8000-000000000000" } else { segment }
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let client = server.client();
        let answer = client.send(client.request(method.clone(), &path)).await;
        let told = answer.text.clone();
        match here.strip_prefix("501: ") {
            Some(instead) => {
                assert_eq!(answer.failure(), (501, format!("Feature not implemented. {instead}")), "{line}");
                assert!(instead.len() > 40 && instead.ends_with('.'), "{line}");
                let stranger = server.stranger();
                let refused = stranger.send(stranger.request(method, &path)).await;
                assert_eq!(refused.failure().0, 401, "{line}");
            }
            None => {
                assert_eq!(here, "works", "{line}");
                assert!(![405, 501].contains(&answer.status.as_u16()), "{line}: {told}");
                assert!(!told.contains("No such endpoint"), "{line}: {told}");
            }
        }
    }
    assert!(seen > 100, "the table has {seen} operations");
}

#[tokio::test]
async fn people_can_read_it() {
    let server = TestServer::start().await;
    let stranger = server.stranger();
    let page = stranger.get("/docs").await;
    let text = &page.text;
    assert_eq!(page.header(CONTENT_TYPE.as_str()), Some("text/html; charset=utf-8"));
    assert!(text.contains("<code>POST /v1/profiles</code><td>works"), "{text}");
    assert!(text.contains("<code>POST /v1/integrations</code><td>501. "), "{text}");
    let viewer = stranger.get("/docs/api/").await;
    assert_eq!(viewer.status.as_u16(), 200);
    assert!(viewer.text.contains("swagger-ui"));
    let script = stranger.get("/docs/api/swagger-ui-bundle.js").await;
    assert!(script.status.is_success() && script.text.len() > 100_000, "{}", script.text.len());
    let initializer = stranger.get("/docs/api/swagger-initializer.js").await;
    assert!(initializer.text.contains("/openapi.json"));
}
