//! A repository kept from others for longer than one operation: held open for a caller, or closed for a prune.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{
    RepositoryId, SnapshotId, Vault, VaultError,
    locks::Held,
    prune::{self, PrunePlan, PruneReport},
};

/// Keeps a repository from being closed, and so its new snapshot from being pruned, until it is dropped.
///
/// Meant for the time between a commit and the publication of its snapshot. Whoever has one must not wait for another
/// operation on the same repository: a close that is waiting goes first, and waits for this.
#[must_use = "dropping it lets a prune remove what is not yet published"]
pub struct Hold {
    _held: Arc<Held>,
}

impl Hold {
    pub(crate) fn new(held: Arc<Held>) -> Self {
        Self { _held: held }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

/// A repository that nobody else commits to, checks out of or prunes while this lives. Made by [`Vault::close`].
///
/// Whoever has one must not wait for an operation of the [`Vault`] on the same repository: that waits for this to be dropped.
/// The order of a prune is: close, read which snapshots are published, [`plan_prune`](Self::plan_prune),
/// [`run_prune`](Self::run_prune), drop. What is published is read after closing, so that none can be missed.
#[must_use = "dropping it opens the repository again"]
pub struct Closed {
    vault: Vault,
    repository: RepositoryId,
    held: Arc<Held>,
}

impl Closed {
    pub(crate) fn new(vault: Vault, repository: RepositoryId, held: Arc<Held>) -> Self {
        Self { vault, repository, held }
    }

    /// Looks what a prune that keeps just these snapshots would do. Changes nothing.
    ///
    /// Snapshots of `keep` that the repository does not have are a finding of the plan. One that is there and cannot be read,
    /// itself or anything that it needs, is [`VaultError::Unprunable`]. Reads every index and, once, every directory of the kept
    /// snapshots.
    pub async fn plan_prune(&self, keep: &BTreeSet<SnapshotId>) -> Result<PrunePlan, VaultError> {
        let keep = keep.clone();
        self.vault
            .run_held(self.repository, self.held.clone(), move |access, _| prune::plan(access, &keep))
            .await
    }

    /// Removes the plan's snapshots, then every byte that no other snapshot needs, and merges small objects.
    ///
    /// Everything that is kept is verified to be readable first, as by [`plan_prune`](Self::plan_prune), and what is to be
    /// rewritten is verified byte by byte; otherwise, or if a snapshot to keep is missing, it is [`VaultError::Unprunable`] and
    /// nothing was removed. Interrupted at any point, it leaves every kept snapshot whole, and the next run goes on. Once
    /// started the work runs to its end, even when the future is dropped.
    pub async fn run_prune(&self, plan: PrunePlan) -> Result<PruneReport, VaultError> {
        self.vault
            .run_held(self.repository, self.held.clone(), move |access, inner| {
                let pruned = prune::run(access, &plan);
                inner.forget(access.id);
                pruned
            })
            .await
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").field("repository", &self.repository).finish_non_exhaustive()
    }
}
