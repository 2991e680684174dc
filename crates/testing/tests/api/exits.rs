//! Exits: `/v1/exits`, an exit of a profile's own, and the way out of a session.

use roadstead_testing::answer::Client;
use roadstead_testing::server::{TestServer, TestServerOptions};
use serde_json::{Value, json};

/// Three addresses of this machine, one of them for everybody.
const EXITS: &str = r#"
[egress]
allow = ["127.0.0.0/8"]
default_exit = "shared"
[[egress.exits]]
name = "shared"
kind = "source_address"
address = "127.0.0.4"
[[egress.exits]]
name = "berlin"
kind = "source_address"
address = "127.0.0.2"
country_code = "de"
region = "be"
city = "Berlin"
[[egress.exits]]
name = "paris"
kind = "source_address"
address = "127.0.0.3"
country_code = "fr"
[[egress.exits]]
name = "down"
kind = "proxy"
url = "socks5://user:hunter2@127.0.0.1:1"
country_code = "us"
"#;

async fn server(config: &'static str) -> TestServer {
    TestServer::start_with(TestServerOptions { config, ..TestServerOptions::default() }).await
}

async fn sticky(client: &Client, name: &str, exit: Option<&str>) -> (u16, String) {
    let answer =
        client.post("/v1/profiles", json!({"name": name, "dedicated_sticky_ip": true, "exit": exit})).await;
    match answer.status.as_u16() {
        200 => (200, answer.data()["exit"].to_string()),
        _ => answer.failure(),
    }
}

/// Starts a session, and returns its id and how it goes out.
async fn session(client: &Client, body: Value) -> (String, Value) {
    let id = client.session(body).await["id"].as_str().unwrap().to_owned();
    let proxy = client.get(&format!("/v1/sessions/{id}")).await.data()["proxy"].take();
    (id, proxy)
}

#[tokio::test]
async fn a_server_without_exits_says_which_key_makes_some() {
    let server = TestServer::start().await;
    let client = server.client();
    assert_eq!(client.get("/v1/exits").await.data(), json!({"count": 0, "items": []}));
    let why = "this server has no exits; its operator adds them as [[egress.exits]] in roadstead.toml.";
    for (field, answer) in [
        (
            "dedicated_sticky_ip",
            client.post("/v1/profiles", json!({"name": "a", "dedicated_sticky_ip": true})).await,
        ),
        ("session.proxy", client.post("/v1/sessions", json!({"session": {"proxy": {"active": true}}})).await),
        (
            "session.proxy.exit",
            client.post("/v1/sessions", json!({"session": {"proxy": {"exit": "x"}}})).await,
        ),
    ] {
        assert_eq!(answer.failure(), (501, format!("Feature not implemented. {field}: {why}")));
    }
    assert_eq!(client.get("/v1/profiles/a").await.status, 404);
}

#[tokio::test]
async fn an_exit_belongs_to_one_profile_until_that_is_deleted() {
    let server = server(EXITS).await;
    let client = server.client();
    assert_eq!(
        sticky(client, "a", None).await,
        (200, json!({"name": "berlin", "address": "127.0.0.2"}).to_string())
    );
    let profile = client.get("/v1/profiles/a").await.data();
    assert_eq!(profile["dedicated_sticky_ip"], true);
    assert_eq!(profile["exit"], json!({"name": "berlin", "address": "127.0.0.2"}));

    let taken = "is taken: another profile holds it, or sessions that are running use it.";
    for (exit, answer) in [
        ("berlin", (409, format!("The exit \"berlin\" {taken}"))),
        (
            "shared",
            (
                409,
                "The exit \"shared\" is the server's default one, which all sessions share; choose another."
                    .to_owned(),
            ),
        ),
        ("rome", (400, "exit: this server has no exit of that name; GET /v1/exits lists them".to_owned())),
        ("down", (200, json!({"name": "down"}).to_string())),
    ] {
        assert_eq!(sticky(client, "b", Some(exit)).await, answer);
    }
    assert_eq!(sticky(client, "c", None).await.0, 200);
    let all = "All 3 exits of this server that can be reserved are taken. Delete a profile that holds one, or add exits to egress.exits in roadstead.toml.";
    assert_eq!(sticky(client, "d", None).await, (503, all.to_owned()));
    assert_eq!(
        client.get("/v1/profiles/d").await.status,
        404,
        "a profile without what was asked for is none"
    );

    client.delete("/v1/profiles/a").await.data();
    assert_eq!(
        sticky(client, "d", None).await.1,
        json!({"name": "berlin", "address": "127.0.0.2"}).to_string()
    );
}

#[tokio::test]
async fn of_two_who_want_the_last_exit_one_gets_it() {
    let server = server(EXITS).await;
    let client = server.client();
    for name in ["a", "b"] {
        assert_eq!(sticky(client, name, None).await.0, 200);
    }
    for round in 0..8 {
        let names = [format!("one-{round}"), format!("two-{round}")];
        let (one, two) = tokio::join!(sticky(client, &names[0], None), sticky(client, &names[1], None));
        let mut statuses = [one.0, two.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 503], "{one:?} {two:?}");
        let winner = if one.0 == 200 { &names[0] } else { &names[1] };
        client.delete(&format!("/v1/profiles/{winner}")).await.data();
    }
}

