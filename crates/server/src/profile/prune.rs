//! Letting old revisions go, and keeping a profile with many quick to open.
//!
//! Rows first, then bytes: a crash between the two leaves bytes that nobody names, which the next prune takes. Nobody
//! commits to the repository or checks it out between the look at the rows and the removal of what they do not name, also
//! not another process.

use std::collections::BTreeSet;

use roadstead_api::ProfileId;
use roadstead_vault::{Closed, SnapshotId, VaultError};
use tracing::{info, warn};

use super::retention::plan_removal;
use super::{Profiles, RevisionRecord, repository};
use crate::clock;
use crate::db::Kept;
use crate::error::{Error, Result};

/// How many index files a repository may have before it is compacted. Each commit adds one, and each opening reads them all.
const COMPACT_AT: u64 = 24;

/// What a prune of one profile did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneNews {
    /// How many revisions retention lets go.
    pub removed: usize,
    /// How many bytes the vault loses.
    pub bytes_freed: u64,
}

impl Profiles {
    /// Tells what a prune of a profile would do, and does nothing. `None` for a profile that holds nothing.
    pub async fn plan_prune(&self, profile: ProfileId) -> Result<Option<PruneNews>> {
        let Some(closed) = self.close(profile).await? else {
            return Ok(None);
        };
        let kept = self.db.revisions_to_keep(profile, |revisions| self.doomed(revisions)).await?;
        let vault = closed.plan_prune(&digests(&kept.revisions)?).await.map_err(prune_failed)?;
        Ok(Some(PruneNews { removed: kept.removed.len(), bytes_freed: vault.bytes_freed }))
    }

    /// Removes the revisions that retention does not keep, and all bytes that no revision needs. `None` for a profile that
    /// holds nothing.
    pub async fn prune(&self, profile: ProfileId) -> Result<Option<PruneNews>> {
        let Some(closed) = self.close(profile).await? else {
            return Ok(None);
        };
        let kept = self.retire(profile).await?;
        fail::fail_point!("prune-rows-removed");
        let plan = closed.plan_prune(&digests(&kept.revisions)?).await.map_err(prune_failed)?;
        let report = closed.run_prune(plan).await.map_err(prune_failed)?;
        info!(profile.id = %profile, ?report, "pruned the profile");
        let bytes_freed = report.before.bytes.saturating_sub(report.after.bytes);
        Ok(Some(PruneNews { removed: kept.removed.len(), bytes_freed }))
    }

    /// Does what a profile needs after a save, in the background: lets old revisions go, and compacts now and then.
    pub(super) fn tidy_later(&self, profile: ProfileId) {
        if self.lifecycle.soft().is_cancelled() {
            return;
        }
        let profiles = self.clone();
        self.lifecycle.tracker().spawn(async move {
            if let Err(problem) = profiles.tidy(profile).await {
                warn!(profile.id = %profile, error = ?problem, "failed to prune the profile; the next save tries again");
            }
        });
    }

    async fn tidy(&self, profile: ProfileId) -> Result<()> {
        let counts = self.vault.object_counts(&repository(profile)).await.map_err(prune_failed)?;
        if counts.indexes >= COMPACT_AT {
            self.prune(profile).await?;
        } else {
            self.retire(profile).await?;
        }
        Ok(())
    }

    async fn retire(&self, profile: ProfileId) -> Result<Kept> {
        self.db.retire_revisions(profile, |revisions| self.doomed(revisions)).await
    }

    fn doomed(&self, revisions: &[RevisionRecord]) -> Vec<u64> {
        plan_removal(revisions, &self.config, clock::now())
    }

    async fn close(&self, profile: ProfileId) -> Result<Option<Closed>> {
        match self.vault.close(&repository(profile)).await {
            Ok(closed) => Ok(Some(closed)),
            Err(VaultError::NoSuchRepository(_)) => Ok(None),
            Err(problem) => Err(prune_failed(problem)),
        }
    }
}

fn digests<'a>(revisions: impl IntoIterator<Item = &'a RevisionRecord>) -> Result<BTreeSet<SnapshotId>> {
    revisions.into_iter().map(|revision| revision.digest.parse().map_err(prune_failed)).collect()
}

fn prune_failed(problem: impl Into<anyhow::Error>) -> Error {
    Error::internal("The profile could not be pruned.", problem)
}
