//! `/v1/extensions`: what is taken and what is refused. That extensions work is in `tests/options`.

use std::io::{Cursor, Write as _};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use roadstead_testing::answer::{Answer, Client};
use roadstead_testing::form;
use roadstead_testing::server::TestServer;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const MANIFEST: &str =
    r#"{"manifest_version": 3, "name": "X", "version": "1.0", "permissions": ["storage"]}"#;

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(contents).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn good() -> Vec<u8> {
    archive(&[("manifest.json", MANIFEST.as_bytes()), ("a/b.js", b"1")])
}

async fn send(client: &Client, body: Vec<u8>) -> Answer {
    let request = client.request(Method::POST, "/v1/extensions").header(CONTENT_TYPE, form::CONTENT_TYPE);
    client.send(request.body(body)).await
}

async fn upload(client: &Client, name: &str, file: &[u8]) -> Answer {
    send(client, form::named(name, "x.zip", file)).await
}

/// Returns the names of the files that are kept.
fn kept(server: &TestServer) -> Vec<String> {
    let dir = server.data_dir().join("extensions");
    let names = |dir: &std::path::Path| -> Vec<String> {
        std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names(&dir.join("incoming")), [] as [&str; 0]);
    names(&dir).into_iter().filter(|name| name != "incoming").collect()
}

#[tokio::test]
async fn an_extension_is_uploaded_shown_and_deleted() {
    let server = TestServer::start().await;
    let client = server.client();
    assert_eq!(client.get("/v1/extensions").await.json(), json!({"data": []}));
    let added = upload(client, "Grüße", &good()).await.data();
    let id = added["id"].as_str().unwrap().to_owned();
    let manifest: Value = serde_json::from_str(MANIFEST).unwrap();
    assert_eq!((&added["name"], &added["manifest"]), (&json!("Grüße"), &manifest));
    assert_eq!(added["createdAt"], added["updatedAt"]);
    assert_eq!(client.get("/v1/extensions").await.json(), json!({"data": [added]}));
    // One alone comes without an envelope, as published.
    assert_eq!(client.get(&format!("/v1/extensions/{id}")).await.json(), added);
    assert_eq!(kept(&server), [id.as_str()]);
    // To another project it does not exist.
    let other = server.other_project().await;
    let gone = (404, "Extension not found.".to_owned());
    assert_eq!(other.get("/v1/extensions").await.json(), json!({"data": []}));
    assert_eq!(other.get(&format!("/v1/extensions/{id}")).await.failure(), gone);
    assert_eq!(other.delete(&format!("/v1/extensions/{id}")).await.failure(), gone);
    let body = json!({"browser": {"extensions": [id]}});
    for path in ["/v1/sessions", "/v1/sessions/async"] {
        let (status, message) = other.post(path, body.clone()).await.failure();
        assert!(
            status == 400 && message.starts_with("browser.extensions: there is no extension"),
            "{message}"
        );
    }
    let answer = client.delete(&format!("/v1/extensions/{id}")).await;
    assert_eq!(answer.json(), json!({"data": {"status": "success"}}));
    assert_eq!(client.delete(&format!("/v1/extensions/{id}")).await.failure(), gone);
    assert_eq!(client.get("/v1/extensions/x").await.failure(), gone);
    assert_eq!(kept(&server), [] as [&str; 0]);
    let audit = client.get("/v1/audit?limit=100").await.json().to_string();
    assert!(audit.contains("extension.create") && audit.contains("extension.delete"), "{audit}");
}

