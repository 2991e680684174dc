//! The cookie store: all in memory, the persistent ones of the default context in the user data dir as well.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Cookies by browser context; the default one's key is empty.
pub struct Cookies {
    file: PathBuf,
    contexts: BTreeMap<String, Vec<Value>>,
}

impl Cookies {
    /// Opens the store of a user data dir.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let file = dir.join("Default/FakeCookies.json");
        let kept = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { file, contexts: BTreeMap::from([(String::new(), kept)]) })
    }

    pub fn all(&self, context: &str) -> Vec<Value> {
        self.contexts.get(context).cloned().unwrap_or_default()
    }

    /// Sets cookies, each given as a `Network.CookieParam`. The error is Chromium's.
    pub fn set(&mut self, context: &str, params: &Value) -> Result<(), &'static str> {
        let params = params.as_array().ok_or("Invalid parameters")?;
        let cookies: Option<Vec<Value>> = params.iter().map(cookie).collect();
        let jar = self.contexts.entry(context.to_owned()).or_default();
        for cookie in cookies.ok_or("Invalid cookie fields")? {
            jar.retain(|other| key(other) != key(&cookie));
            jar.push(cookie);
        }
        Ok(())
    }

    pub fn clear(&mut self, context: &str) {
        self.contexts.remove(context);
    }

    /// Writes what outlives the process.
    pub fn flush(&self) -> io::Result<()> {
        let mut kept = self.all("");
        kept.retain(|cookie| cookie["session"] == false);
        fs::create_dir_all(self.file.parent().expect("the file has a parent"))?;
        fs::write(&self.file, serde_json::to_vec(&kept)?)
    }
}

/// What tells one cookie from another.
fn key(cookie: &Value) -> [&Value; 4] {
    ["name", "domain", "path", "partitionKey"].map(|field| &cookie[field])
}

/// Turns a `Network.CookieParam` into a `Network.Cookie`.
fn cookie(param: &Value) -> Option<Value> {
    let name = param["name"].as_str()?;
    let value = param["value"].as_str()?;
    let url = param["url"].as_str().and_then(|url| url.split_once("://"));
    let host = url.map(|(_, rest)| rest.split(['/', ':', '?']).next().unwrap_or(rest));
    let domain = param["domain"].as_str().or(host)?;
    let secure = param["secure"].as_bool().unwrap_or(url.is_some_and(|(scheme, _)| scheme == "https"));
    let expires = param["expires"].as_f64().filter(|time| *time >= 0.0);
    let mut cookie = json!({
        "name": name,
        "value": value,
        "domain": domain,
        "path": param["path"].as_str().unwrap_or("/"),
        "expires": expires.unwrap_or(-1.0),
        "size": name.len() + value.len(),
        "httpOnly": param["httpOnly"].as_bool().unwrap_or(false),
        "secure": secure,
        "session": expires.is_none(),
        "priority": param["priority"].as_str().unwrap_or("Medium"),
        "sourceScheme": if secure { "Secure" } else { "NonSecure" },
        "sourcePort": if secure { 443 } else { 80 },
    });
    for field in ["sameSite", "partitionKey"] {
        if !param[field].is_null() {
            cookie[field] = param[field].clone();
        }
    }
    Some(cookie)
}
