//! `/v1/applications` and `/v1/identities`: what is kept, who sees it, and that secrets are in one answer alone.

use reqwest::Method;
use roadstead_testing::answer::{Answer, Client};
use roadstead_testing::server::TestServer;
use serde_json::{Value, json};

fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    answer.json()
}

async fn identity(client: &Client, body: Value) -> Value {
    created(&client.post("/v1/identities", body).await)
}

#[tokio::test]
async fn an_application_is_made_found_and_deleted_with_all_that_is_in_it() {
    let server = TestServer::start().await;
    let client = server.client();
    let body =
        json!({"source": "https://example.com/login", "name": "Example App", "description": "An example"});
    let made = client.post("/v1/applications", body).await;
    insta::assert_snapshot!(made.shown(), @r#"
    201
    {
      "auth_methods": [],
      "created_at": "[time]",
      "description": "An example",
      "id": "[uuid]",
      "identity_count": 0,
      "name": "Example App",
      "updated_at": "[time]",
      "url": "https://example.com/login"
    }
    "#);
    let made = made.json();
    let path = format!("/v1/applications/{}", made["id"].as_str().unwrap());
    let unnamed = created(&client.post("/v1/applications", json!({"source": "http://Other.test"})).await);
    assert_eq!((&unnamed["name"], &unnamed["description"]), (&json!("other.test"), &Value::Null));
    assert_eq!(client.get(&path).await.json(), made);
    let names = async |query: &str| -> Vec<String> {
        let list = client.get(&format!("/v1/applications{query}")).await.json();
        let list = list["applications"].as_array().unwrap().clone();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("").await, ["Example App", "other.test"]);
    assert_eq!(names("?search=EXAMPLE").await, ["Example App"]);
    assert_eq!(names("?search=nothing").await, Vec::<String>::new());

    let flows = format!("{path}/auth-flows");
    let flow = json!({"name": "Standard", "is_recommended": true, "methods": ["username_password", "username_password"]});
    let first = created(&client.post(&flows, flow).await);
    assert_eq!(
        (&first["methods"], &first["custom_fields"], &first["is_recommended"]),
        (&json!(["username_password"]), &json!([]), &json!(true))
    );
    let flow = json!({"name": "Codes", "is_recommended": true, "methods": ["authenticator", "custom"], "custom_fields": [{"name": "pin"}]});
    let second = created(&client.post(&flows, flow).await);
    let listed = client.get(&flows).await.json();
    let recommended: Vec<_> =
        listed["auth_flows"].as_array().unwrap().iter().map(|flow| &flow["is_recommended"]).collect();
    assert_eq!(recommended, [&json!(false), &json!(true)], "one is recommended at most");
    let mut methods = client.get(&path).await.json()["auth_methods"].as_array().unwrap().clone();
    methods.sort_by_key(ToString::to_string);
    assert_eq!(methods, ["authenticator", "custom", "username_password"]);
    let one = format!("{flows}/{}", second["id"].as_str().unwrap());
    let changed = client.patch(&one, json!({"name": "Pins"})).await.json();
    assert_eq!((&changed["name"], &changed["custom_fields"]), (&json!("Pins"), &json!([{"name": "pin"}])));
    assert_eq!(client.delete(&one).await.json(), json!({"success": true}));
    assert_eq!(client.delete(&one).await.failure(), (404, "Authentication flow not found.".to_owned()));

    let inside = identity(client, json!({"source": "https://example.com/other"})).await;
    assert_eq!(inside["application_id"], made["id"], "it is on the same host");
    assert_eq!(client.get(&path).await.json()["identity_count"], 1);
    assert_eq!(client.delete(&path).await.json(), json!({"success": true}));
    assert_eq!(client.get(&path).await.failure(), (404, "Application not found.".to_owned()));
    let gone = format!("/v1/identities/{}", inside["id"].as_str().unwrap());
    assert_eq!(client.get(&gone).await.failure(), (404, "Identity not found.".to_owned()));
    assert_eq!(client.get(&format!("{gone}/credentials")).await.failure().0, 404);
}

#[tokio::test]
async fn credentials_are_in_the_one_answer_that_is_for_them() {
    let server = TestServer::start().await;
    let client = server.client();
    let credentials = json!([
        {"type": "username_password", "username": "ada@example.com", "password": "moonraker-skysail"},
        {"type": "authenticator", "secret": "MOONRAKERSKYSAIL"},
        {"type": "custom", "fields": [{"name": "pin", "value": "moonraker-4711"}]},
    ]);
    let body = json!({
        "name": "My Work Account", "source": "https://example.com/login", "credentials": credentials,
        "metadata": {"department": "Engineering", "level": 3}, "applicationName": "Work",
    });
    let made = client.post("/v1/identities?validateAsync=true", body).await;
    insta::assert_snapshot!(made.shown(), @r#"
    201
    {
      "application_id": "[uuid]",
      "created_at": "[time]",
      "id": "[uuid]",
      "metadata": {
        "department": "Engineering",
        "level": 3
      },
      "name": "My Work Account",
      "source": "https://example.com/login",
      "status": "pending",
      "updated_at": "[time]"
    }
    "#);
    let made = made.json();
    let path = format!("/v1/identities/{}", made["id"].as_str().unwrap());
    assert_eq!(client.get(&path).await.json(), made);
    let shown = client.get(&format!("{path}/credentials")).await;
    let expected = json!({"id": made["id"], "name": "My Work Account", "source": "https://example.com/login", "credentials": credentials});
    assert_eq!((shown.status.as_u16(), shown.json()), (200, expected));

    let new = json!([{"type": "username_password", "username": "ada", "password": "moonraker-2"}]);
    let changed = client.put(&path, json!({"credentials": new})).await.json();
    assert_eq!((&changed["name"], &changed["metadata"]), (&made["name"], &made["metadata"]));
    assert_eq!(client.get(&format!("{path}/credentials")).await.json()["credentials"], new);
    let changed = client.put(&path, json!({"name": "Other", "metadata": {}})).await.json();
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("Other"), &json!({})));
    assert_eq!(client.get(&format!("{path}/credentials")).await.json()["credentials"], new);

    for query in ["/v1/audit?limit=100", "/v1/applications", &path] {
        assert!(!client.get(query).await.text.to_lowercase().contains("moonraker"), "{query}");
    }
    for file in std::fs::read_dir(server.data_dir()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        let found = bytes.windows(9).any(|window| window.eq_ignore_ascii_case(b"moonraker"));
        assert!(!found, "credentials can be read on the disk");
    }
    assert!(!server.log().to_lowercase().contains("moonraker"));
    assert_eq!(client.delete(&path).await.json(), json!({"message": "Identity deleted successfully"}));
    assert_eq!(client.get(&path).await.failure(), (404, "Identity not found.".to_owned()));

    let told = client.get("/v1/audit?limit=100").await.data();
    let items = told["items"].as_array().unwrap().iter().rev();
    let actions: Vec<_> = items.map(|item| item["action"].as_str().unwrap()).skip(1).collect();
    let read = "identity.read_credentials";
    assert_eq!(
        actions,
        [
            "application.create",
            "identity.create",
            read,
            "identity.update",
            read,
            "identity.update",
            read,
            "identity.delete"
        ]
    );
}

