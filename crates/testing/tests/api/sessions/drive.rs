//! `/v1/sessions/{id}/…`: what drives a browser, as far as it is refused before any browser is asked. The rest is in
//! `tests/driving`.

use std::fmt::Write as _;

use reqwest::Method;
use roadstead_testing::server::TestServer;
use serde_json::{Value, json};

#[tokio::test]
async fn wrong_bodies_are_400_and_name_the_field() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    let mut shown = String::new();
    for (path, body) in [
        ("goto", json!({})),
        ("goto", json!({"url": 5})),
        ("goto", json!({"url": "example.com"})),
        ("goto", json!({"url": "file:///etc/passwd"})),
        ("goto", json!({"url": "http:///path"})),
        ("mouse/click", json!({})),
        ("mouse/click", json!({"x": 1})),
        ("mouse/click", json!({"x": "1", "y": 1})),
        ("mouse/click", json!({"x": 1, "y": 1, "selector": "a"})),
        ("mouse/click", json!({"x": 1, "y": 1, "button": "fourth"})),
        ("mouse/click", json!({"selector": 5})),
        ("mouse/click", json!({"selector": "a", "timeout": -1})),
        ("mouse/click", json!({"selector": "a", "index": 0.5})),
        ("mouse/doubleClick", json!({"x": 1})),
        ("mouse/down", json!({"y": 1})),
        ("mouse/up", json!({"x": null, "y": 1})),
        ("mouse/move", json!({})),
        ("drag-and-drop", json!({"startX": 1, "startY": 1, "endX": 1})),
        ("scroll", json!({"x": 1, "y": 1})),
        ("scroll", json!({"x": 1, "y": 1, "deltaY": 1, "steps": 0})),
        ("scroll", json!({"x": 1, "y": 1, "deltaY": 1, "deltaX": -1e8})),
        ("keyboard/type", json!({})),
        ("keyboard/type", json!({"text": ["a"]})),
        ("keyboard/type", json!({"text": "abc", "delay": 200_000})),
        ("keyboard/type", json!({"text": "abc", "delay": -5})),
        ("keyboard/type", json!({"text": "a".repeat(20_001)})),
        ("keyboard/shortcut", json!({"keys": []})),
        ("keyboard/shortcut", json!({"keys": "Control"})),
        ("keyboard/shortcut", json!({"keys": ["Control", "Hyper"]})),
        ("keyboard/shortcut", json!({"keys": ["Control", "ctrl"]})),
        ("keyboard/shortcut", json!({"keys": ["a"], "holdTime": 60_001})),
        ("clipboard", json!({"text": null})),
        ("paste", json!({})),
    ] {
        let answer = client.post(&format!("/v1/sessions/{id}/{path}"), body.clone()).await;
        let (status, message) = answer.failure();
        let body = body.to_string();
        let body = if body.len() > 100 { "…" } else { &body };
        writeln!(shown, "{path} {body} → {status} {message}").unwrap();
    }
    insta::assert_snapshot!(shown, @r#"
    goto {} → 400 missing field `url`
    goto {"url":5} → 400 url: invalid type: integer `5`, expected a string
    goto {"url":"example.com"} → 400 url: must be an absolute URL, https://example.com for example
    goto {"url":"file:///etc/passwd"} → 400 url: must be an http, https, about or data URL
    goto {"url":"http:///path"} → 400 url: must name a host, https://example.com for example
    mouse/click {} → 400 x: give x and y, or a selector
    mouse/click {"x":1} → 400 y: is missing beside x
    mouse/click {"x":"1","y":1} → 400 x: invalid type: string "1", expected f64
    mouse/click {"selector":"a","x":1,"y":1} → 400 selector: give either x and y, or a selector, not both
    mouse/click {"button":"fourth","x":1,"y":1} → 400 button: unknown variant `fourth`, expected one of `left`, `middle`, `right`
    mouse/click {"selector":5} → 400 selector: invalid type: integer `5`, expected a string
    mouse/click {"selector":"a","timeout":-1} → 400 timeout: must be a number of milliseconds from 0 to 300000
    mouse/click {"index":0.5,"selector":"a"} → 400 index: must be a whole number from 0 to 4294967295
    mouse/doubleClick {"x":1} → 400 missing field `y`
    mouse/down {"y":1} → 400 missing field `x`
    mouse/up {"x":null,"y":1} → 400 x: invalid type: null, expected f64
    mouse/move {} → 400 missing field `x`
    drag-and-drop {"endX":1,"startX":1,"startY":1} → 400 missing field `endY`
    scroll {"x":1,"y":1} → 400 missing field `deltaY`
    scroll {"deltaY":1,"steps":0,"x":1,"y":1} → 400 steps: must be a whole number from 1 to 100
    scroll {"deltaX":-100000000.0,"deltaY":1,"x":1,"y":1} → 400 deltaX: must be from -10000000 to 10000000
    keyboard/type {} → 400 missing field `text`
    keyboard/type {"text":["a"]} → 400 text: invalid type: sequence, expected a string
    keyboard/type {"delay":200000,"text":"abc"} → 400 delay: a text is typed within 300 s, and this would take longer
    keyboard/type {"delay":-5,"text":"abc"} → 400 delay: must be a number of milliseconds from 0 to 300000
    keyboard/type … → 400 text: at most 20000 characters are typed, and it has 20001; paste it
    keyboard/shortcut {"keys":[]} → 400 keys: must be 1 to 10 names of keys
    keyboard/shortcut {"keys":"Control"} → 400 keys: invalid type: string "Control", expected a sequence
    keyboard/shortcut {"keys":["Control","Hyper"]} → 400 keys[1]: there is no key "Hyper"; there are A, 7, F5, Control, Alt, Shift, Command, Enter, Up and the like
    keyboard/shortcut {"keys":["Control","ctrl"]} → 400 keys[1]: "ctrl" is held already
    keyboard/shortcut {"holdTime":60001,"keys":["a"]} → 400 holdTime: must be from 0 to 60000
    clipboard {"text":null} → 400 text: invalid type: null, expected a string
    paste {} → 400 missing field `text`
    "#);
}

