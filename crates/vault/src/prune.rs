//! Letting snapshots go, and making one index and few packs out of many: first a look, then the deed.
//!
//! Snapshots go first, then what no snapshot needs. The library writes what it keeps of half-used packs anew, then the index of
//! it all, and only then deletes old indexes and old packs: cut off anywhere, what is kept can be read.

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rustic_core::{
    FileType, LimitOption, Open, PruneOptions, Repository, RusticError,
    repofile::{SnapshotFile, SnapshotId as StoredId},
};

use crate::{
    RepositoryId, SnapshotId, Vault, VaultError, adapter, error::describe, layout, repository::Access,
    vault::Hold,
};

const ACTION: &str = "prune the repository";

/// How much of a repository may be unused afterwards, in per cent of what is used. Getting at the last of it would mean
/// writing packs of megabytes anew for the sake of kilobytes.
const TOLERATED_PERCENT: u64 = 5;

/// A repository that nobody else works on. Dropping it opens it again.
pub struct Closed {
    vault: Vault,
    repository: RepositoryId,
    /// Shared with work that may outlive a dropped future.
    hold: Arc<Hold>,
}

/// What a prune would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunePlan {
    /// The snapshots that go.
    pub snapshots: Vec<SnapshotId>,
    /// How many packs go because nothing in them is needed.
    pub packs_removed: u64,
    /// How many packs are written anew, because they are half used or too small.
    pub packs_rewritten: u64,
    /// How many index files are made one.
    pub indexes: u64,
    /// How many bytes are freed, without those of the snapshots themselves.
    pub bytes_freed: u64,
}

/// What a prune did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneReport {
    /// How many snapshots went.
    pub snapshots: u64,
    /// How many bytes the repository has lost.
    pub bytes_freed: u64,
    /// What is left.
    pub left: ObjectCounts,
    /// How long it took.
    pub duration: Duration,
}

/// How many objects a repository has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Snapshots.
    pub snapshots: u64,
    /// Index files: one more with each commit, until they are merged.
    pub indexes: u64,
    /// Packs of file contents and of directory trees.
    pub packs: u64,
    /// The bytes of all of these, as stored.
    pub bytes: u64,
}

impl Closed {
    pub(crate) fn new(vault: Vault, repository: RepositoryId, hold: Hold) -> Self {
        Self { vault, repository, hold: Arc::new(hold) }
    }

    /// Looks what would go if only the snapshots in `keep` were kept, and does nothing.
    ///
    /// Errors: a snapshot that is to be kept is missing or cannot be read. Then nothing may go: what it needs is not known.
    pub async fn plan_prune(&self, keep: &BTreeSet<SnapshotId>) -> Result<PrunePlan, VaultError> {
        let keep = keep.clone();
        self.run(move |access| plan(access, &keep)).await
    }

    /// Does what was planned on this very value: nothing can have changed since.
    pub async fn run_prune(&self, plan: PrunePlan) -> Result<PruneReport, VaultError> {
        self.run(move |access| run(access, &plan)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Access<'_>) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let hold = self.hold.clone();
        let done = self.vault.run_under(self.repository, hold, |access, _| work(access)).await;
        done.map(|(done, _hold)| done)
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").field("repository", &self.repository).finish_non_exhaustive()
    }
}

impl ObjectCounts {
    pub(crate) fn of(access: &Access<'_>) -> Result<Self, VaultError> {
        let mut counts = Self::default();
        counts.snapshots = counts.count(access, FileType::Snapshot)?;
        counts.indexes = counts.count(access, FileType::Index)?;
        counts.packs = counts.count(access, FileType::Pack)?;
        Ok(counts)
    }

    fn count(&mut self, access: &Access<'_>, kind: FileType) -> Result<u64, VaultError> {
        let listed = access.store.list(&layout::directory(access.id, kind));
        let listed = listed.map_err(|source| VaultError::Store { action: "list the repository", source })?;
        let mut count = 0;
        for meta in listed.iter().filter(|meta| adapter::named_by_content(meta).is_some()) {
            count += 1;
            self.bytes += meta.size;
        }
        Ok(count)
    }
}

fn plan(access: &Access<'_>, keep: &BTreeSet<SnapshotId>) -> Result<PrunePlan, VaultError> {
    let (repository, _end) = access.open(None)?.into_parts();
    let doomed = choose(&repository, keep)?;
    let planned = repository.prune_plan(&options(&doomed)).map_err(failed)?;
    let (size, packs) = (planned.stats.size_sum(), planned.stats.packs);
    Ok(PrunePlan {
        snapshots: doomed.iter().map(SnapshotId::from_stored).collect(),
        packs_removed: packs.unused + planned.stats.packs_unref,
        packs_rewritten: packs.repack,
        indexes: planned.stats.index_files_rebuild,
        bytes_freed: size.remove + size.repackrm + planned.stats.size_unref,
    })
}

fn run(access: &Access<'_>, plan: &PrunePlan) -> Result<PruneReport, VaultError> {
    let began = Instant::now();
    let before = ObjectCounts::of(access)?;
    let (repository, _end) = access.open(None)?.into_parts();
    let doomed: Vec<StoredId> = plan.snapshots.iter().map(SnapshotId::stored).collect();
    repository.delete_snapshots(&doomed).map_err(failed)?;
    let options = options(&[]);
    let planned = repository.prune_plan(&options).map_err(failed)?;
    repository.prune(&options, planned).map_err(failed)?;
    let left = ObjectCounts::of(access)?;
    Ok(PruneReport {
        snapshots: doomed.len() as u64,
        bytes_freed: before.bytes.saturating_sub(left.bytes),
        left,
        duration: began.elapsed(),
    })
}

/// Chooses the snapshots that go: all that are not to be kept.
fn choose<S: Open>(
    repository: &Repository<S>,
    keep: &BTreeSet<SnapshotId>,
) -> Result<Vec<StoredId>, VaultError> {
    let listed = repository.list::<StoredId>().map_err(failed)?;
    let (kept, doomed): (Vec<_>, Vec<_>) =
        listed.partition(|stored| keep.contains(&SnapshotId::from_stored(stored)));
    let refused = |reason| Err(VaultError::Damaged { action: ACTION, reason });
    if let Some(missing) = keep.iter().find(|id| !kept.contains(&id.stored())) {
        return refused(format!("snapshot {missing}, which is to be kept, is missing"));
    }
    for stored in &kept {
        if let Err(error) = repository.get_file::<SnapshotFile>(stored) {
            let id = SnapshotId::from_stored(stored);
            let reason = describe(&error);
            return refused(format!("snapshot {id}, which is to be kept, cannot be read: {reason}"));
        }
    }
    Ok(doomed)
}

fn options(ignored: &[StoredId]) -> PruneOptions {
    let mut options = PruneOptions::default();
    // Nobody else is there who might need a pack a moment longer.
    options.instant_delete = true;
    // Each commit leaves a small pack or two; without a limit they all become one, however much that is.
    options.max_repack = LimitOption::Unlimited;
    options.max_unused = LimitOption::Percentage(TOLERATED_PERCENT);
    // The chunks go on being what they are; they were verified when they were written.
    options.fast_repack = true;
    options.ignore_snaps = ignored.to_vec();
    options
}

#[expect(clippy::needless_pass_by_value, reason = "to be named in map_err")]
fn failed(error: Box<RusticError>) -> VaultError {
    VaultError::from_rustic(ACTION, &error)
}
