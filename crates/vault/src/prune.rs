//! Removing snapshots and the bytes that only they needed, and merging what many commits left in small pieces.
//!
//! The library plans and rewrites; what is ours is the order and the refusals. Everything that is kept must be readable before
//! anything is removed, snapshots go before what they need, and new packs and indexes are stored before old ones go.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rustic_core::{
    LimitOption, OpenStatus, PruneOptions, Repository, RusticError,
    repofile::{SnapshotFile, SnapshotId as StoredId},
};

use crate::{ObjectCounts, SnapshotId, VaultError, check, counts, error::describe, repository::Access};

const ACTION: &str = "prune the repository";

/// Bytes of file contents that may stay though no snapshot needs them, in per cent of those that are needed. Rewriting a pack
/// for the last few of them would cost more writing than the room is worth. Directories are always rewritten.
const MAX_UNUSED_PERCENT: u64 = 10;

/// What a prune would do. Made by [`Closed::plan_prune`](crate::Closed::plan_prune).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunePlan {
    /// The snapshots that go.
    pub removed: Vec<SnapshotId>,
    /// How many stay.
    pub kept: u64,
    /// Snapshots that should be kept and are not there. A plan that has any is refused when it is to run: their bytes may be
    /// all that is left of them.
    pub missing: Vec<SnapshotId>,
    /// Packs that nothing needs any more, or that an interrupted operation left.
    pub packs_removed: u64,
    /// Packs that are read, written anew without what nothing needs, merged with others, and removed.
    pub packs_rewritten: u64,
    /// Bytes of packs that would be freed, without headers.
    pub bytes_freed: u64,
    /// Bytes of packs that would be written anew, without headers.
    pub bytes_rewritten: u64,
    /// Index files there are. Every opening of the repository reads all.
    pub indexes: u64,
    /// How many of them would be merged into new ones of up to 50,000 entries.
    pub indexes_merged: u64,
}

/// What a prune did. Made by [`Closed::run_prune`](crate::Closed::run_prune).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneReport {
    /// Snapshots that were removed.
    pub snapshots_removed: u64,
    /// Bytes of packs that were written anew, without headers.
    pub bytes_rewritten: u64,
    /// The repository before.
    pub before: ObjectCounts,
    /// The repository after.
    pub after: ObjectCounts,
    /// How long it took.
    pub duration: Duration,
}

pub(crate) fn plan(access: &Access<'_>, keep: &BTreeSet<SnapshotId>) -> Result<PrunePlan, VaultError> {
    // What is found readable must be so in the store.
    let access = &access.afresh();
    let (repository, _end) = access.open(None)?.into_parts();
    let present = snapshots(&repository)?;
    let removed: Vec<_> = present.difference(keep).cloned().collect();
    let planned = plan_data(access, &repository, &present, &removed)?;
    let (stats, size) = (&planned.stats, planned.stats.size_sum());
    Ok(PrunePlan {
        kept: (present.len() - removed.len()) as u64,
        removed,
        missing: keep.difference(&present).cloned().collect(),
        packs_removed: stats.packs.unused
            + stats.packs_unref
            + stats.packs_to_delete.remove
            + stats.packs_to_delete.keep,
        packs_rewritten: stats.packs.repack,
        bytes_freed: size.remove
            + size.repackrm
            + stats.size_unref
            + stats.size_to_delete.remove
            + stats.size_to_delete.keep,
        bytes_rewritten: size.repack - size.repackrm,
        indexes: stats.index_files,
        indexes_merged: stats.index_files_rebuild,
    })
}

/// Plans anew: what is removed follows from what is stored now, however old `plan` is. Snapshots it does not name stay.
pub(crate) fn run(access: &Access<'_>, plan: &PrunePlan) -> Result<PruneReport, VaultError> {
    let began = Instant::now();
    if let Some(missing) = plan.missing.first() {
        let reason = format!("snapshot {missing}, which is to be kept, is missing");
        return Err(VaultError::Unprunable { repository: access.id, reason });
    }
    let access = &access.afresh();
    let (repository, _end) = access.open(None)?.into_parts();
    let present = snapshots(&repository)?;
    let removed: Vec<_> = plan.removed.iter().filter(|id| present.contains(id)).cloned().collect();
    let planned = plan_data(access, &repository, &present, &removed)?;
    // The library copies blobs by their place in a pack and does not look whether they are those the index promises.
    for pack in planned.repack_packs() {
        if let Some(problem) = check::read_pack(access, &pack) {
            let reason = format!("pack {} {problem}", pack.to_hex().as_str());
            return Err(VaultError::Unprunable { repository: access.id, reason });
        }
    }
    let size = planned.stats.size_sum();
    let before = counts::count(access)?;

    let failed = |error: Box<RusticError>| VaultError::from_rustic(ACTION, &error);
    repository.delete_snapshots(&stored(&removed)).map_err(failed)?;
    repository.prune(&options(&removed), planned).map_err(failed)?;

    Ok(PruneReport {
        snapshots_removed: removed.len() as u64,
        bytes_rewritten: size.repack - size.repackrm,
        before,
        after: counts::count(access)?,
        duration: began.elapsed(),
    })
}

fn snapshots(repository: &Repository<OpenStatus>) -> Result<BTreeSet<SnapshotId>, VaultError> {
    let listed = repository.list::<StoredId>();
    let listed = listed.map_err(|error| VaultError::from_rustic("list the snapshots", &error))?;
    Ok(listed.map(|id| SnapshotId::from_stored(&id)).collect())
}

fn stored(snapshots: &[SnapshotId]) -> Vec<StoredId> {
    snapshots.iter().map(SnapshotId::stored).collect()
}

/// Plans what becomes of packs and indexes once `removed` are gone. The library reads every directory of every other snapshot, and
/// fails if one of them, an entry of an index or a pack is missing; a snapshot itself it would not name.
fn plan_data(
    access: &Access<'_>,
    repository: &Repository<OpenStatus>,
    present: &BTreeSet<SnapshotId>,
    removed: &[SnapshotId],
) -> Result<rustic_core::PrunePlan, VaultError> {
    let unprunable = |reason| VaultError::Unprunable { repository: access.id, reason };
    let refused = |error: &RusticError, what: String| match VaultError::from_rustic(ACTION, error) {
        VaultError::Damaged { .. } => unprunable(what + &describe(error)),
        other => other,
    };
    let removed: BTreeSet<_> = removed.iter().collect();
    for id in present.iter().filter(|id| !removed.contains(id)) {
        let read = repository.get_file::<SnapshotFile>(&id.stored());
        read.map_err(|error| refused(&error, format!("snapshot {id} cannot be read: ")))?;
    }
    let removed: Vec<_> = removed.into_iter().cloned().collect();
    repository.prune_plan(&options(&removed)).map_err(|error| refused(&error, String::new()))
}

fn options(removed: &[SnapshotId]) -> PruneOptions {
    PruneOptions::default()
        .ignore_snaps(stored(removed))
        // Nobody else is at work, so nothing has to be marked first and removed on another day.
        .instant_delete(true)
        // The usual tenth of a repository is less than one pack of a small profile: nothing would ever be merged. What is
        // rewritten is bounded anyway: packs with something to drop, and packs below a third of their size once they fill one.
        .max_repack(LimitOption::Unlimited)
        .max_unused(LimitOption::Percentage(MAX_UNUSED_PERCENT))
}
