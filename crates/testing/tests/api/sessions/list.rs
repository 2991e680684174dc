//! `GET /v1/sessions` and `GET /v1/sessions/all/status`.

use roadstead_testing::server::TestServer;
use serde_json::{Value, json};

/// Starts three sessions, of which the first is over; returns their ids.
async fn three(server: &TestServer) -> Vec<String> {
    let mut ids = Vec::new();
    for body in [
        json!({"session": {"tags": ["Production", "scraping"]}, "browser": {"profile": {"name": "Default profile", "persist": true}}}),
        json!({"session": {"tags": ["production"]}, "browser": {"headless": {"active": true}}}),
        json!({}),
    ] {
        let session = server.client().session(body).await;
        ids.push(session["id"].as_str().unwrap().to_owned());
    }
    server.client().delete(&format!("/v1/sessions/{}", ids[0])).await.data();
    ids
}

/// Returns which of the three a list has, in its order.
fn places(items: &Value, ids: &[String]) -> Vec<usize> {
    let place = |item: &Value| ids.iter().position(|id| item["id"] == **id).unwrap();
    items.as_array().unwrap().iter().map(place).collect()
}

#[tokio::test]
async fn filters_choose() {
    let server = TestServer::start().await;
    let ids = three(&server).await;
    for (query, expected) in [
        ("", vec![0, 1, 2]),
        ("sort_order=desc", vec![2, 1, 0]),
        ("sort_by=api_key_name&sort_order=asc", vec![0, 1, 2]),
        ("status=completed", vec![0]),
        ("status=running", vec![1, 2]),
        ("status=unheard-of", vec![]),
        ("tags=production", vec![1]),
        ("tags=Production,scraping", vec![0]),
        ("tags=production,scraping", vec![]),
        ("search=prod", vec![0, 1]),
        ("search=PROD,scrap", vec![0]),
        ("search=%25", vec![]),
        ("profile_name=default%20PRO", vec![0]),
        ("profile_name=_", vec![]),
        ("created_from=2020-01-01", vec![0, 1, 2]),
        ("created_to=2020-01-01T00:00:00Z", vec![]),
        ("domains=example.com", vec![]),
        ("batch_id=x", vec![]),
        ("proxy=true", vec![]),
        ("proxy=false&playground=false&task_initiated=false&extra_stealth=false", vec![0, 1, 2]),
        ("page=2", vec![]),
    ] {
        let data = server.get(&format!("/v1/sessions?{query}")).await.data();
        assert_eq!(places(&data["sessions"], &ids), expected, "{query}");
    }
    for (query, expected) in
        [("", vec![1, 2]), ("tags=production", vec![1]), ("proxy=true", vec![]), ("profile_name=x", vec![])]
    {
        let data = server.get(&format!("/v1/sessions/all/status?{query}")).await.data();
        assert_eq!(places(&data["items"], &ids), expected, "{query}");
        assert_eq!(data["count"], expected.len());
    }
}

#[tokio::test]
async fn items_have_everything_that_is_required() {
    let server = TestServer::start().await;
    three(&server).await;
    insta::assert_snapshot!(server.get("/v1/sessions?search=Prod&sort_order=desc").await.shown(), @r#"
    200
    {
      "data": {
        "page": 1,
        "sessions": [
          {
            "api_key_name": "first",
            "browser_ip": null,
            "cdp_url": "ws://[address]/?sessionId=[uuid]&token=[token]",
            "created_at": "[time]",
            "domains": [],
            "duration": "[duration]",
            "headless": true,
            "id": "[uuid]",
            "proxy_bytes": 0,
            "proxy_type": null,
            "recording": false,
            "requests": 0,
            "session_id": "[uuid]",
            "status": "running",
            "steps": 0,
            "tags": [
              "production"
            ],
            "task_executions_count": 0,
            "task_initiated": false,
            "used_credits": 0,
            "user_configuration": {
              "browser": {
                "headless": {
                  "active": true
                }
              },
              "session": {
                "tags": [
                  "production"
                ]
              }
            }
          },
          {
            "api_key_name": "first",
            "browser_ip": null,
            "created_at": "[time]",
            "domains": [],
            "duration": "[duration]",
            "ended_at": "[time]",
            "headless": false,
            "id": "[uuid]",
            "profile_name": "Default profile",
            "proxy_bytes": 0,
            "proxy_type": null,
            "reason": "requested",
            "recording": false,
            "requests": 0,
            "session_id": "[uuid]",
            "status": "completed",
            "steps": 0,
            "tags": [
              "Production",
              "scraping"
            ],
            "task_executions_count": 0,
            "task_initiated": false,
            "used_credits": 0,
            "user_configuration": {
              "browser": {
                "profile": {
                  "name": "Default profile",
                  "persist": true
                }
              },
              "session": {
                "tags": [
                  "Production",
                  "scraping"
                ]
              }
            }
          }
        ],
        "total": 2,
        "total_pages": 1
      }
    }
    "#);
    insta::assert_snapshot!(server.get("/v1/sessions/all/status?tags=production").await.shown(), @r#"
    200
    {
      "data": {
        "count": 1,
        "items": [
          {
            "created_at": "[time]",
            "id": "[uuid]",
            "session_id": "[uuid]",
            "status": "running",
            "tags": [
              "production"
            ]
          }
        ]
      }
    }
    "#);
}

#[tokio::test]
async fn a_list_has_pages() {
    let server = TestServer::start().await;
    let client = server.client();
    for _ in 0..11 {
        let session = client.session(json!({})).await;
        client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    }
    let mut seen = Vec::new();
    for (page, length) in [(1, 10), (2, 1), (3, 0)] {
        let data = client.get(&format!("/v1/sessions?page={page}")).await.data();
        assert_eq!(
            (&data["total"], &data["page"], &data["total_pages"]),
            (&json!(11), &json!(page), &json!(2))
        );
        let ids: Vec<_> =
            data["sessions"].as_array().unwrap().iter().map(|item| item["id"].to_string()).collect();
        assert_eq!(ids.len(), length);
        seen.extend(ids);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 11);
    assert_eq!(client.get("/v1/sessions?limit=50").await.data()["total_pages"], 1);
}

#[tokio::test]
async fn what_is_not_offered_is_400() {
    let server = TestServer::start().await;
    let mut shown = Vec::new();
    for query in [
        "limit=11",
        "limit=x",
        "page=0",
        "sort_by=name",
        "sort_order=up",
        "created_from=soon",
        "proxy=perhaps",
        "page=1&page=2",
    ] {
        let (status, message) = server.get(&format!("/v1/sessions?{query}")).await.failure();
        shown.push(format!("{query} → {status} {message}"));
    }
    insta::assert_snapshot!(shown.join("\n"), @r"
    limit=11 → 400 limit: must be 10, 20 or 50
    limit=x → 400 limit: must be a whole number from 1
    page=0 → 400 page: must be a whole number from 1
    sort_by=name → 400 sort_by: must be created_at, session_id, used_credits or api_key_name
    sort_order=up → 400 sort_order: must be asc or desc
    created_from=soon → 400 created_from: must be an ISO 8601 date and time, 2026-01-31T12:00:00Z for example
    proxy=perhaps → 400 proxy: must be true or false
    page=1&page=2 → 400 Failed to deserialize query string: duplicate field `page`
    ");
}