/// Every operation, with a body that is right.
fn operations() -> [(Method, &'static str, Value); 14] {
    let point = json!({"x": 1, "y": 1});
    [
        (Method::POST, "goto", json!({"url": "about:blank"})),
        (Method::GET, "screenshot", json!({})),
        (Method::POST, "mouse/click", point.clone()),
        (Method::POST, "mouse/doubleClick", point.clone()),
        (Method::POST, "mouse/down", point.clone()),
        (Method::POST, "mouse/up", point.clone()),
        (Method::POST, "mouse/move", point),
        (Method::POST, "drag-and-drop", json!({"startX": 1, "startY": 1, "endX": 1, "endY": 1})),
        (Method::POST, "scroll", json!({"x": 1, "y": 1, "deltaY": 1})),
        (Method::POST, "keyboard/type", json!({"text": "a"})),
        (Method::POST, "keyboard/shortcut", json!({"keys": ["a"]})),
        (Method::GET, "clipboard", json!({})),
        (Method::POST, "copy", json!({})),
        (Method::POST, "paste", json!({"text": "a"})),
    ]
}

#[tokio::test]
async fn an_unknown_session_is_404_and_one_that_is_over_409_with_the_reason() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    let other = server.other_project().await;
    client.delete(&format!("/v1/sessions/{id}")).await.data();
    for (method, path, body) in operations() {
        let call = async |client: &roadstead_testing::answer::Client, id: &str| {
            let request = client.request(method.clone(), &format!("/v1/sessions/{id}/{path}"));
            client.send(request.json(&body)).await.failure()
        };
        let over = (409, "The session does not run: it is completed (requested).".to_owned());
        assert_eq!(call(client, id).await, over, "{path}");
        let unknown = (404, "Session not found.".to_owned());
        assert_eq!(call(&other, id).await, unknown, "{path}");
        for id in ["nonsense", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"] {
            assert_eq!(call(client, id).await, unknown, "{path} {id}");
        }
    }
}

#[tokio::test]
async fn a_page_that_does_not_answer_is_504() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({})).await;
    // The fake's pages have no isolated worlds, and so say nothing of themselves.
    let path = format!("/v1/sessions/{}/mouse/click", session["id"].as_str().unwrap());
    let (status, message) = client.post(&path, json!({"x": 1, "y": 1})).await.failure();
    assert_eq!(status, 504);
    assert!(message.starts_with("The page does not answer: it is busy, or shows a dialog."), "{message}");
}
