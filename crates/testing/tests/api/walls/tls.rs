//! TLS: the real program with a real certificate.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use roadstead_testing::program::{API_KEY, Program, binary};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::program;
use crate::cdp::PATIENCE;

type Identity = CertifiedKey<KeyPair>;

/// Writes a new certificate and its key into `dir`, and returns them.
pub fn identity(dir: &Path) -> Identity {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write(&dir.join("cert.pem"), "CERTIFICATE", made.cert.der(), 0o644);
    write(&dir.join("key.pem"), "PRIVATE KEY", &made.signing_key.serialize_der(), 0o640);
    made
}

fn write(path: &Path, label: &str, der: &[u8], mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(
        path,
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der)),
    )
    .unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The configuration that names them.
pub fn config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "[server]\nheader_seconds = 2\ntls = {{ certificate = '{dir}/cert.pem', key = '{dir}/key.pem' }}\n"
    )
}

/// Connects as a client that trusts this identity alone.
async fn connect(program: &Program, trusted: &Identity) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address(program)).await?;
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn address(program: &Program) -> &str {
    program.url().strip_prefix("https://").expect("the ready line says https")
}

/// Calls the API over TLS, and returns the body.
async fn call(program: &Program, trusted: &Identity, method: &str, path: &str) -> Value {
    let mut stream = connect(program, trusted).await.unwrap();
    let address = address(program);
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nanchor-api-key: {API_KEY}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The server ends the connection and not the TLS session, which the length makes up for.
    drop(timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer in time"));
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap_or_default())
        .unwrap_or_else(|_| panic!("{answer}"))
}

#[tokio::test]
async fn sessions_and_devtools_work_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let identity = identity(dir.path());
    let program = program(dir.path(), &config(dir.path()), "info").await;
    let created = call(&program, &identity, "POST", "/v1/sessions").await;
    let url = created["data"]["cdp_url"].as_str().unwrap();
    assert!(url.starts_with(&format!("wss://{}/?sessionId=", address(&program))), "{url}");

    let stream = connect(&program, &identity).await.unwrap();
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    let text = "ж".repeat(1 << 20);
    socket
        .send(Message::text(json!({"id": 1, "method": "Fake.echo", "params": {"text": text}}).to_string()))
        .await
        .unwrap();
    let reply = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    let reply: Value = serde_json::from_str(reply.to_text().unwrap()).unwrap();
    assert!(reply["result"]["text"] == text, "it is not the same");
    drop(socket);
    program.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_tls_is_sent_away_and_half_a_handshake_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let identity = identity(dir.path());
    let program = program(dir.path(), &config(dir.path()), "info").await;
    let mut halves = Vec::new();
    for _ in 0..50 {
        let mut half = TcpStream::connect(address(&program)).await.unwrap();
        // The start of a handshake record that never goes on.
        half.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
        halves.push(half);
    }
    let began = Instant::now();
    assert_eq!(call(&program, &identity, "GET", "/healthz").await["data"]["status"], "ok");
    assert!(began.elapsed() < Duration::from_secs(2), "it waited for the others' handshakes");

    let mut plain = TcpStream::connect(address(&program)).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(
        timeout(Duration::from_secs(2), plain.read_to_end(&mut answer)).await.expect("it is closed at once"),
    );
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "it is not served");
    for mut half in halves {
        drop(timeout(PATIENCE, half.read_to_end(&mut answer)).await.expect("it is closed in the end"));
    }
    program.stop().await.unwrap();
}

#[tokio::test]
async fn a_hangup_brings_a_new_certificate_and_a_wrong_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let before = identity(dir.path());
    let program = program(dir.path(), &config(dir.path()), "info").await;
    connect(&program, &before).await.unwrap();

    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    program.signal(Signal::HUP).unwrap();
    let log = dir.path().join("log");
    wait_for(|| std::fs::read_to_string(&log).unwrap().contains("the certificate before stays")).await;
    connect(&program, &before).await.unwrap();

    let after = identity(dir.path());
    program.signal(Signal::HUP).unwrap();
    wait_for(|| std::fs::read_to_string(&log).unwrap().contains("new connections get the certificate")).await;
    connect(&program, &after).await.unwrap();
    assert!(connect(&program, &before).await.is_err(), "the one before is no longer shown");
    program.stop().await.unwrap();
}

async fn wait_for(reached: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "it never came to it");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Runs the doctor, and returns what it finds.
async fn doctor(dir: &Path) -> String {
    let output = tokio::process::Command::new(binary().unwrap())
        .arg("doctor")
        .arg("--config")
        .arg(dir.join("roadstead.toml"))
        .arg("--data-dir")
        .arg(dir.join("data"))
        .output();
    String::from_utf8(timeout(PATIENCE, output).await.expect("it ends").unwrap().stdout).unwrap()
}

/// Starts a program that must not start, and returns what it says.
async fn refused(dir: &Path) -> String {
    let file = dir.join("roadstead.toml");
    std::fs::write(&file, config(dir)).unwrap();
    let started = tokio::process::Command::new(binary().unwrap())
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .arg("--data-dir")
        .arg(dir.join("data"))
        .env("ROADSTEAD_API_KEY", API_KEY)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, started).await.expect("it ends at once").unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_wrong_certificate_or_key_is_said_at_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    assert!(refused(dir.path()).await.contains("cert.pem: No such file"));

    let one = identity(dir.path());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = refused(dir.path()).await;
    let open = "open to everybody (mode 0644): chmod o= ";
    assert!(said.contains(open) && said.contains("key.pem"), "{said}");
    let found = doctor(dir.path()).await;
    assert!(found.lines().any(|line| line.starts_with("wrong") && line.contains(open)), "{found}");

    identity(dir.path());
    write(&cert, "CERTIFICATE", one.cert.der(), 0o644);
    let said = refused(dir.path()).await;
    assert!(said.contains("does not belong to the first certificate of"), "{said}");

    identity(dir.path());
    std::fs::write(&cert, "nonsense").unwrap();
    assert!(refused(dir.path()).await.contains("it has no certificate in PEM form"));

    identity(dir.path());
    let secret = std::fs::read_to_string(&key).unwrap();
    let body = secret.lines().nth(1).unwrap();
    for torn in [
        format!("-----BEGIN {body}\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{body}!\n-----END PRIVATE KEY-----\n"),
    ] {
        std::fs::write(&key, torn).unwrap();
        let said = refused(dir.path()).await;
        assert!(said.contains("key.pem: it ") && !said.contains(&body[..16]), "{said}");
    }
}
