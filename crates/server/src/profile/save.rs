//! Saving a session's files into the profiles that it owes them to.
//!
//! Bytes first, then one database operation that publishes the revision and the receipt, so that a receipt is never
//! given for something that is not on disk. A save cannot fail loudly in the middle of a session's end, so every
//! outcome is a receipt; a failed one leaves the profile's head and the session's files as they are.

use std::path::{Path, PathBuf};
use std::time::Instant;

use globset::{Glob, GlobSet, GlobSetBuilder};
use metrics::{counter, histogram};
use roadstead_api::{Captured, DroppedCache, ProfileId, Receipt, SaveOutcome, SavedRevision, SessionId};
use roadstead_browser::CACHES;
use roadstead_vault::{CommitOptions, CommitReport, Hold};
use tracing::{error, info};

use super::inventory::Inventory;
use super::portable::{self, PortableState};
use super::{Profiles, RevisionCause, SaveOptions, repository};
use crate::clock;
use crate::db::{NewRevision, Placement, Published, Sink};
use crate::error::{Error, Result};

/// What is to be saved, and what is known about it.
#[derive(Debug)]
pub struct Save {
    /// The session.
    pub session: SessionId,
    /// Its files: the user data dir, and the portable state beside it. At rest.
    pub state_dir: PathBuf,
    /// The browser that wrote the files.
    pub browser_version: Option<String>,
    /// Why it is saved.
    pub cause: RevisionCause,
    /// The portable state that is among the files.
    pub portable: Option<PortableState>,
}

/// What a save leaves out, and what is left.
#[derive(Debug)]
pub(super) struct Selected {
    /// Globs of what is left out.
    pub excluded: Vec<String>,
    /// What is left.
    pub captured: Captured,
    dropped_caches: Vec<DroppedCache>,
}

const PROFILE_DELETED: &str = "The profile was deleted while the session ran.";

impl Profiles {
    /// Saves a session into each of its sinks. There is one receipt per sink, in the same order.
    pub async fn save_all(&self, save: &Save, sinks: &[Sink]) -> Vec<Receipt> {
        let mut receipts = Vec::with_capacity(sinks.len());
        for sink in sinks {
            receipts.push(self.save(save, sink).await);
        }
        receipts
    }

    /// Saves a session into one of its sinks.
    pub async fn save(&self, save: &Save, sink: &Sink) -> Receipt {
        let began = Instant::now();
        let receipt = self.make(save, sink, began).await;
        histogram!("roadstead_profile_save_seconds").record(began.elapsed());
        counter!("roadstead_profile_saves_total", "outcome" => outcome_word(&receipt.outcome)).increment(1);
        self.news.tell(sink.profile);
        if receipt.saved().is_some() {
            self.tidy_later(sink.profile);
        }
        receipt
    }

    /// Gives up the saves of a session that left nothing to be saved, and tells the profiles why.
    pub async fn abandon_all(&self, session: SessionId, sinks: &[Sink], why: &str) {
        for sink in sinks {
            let receipt =
                receipt(session, sink, SaveOutcome::Failed { reason: why.to_owned() }, Instant::now());
            if let Err(problem) = self.db.abandon_save(session, sink.profile, why, &receipt).await {
                error!(profile.name = %sink.name, error = ?problem, "failed to record that there was nothing to save");
            }
            self.news.tell(sink.profile);
        }
    }

    async fn make(&self, save: &Save, sink: &Sink, began: Instant) -> Receipt {
        if sink.dropped {
            return self.drop_save(save, sink, began).await;
        }
        match self.store(save, sink, began).await {
            Ok(Published::Saved(receipt)) => {
                let saved = receipt.saved();
                info!(
                    profile.name = %sink.name, profile.revision = saved.map(|saved| saved.revision),
                    profile.held_back = saved.is_some_and(|saved| saved.held_back.is_some()),
                    duration_ms = receipt.duration_ms, "saved the session into the profile"
                );
                receipt
            }
            Ok(Published::ProfileGone) => self.drop_save(save, sink, began).await,
            Err(problem) => {
                error!(profile.name = %sink.name, error = ?problem, "failed to save the session into the profile");
                self.fail_save(save, sink, began, &why_unsaved(&problem, save.cause)).await
            }
        }
    }

    async fn store(&self, save: &Save, sink: &Sink, began: Instant) -> Result<Published> {
        let Selected { excluded, captured, dropped_caches } =
            self.select(&save.state_dir, save.portable.as_ref(), &sink.options).await?;
        let (head, description) = (sink.head.as_deref(), format!("session {}", save.session));
        // Held until the row is there: nobody takes the snapshot for a leftover meanwhile.
        let (report, hold) =
            self.commit(sink.profile, head, &save.state_dir, excluded, save.cause, description).await?;
        fail::fail_point!("save-bytes-stored");
        let digest = report.snapshot.to_string();
        let missing_cookies = missing_cookies(save, &sink.options);
        let new = NewRevision {
            profile: sink.profile,
            session: Some(save.session),
            digest: &digest,
            size_bytes: report.bytes,
            added_bytes: report.bytes_added,
            files: report.files,
            captured: &captured,
            browser_version: save.browser_version.as_deref(),
            cause: save.cause,
            missing_cookies: &missing_cookies,
        };
        let saved = |placement: &Placement| SavedRevision {
            revision: placement.number,
            cause: save.cause.as_str().to_owned(),
            diverged_from: placement.diverged_from,
            held_back: placement.held_back.clone(),
            digest: digest.clone(),
            durable: true,
            size_bytes: report.bytes,
            added_bytes: report.bytes_added,
            files: report.files,
            cookies: captured.cookies,
            captured: captured.clone(),
            dropped_caches: dropped_caches.clone(),
        };
        let receipt = |placement: &Placement| {
            receipt(save.session, sink, SaveOutcome::Saved(Box::new(saved(placement))), began)
        };
        let published = self.db.publish_revision(&new, receipt).await?;
        drop(hold);
        fail::fail_point!("save-row-stored");
        if matches!(published, Published::ProfileGone) {
            // Deleted while we committed: the commit may have brought the repository back.
            self.delete_repository(sink.profile).await?;
        }
        Ok(published)
    }

