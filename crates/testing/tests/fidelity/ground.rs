//! What every test here stands on: a site, a program whose browsers know it, and sessions on one profile.

use anyhow::{Result, bail, ensure};
use reqwest::Method;
use roadstead_testing::cdp::Page;
use roadstead_testing::origins_site::OriginsSite;
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions};
use serde_json::{Value, json};

const PROFILE: &str = "kept";

/// One of the two Chromium builds, as a caller asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// `browser.headless.active: true`.
    Shell,
    /// The default.
    Full,
}

/// Which build writes the profile, and which reads it.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub saved_by: Build,
    pub opened_in: Build,
}

/// A running program and a running site.
pub struct Ground {
    pub site: OriginsSite,
    program: Program,
    _place: Place,
}

/// A session whose end is saved into the profile.
pub struct Session {
    pub page: Page,
    id: String,
}

impl Ground {
    pub async fn new() -> Result<Self> {
        let place = Place::new()?;
        let site = OriginsSite::start().await?;
        let options = ProgramOptions { config: site.config(), ..ProgramOptions::default() };
        let program = Program::start(&place.data(), &options).await?;
        Ok(Self { site, program, _place: place })
    }

    /// Starts a session on the profile, in the build that is asked for and no other.
    pub async fn session(&self, build: Build) -> Result<Session> {
        let profile = json!({"name": PROFILE, "persist": true});
        let browser = match build {
            Build::Shell => json!({"profile": profile, "headless": {"active": true}}),
            Build::Full => json!({"profile": profile}),
        };
        let created =
            self.program.data(Method::POST, "/v1/sessions", Some(json!({"browser": browser}))).await?;
        let mut page = Page::open(&text(&created["cdp_url"])).await?;
        let version = page.call("Browser.getVersion", json!({})).await?;
        let shell = text(&version["product"]).starts_with("Headless");
        ensure!(shell == (build == Build::Shell), "{build:?} was asked for, and came as {version}");
        Ok(Session { page, id: text(&created["id"]) })
    }

    /// Ends a session; it must be saved.
    pub async fn end(&self, session: Session) -> Result<()> {
        let ended = self.program.data(Method::DELETE, &format!("/v1/sessions/{}", session.id), None).await?;
        ensure!(ended["receipts"][0]["status"] == "saved", "{ended}");
        Ok(())
    }

    /// Runs a script on each of `urls`, in one session, and returns what it said on each.
    pub async fn on_each(&self, build: Build, urls: &[&str], script: &str) -> Result<Vec<Value>> {
        let mut session = self.session(build).await?;
        let mut said = Vec::new();
        for url in urls {
            session.page.visit(url).await?;
            said.push(session.page.evaluate(script).await?);
        }
        self.end(session).await?;
        Ok(said)
    }

    /// Lets `script` write on each of `urls` in one session, and read in the next. The script is an object with the
    /// functions `write` and `read`, both of a seed that differs by origin; what `read` returns is compared, and must be
    /// there before the end.
    pub async fn require_kept(&self, pair: Pair, urls: &[&str], script: &str) -> Result<()> {
        let read = format!("({script}).read(location.origin)");
        let write = format!(
            "(async (it) => {{ await it.write(location.origin); return it.read(location.origin); }})({script})"
        );
        let before = self.on_each(pair.saved_by, urls, &write).await?;
        let after = self.on_each(pair.opened_in, urls, &read).await?;
        for ((url, before), after) in urls.iter().zip(before).zip(after) {
            ensure!(before.is_object(), "{url} holds nothing when it was written: {before}");
            ensure!(before == after, "{url} held {before}, and holds {after}");
        }
        Ok(())
    }
}

/// Returns every cookie as the browser reports it, in an order of their own.
pub async fn report_cookies(page: &mut Page) -> Result<Vec<Value>> {
    let mut answer = page.call("Storage.getCookies", json!({})).await?;
    let Value::Array(mut cookies) = answer["cookies"].take() else {
        bail!("a browser lists its cookies, and here they are {answer}");
    };
    cookies.sort_by_key(ToString::to_string);
    Ok(cookies)
}

/// Returns a string of the API's.
pub fn text(value: &Value) -> String {
    value.as_str().expect("a string is answered here").to_owned()
}
