//! What is secret in a batch's configuration, and in whose name its sessions start.

use std::path::Path;

use roadstead_server::audit::Origin;
use roadstead_server::db::Db;
use roadstead_testing::upstream::{PASSWORD, Protocol, USER, Upstream};
use serde_json::json;

use super::{order, server_with, settled};

/// Tells whether any file below a directory holds a text.
fn is_on_disk(dir: &Path, text: &str) -> bool {
    // Sessions' files come and go meanwhile.
    std::fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_on_disk(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn a_proxys_password_is_used_later_and_readable_nowhere() {
    let server = server_with("[sessions]\nmax_concurrent = 1\n[egress]\nallow = [\"127.0.0.0/8\"]").await;
    let client = server.client();
    let loopback = "127.0.0.1:0".parse().unwrap();
    let upstream = Upstream::start(Protocol::Http, loopback, "127.0.0.1".parse().unwrap(), server.address())
        .await
        .unwrap();
    let first = client.session(json!({})).await;
    let proxy = json!({"type": "custom", "server": format!("http://{}", upstream.address()), "username": USER, "password": PASSWORD});
    let path = order(client, 1, json!({"session": {"proxy": proxy}})).await;
    let shown = client.get(&path).await.text;
    assert!(shown.contains("pending") && !shown.contains(PASSWORD), "{shown}");
    assert!(!is_on_disk(&server.data_dir(), PASSWORD), "a password can be read in the data directory");

    client.delete(&format!("/v1/sessions/{}", first["id"].as_str().unwrap())).await.data();
    let batch = settled(client, &path).await;
    assert_eq!(batch["status"], "completed", "{batch}");
    let session = batch["sessions"][0]["session_id"].as_str().unwrap();
    let session = client.get(&format!("/v1/sessions/{session}")).await;
    assert_eq!(session.data()["proxy"]["type"], "custom");
    assert!(!session.text.contains(PASSWORD) && !server.log().contains(PASSWORD));
    assert!(!is_on_disk(&server.data_dir(), PASSWORD));
}

#[tokio::test]
async fn a_revoked_key_starts_nothing_that_it_asked_for() {
    let server = server_with("[sessions]\nmax_concurrent = 1").await;
    let client = server.client();
    let other = server.other_project().await;
    let first = client.session(json!({})).await;
    let path = order(&other, 2, json!({})).await;
    let db = Db::open(&server.data_dir().join("roadstead.db")).await.unwrap();
    let key = db.keys().await.unwrap().into_iter().find(|key| key.project == "other").unwrap();
    assert!(db.revoke_key(key.id, Origin::CommandLine).await.unwrap());
    db.close().await;
    client.delete(&format!("/v1/sessions/{}", first["id"].as_str().unwrap())).await.data();
    // A new key of the project sees what became of it.
    let other = server.another_key("other", "sk-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee").await;
    let batch = settled(&other, &path).await;
    assert_eq!(
        batch["sessions"][1]["error"],
        "The key that asked for this session was revoked before the session could start."
    );
    assert_eq!(other.get("/v1/sessions").await.data()["total"], 0);
}
