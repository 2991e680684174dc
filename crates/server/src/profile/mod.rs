//! Profiles: named lineages of revisions, owned by a project.
//!
//! A revision is a snapshot in the vault plus a row in the database, and exists only when both are on disk. Nothing is
//! ever overwritten: a save adds a revision and moves the head. What is here: what a project may do with its profiles,
//! checking a revision out, saving a session's files ([`save`]), and what files cannot carry ([`portable`]). What is
//! not: the browser that wrote the files.

pub mod copy;
mod import;
mod inventory;
pub mod news;
pub mod portable;
mod prune;
mod retention;
mod revision;
mod save;

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use metrics::histogram;
use roadstead_api::{ProfileId, ProfileName, ProjectId, SessionId};
use roadstead_egress::ExitName;
use roadstead_vault::{CheckoutReport, RepositoryId, SnapshotId, Vault};
use tracing::{error, info};

pub use self::prune::PruneNews;
pub use self::revision::{RequiredCookie, RevisionCause, RevisionRecord, SaveOptions};
pub use self::save::Save;

use self::news::News;

use crate::audit::Actor;
use crate::caller::Caller;
use crate::config::ProfileConfig;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::exits::choice::Reserve;
use crate::lifecycle::Lifecycle;

/// A profile as the database knows it.
#[derive(Clone, Debug)]
pub struct ProfileRecord {
    /// Its id; also the name of its repository in the vault.
    pub id: ProfileId,
    /// Its name.
    pub name: ProfileName,
    /// What its owner wrote about it.
    pub description: Option<String>,
    /// The session that it was made from, or was last tied to.
    pub session_id: Option<SessionId>,
    /// Whether its latest save is done.
    pub status: ProfileStatus,
    /// Why the latest save failed, if it did.
    pub status_reason: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its head's number; `None` while it holds nothing.
    pub revision: Option<u64>,
    /// Its head's restored size in bytes.
    pub size_bytes: u64,
    /// The exit that it holds.
    pub exit: Option<ReservedExit>,
}

/// The exit that a profile holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedExit {
    /// Its name.
    pub name: ExitName,
    /// The address that the profile's sessions have seen there, or else the last check.
    pub address: Option<IpAddr>,
}

/// Where a profile stands. The wire uses the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileStatus {
    /// A running session will be saved into it; the head, if there is one, is usable meanwhile.
    Pending,
    /// Its head is its latest state.
    Active,
    /// Its latest save failed; the head, if there is one, is what it was before.
    Failed,
}

impl ProfileStatus {
    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Failed => "failed",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Failed].into_iter().find(|status| status.as_str() == word)
    }
}

/// A profile to be created.
#[derive(Clone, Debug)]
pub struct NewProfile {
    /// Its name.
    pub name: ProfileName,
    /// What its owner writes about it.
    pub description: Option<String>,
    /// The running session to save into it; without one it is created empty.
    pub session: Option<SessionId>,
    /// The exit that it is to have for itself.
    pub reserve: Option<Reserve>,
}

/// A change to a profile; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// What its owner writes about it.
    pub description: Option<String>,
    /// A running session to save into it as well.
    pub session: Option<SessionId>,
    /// The exit that it is to have for itself, if it has none.
    pub reserve: Option<Reserve>,
}

/// Everything that may be done with profiles; clones share it.
#[derive(Clone)]
pub struct Profiles {
    db: Db,
    vault: Vault,
    config: ProfileConfig,
    lifecycle: Lifecycle,
    news: News,
}

impl Profiles {
    /// Makes the room out of its two stores.
    pub fn new(db: Db, vault: Vault, config: ProfileConfig, lifecycle: Lifecycle) -> Self {
        Self { db, vault, config, lifecycle, news: News::default() }
    }

    /// Returns where changes of profiles are told.
    pub fn news(&self) -> &News {
        &self.news
    }

    /// Creates a profile: empty, or to be filled when a running session ends.
    pub async fn create(&self, caller: &Caller, new: NewProfile) -> Result<ProfileRecord> {
        let NewProfile { name, description, session, reserve } = new;
        let by = (caller.project, &caller.actor());
        self.db.create_profile(by, &name, description.as_deref(), session, reserve.as_ref()).await
    }

    /// Lists a project's profiles, oldest first.
    pub async fn list(&self, project: ProjectId) -> Result<Vec<ProfileRecord>> {
        self.db.profiles(project).await
    }

    /// Returns one of a project's profiles.
    pub async fn get(&self, project: ProjectId, name: &str) -> Result<ProfileRecord> {
        self.db.profile(project, name).await
    }

    /// Changes one of a project's profiles.
    pub async fn update(&self, caller: &Caller, name: &str, change: ProfileChange) -> Result<ProfileRecord> {
        let ProfileChange { description, session, reserve } = change;
        let by = (caller.project, &caller.actor());
        self.db.update_profile(by, name, description.as_deref(), session, reserve.as_ref()).await
    }

    /// Deletes one of a project's profiles with all its revisions and its key. Sessions that use it go on.
    ///
    /// When this returns the profile is gone for everyone. Bytes that could not be removed now are removed at the next
    /// start; without their key they are noise.
    pub async fn delete(&self, (project, by): (ProjectId, &Actor), name: &str) -> Result<()> {
        let id = self.db.delete_profile((project, by), name).await?;
        self.news.tell(id);
        if let Err(problem) = self.delete_repository(id).await {
            error!(profile.id = %id, error = ?problem, "failed to remove a deleted profile's bytes; the next start tries again");
        }
        Ok(())
    }