    /// Decides what goes into the revision: all that is worth anything, but for the caches that somebody wants dropped or
    /// that do not fit the budget. What is too large without them is [`Error::TooLarge`].
    pub(super) async fn select(
        &self,
        state_dir: &Path,
        portable: Option<&PortableState>,
        options: &SaveOptions,
    ) -> Result<Selected> {
        let mut excluded = worthless();
        let (state_dir, globs) = (state_dir.to_owned(), glob_set(&excluded));
        let taken = tokio::task::spawn_blocking(move || Inventory::take(&state_dir, &globs)).await;
        let mut inventory = taken.expect("taking stock does not panic").map_err(commit_failed)?;
        let limit = self.config.max_bytes.unwrap_or(u64::MAX);
        let mut dropped_caches = Vec::new();
        for kind in inventory.caches() {
            if options.drop_caches || inventory.total_bytes() > limit {
                dropped_caches.push(DroppedCache { kind: kind.to_owned(), bytes: inventory.bytes_of(kind) });
                inventory.leave_out(kind);
                let path = CACHES.iter().find(|cache| cache.kind == kind).map(|cache| cache.path);
                excluded.extend(path.map(|path| format!("user-data/{path}")));
            }
        }
        let total = inventory.total_bytes();
        if total > limit {
            return Err(Error::TooLarge(format!(
                "The profile is too large: {total} bytes without caches, and profile.max_bytes is {limit} ({}).",
                inventory.sizes()
            )));
        }
        Ok(Selected { excluded, captured: inventory.captured(portable), dropped_caches })
    }

    /// Stores a state's directory. `head` is the digest of what it has most in common with.
    pub(super) async fn commit(
        &self,
        profile: ProfileId,
        head: Option<&str>,
        state_dir: &Path,
        exclude: Vec<String>,
        cause: RevisionCause,
        description: String,
    ) -> Result<(CommitReport, Hold)> {
        let repository = repository(profile);
        let parent = head.map(str::parse).transpose().map_err(commit_failed)?;
        let tags = vec![cause.as_str().to_owned()];
        let options = CommitOptions { parent, exclude, tags, description: Some(description) };
        self.vault.create(&repository).await.map_err(commit_failed)?;
        self.vault.commit_held(&repository, state_dir, options).await.map_err(commit_failed)
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

    async fn fail_save(&self, save: &Save, sink: &Sink, began: Instant, why: &str) -> Receipt {
        let receipt = receipt(save.session, sink, SaveOutcome::Failed { reason: why.to_owned() }, began);
        // A checkpoint that failed leaves no trace: its session is saved when it ends.
        if save.cause != RevisionCause::Checkpoint
            && let Err(problem) = self.db.fail_save(save.session, sink.profile, why, &receipt).await
        {
            error!(profile.name = %sink.name, error = ?problem, "failed to record a failed save; the next start tries it again");
        }
        receipt
    }
}

fn receipt(session: SessionId, sink: &Sink, outcome: SaveOutcome, began: Instant) -> Receipt {
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Receipt::new(&sink.name, session, outcome, clock::now(), duration_ms)
}

/// Says to the caller why nothing was stored, and what becomes of it.
fn why_unsaved(problem: &Error, cause: RevisionCause) -> String {
    let why = match problem {
        Error::TooLarge(sizes) => sizes,
        _ => "The revision could not be stored; the server's log says what was wrong.",
    };
    let then = match cause {
        RevisionCause::Checkpoint => "The session goes on.",
        _ => {
            "The session's files are kept, and are saved at the server's next start, if they can be by then."
        }
    };
    format!("{why} The profile is what it was before. {then}")
}

fn missing_cookies(save: &Save, options: &SaveOptions) -> Vec<String> {
    let cookies = save.portable.as_ref().map(|state| &state.contents.cookies);
    let held = |wanted: &super::RequiredCookie| cookies.into_iter().flatten().any(|cookie| wanted.is(cookie));
    options.require_cookies.iter().filter(|wanted| !held(wanted)).map(ToString::to_string).collect()
}

/// What no revision holds: what is worth nothing in a user data dir, and half-written portable states.
fn worthless() -> Vec<String> {
    let worthless = roadstead_browser::worthless_paths();
    worthless
        .iter()
        .map(|path| format!("user-data/{path}"))
        .chain([portable::UNFINISHED.to_owned()])
        .collect()
}

fn glob_set(globs: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob.trim_start_matches('/')).expect("our own globs are well formed"));
    }
    set.build().expect("our own globs are well formed")
}

fn outcome_word(outcome: &SaveOutcome) -> &'static str {
    match outcome {
        SaveOutcome::Saved(_) => "saved",
        SaveOutcome::Failed { .. } => "failed",
        SaveOutcome::Dropped { .. } => "dropped",
    }
}

fn commit_failed(problem: impl Into<anyhow::Error>) -> Error {
    Error::internal("The revision could not be stored.", problem)
}
