//! Who gets in where, and what the others are told.

use roadstead_testing::server::{API_KEY, TestServer};
use serde_json::{Value, json};

use super::Socket;

#[tokio::test]
async fn only_a_key_or_the_sessions_token_opens_anything() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let other = server.client().session(json!({})).await;
    let (id, other_id) = (session["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let token = session["cdp_url"].as_str().unwrap().rsplit("token=").next().unwrap();
    let pages = server.get(&format!("/v1/sessions/{id}/pages")).await.data();
    let page = pages["items"][0]["id"].as_str().unwrap();
    server.other_project().await;
    let foreign = "sk-ffffffffffffffffffffffffffffffff";
    let nobody = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e";
    for (path, header, expected) in [
        // What opens.
        (format!("/?apiKey={API_KEY}&sessionId={id}"), None, 101),
        (format!("/?sessionId={id}&token={token}"), None, 101),
        (format!("/?sessionId={id}"), Some(API_KEY), 101),
        (format!("/devtools/browser/{id}"), Some(API_KEY), 101),
        (format!("/devtools/browser/{id}?apiKey={API_KEY}"), None, 101),
        (format!("/devtools/browser/{id}?token={token}"), None, 101),
        (format!("/devtools/page/{page}?sessionId={id}&apiKey={API_KEY}"), None, 101),
        (format!("/devtools/page/{page}?sessionId={id}&token={token}"), None, 101),
        // The id alone opens nothing.
        (format!("/?sessionId={id}"), None, 401),
        (format!("/devtools/browser/{id}"), None, 401),
        (format!("/devtools/page/{page}?sessionId={id}"), None, 401),
        ("/".to_owned(), None, 401),
        // Nor does what is wrong.
        (format!("/?apiKey=sk-wrong&sessionId={id}"), None, 401),
        (format!("/?sessionId={id}&token=wrong"), None, 401),
        (format!("/?sessionId={id}&token="), None, 401),
        (format!("/?sessionId={other_id}&token={token}"), None, 401),
        (format!("/?token={token}"), None, 401),
        (format!("/?sessionId={nobody}&token={token}"), None, 401),
        (format!("/devtools/browser/{other_id}?token={token}"), None, 401),
        // What a project does not have is not there.
        (format!("/?apiKey={foreign}&sessionId={id}"), None, 404),
        (format!("/?apiKey={API_KEY}&sessionId={nobody}"), None, 404),
        (format!("/?apiKey={API_KEY}&sessionId=nonsense"), None, 404),
        (format!("/devtools/browser/{nobody}"), Some(API_KEY), 404),
        (format!("/devtools/page/NOWHERE?sessionId={id}"), Some(API_KEY), 404),
        (format!("/devtools/page/{page}"), Some(API_KEY), 400),
    ] {
        let url = server.client().ws(&path);
        let status = match Socket::try_open(&url, header).await {
            Ok(_) => 101,
            Err((status, body)) => {
                assert_eq!(body["error"]["code"], status, "{path}: {body}");
                status
            }
        };
        assert_eq!(status, expected, "{path} {header:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_lets_nobody_in() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    server.client().delete(&format!("/v1/sessions/{id}")).await.data();
    let refused = |outcome: Result<Socket, (u16, Value)>| outcome.err().expect("it is refused").0;
    assert_eq!(refused(Socket::try_open(session["cdp_url"].as_str().unwrap(), None).await), 401);
    let url = server.client().ws(&format!("/?apiKey={API_KEY}&sessionId={id}"));
    assert_eq!(refused(Socket::try_open(&url, None).await), 404);
}

#[tokio::test]
async fn without_an_upgrade_a_websockets_address_is_426() {
    let server = TestServer::start().await;
    let session = server.client().session(json!({})).await;
    let path = format!("/devtools/browser/{}", session["id"].as_str().unwrap());
    let answer = server.get(&path).await;
    assert_eq!((answer.failure().0, answer.header("upgrade")), (426, Some("websocket")));
    assert_eq!(server.stranger().get(&path).await.failure().0, 401);
}