#[tokio::test]
async fn identities_share_the_application_of_their_host_and_are_found_in_it() {
    let server = TestServer::start().await;
    let client = server.client();
    let first =
        identity(client, json!({"source": "https://a.test/login", "metadata": {"team": "red", "level": 1}}))
            .await;
    assert_eq!(first["name"], "Unnamed Identity");
    let second = identity(
        client,
        json!({"source": "https://a.test:8443/x", "name": "Second", "metadata": {"team": "blue"}}),
    )
    .await;
    let apart = identity(client, json!({"source": "https://a.test", "applicationName": "Mine"})).await;
    let elsewhere = identity(client, json!({"source": "https://b.test"})).await;
    let application = |one: &Value| one["application_id"].as_str().unwrap().to_owned();
    assert_eq!(application(&first), application(&second));
    assert_ne!(application(&first), application(&apart));
    assert_ne!(application(&first), application(&elsewhere));
    let names = async |query: &str| -> Vec<String> {
        let path = format!("/v1/applications/{}/identities{query}", application(&first));
        let answer = client.get(&path).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        let list = answer.json()["identities"].as_array().unwrap().clone();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("").await, ["Unnamed Identity", "Second"]);
    assert_eq!(names("?search=SEC").await, ["Second"]);
    assert_eq!(names("?metadata[team]=red").await, ["Unnamed Identity"]);
    assert_eq!(names("?metadata%5Bteam%5D=red&metadata%5Blevel%5D=1").await, ["Unnamed Identity"]);
    assert_eq!(names("?metadata=%7B%22team%22%3A%22blue%22%7D").await, ["Second"]);
    assert_eq!(names("?metadata[team]=green").await, Vec::<String>::new());
}

