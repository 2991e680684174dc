//! The demo site as a person in a browser uses it: signing in by the form, looking at the account.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{DemoSite, PASSWORD, USER};
use crate::cdp::Page;

/// What the account page says about the browser that shows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BrowserState {
    /// Who is signed in.
    pub user: Option<String>,
    /// The verdict on each kind of state, by the kind's name.
    pub kinds: BTreeMap<String, Verdict>,
}

/// Whether the browser holds what a login left in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is there, whole.
    Kept,
    /// It is not there, or not as it was left.
    Lost,
}

impl BrowserState {
    /// Returns the names of the kinds that are not there.
    pub fn lost(&self) -> Vec<&str> {
        self.kinds
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Lost)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Tells whether the member is signed in and nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.user.as_deref() == Some(USER) && self.lost().is_empty()
    }
}

impl DemoSite {
    /// Does what [`log_in`] does on this site.
    pub async fn log_in(&self, page: &mut Page) -> Result<BrowserState> {
        log_in(&self.url(), page).await
    }

    /// Does what [`account`] does on this site.
    pub async fn state(&self, page: &mut Page) -> Result<BrowserState> {
        account(&self.url(), page).await
    }
}

/// Signs in by the form, waits until every kind of state is written, and returns what the account page then says.
pub async fn log_in(site: &str, page: &mut Page) -> Result<BrowserState> {
    page.goto(site).await?;
    page.wait_for("document.readyState === 'complete' && document.querySelector('#user') !== null").await?;
    page.type_into("#user", USER).await?;
    page.type_into("#password", PASSWORD).await?;
    page.evaluate("document.querySelector('button[type=submit]').click()").await?;
    verdict(page).await
}

/// Opens the account page and returns what it says.
pub async fn account(site: &str, page: &mut Page) -> Result<BrowserState> {
    page.goto(&format!("{site}/account")).await?;
    verdict(page).await
}

async fn verdict(page: &mut Page) -> Result<BrowserState> {
    page.wait_for("location.pathname === '/account' && window.__state !== undefined").await?;
    Ok(serde_json::from_value(page.evaluate("window.__state").await?)?)
}
