//! The story itself: what is done, in order, and what came of it. How it is told is `tell`'s.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use roadstead_testing::cdp::Page;
use roadstead_testing::demo_site::BrowserState;
use roadstead_testing::demo_site::visit;

use crate::api::{Api, Receipt, Session};
use crate::tell;

/// The profile that the story makes.
pub const PROFILE: &str = "ada";

/// What the account page said at each point of the story.
pub struct Outcome {
    /// Right after the login.
    pub before: BrowserState,
    /// In a new session on the profile, in the browser that it was made with.
    pub after: BrowserState,
    /// In a new session on the profile, in the other build of the browser.
    pub other_build: BrowserState,
    /// In a new session without the profile: the proof that the page can tell the difference.
    pub stranger: BrowserState,
}

impl Outcome {
    /// Tells whether the login survived whole, and whether the control shows that this means something.
    pub fn is_everything_kept(&self) -> bool {
        let kept = [&self.before, &self.after, &self.other_build].iter().all(|state| state.is_complete());
        kept && self.stranger.user.is_none() && self.stranger.lost().len() == self.stranger.kinds.len()
    }
}

/// Plays the story on a server and a demo site that run.
pub async fn play(api: &Api, site: &str) -> Result<Outcome> {
    let before = log_in_and_save(api, site).await?;

    tell::chapter("The same login, later");
    let after = come_back(api, site, false, Some(PROFILE)).await?;
    let other_build = come_back(api, site, true, Some(PROFILE)).await?;
    let stranger = come_back(api, site, true, None).await?;
    Ok(Outcome { before, after, other_build, stranger })
}

async fn log_in_and_save(api: &Api, site: &str) -> Result<BrowserState> {
    tell::chapter("A browser logs in and becomes a profile");
    let begun = Instant::now();
    let session = api.start(false, None).await?;
    tell::step("session started", begun, &api.browser_version(&session).await?);

    let begun = Instant::now();
    let state = visit::log_in(site, &mut Page::open(&session.cdp_url).await?).await?;
    let kinds = state.kinds.len();
    tell::step("logged in by the form", begun, &format!("as ada; the site left {kinds} kinds of state"));

    let begun = Instant::now();
    api.create_profile(PROFILE, &session).await?;
    let status = api.profile_status(PROFILE).await?;
    tell::step(
        "profile created from the session",
        begun,
        &format!("{PROFILE:?}, {status} until the session ends"),
    );

    let begun = Instant::now();
    let receipt = end_and_save(api, &session).await?;
    tell::step("session ended, profile stored", begun, &tell::receipt(&receipt));
    let status = api.profile_status(PROFILE).await?;
    ensure!(status == "active", "the profile should be active now, and is {status}");
    Ok(state)
}

async fn end_and_save(api: &Api, session: &Session) -> Result<Receipt> {
    let receipt = api.end(session).await?.receipts.pop().context("ending the session returned no receipt")?;
    let reason = receipt.reason.as_deref().unwrap_or("it does not say why");
    ensure!(receipt.status == "saved", "the profile was not saved: {reason}");
    Ok(receipt)
}

/// Starts a session, looks at the account page, and ends it.
async fn come_back(api: &Api, site: &str, headless: bool, profile: Option<&str>) -> Result<BrowserState> {
    let browser = if headless { "headless" } else { "full browser" };
    let with = if profile.is_some() { "on the profile" } else { "without it" };
    let begun = Instant::now();
    let session = api.start(headless, profile).await?;
    tell::step(&format!("new session {with} ({browser})"), begun, &api.browser_version(&session).await?);

    let begun = Instant::now();
    let state = visit::account(site, &mut Page::open(&session.cdp_url).await?).await?;
    tell::step("account page opened", begun, &tell::verdict(&state));
    api.end(&session).await?;
    Ok(state)
}
