//! Saving a session's files into the profiles that it owes them to.
//!
//! Bytes first, then one database operation that publishes the revision and the receipt, so that a receipt is never
//! given for something that is not on disk. A save cannot fail loudly in the middle of a session's end, so every
//! outcome is a receipt; a failed one leaves the profile's head and the session's files as they are.

use std::path::PathBuf;
use std::time::Instant;

use metrics::{counter, histogram};
use roadstead_api::{CookieCounts, ProfileId, Receipt, SaveOutcome, SavedRevision, SessionId};
use roadstead_vault::{CommitOptions, CommitReport};
use tracing::{error, info};

use super::{Profiles, portable, repository};
use crate::clock;
use crate::db::{NewRevision, Published, Sink};
use crate::error::{Error, Result};

/// What is to be saved, and what is known about it.
#[derive(Debug)]
pub struct Save {
    /// The session that ended.
    pub session: SessionId,
    /// Its files: the user data dir, and the portable state beside it.
    pub state_dir: PathBuf,
    /// The profile and revision that the session was started from.
    pub loaded: Option<(ProfileId, u64)>,
    /// The browser that wrote the files.
    pub browser_version: Option<String>,
    /// Why it is saved.
    pub cause: SaveCause,
    /// The cookies in the portable state.
    pub cookies: CookieCounts,
}

/// Why a revision was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveCause {
    /// Its session ended.
    Ended,
    /// Its session's server died, or an earlier save failed.
    Recovered,
}

impl SaveCause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Recovered => "recovered",
        }
    }
}

const PROFILE_DELETED: &str = "The profile was deleted while the session ran.";
const SAVE_FAILED: &str = "The revision could not be stored, so the profile is what it was before. The session's files are kept, and are saved at the server's next start; its log says what was wrong.";

impl Profiles {
    /// Saves a session into each of its sinks. There is one receipt per sink, in the same order.
    pub async fn save_all(&self, save: &Save, sinks: &[Sink]) -> Vec<Receipt> {
        let mut receipts = Vec::with_capacity(sinks.len());
        for sink in sinks {
            let began = Instant::now();
            let receipt = self.save(save, sink, began).await;
            histogram!("roadstead_profile_save_seconds").record(began.elapsed());
            counter!("roadstead_profile_saves_total", "outcome" => outcome_word(&receipt.outcome))
                .increment(1);
            receipts.push(receipt);
        }
        receipts
    }

    /// Gives up the saves of a session that left nothing to be saved, and tells the profiles why.
    pub async fn abandon_all(&self, session: SessionId, sinks: &[Sink], why: &str) {
        for sink in sinks {
            let receipt =
                receipt(session, sink, SaveOutcome::Failed { reason: why.to_owned() }, Instant::now());
            if let Err(problem) = self.db.abandon_save(session, sink.profile, why, &receipt).await {
                error!(profile.name = %sink.name, error = ?problem, "failed to record that there was nothing to save");
            }
        }
    }

    async fn save(&self, save: &Save, sink: &Sink, began: Instant) -> Receipt {
        if sink.dropped {
            return self.drop_save(save, sink, began).await;
        }
        match self.store(save, sink, began).await {
            Ok(Published::Saved(receipt)) => {
                info!(
                    profile.name = %sink.name, profile.revision = receipt.saved().map(|saved| saved.revision),
                    duration_ms = receipt.duration_ms, "saved the session into the profile"
                );
                receipt
            }
            Ok(Published::ProfileGone) => self.drop_save(save, sink, began).await,
            Err(problem) => self.fail_save(save, sink, began, &problem).await,
        }
    }

    async fn store(&self, save: &Save, sink: &Sink, began: Instant) -> Result<Published> {
        let report = self.commit(save, sink).await?;
        fail::fail_point!("save-bytes-stored");
        let digest = report.snapshot.to_string();
        let parent = save.loaded.and_then(|(profile, number)| (profile == sink.profile).then_some(number));
        let new = NewRevision {
            profile: sink.profile,
            session: save.session,
            parent,
            digest: &digest,
            size_bytes: report.bytes,
            added_bytes: report.bytes_added,
            files: report.files,
            cookies: save.cookies,
            browser_version: save.browser_version.as_deref(),
            cause: save.cause.as_str(),
        };
        let published = self
            .db
            .publish_revision(&new, |revision| {
                let saved = SavedRevision {
                    revision,
                    digest: digest.clone(),
                    durable: true,
                    size_bytes: report.bytes,
                    added_bytes: report.bytes_added,
                    files: report.files,
                    cookies: save.cookies,
                };
                receipt(save.session, sink, SaveOutcome::Saved(saved), began)
            })
            .await?;
        fail::fail_point!("save-row-stored");
        if matches!(published, Published::ProfileGone) {
            // Deleted while we committed: the commit may have brought the repository back.
            self.delete_repository(sink.profile).await?;
        }
        Ok(published)
    }

    async fn commit(&self, save: &Save, sink: &Sink) -> Result<CommitReport> {
        let repository = repository(sink.profile);
        let parent = match &sink.head {
            Some(digest) => Some(digest.parse().map_err(vault_failed)?),
            None => None,
        };
        let options = CommitOptions {
            parent,
            exclude: excluded(),
            tags: vec![save.cause.as_str().to_owned()],
            description: Some(format!("session {}", save.session)),
        };
        self.vault.create(&repository).await.map_err(vault_failed)?;
        self.vault.commit(&repository, &save.state_dir, options).await.map_err(vault_failed)
    }

    async fn drop_save(&self, save: &Save, sink: &Sink, began: Instant) -> Receipt {
        let receipt =
            receipt(save.session, sink, SaveOutcome::Dropped { reason: PROFILE_DELETED.to_owned() }, began);
        if let Err(problem) = self.db.drop_sink(save.session, sink.profile, &receipt).await {
            error!(profile.name = %sink.name, error = ?problem, "failed to record a dropped save");
        }
        info!(profile.name = %sink.name, "the profile is gone: its save is dropped");
        receipt
    }

    async fn fail_save(&self, save: &Save, sink: &Sink, began: Instant, problem: &Error) -> Receipt {
        error!(profile.name = %sink.name, error = ?problem, "failed to save the session into the profile");
        let receipt =
            receipt(save.session, sink, SaveOutcome::Failed { reason: SAVE_FAILED.to_owned() }, began);
        if let Err(problem) = self.db.fail_save(save.session, sink.profile, SAVE_FAILED, &receipt).await {
            error!(profile.name = %sink.name, error = ?problem, "failed to record a failed save; the next start tries it again");
        }
        receipt
    }
}

fn receipt(session: SessionId, sink: &Sink, outcome: SaveOutcome, began: Instant) -> Receipt {
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Receipt::new(&sink.name, session, outcome, clock::now(), duration_ms)
}

/// What a revision leaves out: what is worth nothing in a user data dir, and half-written portable states.
fn excluded() -> Vec<String> {
    let worthless = roadstead_browser::worthless_paths();
    worthless
        .iter()
        .map(|path| format!("user-data/{path}"))
        .chain([portable::UNFINISHED.to_owned()])
        .collect()
}

fn outcome_word(outcome: &SaveOutcome) -> &'static str {
    match outcome {
        SaveOutcome::Saved(_) => "saved",
        SaveOutcome::Failed { .. } => "failed",
        SaveOutcome::Dropped { .. } => "dropped",
    }
}

fn vault_failed(problem: impl Into<anyhow::Error>) -> Error {
    Error::internal("The revision could not be stored.", problem)
}
