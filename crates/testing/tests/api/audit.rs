//! `GET /v1/audit`: who did what, and that nothing happens that is not on record.

use roadstead_server::audit::Query;
use roadstead_server::db::Db;
use roadstead_testing::answer::Client;
use roadstead_testing::server::TestServer;
use serde_json::{Value, json};

use crate::cdp::Socket;

/// Returns the actions in the order in which they were done.
async fn actions(client: &Client, query: &str) -> Vec<String> {
    let page = client.get(&format!("/v1/audit?limit=500{query}")).await.data();
    let items = page["items"].as_array().unwrap().iter().rev();
    items.map(|item| item["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_sessions_life_is_told_from_end_to_end() {
    let server = TestServer::start().await;
    let client = server.client();
    let profile = json!({"browser": {"profile": {"name": "p", "persist": true}}});
    let first = client.session(profile.clone()).await;
    let id = first["id"].as_str().unwrap();
    drop(Socket::open(first["cdp_url"].as_str().unwrap()).await);
    client.delete(&format!("/v1/sessions/{id}")).await.data();
    let second = client.session(profile).await;
    client.delete(&format!("/v1/sessions/{}", second["id"].as_str().unwrap())).await.data();

    let told = ["profile.create", "session.create", "session.attach", "profile.save", "session.end"];
    assert_eq!(actions(client, &format!("&session={id}")).await, told);
    let of_second = format!("&session={}", second["id"].as_str().unwrap());
    let told = ["profile.load", "session.create", "profile.save", "session.end"];
    assert_eq!(actions(client, &of_second).await, told);

    let page = client.get(&format!("/v1/audit?session={id}&action=profile.save")).await;
    insta::assert_snapshot!(page.shown(), @r#"
    200
    {
      "data": {
        "items": [
          {
            "action": "profile.save",
            "api_key": {
              "id": "[uuid]",
              "name": "first"
            },
            "at": "[time]",
            "detail": "ended",
            "id": 5,
            "origin": "server",
            "outcome": "ok",
            "profile": "p",
            "revision": 1,
            "session_id": "[uuid]"
          }
        ]
      }
    }
    "#);
    let page = client.get(&format!("/v1/audit?session={id}&action=session.end")).await;
    insta::assert_snapshot!(page.shown(), @r#"
    200
    {
      "data": {
        "items": [
          {
            "action": "session.end",
            "api_key": {
              "id": "[uuid]",
              "name": "first"
            },
            "at": "[time]",
            "detail": "requested",
            "id": 6,
            "origin": "127.0.0.1",
            "outcome": "ok",
            "session_id": "[uuid]"
          }
        ]
      }
    }
    "#);
    let attached = client.get(&format!("/v1/audit?session={id}&action=session.attach")).await.data();
    // With the session's token, so with no key.
    assert_eq!(attached["items"][0]["api_key"], Value::Null, "{attached}");
    assert_eq!(attached["items"][0]["origin"], "127.0.0.1");
}

#[tokio::test]
async fn tokens_are_told_by_their_ids() {
    let server = TestServer::start().await;
    let client = server.client();
    let session = client.session(json!({})).await;
    let path = format!("/v1/sessions/{}/tokens", session["id"].as_str().unwrap());
    let minted = client.post(&path, json!({})).await.data();
    let (id, secret) =
        (minted["tokens"][0]["id"].as_str().unwrap(), minted["tokens"][0]["token"].as_str().unwrap());
    client.delete(&format!("{path}/{secret}")).await.data();
    let told = client.get("/v1/audit?limit=2").await;
    let subjects: Vec<_> = told.data()["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|item| {
            (item["action"].as_str().unwrap().to_owned(), item["subject"].as_str().unwrap().to_owned())
        })
        .collect();
    let of = |action: &str| (action.to_owned(), id.to_owned());
    assert_eq!(subjects, [of("session.token_mint"), of("session.token_revoke")]);
    assert!(!client.get("/v1/audit?limit=500").await.text.contains(secret));
}

#[tokio::test]
async fn what_is_done_to_profiles_and_revisions_is_told() {
    let server = TestServer::start().await;
    let client = server.client();
    for _ in 0..2 {
        let session = client.session(json!({"browser": {"profile": {"name": "p", "persist": true}}})).await;
        client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    }
    client.put("/v1/profiles/p", json!({"description": "mine"})).await.data();
    client.post("/v1/profiles/p/revisions/1/pin", json!({})).await.data();
    client.delete("/v1/profiles/p/revisions/1/pin").await.data();
    client.post("/v1/profiles/p/revisions/1/rollback", json!({})).await.data();
    client.delete("/v1/profiles/p/revisions/2").await.data();
    client.delete("/v1/profiles/p").await.data();
    client.post("/v1/profiles", json!({"name": "q"})).await.data();

    let all = client.get("/v1/audit?profile=p&limit=6").await.data();
    let told: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|item| {
            (item["action"].as_str().unwrap(), item["revision"].as_u64(), item["api_key"]["name"].as_str())
        })
        .collect();
    let first = Some("first");
    assert_eq!(
        told,
        [
            ("profile.update", None, first),
            ("revision.pin", Some(1), first),
            ("revision.unpin", Some(1), first),
            ("revision.rollback", Some(3), first),
            ("revision.delete", Some(2), first),
            ("profile.delete", None, first),
        ]
    );
    assert_eq!(actions(client, "&profile=q").await, ["profile.create"]);
    // What is refused changes nothing, and is not told.
    client.delete("/v1/profiles/p").await.failure();
    assert_eq!(actions(client, "&profile=p&action=profile.delete").await.len(), 1);
}

#[tokio::test]
async fn pages_go_back_in_time_and_filters_choose() {
    let server = TestServer::start().await;
    let client = server.client();
    for number in 0..5 {
        client.post("/v1/profiles", json!({"name": format!("p{number}")})).await.data();
    }
    let mut found = Vec::new();
    let mut before = String::new();
    loop {
        let page = client.get(&format!("/v1/audit?action=profile.create&limit=2{before}")).await.data();
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item["profile"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_before"].as_u64() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(found, ["p4", "p3", "p2", "p1", "p0"]);

    let all = client.get("/v1/audit?action=profile.create").await.data();
    let at = all["items"][2]["at"].as_str().unwrap();
    let count = async |query: &str| {
        client.get(&format!("/v1/audit?action=profile.create&{query}")).await.data()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert!(count(&format!("since={at}")).await >= 3);
    assert!(count(&format!("until={at}")).await >= 3);
    assert_eq!(count("since=2099-01-01").await, 0);
    assert_eq!(count("until=2000-01-01").await, 0);
    for (query, field) in [
        ("limit=501", "limit"),
        ("limit=0", "limit"),
        ("before=x", "before"),
        ("action=profile.invent", "action"),
        ("session=x", "session"),
        ("since=yesterday", "since"),
    ] {
        let (status, message) = client.get(&format!("/v1/audit?{query}")).await.failure();
        assert!(status == 400 && message.starts_with(field), "{query}: {message}");
    }
}

#[tokio::test]
async fn only_the_callers_project_is_shown() {
    let server = TestServer::start().await;
    server.client().post("/v1/profiles", json!({"name": "mine"})).await.data();
    let other = server.other_project().await;
    assert_eq!(actions(&other, "").await, ["key.create"]);
    assert_eq!(actions(&other, "&profile=mine").await, Vec::<String>::new());
    assert_eq!(actions(server.client(), "").await, ["key.create", "profile.create"]);
}

/// An attacker must not fill the disk, and is in no project's log.
#[tokio::test]
async fn wrong_keys_are_on_record_but_not_every_one() {
    let server = TestServer::start().await;
    let wrong = Client::new(server.address(), Some("sk-wrong-key-of-somebody"));
    for _ in 0..40 {
        wrong.get("/v1/sessions").await.failure();
    }
    assert!(!actions(server.client(), "").await.contains(&"auth.failed".to_owned()));
    let db = Db::open(&server.data_dir().join("roadstead.db")).await.unwrap();
    let all = db.audit(&Query { limit: 100, ..Query::default() }).await.unwrap();
    let failed = all.iter().filter(|record| record.action.as_str() == "auth.failed");
    let origins: Vec<_> = failed.map(|record| record.origin.clone()).collect();
    assert!((1..=11).contains(&origins.len()), "{origins:?}");
    assert!(origins.iter().all(|origin| origin == "127.0.0.1"));
    assert!(all.iter().all(|record| !format!("{record:?}").contains("sk-wrong")));
    db.close().await;
}
