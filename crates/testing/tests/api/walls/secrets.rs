//! Nothing secret in the log, however much is logged: the real program at its most talkative.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use roadstead_testing::program::{API_KEY, Program};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::{program, tls};
use crate::cdp::PATIENCE;

/// Secrets that the test sends, each in a place of its own; tokens that the server makes come on top.
const WRONG_KEY: &str = "sk-wrongWrongWrongKey0001";
const QUERY_KEY: &str = "sk-queryQueryQueryKey0002";
const TOKEN: &str = "tokenTokenTokenToken0003";
const PROXY_PASSWORD: &str = "proxyProxyPassword0004";
const BODY: &str = "bodyBodyBodySecret0005";
const COOKIE: &str = "cookieCookieCookie0006";
const MESSAGE: &str = "messageMessageMessage0007";
const URL: &str = "urlUrlUrlUrlSecret0008";
const DELETED: &str = "deletedDeletedToken0009";
const BASIC: &str = "basicBasicPassword0010";

/// Sends bytes as they are and waits until the server has had enough.
async fn raw(program: &Program, bytes: &str) {
    let (_, address) = program.url().split_once("://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes"));
}

async fn call(program: &Program, method: Method, path: &str, body: Value) -> Value {
    let body = (method == Method::POST).then_some(body);
    program.call(method, path, body).await.unwrap().1
}

/// Connects, says something that is secret, and hears it back.
async fn converse(url: &str) {
    let (mut socket, _) = connect_async(url).await.unwrap();
    for (id, method) in [(1, "Fake.echo"), (2, "Fake.unknown")] {
        let message = json!({"id": id, "method": method, "params": {"expression": MESSAGE, "cookies": [{"value": COOKIE}]}});
        socket.send(Message::text(message.to_string())).await.unwrap();
        timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    }
    socket.send(Message::text(format!("not JSON {MESSAGE}"))).await.unwrap();
    timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
}

/// Does whatever has a secret in it, and returns the secrets that the server made.
async fn provoke(program: &Program) -> Vec<String> {
    let created = call(program, Method::POST, "/v1/sessions", json!({"session": {"tags": ["a"]}})).await;
    let (id, own) = (created["data"]["id"].as_str().unwrap(), created["data"]["cdp_url"].as_str().unwrap());
    converse(own).await;
    let minted = call(program, Method::POST, &format!("/v1/sessions/{id}/tokens"), json!({})).await;
    converse(minted["data"]["cdp_url"].as_str().unwrap()).await;
    let token = minted["data"]["tokens"][0]["token"].as_str().unwrap();
    call(program, Method::DELETE, &format!("/v1/sessions/{id}/tokens/{DELETED}"), Value::Null).await;
    call(program, Method::GET, &format!("/json/version?sessionId={id}&token={token}"), Value::Null).await;
    call(program, Method::DELETE, &format!("/v1/sessions/{id}/tokens/{token}"), Value::Null).await;

    for server in
        [format!("http://u:{PROXY_PASSWORD}@127.0.0.1:1"), format!("socks5://u:{PROXY_PASSWORD}@127.0.0.1:1")]
    {
        let proxy = json!({"active": true, "type": "custom", "server": server});
        call(program, Method::POST, "/v1/sessions", json!({"session": {"proxy": proxy}})).await;
    }
    let proxy = json!({"active": true, "type": "custom", "server": "http://127.0.0.1:1", "username": "u", "password": PROXY_PASSWORD});
    call(program, Method::POST, "/v1/sessions", json!({"session": {"proxy": proxy}})).await;
    call(program, Method::POST, "/v1/profiles", json!({"name": 5, "description": BODY})).await;
    call(program, Method::POST, "/v1/profiles", json!({"name": "a", "source": BODY})).await;

    for request in [
        format!("GET /v1/profiles HTTP/1.1\r\nanchor-api-key: {WRONG_KEY}\r\n"),
        format!("GET /v1/profiles?apiKey={QUERY_KEY} HTTP/1.1\r\ncookie: sid={COOKIE}\r\n"),
        format!("GET /?apiKey={QUERY_KEY}&sessionId={id} HTTP/1.1\r\n"),
        format!(
            "GET /json/version?sessionId={id}&token={TOKEN} HTTP/1.1\r\nauthorization: Basic {BASIC}\r\n"
        ),
        format!("GET /%zz{URL}?token={TOKEN}%zz HTTP/1.1\r\nauthorization: Bearer {TOKEN}\r\n"),
        format!("GET /json/version?token={TOKEN}&token={TOKEN} HTTP/1.1\r\n"),
        format!(
            "POST /v1/sessions HTTP/1.1\r\nanchor-api-key: {API_KEY}\r\ncontent-length: 30\r\n\r\n{{\"a\": \"{BODY}"
        ),
        // Heads that are no HTTP at all, or too large.
        format!("GET /{URL} {TOKEN} HTTP/1.1\r\nanchor api key: {WRONG_KEY}\r\n"),
        format!("{WRONG_KEY}\r\n"),
        format!("GET / HTTP/1.1\r\nanchor-api-key: {WRONG_KEY}{}\r\n", "x".repeat(300 << 10)),
        format!("GET /?token={TOKEN} HTTP/1.1\r\nx: {}\r\n", "x".repeat(70 << 10)),
    ] {
        raw(program, &format!("{request}host: x\r\nconnection: close\r\n\r\n{BODY}")).await;
    }
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for origin in ["", "origin: https://evil.example\r\n"] {
        raw(
            program,
            &format!("GET /?sessionId={id}&token={TOKEN} HTTP/1.1\r\nhost: x\r\n{origin}{upgrade}\r\n"),
        )
        .await;
    }
    call(program, Method::DELETE, &format!("/v1/sessions/{id}"), Value::Null).await;
    let own = own.rsplit("token=").next().unwrap();
    vec![token.to_owned(), own.to_owned()]
}

