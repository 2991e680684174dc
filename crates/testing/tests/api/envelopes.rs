//! Odd input: whatever comes, the answer is the API's own.

use std::fmt::Write as _;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use roadstead_testing::server::{API_KEY, TestServer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn an_unknown_route_is_404() {
    let server = TestServer::start().await;
    insta::assert_snapshot!(server.get("/nothing/here").await.shown(), @r#"
    404
    {
      "error": {
        "code": 404,
        "message": "No such endpoint. GET /openapi.json lists those that there are."
      }
    }
    "#);
}

#[tokio::test]
async fn a_wrong_method_is_405_and_says_which_are_right() {
    let server = TestServer::start().await;
    let client = server.client();
    for (method, path, allowed) in [
        (Method::PATCH, "/v1/sessions", "GET,HEAD,POST"),
        (Method::GET, "/v1/sessions/all", "DELETE"),
        (Method::POST, "/healthz", "GET,HEAD"),
        (Method::POST, "/", "GET,HEAD"),
    ] {
        let answer = client.send(client.request(method.clone(), path)).await;
        assert_eq!(answer.failure().0, 405, "{method} {path}");
        let mut allow: Vec<_> = answer.header("allow").unwrap_or_default().split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn odd_bodies_are_refused_with_a_reason() {
    let server = TestServer::start().await;
    let client = server.client();
    let cases = [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", "\"text\""),
        ("text/plain", "{}"),
        ("application/x-www-form-urlencoded", "name=x"),
        ("application/json", "{\"browser\":{\"headless\":true}}"),
        ("application/json", "{\"session\":{\"timeout\":{\"max_duration\":1e999}}}"),
    ];
    let mut shown = String::new();
    for (content_type, body) in cases {
        let request =
            client.request(Method::POST, "/v1/sessions").header(CONTENT_TYPE, content_type).body(body);
        let (status, message) = client.send(request).await.failure();
        writeln!(shown, "{content_type} {body} → {status} {message}").unwrap();
    }
    insta::assert_snapshot!(shown, @r#"
    application/json { → 400 The body is malformed: it is not valid JSON: EOF while parsing an object at line 1 column 1.
    application/json [] → 400 The body is malformed: a JSON object is expected.
    application/json "text" → 400 The body is malformed: a JSON object is expected.
    text/plain {} → 415 The body must be JSON: send the header `content-type: application/json`.
    application/x-www-form-urlencoded name=x → 415 The body must be JSON: send the header `content-type: application/json`.
    application/json {"browser":{"headless":true}} → 400 browser.headless: invalid type: boolean `true`, expected an object
    application/json {"session":{"timeout":{"max_duration":1e999}}} → 400 The body is malformed: it is not valid JSON: number out of range at line 1 column 43.
    "#);
}

#[tokio::test]
async fn a_body_beyond_a_megabyte_is_413_announced_or_not() {
    let server = TestServer::start().await;
    let client = server.client();
    let body = json!({"name": "x".repeat(2 << 20)}).to_string();
    let announced = client
        .request(Method::POST, "/v1/profiles")
        .header(CONTENT_TYPE, "application/json")
        .body(body.clone());
    assert_eq!(client.send(announced).await.failure().0, 413);

    let mut raw = format!(
        "POST /v1/profiles HTTP/1.1\r\nhost: x\r\nanchor-api-key: {API_KEY}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    for chunk in body.as_bytes().chunks(1 << 16) {
        write!(raw, "{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()).unwrap();
    }
    raw.push_str("0\r\n\r\n");
    let answer = converse(&server, raw.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":413"), "{answer}");
}

#[tokio::test]
async fn a_url_that_means_nothing_is_400() {
    let server = TestServer::start().await;
    for path in
        ["/v1/profiles/%zz", "/v1/profiles/%ff", "/v1/profiles/a%2", "/v1/sessions?tags=%C3%28", "/?token=%"]
    {
        let raw = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nanchor-api-key: {API_KEY}\r\nconnection: close\r\n\r\n"
        );
        let answer = converse(&server, raw.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(answer.contains("\"code\":400"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_the_log_has_it_too() {
    let server = TestServer::start().await;
    let client = server.client();
    let sane =
        client.send(client.request(Method::GET, "/v1/profiles").header("x-request-id", "trace-1.a_B")).await;
    assert_eq!(sane.header("x-request-id"), Some("trace-1.a_B"));
    assert!(server.log().contains("trace-1.a_B"));
    let insane = client.send(client.request(Method::GET, "/nothing").header("x-request-id", "a b\"")).await;
    let id = insane.header("x-request-id").unwrap();
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{id}");
    assert!(server.log().contains(id));
}

#[tokio::test]
async fn the_log_never_has_a_key_a_token_or_a_query() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let url = session["cdp_url"].as_str().unwrap();
    let token = url.rsplit("token=").next().unwrap();
    server
        .stranger()
        .get(&format!("/json/version?sessionId={}&token={token}", session["id"].as_str().unwrap()))
        .await
        .json();
    server.stranger().get(&format!("/json/version?apiKey={API_KEY}")).await.json();
    server.get("/v1/sessions?search=secret-search").await.data();
    let log = server.log();
    for secret in [API_KEY, token, "secret-search"] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn unknown_keys_and_nulls_are_accepted() {
    let server = TestServer::start().await;
    let body = json!({"name": "a", "unknown": {"x": [1]}, "description": null, "source": null, "dedicated_sticky_ip": null});
    server.client().post("/v1/profiles", body).await.data();
}

/// The answer to a request that comes in two pieces is followed by the answer to another one on the same connection.
#[tokio::test]
async fn a_body_that_nobody_reads_does_not_cost_the_connection() {
    let server = TestServer::start().await;
    for (path, key, status) in [
        ("/v1/tools/perform-web-task", API_KEY, "501"),
        ("/v1/nowhere", API_KEY, "404"),
        ("/v1/sessions", "sk-wrong", "401"),
    ] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: a\r\nanchor-api-key: {key}\r\ncontent-length: 12\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // The head has been read, and its handler would have answered, when others have been, one after the other.
        for _ in 0..20 {
            server.get("/v1/profiles").await.data();
        }
        stream.write_all(b"{\"prompt\":1}").await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{answers}");
        assert!(answers.contains("HTTP/1.1 200 OK"), "{answers}");
    }
}

/// A client that waits to be told to send is not told, and learns that the connection ends.
#[tokio::test]
async fn a_body_that_is_too_long_to_throw_away_ends_the_connection() {
    let server = TestServer::start().await;
    let head =
        "POST /v1/nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\nexpect: 100-continue\r\n\r\n";
    let answer = converse(&server, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

/// Sends bytes as they are and returns everything that comes back.
async fn converse(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}
