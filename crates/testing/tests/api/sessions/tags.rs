//! `/v1/sessions/{id}/tags`.

use roadstead_testing::server::TestServer;
use serde_json::json;

#[tokio::test]
async fn tags_are_read_replaced_and_removed_also_when_the_session_is_over() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({"session": {"tags": ["a", "b"]}})).await;
    let path = format!("/v1/sessions/{}/tags", session["id"].as_str().unwrap());
    insta::assert_snapshot!(client.get(&path).await.shown(), @r#"
    200
    {
      "data": {
        "session_id": "[uuid]",
        "tags": [
          "a",
          "b"
        ]
      }
    }
    "#);
    insta::assert_snapshot!(client.put(&path, json!({"tags": ["c"]})).await.shown(), @r#"
    200
    {
      "data": {
        "session_id": "[uuid]",
        "status": "success",
        "tags": [
          "c"
        ]
      }
    }
    "#);
    assert_eq!(client.get("/v1/sessions?tags=c").await.data()["total"], 1);
    client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    assert_eq!(client.get(&path).await.data()["tags"], json!(["c"]));
    assert_eq!(client.delete(&path).await.data()["tags"], json!([]));
    assert_eq!(client.get("/v1/sessions?tags=c").await.data()["total"], 0);
}

#[tokio::test]
async fn wrong_tags_are_400_and_unknown_sessions_404() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({})).await;
    let path = format!("/v1/sessions/{}/tags", session["id"].as_str().unwrap());
    let mut shown = Vec::new();
    for body in [json!({}), json!({"tags": "a"}), json!({"tags": [1]}), json!({"tags": null})] {
        let (status, message) = client.put(&path, body).await.failure();
        shown.push(format!("{status} {message}"));
    }
    insta::assert_snapshot!(shown.join("\n"), @r#"
    400 missing field `tags`
    400 tags: invalid type: string "a", expected a sequence
    400 tags[0]: invalid type: integer `1`, expected a string
    400 tags: invalid type: null, expected a sequence
    "#);
    for id in ["nonsense", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"] {
        let path = format!("/v1/sessions/{id}/tags");
        assert_eq!(client.get(&path).await.failure().0, 404);
        assert_eq!(client.put(&path, json!({"tags": []})).await.failure().0, 404);
        assert_eq!(client.delete(&path).await.failure().0, 404);
    }
}
