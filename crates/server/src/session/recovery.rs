//! What happens, at the next start, to sessions whose server died.
//!
//! Their browsers have ended: Chromium exits, and flushes, when its pipe closes. What they were to be saved into is
//! saved now, from the files they left and the last checkpoint of their portable state. Nothing is deleted before it is
//! saved or known to be wanted by nobody.

use std::sync::Arc;

use roadstead_browser::{end_leftover, find_leftover};
use tracing::{info, warn};

use super::Context;
use super::finish::is_failed;
use super::record::{EndReason, SessionStatus};
use super::work_dir::WorkDir;
use crate::db::Interrupted;
use crate::error::{Error, Result};
use crate::profile::portable::PortableState;
use crate::profile::{RevisionCause, Save};

const NOTHING_LEFT: &str =
    "The server stopped before the session could be saved, and none of its files are left.";
/// Its files may be half a checkout: a revision made of them would replace a whole one.
const NEVER_RAN: &str = "The server stopped while the session started, so there was nothing to save.";
const SAVED_LATE: &str =
    "The session could not be saved when it ended; it was saved at a later start of the server.";

/// Deals with everything that an earlier server left. A session that cannot be saved now is left for the next start.
pub(super) async fn recover(context: &Arc<Context>) -> Result<()> {
    context.profiles.finish_deletions().await?;
    for session in context.db.interrupted_sessions().await? {
        recover_session(context, session).await?;
    }
    remove_unowned(context).await
}

async fn recover_session(context: &Arc<Context>, session: Interrupted) -> Result<()> {
    let user_data_dir = context.work.of(session.id).user_data();
    if let Some((pid, start_time)) = session.browser.or_else(|| find_leftover(&user_data_dir)) {
        end_leftover(pid, start_time).await;
    }
    let failed = save_what_is_left(context, &session).await;
    if session.status.is_live() {
        let (status, detail) = verdict(&session, failed);
        context.db.finish_session(session.id, status, EndReason::NodeLost, Some(detail), None).await?;
        info!(session.id = %session.id, status = status.as_str(), "recovered a session whose server died");
    } else if !failed {
        context.db.correct_detail(session.id, SAVED_LATE).await?;
        info!(session.id = %session.id, "saved a session whose earlier save had failed");
    }
    Ok(())
}

/// Saves a session into what it still owes, or gives those saves up. Returns whether one failed.
async fn save_what_is_left(context: &Arc<Context>, session: &Interrupted) -> bool {
    let work = context.work.of(session.id);
    let why = match session.status {
        SessionStatus::Starting => NEVER_RAN,
        _ if work.has_state() => {
            let receipts = context.profiles.save_all(&describe(session, &work).await, &session.sinks).await;
            return receipts.iter().any(is_failed);
        }
        _ => NOTHING_LEFT,
    };
    context.profiles.abandon_all(session.id, &session.sinks, why).await;
    !session.sinks.is_empty()
}

/// Judges the end of a session whose server died.
fn verdict(session: &Interrupted, failed: bool) -> (SessionStatus, &'static str) {
    match (session.status, failed) {
        (SessionStatus::Starting, _) => {
            (SessionStatus::Failed, "The server stopped while the session started.")
        }
        (_, false) if !session.sinks.is_empty() => (
            SessionStatus::Completed,
            "The server stopped while the session ran; it was saved at the next start.",
        ),
        (_, false) if session.saved => (
            SessionStatus::Completed,
            "The server stopped while the session ended; it had been saved by then.",
        ),
        _ => (SessionStatus::Failed, "The server stopped while the session ran."),
    }
}

async fn describe(session: &Interrupted, work: &WorkDir) -> Save {
    let state_dir = work.state();
    let portable = {
        let state_dir = state_dir.clone();
        tokio::task::spawn_blocking(move || PortableState::read(&state_dir)).await
    };
    let portable = match portable.expect("reading the portable state does not panic") {
        Ok(found) => found,
        Err(error) => {
            warn!(session.id = %session.id, %error, "the session's portable state cannot be read");
            None
        }
    };
    Save {
        session: session.id,
        state_dir,
        browser_version: session.browser_version.clone(),
        cause: RevisionCause::Recovered,
        portable,
    }
}

/// Removes the directories of sessions that have nothing left to be saved.
async fn remove_unowned(context: &Arc<Context>) -> Result<()> {
    let owed: Vec<_> =
        context.db.interrupted_sessions().await?.into_iter().map(|session| session.id).collect();
    let work = context.work.clone();
    let found = tokio::task::spawn_blocking(move || work.sessions()).await;
    let found = found.expect("listing files does not panic");
    let found = found.map_err(|error| Error::internal("The work directory could not be read.", error))?;
    for id in found.into_iter().filter(|id| !owed.contains(id)) {
        context.shredder.take(context.work.of(id).path().to_owned()).await;
    }
    // What a program that was killed had not come to.
    context.shredder.clear_from_the_side();
    Ok(())
}