/// The forms in which a text can be found in a log.
fn forms(secret: &str) -> Vec<String> {
    let hex = |separator: &str| {
        secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator)
    };
    let percent = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let decimal = secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    let mut forms = vec![secret.to_owned(), hex(""), hex(" "), hex(", "), percent, decimal];
    // Base64 of a longer text that holds it: by where it begins in a group of three bytes, what does not depend on its neighbours.
    for skipped in 0..3 {
        let inner = &secret[skipped..];
        let whole = &inner[..inner.len() / 3 * 3];
        forms.extend([STANDARD.encode(whole), URL_SAFE_NO_PAD.encode(whole)]);
    }
    forms
}

fn assert_tells_nothing(log: &Path, secrets: &[String]) {
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(" DEBUG ") && log.contains("answered"), "it is talkative");
    let lower = log.to_ascii_lowercase();
    for secret in secrets {
        for form in forms(secret) {
            let line = log.lines().find(|line| line.contains(&form));
            assert_eq!(line, None, "{secret} as {form}");
            assert!(!lower.contains(&form.to_ascii_lowercase()), "{secret} as {form}, in another case");
        }
    }
}

#[tokio::test]
async fn the_log_tells_no_secret_at_any_level() {
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path(), "[server]\nidle_seconds = 2", "trace").await;
    let mut secrets = provoke(&program).await;
    program.stop().await.unwrap();
    let sent =
        [API_KEY, WRONG_KEY, QUERY_KEY, TOKEN, PROXY_PASSWORD, BODY, COOKIE, MESSAGE, URL, DELETED, BASIC];
    secrets.extend(sent.map(str::to_owned));
    assert_tells_nothing(&dir.path().join("log"), &secrets);
}

/// Whoever speaks plain HTTP to a TLS port has sent its key in the clear already, and that is enough.
#[tokio::test]
async fn the_log_tells_nothing_of_a_handshake_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let key = tls::identity(dir.path()).signing_key.serialize_der();
    let program = program(dir.path(), &tls::config(dir.path()), "trace").await;
    raw(&program, &format!("GET /?token={TOKEN} HTTP/1.1\r\nhost: x\r\nanchor-api-key: {WRONG_KEY}\r\n\r\n"))
        .await;
    raw(&program, &format!("\u{16}\u{3}\u{1}\u{0}{TOKEN}")).await;
    program.stop().await.unwrap();
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert_eq!(log.matches("a TLS handshake").count(), 2, "{log}");
    let key = STANDARD.encode(key);
    let secrets = [TOKEN, WRONG_KEY, API_KEY, &key[60..80]];
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        assert!(!log.contains(&form), "{form}");
    }
}
