//! What happens, at the next start, to sessions whose server died.
//!
//! Their browsers have ended: Chromium exits, and flushes, when its pipe closes. What they were to be saved into is
//! saved now, from the files they left and the last checkpoint of their portable state. Nothing is deleted before it is
//! saved or known to be wanted by nobody.

use std::sync::Arc;

use roadstead_browser::end_leftover;
use tracing::{error, info, warn};

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

/// Deals with everything that an earlier server left. A session that cannot be saved now is left for the next start.
pub(super) async fn recover(context: &Arc<Context>) -> Result<()> {
    context.profiles.finish_deletions().await?;
    for session in context.db.interrupted_sessions().await? {
        recover_session(context, session).await?;
    }
    remove_unowned(context).await
}

async fn recover_session(context: &Arc<Context>, session: Interrupted) -> Result<()> {
    if let Some((pid, start_time)) = session.browser {
        end_leftover(pid, start_time).await;
    }
    let work = context.work.of(session.id);
    let failed = if work.has_state() {
        let receipts = context.profiles.save_all(&describe(&session, &work).await, &session.sinks).await;
        receipts.iter().any(is_failed)
    } else {
        context.profiles.abandon_all(session.id, &session.sinks, NOTHING_LEFT).await;
        !session.sinks.is_empty()
    };
    if session.status.is_live() {
        let saved = !failed && !session.sinks.is_empty();
        let (status, detail) = if saved {
            (
                SessionStatus::Completed,
                "The server stopped while the session ran; it was saved at the next start.",
            )
        } else {
            (SessionStatus::Failed, "The server stopped while the session ran.")
        };
        context.db.finish_session(session.id, status, EndReason::NodeLost, Some(detail)).await?;
        info!(session.id = %session.id, status = status.as_str(), "recovered a session whose server died");
    } else if !failed {
        info!(session.id = %session.id, "saved a session whose earlier save had failed");
    }
    Ok(())
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
    let swept = tokio::task::spawn_blocking(move || {
        for id in work.sessions()? {
            if !owed.contains(&id)
                && let Err(problem) = work.of(id).remove()
            {
                error!(session.id = %id, error = %problem, "failed to remove a session's files");
            }
        }
        Ok::<_, std::io::Error>(())
    })
    .await;
    swept
        .expect("removing files does not panic")
        .map_err(|error| Error::internal("The work directory could not be read.", error))
}
