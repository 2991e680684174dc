//! The few calls of the API that the story needs, as any client would make them.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A client with a key.
pub struct Api {
    client: reqwest::Client,
    url: String,
    key: String,
}

/// A session that was started.
#[derive(Deserialize)]
pub struct Session {
    pub id: String,
    pub cdp_url: String,
}

/// How a session ended.
#[derive(Deserialize)]
pub struct Ended {
    #[serde(default)]
    pub receipts: Vec<Receipt>,
}

/// What a save returned.
#[derive(Deserialize)]
pub struct Receipt {
    pub status: String,
    pub reason: Option<String>,
    #[serde(default)]
    pub revision: u64,
    #[serde(default)]
    pub size_bytes: u64,
    #[serde(default)]
    pub added_bytes: u64,
    #[serde(default)]
    pub files: u64,
    #[serde(default)]
    pub digest: String,
}

#[derive(Deserialize)]
struct Details {
    browser_version: Option<String>,
}

#[derive(Deserialize)]
struct Profile {
    status: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

impl Api {
    pub fn new(url: &str, key: &str) -> Self {
        Self { client: reqwest::Client::new(), url: url.to_owned(), key: key.to_owned() }
    }

    /// Starts a session: headless or not, on a profile or on none.
    pub async fn start(&self, headless: bool, profile: Option<&str>) -> Result<Session> {
        let mut browser = json!({"headless": {"active": headless}});
        if let Some(name) = profile {
            browser["profile"] = json!({"name": name});
        }
        self.call(Method::POST, "/v1/sessions", Some(json!({"browser": browser}))).await
    }

    pub async fn end(&self, session: &Session) -> Result<Ended> {
        self.call(Method::DELETE, &format!("/v1/sessions/{}", session.id), None).await
    }

    /// Makes an empty profile with an exit of its own, and returns the address that sites will see.
    pub async fn create_sticky_profile(&self, name: &str) -> Result<String> {
        let body = json!({"name": name, "dedicated_sticky_ip": true});
        let profile: Value = self.call(Method::POST, "/v1/profiles", Some(body)).await?;
        let address = profile["exit"]["address"].as_str().context("a profile knows its exit's address")?;
        Ok(address.to_owned())
    }

    /// Asks that a running session be saved into a new profile when it ends.
    pub async fn create_profile(&self, name: &str, session: &Session) -> Result<()> {
        let body = json!({"name": name, "source": "session", "session_id": session.id});
        self.call::<Value>(Method::POST, "/v1/profiles", Some(body)).await?;
        Ok(())
    }

    pub async fn profile_status(&self, name: &str) -> Result<String> {
        let profile: Profile = self.call(Method::GET, &format!("/v1/profiles/{name}"), None).await?;
        Ok(profile.status)
    }

    /// Returns the product and version of a session's browser.
    pub async fn browser_version(&self, session: &Session) -> Result<String> {
        let details: Details = self.call(Method::GET, &format!("/v1/sessions/{}", session.id), None).await?;
        details.browser_version.context("a running session knows its browser")
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> Result<T> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
        request = request.header("anchor-api-key", &self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{method} {path}: {status} {text}");
        let envelope: Envelope<T> = serde_json::from_str(&text)
            .with_context(|| format!("{method} {path}: unexpected answer {text}"))?;
        Ok(envelope.data)
    }
}
