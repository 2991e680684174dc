//! `/json/…`, in Chromium's own shapes.

use roadstead_testing::server::{API_KEY, TestServer};
use serde_json::json;

use super::Socket;

#[tokio::test]
async fn version_names_a_websocket_that_works() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    let stranger = server.stranger();
    for path in ["/json/version", "/json/version/"] {
        let version = stranger.get(&format!("{path}?apiKey={API_KEY}&sessionId={id}")).await;
        let url = version.json()["webSocketDebuggerUrl"].as_str().unwrap().to_owned();
        let mut socket = Socket::open(&url).await;
        let reply = socket.call(json!({"id": 1, "method": "Browser.getVersion"})).await;
        assert_eq!(reply["result"]["product"], version.json()["Browser"]);
    }
    let version = stranger.get(&format!("/json/version?apiKey={API_KEY}&sessionId={id}")).await;
    insta::assert_snapshot!(version.shown(), @r#"
    200
    {
      "Browser": "FakeChromium/156.0.0.0",
      "Protocol-Version": "1.3",
      "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) FakeChromium/156.0.0.0 Safari/537.36",
      "webSocketDebuggerUrl": "ws://[address]/devtools/browser/[uuid]?token=[token]"
    }
    "#);
}

#[tokio::test]
async fn version_without_a_session_names_a_websocket_that_starts_one() {
    let server = TestServer::start().await;
    let by_query = server.stranger().get(&format!("/json/version/?apiKey={API_KEY}")).await.json();
    assert_eq!(by_query["webSocketDebuggerUrl"], server.client().ws(&format!("/?apiKey={API_KEY}")));
    let by_header = server.get("/json/version").await.json();
    assert_eq!(by_header["webSocketDebuggerUrl"], server.client().ws("/"));
    assert_eq!(server.get("/v1/sessions").await.data()["total"], 0, "asking starts nothing");
}

#[tokio::test]
async fn list_names_a_websocket_for_each_page() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    for path in ["/json", "/json/", "/json/list", "/json/list/"] {
        let list = server.get(&format!("{path}?sessionId={id}")).await.json();
        let mut socket = Socket::open(list[0]["webSocketDebuggerUrl"].as_str().unwrap()).await;
        let reply = socket.call(json!({"id": 1, "method": "Fake.echo", "params": {"a": 1}})).await;
        assert_eq!(reply, json!({"id": 1, "result": {"a": 1}}), "{path}");
    }
    insta::assert_snapshot!(server.get(&format!("/json/list?sessionId={id}")).await.shown(), @r#"
    200
    [
      {
        "description": "",
        "id": "[token]",
        "title": "about:blank",
        "type": "page",
        "url": "about:blank",
        "webSocketDebuggerUrl": "ws://[address]/devtools/page/[token]?sessionId=[uuid]&token=[token]"
      }
    ]
    "#);
}

#[tokio::test]
async fn protocol_is_the_whole_description() {
    let server = TestServer::start().await;
    let protocol = server.get("/json/protocol").await.json();
    assert!(protocol["domains"].as_array().unwrap().len() > 30);
}

#[tokio::test]
async fn strangers_get_nothing() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    for path in ["/json/version", "/json/version/", "/json/list", "/json", "/json/protocol"] {
        for query in [
            String::new(),
            format!("?sessionId={id}"),
            format!("?sessionId={id}&token=wrong"),
            "?apiKey=sk-wrong".to_owned(),
        ] {
            assert_eq!(
                server.stranger().get(&format!("{path}{query}")).await.failure().0,
                401,
                "{path}{query}"
            );
        }
    }
    assert_eq!(server.get("/json/list").await.failure().0, 400);
    assert_eq!(server.get("/json/list?sessionId=nonsense").await.failure().0, 404);
}
