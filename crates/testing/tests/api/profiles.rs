//! `/v1/profiles`: every answer of the contract's table, and what becomes of a profile.

use roadstead_testing::cdp::Page;
use roadstead_testing::server::TestServer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_name_alone_makes_an_empty_profile() {
    let server = TestServer::start().await;
    let created = server.client().post("/v1/profiles", json!({"name": "my-sticky-profile"})).await;
    insta::assert_snapshot!(created.shown(), @r#"
    200
    {
      "data": {
        "created_at": "[time]",
        "dedicated_sticky_ip": false,
        "name": "my-sticky-profile",
        "profile_status": "active",
        "size_bytes": "[size_bytes]",
        "status": "success",
        "updated_at": "[time]"
      }
    }
    "#);
    insta::assert_snapshot!(server.get("/v1/profiles/my-sticky-profile").await.shown(), @r#"
    200
    {
      "data": {
        "created_at": "[time]",
        "dedicated_sticky_ip": false,
        "name": "my-sticky-profile",
        "size_bytes": "[size_bytes]",
        "status": "active",
        "updated_at": "[time]"
      }
    }
    "#);
}

#[tokio::test]
async fn a_profile_of_a_session_is_pending_until_the_session_ends() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({})).await;
    let id = session["id"].as_str().unwrap();
    let body = json!({"name": "a", "description": "mine", "source": "session", "session_id": id});
    insta::assert_snapshot!(client.post("/v1/profiles", body).await.shown(), @r#"
    200
    {
      "data": {
        "created_at": "[time]",
        "dedicated_sticky_ip": false,
        "description": "mine",
        "name": "a",
        "profile_status": "pending",
        "session_id": "[uuid]",
        "size_bytes": "[size_bytes]",
        "source": "session",
        "status": "success",
        "updated_at": "[time]"
      }
    }
    "#);
    // A session alone is enough, and one session may fill several.
    let second = client.post("/v1/profiles", json!({"name": "b", "session_id": id})).await.data();
    assert_eq!(second["profile_status"], "pending");

    let ended = client.delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!(ended["receipts"].as_array().unwrap().len(), 2);
    for name in ["a", "b"] {
        let profile = client.get(&format!("/v1/profiles/{name}")).await.data();
        assert_eq!((&profile["status"], &profile["revision"]), (&json!("active"), &json!(1)), "{name}");
    }
    insta::assert_snapshot!(client.delete(&format!("/v1/sessions/{id}")).await.shown(), @r#"
    200
    {
      "data": {
        "id": "[uuid]",
        "reason": "requested",
        "receipts": [
          {
            "added_bytes": "[added_bytes]",
            "at": "[time]",
            "captured": {
              "bytes": {
                "other": "[other]"
              },
              "cookies": {
                "http_only": 0,
                "partitioned": 0,
                "persistent": 0,
                "secure": 0,
                "session": 0,
                "total": 0
              },
              "databases": 0,
              "origins": 0,
              "tabs": 0
            },
            "cause": "ended",
            "cookies": {
              "http_only": 0,
              "partitioned": 0,
              "persistent": 0,
              "secure": 0,
              "session": 0,
              "total": 0
            },
            "digest": "[digest]",
            "durable": true,
            "duration_ms": "[duration_ms]",
            "files": "[files]",
            "profile": "a",
            "revision": 1,
            "session_id": "[uuid]",
            "size_bytes": "[size_bytes]",
            "status": "saved"
          },
          {
            "added_bytes": "[added_bytes]",
            "at": "[time]",
            "captured": {
              "bytes": {
                "other": "[other]"
              },
              "cookies": {
                "http_only": 0,
                "partitioned": 0,
                "persistent": 0,
                "secure": 0,
                "session": 0,
                "total": 0
              },
              "databases": 0,
              "origins": 0,
              "tabs": 0
            },
            "cause": "ended",
            "cookies": {
              "http_only": 0,
              "partitioned": 0,
              "persistent": 0,
              "secure": 0,
              "session": 0,
              "total": 0
            },
            "digest": "[digest]",
            "durable": true,
            "duration_ms": "[duration_ms]",
            "files": "[files]",
            "profile": "b",
            "revision": 1,
            "session_id": "[uuid]",
            "size_bytes": "[size_bytes]",
            "status": "saved"
          }
        ],
        "session_id": "[uuid]",
        "session_status": "completed",
        "status": "success"
      }
    }
    "#);
}

#[tokio::test]
async fn malformed_requests_say_which_field_and_why() {
    let server = TestServer::start().await;
    let mut shown = Vec::new();
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": 5}),
        json!({"name": "a\nb"}),
        json!({"name": "é".repeat(256)}),
        json!({"name": "a", "source": "session"}),
        json!({"name": "a", "source": "session", "session_id": "nonsense"}),
        json!({"name": "a", "session_id": 5}),
        json!({"name": "a", "description": []}),
        json!({"name": "a", "dedicated_sticky_ip": "yes"}),
    ] {
        let (status, message) = server.client().post("/v1/profiles", body).await.failure();
        shown.push(format!("{status} {message}"));
    }
    insta::assert_snapshot!(shown.join("\n"), @r#"
    400 missing field `name`
    400 name: must not be empty
    400 name: invalid type: integer `5`, expected a string
    400 name: must not contain control characters
    400 name: must have at most 255 characters
    400 session_id: is required, since source is "session"
    400 session_id: must be a session's id, which is a UUID
    400 session_id: invalid type: integer `5`, expected a string
    400 description: invalid type: sequence, expected a string
    400 dedicated_sticky_ip: invalid type: string "yes", expected a boolean
    "#);
}

#[tokio::test]
async fn a_session_that_cannot_be_saved_is_404() {
    let server = TestServer::start().await;
    let client = server.client();
    let over = client.session(json!({})).await;
    client.delete(&format!("/v1/sessions/{}", over["id"].as_str().unwrap())).await.data();
    for id in [&over["id"], &json!(uuid::Uuid::new_v4())] {
        let answer =
            client.post("/v1/profiles", json!({"name": "a", "source": "session", "session_id": id})).await;
        assert_eq!(answer.failure(), (404, "Session not found or unreachable.".to_owned()));
    }
    assert_eq!(client.get("/v1/profiles").await.data()["count"], 0);
}

#[tokio::test]
async fn a_taken_name_is_409_and_not_to_be_retried() {
    let server = TestServer::start().await;
    let client = server.client();
    client.post("/v1/profiles", json!({"name": "a"})).await.data();
    let again = client.post("/v1/profiles", json!({"name": "a"})).await;
    assert_eq!(again.header("x-should-retry"), Some("false"));
    insta::assert_snapshot!(again.shown(), @r#"
    409
    {
      "error": {
        "code": 409,
        "message": "Profile name already exists."
      }
    }
    "#);
}

#[tokio::test]
async fn what_is_not_there_yet_is_501() {
    let server = TestServer::start().await;
    let client = server.client();
    let source = client.post("/v1/profiles", json!({"name": "a", "source": "file"})).await;
    insta::assert_snapshot!(source.shown(), @r#"
    501
    {
      "error": {
        "code": 501,
        "message": "Feature not implemented. source: only \"session\" is implemented."
      }
    }
    "#);
    let sticky = client.post("/v1/profiles", json!({"name": "a", "dedicated_sticky_ip": true})).await;
    insta::assert_snapshot!(sticky.shown(), @r#"
    501
    {
      "error": {
        "code": 501,
        "message": "Feature not implemented. dedicated_sticky_ip: this server has no exits; its operator adds them as [[egress.exits]] in roadstead.toml."
      }
    }
    "#);
    assert_eq!(client.get("/v1/profiles/a").await.failure(), (404, "Profile not found.".to_owned()));
}

#[tokio::test]
async fn names_are_any_text_and_paths_are_percent_encoded() {
    let server = TestServer::start().await;
    let client = server.client();
    for (name, path) in [
        ("Default profile", "Default%20profile"),
        ("my profile/../x", "my%20profile%2F..%2Fx"),
        ("профиль ✓", "%D0%BF%D1%80%D0%BE%D1%84%D0%B8%D0%BB%D1%8C%20%E2%9C%93"),
        ("50%", "50%25"),
        ("a?b#c", "a%3Fb%23c"),
    ] {
        client.post("/v1/profiles", json!({"name": name})).await.data();
        assert_eq!(client.get(&format!("/v1/profiles/{path}")).await.data()["name"], name);
        assert_eq!(client.delete(&format!("/v1/profiles/{path}")).await.data(), json!({"status": "success"}));
        assert_eq!(client.get(&format!("/v1/profiles/{path}")).await.failure().0, 404);
    }
}

#[tokio::test]
async fn the_list_has_all_oldest_first() {
    let server = TestServer::start().await;
    for name in ["b", "a"] {
        server.client().post("/v1/profiles", json!({"name": name})).await.data();
    }
    let list = server.get("/v1/profiles").await.data();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|profile| &profile["name"]).collect();
    assert_eq!((&list["count"], names), (&json!(2), vec![&json!("b"), &json!("a")]));
}

#[tokio::test]
async fn a_profile_can_be_changed() {
    let server = TestServer::start().await;
    let client = server.client();
    client.post("/v1/profiles", json!({"name": "a", "description": "old"})).await.data();
    let changed = client.put("/v1/profiles/a", json!({"description": "new", "store_cache": true})).await;
    insta::assert_snapshot!(changed.shown(), @r#"
    200
    {
      "data": {
        "created_at": "[time]",
        "dedicated_sticky_ip": false,
        "description": "new",
        "name": "a",
        "profile_status": "active",
        "size_bytes": "[size_bytes]",
        "status": "success",
        "updated_at": "[time]"
      }
    }
    "#);
    let session = client.session(json!({})).await;
    let bound =
        client.put("/v1/profiles/a", json!({"source": "session", "session_id": session["id"]})).await.data();
    assert_eq!((&bound["profile_status"], &bound["description"]), (&json!("pending"), &json!("new")));
    client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    assert_eq!(client.get("/v1/profiles/a").await.data()["revision"], 1);
    assert_eq!(client.put("/v1/profiles/b", json!({"description": "new"})).await.failure().0, 404);
}

#[tokio::test]
async fn a_deleted_profiles_session_goes_on_and_its_receipt_says_dropped() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({"browser": {"profile": {"name": "a", "persist": true}}})).await;
    let id = session["id"].as_str().unwrap();
    client.delete("/v1/profiles/a").await.data();
    assert_eq!(client.get(&format!("/v1/sessions/{id}")).await.data()["status"], "running");
    let ended = client.delete(&format!("/v1/sessions/{id}")).await.data();
    assert_eq!((&ended["status"], &ended["receipts"][0]["status"]), (&json!("success"), &json!("dropped")));
    assert_eq!(client.get("/v1/profiles/a").await.failure().0, 404);
}

#[tokio::test]
async fn cookies_of_both_kinds_come_back_with_the_profile() {
    let server = TestServer::start().await;
    let client = server.client();
    let first = client.session(json!({"browser": {"profile": {"name": "a", "persist": true}}})).await;
    let mut page = Page::open(first["cdp_url"].as_str().unwrap()).await.unwrap();
    let cookies = json!({"cookies": [
        {"name": "lasting", "value": "1", "domain": "a.example", "path": "/", "expires": 4_000_000_000_u64, "httpOnly": true},
        {"name": "fleeting", "value": "2", "domain": "a.example", "path": "/"},
    ]});
    page.call("Storage.setCookies", cookies).await.unwrap();
    drop(page);
    let ended = client.delete(&format!("/v1/sessions/{}", first["id"].as_str().unwrap())).await.data();
    let receipt = &ended["receipts"][0];
    assert_eq!(
        (&receipt["status"], &receipt["revision"], &receipt["durable"]),
        (&json!("saved"), &json!(1), &json!(true))
    );
    let cookies =
        json!({"total": 2, "session": 1, "persistent": 1, "secure": 0, "partitioned": 0, "http_only": 1});
    assert_eq!((&receipt["cookies"], &receipt["captured"]["cookies"]), (&cookies, &cookies));

    let second = client.session(json!({"browser": {"profile": {"name": "a"}}})).await;
    let mut page = Page::open(second["cdp_url"].as_str().unwrap()).await.unwrap();
    let held: Value = page.call("Storage.getCookies", json!({})).await.unwrap();
    let mut names: Vec<_> =
        held["cookies"].as_array().unwrap().iter().map(|cookie| cookie["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["fleeting", "lasting"]);
    let shown = client.get(&format!("/v1/sessions/{}", second["id"].as_str().unwrap())).await.data();
    let restore = &shown["profile"]["restore"];
    assert_eq!((&shown["profile"]["revision"], &restore["captured"]), (&json!(1), &json!("final")));
    assert_eq!(restore["saved_with"], restore["opened_with"]);
    assert_eq!(restore["restored"]["cookies"], 1, "the lasting one came with the files");
}