#[tokio::test]
async fn what_is_no_extension_is_refused_and_leaves_nothing() {
    let server = TestServer::start().await;
    let client = server.client();
    let manifest = MANIFEST.as_bytes();
    let proxy = MANIFEST.replace("storage", "proxy");
    let mut link = ZipWriter::new(Cursor::new(Vec::new()));
    link.start_file("manifest.json", SimpleFileOptions::default()).unwrap();
    link.write_all(manifest).unwrap();
    link.add_symlink("a", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let link = link.finish().unwrap().into_inner();
    let large = vec![b'x'; (1 << 20) + 1];
    for (file, status, words) in [
        (b"no zip".to_vec(), 400, "The archive is refused: it is no whole ZIP file"),
        (archive(&[("a.js", b"1")]), 400, "The extension is refused: it has no manifest.json"),
        (
            archive(&[("a/b/manifest.json", manifest)]),
            400,
            "The extension is refused: it has no manifest.json",
        ),
        (
            archive(&[("a/manifest.json", manifest), ("b/x.js", b"1")]),
            400,
            "The extension is refused: it has no manifest.json",
        ),
        (
            archive(&[("manifest.json", b"{")]),
            400,
            "The extension is refused: its manifest.json is no JSON object",
        ),
        (
            archive(&[("manifest.json", &large)]),
            400,
            "The extension is refused: its manifest.json is too large",
        ),
        (
            archive(&[("manifest.json", proxy.as_bytes())]),
            400,
            "The extension is refused: it asks for the permission \"proxy\"",
        ),
        (
            archive(&[("manifest.json", manifest), ("_x/a", b"1")]),
            400,
            "The extension is refused: Chromium keeps names that begin with _",
        ),
        (
            archive(&[("manifest.json", manifest), ("../a", b"1")]),
            400,
            "The archive is refused for its file 2",
        ),
        (link, 400, "The archive is refused for its file 2: it is a link"),
    ] {
        let (found, message) = upload(client, "x", &file).await.failure();
        assert!(found == status && message.starts_with(words), "{found} {message}, not {words}");
    }
    // Both are small as they come.
    let zeros = vec![0; 300 << 20];
    let bomb = archive(&[("manifest.json", manifest), ("zeros", &zeros)]);
    let (status, message) = upload(client, "x", &bomb).await.failure();
    assert!(
        status == 413 && message.starts_with("The extension is too large: unpacked"),
        "{status} {message}"
    );
    let files: Vec<_> = (0..5_001).map(|number| format!("f{number}")).collect();
    let files: Vec<_> = files.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(upload(client, "x", &archive(&files)).await.failure().0, 413);
    assert_eq!(kept(&server), [] as [&str; 0]);
}

#[tokio::test]
async fn a_form_is_read_in_any_order_and_only_whole() {
    let server = TestServer::start().await;
    let client = server.client();
    let file = [form::begin("file", "x.zip"), good(), b"\r\n".to_vec()].concat();
    let end = form::end()[2..].to_vec();
    let name = |value: &str| form::text("name", value);
    send(client, [file.clone(), name("last"), end.clone()].concat()).await.data();
    for (body, words) in [
        (form::form("x.zip", &good()), "name: is required"),
        ([name("a"), end.clone()].concat(), "The body is malformed: no file uploaded"),
        ([name(""), file.clone(), end.clone()].concat(), "name: must have 1 to 255 characters"),
        ([name(&"é".repeat(256)), file.clone(), end.clone()].concat(), "name: must have 1 to 255 characters"),
        (
            [name("a"), name("b"), file.clone(), end.clone()].concat(),
            "The body is malformed: the form has the field \"name\" twice",
        ),
        (
            [name("a"), file.clone(), file.clone(), end.clone()].concat(),
            "The body is malformed: the form has the field \"file\" twice",
        ),
        (
            [name(&"a".repeat(20_000)), file.clone(), end.clone()].concat(),
            "The body is malformed: a field of text is too long",
        ),
        ([name("a"), file.clone()].concat(), "The body is malformed: it is no whole form"),
    ] {
        let (status, message) = send(client, body).await.failure();
        assert!(status == 400 && message.starts_with(words), "{status} {message}, not {words}");
    }
    let (status, message) = send(client, form::named("a", "x.zip", &vec![0; (50 << 20) + 1])).await.failure();
    assert!(
        status == 413 && message.starts_with("The file is too large: at most 50 MiB"),
        "{status} {message}"
    );
    let request = client.request(Method::POST, "/v1/extensions").json(&json!({}));
    assert_eq!(client.send(request).await.failure().0, 415);
    assert_eq!(kept(&server).len(), 1);
}

#[tokio::test]
async fn two_with_one_key_are_not_for_one_session() {
    let server = TestServer::start().await;
    let client = server.client();
    let manifest = MANIFEST.replace("\"X\"", "\"X\", \"key\": \"AAAA\"");
    let file = archive(&[("manifest.json", manifest.as_bytes())]);
    let (one, two) = (upload(client, "1", &file).await.data(), upload(client, "2", &file).await.data());
    let body = json!({"browser": {"extensions": [one["id"], two["id"]]}});
    let (status, message) = client.post("/v1/sessions", body).await.failure();
    assert!(status == 400 && message.contains("have the same key"), "{status} {message}");
}