#[tokio::test]
async fn another_projects_are_not_there_and_what_is_malformed_is_named() {
    let server = TestServer::start().await;
    let client = server.client();
    let made = identity(
        client,
        json!({"source": "https://a.test", "credentials": [{"type": "authenticator", "secret": "s"}]}),
    )
    .await;
    let application = format!("/v1/applications/{}", made["application_id"].as_str().unwrap());
    let flow = json!({"name": "f", "methods": ["custom"]});
    let flow = created(&client.post(&format!("{application}/auth-flows"), flow.clone()).await);
    let flow = format!("{application}/auth-flows/{}", flow["id"].as_str().unwrap());
    let path = format!("/v1/identities/{}", made["id"].as_str().unwrap());
    let other = server.other_project().await;
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::PUT, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::GET, format!("{path}/credentials")),
        (Method::GET, application.clone()),
        (Method::DELETE, application.clone()),
        (Method::GET, format!("{application}/identities")),
        (Method::GET, format!("{application}/auth-flows")),
        (Method::PATCH, flow.clone()),
        (Method::DELETE, flow),
        (Method::GET, "/v1/identities/x".to_owned()),
        (Method::GET, "/v1/applications/x".to_owned()),
    ] {
        let answer = other.send(other.request(method.clone(), &path).json(&json!({}))).await;
        assert_eq!(answer.failure().0, 404, "{method} {path}");
    }
    assert_eq!(client.get(&path).await.json(), made);
    let theirs = identity(&other, json!({"source": "https://a.test"})).await;
    assert_ne!(theirs["application_id"], made["application_id"]);

    for (body, field) in [
        (json!({}), "missing field `source`"),
        (json!({"source": "a.test"}), "source"),
        (json!({"source": "https://u:p@a.test"}), "source"),
        (json!({"source": "https://a.test", "name": ""}), "name"),
        (
            json!({"source": "https://a.test", "credentials": [{"type": "password", "password": "hunter2"}]}),
            "credentials[0]",
        ),
        (json!({"source": "https://a.test", "metadata": []}), "metadata"),
    ] {
        let (status, message) = client.post("/v1/identities", body.clone()).await.failure();
        assert!(
            status == 400 && message.starts_with(field) && !message.contains("hunter2"),
            "{body}: {message}"
        );
    }
    for body in [
        json!({"name": "f", "methods": []}),
        json!({"name": "f", "methods": ["guess"]}),
        json!({"name": "", "methods": ["custom"]}),
        json!({"methods": ["custom"]}),
    ] {
        let answer = client.post(&format!("{application}/auth-flows"), body.clone()).await;
        assert_eq!(answer.failure().0, 400, "{body}");
    }
}

#[tokio::test]
async fn what_would_log_in_says_what_to_do_instead() {
    let server = TestServer::start().await;
    let client = server.client();
    let made = identity(client, json!({"source": "https://a.test"})).await;
    let tokens = format!("/v1/applications/{}/tokens", made["application_id"].as_str().unwrap());
    for (path, body) in [
        (tokens.as_str(), json!({"callbackUrl": "https://a.test/callback"})),
        ("/v1/identities/profile-sessions", json!({"profile_name": "p", "initial_url": "https://a.test"})),
        ("/v1/identities?validateAsync=false", json!({"source": "https://a.test"})),
    ] {
        let (status, message) = client.post(path, body).await.failure();
        assert!(
            status == 501 && message.contains("Nothing here logs in by itself"),
            "{path}: {status} {message}"
        );
    }
    let (status, message) =
        client.post("/v1/sessions", json!({"identities": [{"id": made["id"]}]})).await.failure();
    assert!(status == 501 && message.contains("nothing logs in with them"), "{message}");
}
