//! What errors tell of the machine: no path of it, whatever a client does wrong.

use anyhow::{Result, ensure};
use reqwest::Method;
use roadstead_testing::program::Program;
use serde_json::{Value, json};

use crate::ground::{Session, Walls, open_place, program};

/// Commands that fail, or may.
fn commands() -> Vec<(&'static str, Value)> {
    vec![
        ("Page.navigate", json!({"url": "file:///nowhere"})),
        ("Page.navigate", json!({"url": "file:///etc/shadow"})),
        ("Page.navigate", json!({"url": "chrome://nowhere"})),
        ("Page.printToPDF", json!({"paperWidth": -1})),
        ("Page.captureScreenshot", json!({"clip": {"x": 0, "y": 0, "width": 0, "height": 0, "scale": 1}})),
        ("Page.setDownloadBehavior", json!({"behavior": "allow"})),
        ("Page.setDownloadBehavior", json!({"behavior": "nonsense", "downloadPath": "relative"})),
        ("DOM.setFileInputFiles", json!({"files": ["/nowhere"], "nodeId": 1})),
        ("DOM.getFileInfo", json!({"objectId": "1"})),
        ("IO.read", json!({"handle": "/etc/shadow"})),
        ("IO.resolveBlob", json!({"objectId": "1"})),
        (
            "Network.loadNetworkResource",
            json!({"frameId": "1", "url": "file:///etc/shadow", "options": {"disableCache": true, "includeCredentials": false}}),
        ),
        ("Extensions.loadUnpacked", json!({"path": "/nowhere"})),
        ("Storage.getUsageAndQuota", json!({"origin": "nonsense"})),
        ("Storage.clearDataForOrigin", json!({"origin": "file:///", "storageTypes": "all"})),
        (
            "FileSystem.getDirectory",
            json!({"bucketFileSystemLocator": {"storageKey": "x", "pathComponents": ["a"]}}),
        ),
        ("HeapProfiler.getObjectByHeapObjectId", json!({"objectId": "1"})),
        ("Runtime.evaluate", json!({"expression": "nonsense nonsense"})),
        ("Browser.getBrowserCommandLine", json!({})),
        ("Target.attachToTarget", json!({"targetId": "nonsense"})),
        ("Target.createBrowserContext", json!({"proxyServer": "direct://"})),
        ("No.suchMethod", json!({})),
    ]
}

/// Requests that fail.
const REQUESTS: [(Method, &str); 8] = [
    (Method::GET, "/v1/sessions/00000000-0000-4000-8000-000000000000"),
    (Method::GET, "/v1/sessions/..%2F..%2Fetc"),
    (Method::GET, "/v1/profiles/nowhere"),
    (Method::GET, "/v1/profiles/..%2Froot.key"),
    (Method::DELETE, "/v1/profiles/nowhere"),
    (Method::GET, "/v1/nowhere"),
    (Method::POST, "/v1/exits/nowhere/check"),
    (Method::GET, "/v1/profiles/nowhere/revisions/1"),
];

#[tokio::test]
async fn no_error_tells_a_path_of_the_machine() -> Result<()> {
    let place = open_place()?;
    let program = program(&place, Walls::Up).await?;
    for headless in [true, false] {
        let mut session = Session::start_with(&program, headless).await?;
        let work = session.work_dir()?.to_string_lossy().into_owned();
        let secret =
            [work, place.path().to_string_lossy().into_owned(), "/usr/lib".to_owned(), session.id.clone()];
        let mut refused = 0;
        for (method, params) in commands() {
            let said = match session.page.call(method, params).await {
                Ok(answer) => answer["errorText"].to_string(),
                Err(error) => {
                    refused += 1;
                    error.to_string()
                }
            };
            ensure!(secret.iter().all(|secret| !said.contains(secret)), "{method}: {said}");
        }
        ensure!(refused >= 12, "only {refused} commands were refused: this test asks the wrong questions");
        session.end(&program).await?;
    }
    for (method, path) in REQUESTS {
        let (status, answer) = program.call(method, path, None).await?;
        ensure!(status.is_client_error(), "{path}: {status}");
        ensure!(!answer.to_string().contains(&*place.path().to_string_lossy()), "{path}: {answer}");
    }
    program.stop().await?;
    a_server_that_cannot_write_does_not_say_where().await
}

/// Files that the server cannot make are its own affair: the caller is told that, and the log where.
async fn a_server_that_cannot_write_does_not_say_where() -> Result<()> {
    let place = open_place()?;
    let program: Program = program(&place, Walls::Up).await?;
    std::fs::remove_dir_all(place.work())?;
    std::fs::write(place.work(), "not a directory")?;
    let (status, answer) = program.call(Method::POST, "/v1/sessions", Some(json!({}))).await?;
    ensure!(status.is_server_error(), "{status} {answer}");
    ensure!(!answer.to_string().contains(&*place.path().to_string_lossy()), "{answer}");
    program.stop().await
}
