//! `/v1/sessions/history` and `/v1/billing`.

use roadstead_testing::server::TestServer;
use serde_json::json;

/// Every metric of the published API.
const ALL: &str =
    "session_count,proxy_bytes,ai_steps,session_hours,credits_used,screenshots,network_bytes_total";

#[tokio::test]
async fn sessions_are_summed_up_by_period() {
    let server = TestServer::start().await;
    let client = server.client();
    let empty = client.get("/v1/sessions/history").await;
    insta::assert_snapshot!(empty.shown(), @r#"
    200
    {
      "data": [],
      "pagination": {
        "current_page": 1,
        "has_next": false,
        "has_prev": false,
        "total_pages": 0,
        "total_records": 0
      },
      "summary": {
        "total_sessions": 0
      }
    }
    "#);
    for _ in 0..2 {
        let session = client.session(json!({})).await;
        client.delete(&format!("/v1/sessions/{}", session["id"].as_str().unwrap())).await.data();
    }
    let running = client.session(json!({})).await;
    let running = format!("/v1/sessions/{}", running["id"].as_str().unwrap());
    let created = client.get(&running).await.data()["created_at"].as_str().unwrap().to_owned();
    let month = client.get(&format!("/v1/sessions/history?granularity=month&metrics={ALL}")).await.json();
    let point = &month["data"][0];
    assert_eq!(point["date"], format!("{}-01", &created[..7]));
    assert_eq!(
        [&point["session_count"], &point["ai_steps"], &point["credits_used"], &point["screenshots"]],
        [&json!(3), &json!(0), &json!(0), &json!(0)]
    );
    assert_eq!(point["proxy_bytes"], point["network_bytes_total"]);
    assert!(point["session_hours"].as_f64().unwrap() < 1.0, "{point}");
    assert_eq!(month["summary"]["total_sessions"], 3);
    assert_eq!(month["summary"].as_object().unwrap().len(), 7);
    let hour = client.get("/v1/sessions/history?granularity=hour").await.json();
    assert!(hour["data"][0]["date"].as_str().unwrap().ends_with(":00:00Z"), "{hour}");
    assert_eq!(hour["data"][0].as_object().unwrap().len(), 2, "only what is asked for");

    let day =
        client.get(&format!("/v1/sessions/history?from_date={created}&metrics=session_count")).await.json();
    assert_eq!(day["data"], json!([{"date": &created[..10], "session_count": 1}]));
    let none = client.get("/v1/sessions/history?to_date=2001-01-01").await.json();
    assert_eq!((&none["data"], &none["summary"]["total_sessions"]), (&json!([]), &json!(0)));
    let second = client.get("/v1/sessions/history?page=2&limit=1").await.json();
    assert_eq!((&second["data"], &second["summary"]["total_sessions"]), (&json!([]), &json!(3)));
    let other = server.other_project().await;
    assert_eq!(other.get("/v1/sessions/history").await.json()["summary"]["total_sessions"], 0);
    for wrong in ["granularity=year", "metrics=colour", "limit=1001", "page=0", "from_date=yesterday"] {
        let (status, message) = client.get(&format!("/v1/sessions/history?{wrong}")).await.failure();
        let name = wrong.split('=').next().unwrap();
        assert!(status == 400 && message.starts_with(&format!("{name}: ")), "{message}");
    }
}

#[tokio::test]
async fn nothing_is_charged() {
    let server = TestServer::start().await;
    let mut billing = server.get("/v1/billing").await.data();
    let period = billing["billing_period"].take();
    let period = period.as_str().unwrap();
    assert!(period.len() == 7 && period.starts_with("20") && period.as_bytes()[4] == b'-', "{period}");
    assert_eq!(
        billing,
        json!({
            "billing_period": null, "cost_limit": null, "credits": 1_000_000_000, "credits_used": 0, "gifts_balance": 0,
            "included_credits": 1_000_000_000, "max_concurrent_browsers": -1, "tier": "self_hosted",
        })
    );
}
