//! Ending a session: capture, close, save, clean up, and put it on record, in this order.
//!
//! Bytes come before rows and rows before the clean-up, so that a crash at any point leaves garbage at worst, and the
//! work dir as long as something in it is unsaved. Nobody waits for the clean-up: the end is published before it.

use std::time::Duration;

use roadstead_api::{Receipt, SaveOutcome};
use roadstead_browser::{Browser, Ending, Exit, Graces};
use tracing::{error, info, warn};

use super::driver::{Driver, Live, millis};
use super::handle::SessionState;
use super::record::{EndReason, SessionStatus};
use crate::db::Sink;
use crate::error::Error;
use crate::profile::{RevisionCause, Save};

const NEVER_STARTED: &str = "The session's browser never started, so there was nothing to save.";
/// How long a browser may take to end after SIGTERM before it gets SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// What is to become of a session's files once its end is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Everything in them is saved, or wanted by nobody.
    Worthless,
    /// A profile is still owed them.
    Owed,
}

impl Driver {
    /// Ends a session that ran. Returns what is to become of its files.
    pub(super) async fn finish(&mut self, live: Live, reason: EndReason) -> Files {
        let began = tokio::time::Instant::now();
        self.publisher.send_replace(SessionState::Stopping(reason));
        let found = self.close_to_sinks().await;
        let sinks = found.as_deref().unwrap_or_default();
        let Live { browser, way_out, downloads, recording, .. } = live;
        let captured = !sinks.is_empty() && !reason.is_browsers_own() && self.capture(&browser).await;
        let version = browser.version().product.clone();
        let exit = self.end_browser(browser).await;
        way_out.close();
        // Their files are in the work dir until then.
        if let Err(problem) = downloads.await {
            error!(error = %problem, "capturing downloads ended too soon");
        }
        if let Some(recording) = recording
            && let Err(problem) = recording.await
        {
            error!(error = %problem, "recording ended too soon");
        }
        self.record_traffic(&way_out).await;
        if captured && exit.how == Ending::Closed && exit.status.success() {
            self.seal().await;
        }
        let save = Save {
            session: self.handle.id(),
            state_dir: self.work.state(),
            browser_version: Some(version),
            cause: RevisionCause::Ended,
            portable: self.portable.take(),
        };
        let receipts = self.context.profiles.save_all(&save, sinks).await;
        let (status, detail) = verdict(reason, &exit, &receipts);
        self.record_end(status, reason, detail.as_deref()).await;
        info!(
            status = status.as_str(), reason = reason.as_str(), browser.ending = ?exit.how,
            saves = receipts.len(), duration_ms = millis(began.elapsed()), "session ended"
        );
        if found.is_some() && !receipts.iter().any(is_failed) {
            return Files::Worthless;
        }
        warn!("the session's files are kept: the next start tries to save them again");
        Files::Owed
    }

    /// Puts on record that a session never ran. What it would have been saved into is told so.
    pub(super) async fn finish_unstarted(&self, why: &Error) {
        if let Some(sinks) = self.close_to_sinks().await {
            self.context.profiles.abandon_all(self.handle.id(), &sinks, NEVER_STARTED).await;
        }
        let reason = if self.context.lifecycle.soft().is_cancelled() {
            EndReason::Shutdown
        } else {
            EndReason::BrowserExited
        };
        self.record_end(SessionStatus::Failed, reason, Some(&why.to_string())).await;
    }

    /// Closes the session to new sinks. `None` when the database fails: the next start finds the sinks and the files.
    async fn close_to_sinks(&self) -> Option<Vec<Sink>> {
        match self.context.db.begin_stopping(self.handle.id()).await {
            Ok(sinks) => Some(sinks),
            Err(error) => {
                error!(error = ?error, "failed to look up what the session is to be saved into");
                None
            }
        }
    }

    async fn end_browser(&self, browser: Browser) -> Exit {
        let close = Duration::from_secs(self.context.config.close_grace_seconds);
        let exit = browser.end(Graces { close, term: TERM_GRACE }).await;
        match exit.how {
            Ending::Closed => {}
            Ending::ByItself => {
                warn!(exit.status = %exit.status, stderr = %exit.stderr_tail, "the browser ended by itself");
            }
            Ending::Terminated | Ending::Killed => {
                warn!(exit.status = %exit.status, ending = ?exit.how, "the browser did not close when asked");
            }
        }
        exit
    }

    /// Removes the session's files: they are out of the way when this returns, and written over soon.
    pub(super) async fn remove_files(&self) {
        self.context.shredder.take(self.work.path().to_owned()).await;
    }
}

/// Tells whether a save failed, as opposed to having been made or dropped.
pub(super) fn is_failed(receipt: &Receipt) -> bool {
    matches!(receipt.outcome, SaveOutcome::Failed { .. })
}

/// Judges how a session ended.
fn verdict(reason: EndReason, exit: &Exit, receipts: &[Receipt]) -> (SessionStatus, Option<String>) {
    if let Some(failed) = receipts.iter().find(|receipt| is_failed(receipt)) {
        return (
            SessionStatus::Failed,
            Some(format!("The profile {:?} could not be saved.", failed.profile)),
        );
    }
    let died = match reason {
        EndReason::BrowserExited => format!("The browser ended by itself ({}).", exit.status),
        EndReason::OutOfMemory => {
            "The browser took more memory than chromium.max_memory_mib allows, and was killed.".to_owned()
        }
        _ => return (SessionStatus::Completed, None),
    };
    let saved = if receipts.is_empty() { "" } else { " What it had written by then was saved." };
    (SessionStatus::Failed, Some(died + saved))
}
