//! `/v1/sessions/{id}/{uploads,agent/files}`: what is taken and what is refused. That pages get the bytes is in `tests/files`.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream;
use reqwest::header::{CONTENT_TYPE, HOST};
use reqwest::{Body, Method};
use roadstead_testing::answer::{Answer, Client};
use roadstead_testing::form::{self, begin, form};
use roadstead_testing::program::wait_until;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const SMALL: &str = "[files]\nmax_upload_mib = 1\nmax_uploads_mib = 2\nupload_seconds = 30";
const MIB: usize = 1 << 20;

async fn small() -> TestServer {
    TestServer::start_with(TestServerOptions { config: SMALL, ..TestServerOptions::default() }).await
}

async fn send(client: &Client, session: &str, body: impl Into<Body>) -> Answer {
    let request = client.request(Method::POST, &format!("/v1/sessions/{session}/uploads"));
    client.send(request.header(CONTENT_TYPE, form::CONTENT_TYPE).body(body)).await
}

async fn session(client: &Client) -> String {
    client.session(json!({})).await["id"].as_str().unwrap().to_owned()
}

/// Returns what is in a room of a session's work dir.
fn files(server: &TestServer, session: &str, room: &str) -> Vec<PathBuf> {
    let room = server.data_dir().join("work").join(session).join(room);
    let mut found: Vec<_> = std::fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_file_is_where_the_answer_says() {
    let server = small().await;
    let client = server.client();
    let id = session(client).await;
    let whole: Vec<u8> = (0..MIB).map(|at| u8::try_from(at % 251).unwrap()).collect();
    for (name, stored) in
        [("report.pdf", "report.pdf"), ("../../x", "x"), ("/etc/passwd", "passwd"), ("..", "file")]
    {
        let mut data = send(client, &id, form(name, b"contents")).await.data();
        let path = data["path"].take().as_str().unwrap().to_owned();
        assert_eq!(data["message"].take(), json!(format!("File saved at {path}")));
        assert_eq!(
            data,
            json!({"status": "success", "message": null, "path": null, "name": stored, "size": 8})
        );
        assert_eq!(
            Path::new(&path).parent(),
            Some(server.data_dir().join("work").join(&id).join("uploads").as_path())
        );
        assert_eq!(std::fs::read(path).unwrap(), b"contents");
    }
    // Exactly as large as it may be, and the second of its name.
    let data = send(client, &id, form("report.pdf", &whole)).await.data();
    assert_eq!(data["size"], MIB);
    assert!(std::fs::read(data["path"].as_str().unwrap()).unwrap() == whole);
    assert_eq!(files(&server, &id, "uploads").len(), 4);
    assert_eq!(files(&server, &id, "incoming"), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn what_is_too_large_is_413_and_leaves_nothing() {
    let server = small().await;
    let client = server.client();
    let id = session(client).await;
    let over = vec![b'x'; MIB + 1];
    let too_large = |answer: Answer, words: &str| {
        let (status, message) = answer.failure();
        assert!(status == 413 && message.starts_with(words), "{status} {message}");
    };
    too_large(send(client, &id, form("a", &over)).await, "The file is too large: at most 1 MiB are taken.");
    // In pieces whose sum nobody announced, and far more than is ever read.
    let pieces = [begin("file", "a")].into_iter().chain(std::iter::repeat_n(vec![b'x'; MIB], 64));
    let endless = stream::iter(pieces.map(Ok::<_, std::io::Error>));
    let path = format!("/v1/sessions/{id}/uploads");
    let request = client.request(Method::POST, &path).header(CONTENT_TYPE, form::CONTENT_TYPE);
    if let Ok(response) = request.body(Body::wrap_stream(endless)).send().await {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(files(&server, &id, "incoming"), [] as [PathBuf; 0]);
    for name in ["a", "b"] {
        send(client, &id, form(name, &over[1..])).await.data();
    }
    too_large(send(client, &id, form("c", b"x")).await, "The session has no room for the file:");
    // Another session has room of its own.
    let other = session(client).await;
    send(client, &other, form("c", b"x")).await.data();
    assert_eq!((files(&server, &id, "uploads").len(), files(&server, &id, "incoming").len()), (2, 0));
}

#[tokio::test]
async fn what_is_no_form_with_a_file_is_refused() {
    let server = small().await;
    let client = server.client();
    let id = session(client).await;
    let path = format!("/v1/sessions/{id}/uploads");
    let call = async |content_type: &str, body: Vec<u8>| {
        let request = client.request(Method::POST, &path).header(CONTENT_TYPE, content_type);
        client.send(request.body(body)).await.failure()
    };
    let whole = form("a", b"x");
    let cut = whole[..whole.len() - 10].to_vec();
    let headless = [b"--a-boundary-of-a-test\r\nA: ".to_vec(), vec![b'x'; 2 * MIB - 1000]].concat();
    let other_field = [begin("other", "a"), b"x".to_vec(), form::end()].concat();
    let large_field = [begin("other", "a"), vec![b'x'; 2 * MIB - 1000], form::end()].concat();
    for (content_type, body, expected) in [
        (
            "application/json",
            b"{}".to_vec(),
            (415, "The body must be a form with the file in its field \"file\""),
        ),
        ("multipart/mixed; boundary=x", whole.clone(), (415, "The body must be a form")),
        (
            "multipart/form-data",
            whole.clone(),
            (400, "The body is malformed: its content type names no boundary."),
        ),
        (
            "multipart/form-data; boundary=other",
            whole.clone(),
            (400, "The body is malformed: it is no whole form."),
        ),
        (form::CONTENT_TYPE, Vec::new(), (400, "The body is malformed: it is no whole form.")),
        (form::CONTENT_TYPE, cut, (400, "The body is malformed: it is no whole form.")),
        (form::CONTENT_TYPE, form::end(), (400, "The body is malformed: ")),
        (form::CONTENT_TYPE, other_field, (400, "The body is malformed: no file uploaded: ")),
        (
            form::CONTENT_TYPE,
            headless,
            (400, "The body is malformed: a part's head, or a field before the file, is too large."),
        ),
        (form::CONTENT_TYPE, large_field, (400, "The body is malformed: a part's head, or a field")),
    ] {
        let (status, message) = call(content_type, body).await;
        assert!(
            status == expected.0 && message.starts_with(expected.1),
            "{content_type}: {status} {message}"
        );
    }
    assert_eq!((files(&server, &id, "uploads").len(), files(&server, &id, "incoming").len()), (0, 0));
}

#[tokio::test]
async fn another_projects_session_does_not_exist_and_one_that_is_over_takes_nothing() {
    let server = small().await;
    let client = server.client();
    let id = session(client).await;
    let other = server.other_project().await;
    let unknown = (404, "Session not found.".to_owned());
    for (client, id) in
        [(&other, id.as_str()), (client, "nonsense"), (client, "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e")]
    {
        assert_eq!(send(client, id, form("a", b"x")).await.failure(), unknown);
    }
    assert_eq!(send(&server.stranger(), &id, form("a", b"x")).await.failure().0, 401);
    assert_eq!(files(&server, &id, "uploads"), [] as [PathBuf; 0]);
    client.delete(&format!("/v1/sessions/{id}")).await.data();
    let over = (409, "The session does not run: it is completed (requested).".to_owned());
    assert_eq!(send(client, &id, form("a", b"x")).await.failure(), over);
}

/// Begins to send a file, and leaves the connection open.
async fn begin_upload(server: &TestServer, session: &str) -> TcpStream {
    let mut line = TcpStream::connect(server.address()).await.unwrap();
    let key = roadstead_testing::server::API_KEY;
    let head = format!(
        "POST /v1/sessions/{session}/uploads HTTP/1.1\r\n{HOST}: x\r\nanchor-api-key: {key}\r\ncontent-type: {}\r\ncontent-length: 500000\r\n\r\n",
        form::CONTENT_TYPE
    );
    line.write_all(head.as_bytes()).await.unwrap();
    line.write_all(&begin("file", "a")).await.unwrap();
    line.write_all(&[b'x'; 1000]).await.unwrap();
    line
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_and_a_session_that_ends_waits_for_none() {
    let server = small().await;
    let client = server.client();
    let id = session(client).await;
    let line = begin_upload(&server, &id).await;
    wait_until("the file is on its way", || files(&server, &id, "incoming").len() == 1).await.unwrap();
    drop(line);
    wait_until("it is gone", || files(&server, &id, "incoming").is_empty()).await.unwrap();

    let mut line = begin_upload(&server, &id).await;
    wait_until("another is on its way", || files(&server, &id, "incoming").len() == 1).await.unwrap();
    let ended: Value = client.delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(ended["session_status"], "completed");
    line.write_all(&[b'x'; 1000]).await.unwrap();
    let mut answer = vec![0; 12];
    // The rest is not waited for any longer than it takes to be refused.
    line.write_all(&vec![b'x'; 498_000]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), line.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 404");
}

/// Writes a ZIP archive.
fn zip(write: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    write(&mut writer);
    writer.finish().unwrap().into_inner()
}

/// Writes an archive of files with these names, each with its name in it.
fn zip_of(names: &[&str]) -> Vec<u8> {
    zip(|writer| {
        for name in names {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
    })
}

/// Changes bytes, as often as they are there, into as many others.
fn changed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            changed[at..at + to.len()].copy_from_slice(to);
        }
    }
    assert_ne!(changed, bytes);
    changed
}

async fn send_to_agent(client: &Client, session: &str, name: &str, contents: &[u8]) -> Answer {
    let request = client.request(Method::POST, &format!("/v1/sessions/{session}/agent/files"));
    client.send(request.header(CONTENT_TYPE, form::CONTENT_TYPE).body(form(name, contents))).await
}

async fn listed(client: &Client, session: &str) -> Answer {
    client.get(&format!("/v1/sessions/{session}/agent/files")).await
}

#[tokio::test]
async fn files_for_agents_are_listed_and_archives_unpacked() {
    let server = small().await;
    let client = server.client();
    let id = session(client).await;
    assert_eq!(listed(client, &id).await.data(), json!({"files": []}));
    let mut data = send_to_agent(client, &id, "notes.TXT", b"notes").await.data();
    let path = data["path"].take();
    assert_eq!(data["message"].take(), format!("File saved at {}", path.as_str().unwrap()));
    assert_eq!(
        data,
        json!({"status": "success", "message": null, "path": null, "name": "notes.TXT", "size": 5})
    );
    let archive = zip(|writer| {
        writer.add_directory("forms/", SimpleFileOptions::default()).unwrap();
        for name in ["forms/w9.pdf", "deep/er/a", "top.csv"] {
            writer.start_file(name, SimpleFileOptions::default().unix_permissions(0o777)).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
    });
    let data = send_to_agent(client, &id, "all.ZIP", &archive).await.data();
    assert_eq!((&data["extracted"], &data["size"]), (&json!(3), &json!(28)));
    let mut shown = listed(client, &id).await.data();
    for file in shown["files"].as_array_mut().unwrap() {
        let contents = std::fs::read(file["path"].take().as_str().unwrap()).unwrap();
        let (name, size) = (file["name"].as_str().unwrap(), file["size"].as_u64().unwrap());
        assert_eq!(contents.len() as u64, size);
        assert!(contents == name.as_bytes() || contents == b"notes");
        assert!(file["lastModified"].take().is_string());
    }
    let file = |name: &str, size: u64, kind: &str| json!({"name": name, "path": null, "size": size, "type": kind, "lastModified": null});
    let expected = [
        file("deep/er/a", 9, ""),
        file("forms/w9.pdf", 12, "pdf"),
        file("notes.TXT", 5, "txt"),
        file("top.csv", 7, "csv"),
    ];
    assert_eq!(shown["files"], json!(expected));
    // What is no archive by its name is a file like any other, and uploads are not agents' files.
    send_to_agent(client, &id, "book.xlsx", &archive).await.data();
    send(client, &id, form("for a chooser.zip", &archive)).await.data();
    assert_eq!(listed(client, &id).await.data()["files"].as_array().unwrap().len(), 5);
    assert_eq!(files(&server, &id, "incoming"), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn an_archive_that_is_a_trap_is_refused_whole() {
    let config = "[files]\nmax_upload_mib = 1\nmax_uploads_mib = 2\nmax_archive_files = 3";
    let server = TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await;
    let client = server.client();
    let id = session(client).await;
    let outside = server.data_dir().join("work").join(&id);
    let plain = || SimpleFileOptions::default();
    let symlink = zip(|writer| {
        writer.start_file("a", plain()).unwrap();
        writer.add_symlink("link", "/etc", plain()).unwrap();
    });
    let bomb = |count: usize| {
        zip(|writer| {
            for number in 0..count {
                writer.start_file(number.to_string(), plain()).unwrap();
                writer.write_all(&vec![0; if count == 1 { MIB + 1 } else { MIB - 1 }]).unwrap();
            }
        })
    };
    let good = zip_of(&["aa/b", "c"]);
    let pipe = changed(&zip_of(&["a"]), &[0, 0, 0xa4, 0x81], &[0, 0, 0xa4, 0x11]);
    for (what, archive, status, words) in [
        (
            "up",
            zip_of(&["ok", "../../x"]),
            400,
            "The archive is refused for its file 2: its name leads out of the archive.",
        ),
        ("absolute", zip_of(&["/etc/x"]), 400, "The archive is refused for its file 1: its name leads out"),
        (
            "backslashes",
            changed(&zip_of(&["..!..!x"]), b"..!..!x", b"..\\..\\x"),
            400,
            "The archive is refused for its file 1: its name leads",
        ),
        (
            "deep",
            zip_of(
                &[&"a/".repeat(17), "b"]
                    .map(|name| if name == "b" { "b" } else { "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a" }),
            ),
            400,
            "The archive is refused for its file 1: it is more than 16",
        ),
        ("link", symlink, 400, "The archive is refused for its file 2: it is a link, or no plain file."),
        ("pipe", pipe, 400, "The archive is refused for its file 1: it is a link, or no plain file."),
        (
            "twice",
            changed(&zip_of(&["ab", "ac"]), b"ac", b"ab"),
            400,
            "The archive is refused for its file 2: it has the name of another.",
        ),
        (
            "within a file",
            zip_of(&["a/b", "a"]),
            400,
            "The archive is refused: a file in it is also a directory.",
        ),
        (
            "many",
            zip_of(&["1", "2", "3", "4"]),
            413,
            "The archive holds too many files: 3 are taken, at most.",
        ),
        ("large", bomb(1), 413, "The file is too large: at most 1 MiB are taken."),
        ("large together", bomb(3), 413, "The session has no room for the file: "),
        ("cut", good[..good.len() - 10].to_vec(), 400, "The archive is refused: it is no whole ZIP file."),
        ("none", b"no archive".to_vec(), 400, "The archive is refused: it is no whole ZIP file."),
        ("empty", Vec::new(), 400, "The archive is refused: it is no whole ZIP file."),
        ("damaged", changed(&good, b"\x04\0\0\0", b"\xff\0\0\0"), 400, "The archive is "),
    ] {
        assert!(archive.len() < MIB, "{what}: it is the archive that is looked at");
        let answer = send_to_agent(client, &id, "trap.zip", &archive).await.failure();
        assert!(answer.0 == status && answer.1.starts_with(words), "{what}: {answer:?}");
    }
    assert_eq!(listed(client, &id).await.data(), json!({"files": []}));
    assert_eq!((files(&server, &id, "incoming").len(), files(&server, &id, "agent").len()), (0, 0));
    assert!(!outside.join("x").exists() && !outside.parent().unwrap().join("x").exists());
    // A file where a directory is to be, from one upload to the next.
    send_to_agent(client, &id, "aa", b"a file").await.data();
    let (status, message) = send_to_agent(client, &id, "fine.zip", &good).await.failure();
    assert!(status == 409 && message.starts_with("\"aa/b\" cannot be stored: "), "{message}");
    assert_eq!(files(&server, &id, "agent").len(), 1, "nothing of it is there");
    // None of all this has used up the session's room.
    send_to_agent(client, &id, "one", &vec![0; MIB]).await.data();
}

#[tokio::test]
async fn agents_files_are_their_sessions_alone() {
    let server = small().await;
    let client = server.client();
    let id = session(client).await;
    send_to_agent(client, &id, "a", b"x").await.data();
    let other = server.other_project().await;
    let unknown = (404, "Session not found.".to_owned());
    for (client, id) in [(&other, id.as_str()), (client, "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e")] {
        assert_eq!(listed(client, id).await.failure(), unknown);
        assert_eq!(send_to_agent(client, id, "a", b"x").await.failure(), unknown);
    }
    let second = session(client).await;
    assert_eq!(listed(client, &second).await.data(), json!({"files": []}));
    client.delete(&format!("/v1/sessions/{id}")).await.data();
    let over = "Session is not running. The session does not run: it is completed (requested).";
    assert_eq!(listed(client, &id).await.failure(), (400, over.to_owned()));
    assert_eq!(send_to_agent(client, &id, "a", b"x").await.failure(), (400, over.to_owned()));
}