#[tokio::test]
async fn a_profile_may_get_its_exit_later_and_keeps_it() {
    let server = server(EXITS).await;
    let client = server.client();
    client.post("/v1/profiles", json!({"name": "a"})).await.data();
    let unclear = client.put("/v1/profiles/a", json!({"exit": "paris"})).await;
    assert_eq!(
        unclear.failure(),
        (400, "exit: means something only when dedicated_sticky_ip is true".to_owned())
    );
    let change = json!({"dedicated_sticky_ip": true, "exit": "paris"});
    assert_eq!(client.put("/v1/profiles/a", change.clone()).await.data()["exit"]["name"], "paris");
    for harmless in [change, json!({"dedicated_sticky_ip": true}), json!({"dedicated_sticky_ip": false})] {
        assert_eq!(client.put("/v1/profiles/a", harmless).await.data()["exit"]["name"], "paris");
    }
    let other = client.put("/v1/profiles/a", json!({"dedicated_sticky_ip": true, "exit": "berlin"})).await;
    assert_eq!(
        other.failure(),
        (409, "The profile holds the exit \"paris\", and keeps it until it is deleted.".to_owned())
    );
}

#[tokio::test]
async fn exits_are_listed_without_credentials_and_without_other_projects_profiles() {
    let server = server(EXITS).await;
    let other = server.other_project().await;
    sticky(server.client(), "a", Some("berlin")).await;
    sticky(&other, "theirs", Some("paris")).await;
    let check = server.client().post("/v1/exits/berlin/check", json!({})).await.data();
    assert_eq!((&check["ok"], &check["problem"]), (&json!(true), &Value::Null));
    let check = server.client().post("/v1/exits/down/check", json!({})).await.data();
    assert_eq!(check["ok"], false, "{check}");
    assert_eq!(server.client().post("/v1/exits/rome/check", json!({})).await.status, 404);
    let listed = server.get("/v1/exits").await;
    assert!(!listed.text.contains("hunter2") && !listed.text.contains("user:"), "{}", listed.text);
    insta::assert_snapshot!(listed.shown(), @r#"
    200
    {
      "data": {
        "count": 4,
        "items": [
          {
            "address": "127.0.0.4",
            "default": true,
            "kind": "source_address",
            "name": "shared",
            "reserved": false
          },
          {
            "address": "127.0.0.2",
            "city": "Berlin",
            "country_code": "de",
            "default": false,
            "kind": "source_address",
            "last_check": {
              "at": "[time]",
              "duration_ms": "[duration_ms]",
              "ok": true
            },
            "name": "berlin",
            "profile": "a",
            "region": "be",
            "reserved": true
          },
          {
            "address": "127.0.0.3",
            "country_code": "fr",
            "default": false,
            "kind": "source_address",
            "name": "paris",
            "reserved": true
          },
          {
            "address": null,
            "country_code": "us",
            "default": false,
            "kind": "proxy",
            "last_check": {
              "at": "[time]",
              "duration_ms": "[duration_ms]",
              "ok": false,
              "problem": "the exit is down: its proxy cannot be connected to (connection refused)"
            },
            "name": "down",
            "reserved": false
          }
        ]
      }
    }
    "#);
    let seen = other.get("/v1/exits").await.data();
    assert_eq!((&seen["items"][1]["reserved"], &seen["items"][1]["profile"]), (&json!(true), &Value::Null));
    assert_eq!(seen["items"][2]["profile"], "theirs");
    assert!(!server.log().contains("hunter2"));
}

#[tokio::test]
async fn a_session_goes_out_as_its_profile_its_wish_or_the_server_says() {
    let server = server(EXITS).await;
    let client = server.client();
    sticky(client, "a", Some("berlin")).await;
    let profile = json!({"profile": {"name": "a"}});
    let way = |kind: &str, exit: &str, address: &str| json!({"active": true, "type": kind, "exit": exit, "address": address});
    for (body, expected) in [
        (json!({"browser": profile}), way("dedicated_sticky_ip", "berlin", "127.0.0.2")),
        (json!({}), way("default_exit", "shared", "127.0.0.4")),
        (json!({"session": {"proxy": {}}}), way("default_exit", "shared", "127.0.0.4")),
        (json!({"session": {"proxy": {"active": false}}}), json!({"active": false})),
        (json!({"browser": profile, "session": {"proxy": {"active": false}}}), json!({"active": false})),
        (
            json!({"session": {"proxy": {"active": true, "type": "anchor_proxy", "country_code": "FR"}}}),
            way("anchor_proxy", "paris", "127.0.0.3"),
        ),
        (
            json!({"browser": profile, "session": {"proxy": {"active": true, "type": "anchor_residential", "country_code": "fr"}}}),
            way("anchor_proxy", "paris", "127.0.0.3"),
        ),
        // The exit that is reserved for the session's own profile is not taken.
        (
            json!({"browser": profile, "session": {"proxy": {"country_code": "de", "region": "BE", "city": "berlin"}}}),
            way("anchor_proxy", "berlin", "127.0.0.2"),
        ),
        (json!({"session": {"proxy": {"exit": "paris"}}}), way("exit", "paris", "127.0.0.3")),
    ] {
        let (id, proxy) = session(client, body.clone()).await;
        assert_eq!(proxy, expected, "{body}");
        client.delete(&format!("/v1/sessions/{id}")).await.data();
    }
    let refused = [
        (json!({"country_code": "af"}), 400, "session.proxy: no exit of this server has that"),
        (json!({"country_code": "de"}), 503, "All exits of this server that match are reserved"),
        (json!({"exit": "berlin"}), 409, "The exit \"berlin\" is reserved for another profile."),
        (json!({"exit": "rome"}), 400, "session.proxy.exit: this server has no exit of that name"),
        (json!({"country_code": "us"}), 502, "The exit \"down\" cannot be used: "),
        (
            json!({"server": "127.0.0.1:1", "username": "u", "password": "hunter2"}),
            502,
            "The proxy http://127.0.0.1:1 cannot be used: ",
        ),
    ];
    for (proxy, status, why) in refused {
        let (found, message) =
            client.post("/v1/sessions", json!({"session": {"proxy": proxy}})).await.failure();
        assert!(found == status && message.starts_with(why), "{proxy}: {found} {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let listed = client.get("/v1/sessions?proxy=true&limit=50").await.data();
    assert!(listed["sessions"].as_array().unwrap().iter().all(|session| !session["proxy_type"].is_null()));
    let direct = client.get("/v1/sessions?proxy=false&limit=50").await.data();
    assert_eq!(direct["total"], 2);
    assert!(!server.log().contains("hunter2"));
}

#[tokio::test]
async fn what_a_running_session_uses_is_not_given_to_a_profile() {
    let server = server(EXITS).await;
    let client = server.client();
    let (id, _) = session(client, json!({"session": {"proxy": {"exit": "berlin"}}})).await;
    assert_eq!(sticky(client, "a", Some("berlin")).await.0, 409);
    assert_eq!(
        sticky(client, "a", None).await.1,
        json!({"name": "paris", "address": "127.0.0.3"}).to_string()
    );
    // Except to the profile that is made of that session.
    let body = json!({"name": "b", "session_id": id, "dedicated_sticky_ip": true, "exit": "berlin"});
    assert_eq!(client.post("/v1/profiles", body).await.data()["exit"]["name"], "berlin");
    client.delete(&format!("/v1/sessions/{id}")).await.data();
}

#[tokio::test]
async fn a_way_out_is_changed_as_a_whole_or_not_at_all() {
    let server = server(EXITS).await;
    let client = server.client();
    let (id, before) = session(client, json!({})).await;
    let path = format!("/v1/sessions/{id}/proxy");
    for (proxy, status) in [
        (json!({"country_code": "us"}), 502),
        (json!({"country_code": "af"}), 400),
        (json!({"type": "vpn"}), 400),
        (json!({"active": 5}), 400),
    ] {
        assert_eq!(client.put(&path, proxy.clone()).await.status, status, "{proxy}");
        let now = client.get(&format!("/v1/sessions/{id}")).await.data()["proxy"].take();
        assert_eq!(now, before);
    }
    insta::assert_snapshot!(client.put(&path, json!({"exit": "paris"})).await.shown(), @r#"
    200
    {
      "data": {
        "proxy": {
          "active": true,
          "address": "127.0.0.3",
          "exit": "paris",
          "type": "exit"
        },
        "session_id": "[uuid]",
        "status": "success"
      }
    }
    "#);
    assert_eq!(client.get("/v1/sessions").await.data()["sessions"][0]["browser_ip"], "127.0.0.3");
    let (other, _) = session(client, json!({})).await;
    sticky(client, "a", Some("berlin")).await;
    assert_eq!(client.put(&path, json!({"exit": "berlin"})).await.status, 409);
    let direct = client.put(&path, json!({"active": false})).await.data();
    assert_eq!(direct["proxy"], json!({"active": false}));
    assert_eq!(client.put(&path, json!({})).await.data()["proxy"]["type"], "default_exit");
    let stranger = server.other_project().await;
    assert_eq!(stranger.put(&path, json!({"active": false})).await.status, 404);
    let told = client.get("/v1/audit?action=session.proxy").await.data();
    let told: Vec<_> =
        told["items"].as_array().unwrap().iter().map(|item| [&item["detail"], &item["subject"]]).collect();
    assert_eq!(json!(told), json!([["default_exit", "shared"], ["direct", null], ["exit", "paris"]]));
    for id in [id, other] {
        client.delete(&format!("/v1/sessions/{id}")).await.data();
    }
    assert_eq!(client.put(&path, json!({"active": false})).await.status, 404);
}
