//! `/v1/certificates`: what is taken and what is refused. That browsers trust them is in `tests/options`.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use roadstead_testing::answer::{Answer, Client};
use roadstead_testing::form;
use roadstead_testing::server::TestServer;
use serde_json::json;

fn authority() -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

async fn send(client: &Client, body: Vec<u8>) -> Answer {
    let request = client.request(Method::POST, "/v1/certificates").header(CONTENT_TYPE, form::CONTENT_TYPE);
    client.send(request.body(body)).await
}

#[tokio::test]
async fn a_certificate_is_uploaded_listed_and_deleted() {
    let server = TestServer::start().await;
    let client = server.client();
    let der = authority();
    let added = send(client, form::named("my-CA_1", "ca.crt", &der)).await.data();
    assert_eq!((&added["name"], &added["description"]), (&json!("my-CA_1"), &json!(null)));
    let described = [form::text("description", "for tests"), form::named("two", "ca.DER", &der)].concat();
    let second = send(client, described).await.data();
    assert_eq!(second["description"], "for tests");
    assert_eq!(client.get("/v1/certificates").await.json(), json!({"data": [added, second]}));
    let taken = (409, "A certificate with this name already exists.".to_owned());
    assert_eq!(send(client, form::named("two", "ca.crt", &der)).await.failure(), taken);
    // To another project none of them exists, and its names are its own.
    let other = server.other_project().await;
    assert_eq!(other.get("/v1/certificates").await.json(), json!({"data": []}));
    let gone = (404, "Certificate not found.".to_owned());
    assert_eq!(other.delete("/v1/certificates/two").await.failure(), gone);
    let body = json!({"browser": {"ca_certificates": ["two"]}});
    for path in ["/v1/sessions", "/v1/sessions/async"] {
        let (status, message) = other.post(path, body.clone()).await.failure();
        assert!(
            status == 400 && message.starts_with("browser.ca_certificates: there is no certificate \"two\""),
            "{message}"
        );
    }
    send(&other, form::named("two", "ca.crt", &der)).await.data();
    assert_eq!(client.delete("/v1/certificates/two").await.json(), json!({"data": {"status": "success"}}));
    assert_eq!(client.delete("/v1/certificates/two").await.failure(), gone);
    assert_eq!(client.get("/v1/certificates").await.data().as_array().unwrap().len(), 1);
    let audit = client.get("/v1/audit?limit=100").await.json().to_string();
    assert!(audit.contains("certificate.create") && audit.contains("certificate.delete"), "{audit}");
}

#[tokio::test]
async fn what_is_no_certificate_of_an_authority_is_refused() {
    let server = TestServer::start().await;
    let client = server.client();
    let der = authority();
    let long = [form::text("description", &"é".repeat(1001)), form::named("a", "a.crt", &der)].concat();
    for (body, words) in [
        (
            form::named("a b", "a.crt", &der),
            "name: must be 1 to 255 letters, digits, hyphens and underscores",
        ),
        (form::named("", "a.crt", &der), "name: must be 1 to 255"),
        (form::named(&"a".repeat(256), "a.crt", &der), "name: must be 1 to 255"),
        (form::form("a.crt", &der), "name: is required"),
        (form::named("a", "a.txt", &der), "file: must be called .crt, .pem, .cer or .der"),
        (form::named("a", "a.crt", b"text"), "The certificate is refused: it is no X.509 certificate"),
        (long, "description: must have at most 1000 characters"),
    ] {
        let (status, message) = send(client, body).await.failure();
        assert!(status == 400 && message.starts_with(words), "{status} {message}, not {words}");
    }
    let (status, message) = send(client, form::named("a", "a.crt", &vec![0; (64 << 10) + 1])).await.failure();
    assert!(
        status == 413 && message == "The file is too large: at most 64 KiB are taken.",
        "{status} {message}"
    );
    assert_eq!(client.get("/v1/certificates").await.json(), json!({"data": []}));
}

#[tokio::test]
async fn a_session_of_a_fake_browser_has_it_in_its_home() {
    let server = TestServer::start().await;
    let client = server.client();
    send(client, form::named("one", "ca.crt", &authority())).await.data();
    let session = client.session(json!({"browser": {"ca_certificates": ["one"]}})).await;
    let home = server.data_dir().join("work").join(session["id"].as_str().unwrap()).join("home");
    assert!(home.join(".pki/nssdb/cert9.db").is_file());
    let plain = client.session(json!({})).await;
    let home = server.data_dir().join("work").join(plain["id"].as_str().unwrap()).join("home");
    assert!(home.is_dir() && !home.join(".pki").exists());
}