    /// Removes what is left of profiles that were deleted before.
    pub async fn finish_deletions(&self) -> Result<()> {
        for id in self.db.doomed_repositories().await? {
            self.delete_repository(id).await?;
            info!(profile.id = %id, "removed the rest of a deleted profile");
        }
        Ok(())
    }

    /// Waits until a profile's head is a revision or a later one, and returns the profile.
    ///
    /// [`Error::WaitedInVain`] when it is not by the deadline.
    pub async fn wait_for_revision(
        &self,
        project: ProjectId,
        name: &str,
        wanted: u64,
        deadline: tokio::time::Instant,
    ) -> Result<ProfileRecord> {
        let mut listener = self.news.listen();
        loop {
            let profile = self.db.profile(project, name).await?;
            if profile.revision.is_some_and(|head| head >= wanted) {
                return Ok(profile);
            }
            let stopped = self.lifecycle.soft().is_cancelled();
            if stopped || !listener.wait(Some(profile.id), deadline).await {
                let head = profile
                    .revision
                    .map_or_else(|| "it holds nothing yet".to_owned(), |head| format!("its head is {head}"));
                return Err(Error::WaitedInVain(format!(
                    "The profile {name:?} has not reached revision {wanted}: {head}. Ask again to go on waiting."
                )));
            }
        }
    }

    /// Lists the revisions of one of a project's profiles, newest first.
    pub async fn revisions(&self, project: ProjectId, name: &str) -> Result<Vec<RevisionRecord>> {
        self.db.revisions_of(project, name).await
    }

    /// Returns one revision of one of a project's profiles.
    pub async fn revision(&self, project: ProjectId, name: &str, number: u64) -> Result<RevisionRecord> {
        self.db.revision(project, name, number).await
    }

    /// Adds a revision that equals an earlier one, and makes it the head.
    pub async fn roll_back(&self, caller: &Caller, name: &str, number: u64) -> Result<RevisionRecord> {
        let added = self.db.roll_back((caller.project, &caller.actor()), name, number).await?;
        self.tell_of(caller.project, name).await;
        Ok(added)
    }

    /// Makes a revision that was held back the head after all.
    pub async fn promote(&self, caller: &Caller, name: &str, number: u64) -> Result<RevisionRecord> {
        let promoted = self.db.promote((caller.project, &caller.actor()), name, number).await?;
        self.tell_of(caller.project, name).await;
        Ok(promoted)
    }

    /// Keeps a revision from retention, or no longer.
    pub async fn pin(
        &self,
        caller: &Caller,
        name: &str,
        number: u64,
        pinned: bool,
    ) -> Result<RevisionRecord> {
        self.db.pin((caller.project, &caller.actor()), name, number, pinned).await
    }

    /// Deletes a revision: its row at once, its bytes before this returns unless another revision needs them.
    pub async fn delete_revision(&self, caller: &Caller, name: &str, number: u64) -> Result<()> {
        let profile = self.db.delete_revision((caller.project, &caller.actor()), name, number).await?;
        self.news.tell(profile);
        match self.prune(profile).await {
            Ok(_) => Ok(()),
            Err(problem) => Err(Error::internal(
                "The revision is deleted, but its bytes could not be removed. `roadstead prune` on the server tries again, and says what is in the way.",
                problem,
            )),
        }
    }

    /// Tells of a profile by its name. One that is gone by now has been told of.
    async fn tell_of(&self, project: ProjectId, name: &str) {
        if let Ok(profile) = self.db.profile(project, name).await {
            self.news.tell(profile.id);
        }
    }

    /// Materialises a revision in `into`, which must exist and be empty. Returns what was written.
    pub async fn checkout(
        &self,
        profile: ProfileId,
        revision: u64,
        digest: &str,
        into: &Path,
    ) -> Result<CheckoutReport> {
        let began = Instant::now();
        let snapshot: SnapshotId =
            digest.parse().map_err(|problem| unreadable(profile, revision, problem))?;
        let report = self
            .vault
            .checkout(&repository(profile), &snapshot, into)
            .await
            .map_err(|problem| unreadable(profile, revision, problem))?;
        histogram!("roadstead_profile_checkout_seconds").record(began.elapsed());
        Ok(report)
    }

    async fn delete_repository(&self, id: ProfileId) -> Result<()> {
        self.vault
            .delete(&repository(id))
            .await
            .map_err(|problem| Error::internal("The profile's bytes could not be removed.", problem))?;
        self.db.repository_deleted(id).await
    }
}

/// Names a profile's repository in the vault.
pub fn repository(profile: ProfileId) -> RepositoryId {
    profile.uuid().into()
}

fn unreadable(profile: ProfileId, revision: u64, problem: impl Into<anyhow::Error>) -> Error {
    let problem = problem.into().context(format!("profile {profile}, revision {revision}"));
    Error::internal(
        "The profile's revision cannot be read from the vault. Run `roadstead check --read-data` on the server.",
        problem,
    )
}
