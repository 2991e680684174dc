//! Profiles: named lineages of revisions, owned by a project.
//!
//! A revision is a snapshot in the vault plus a row in the database, and exists only when both are on disk. Nothing is
//! ever overwritten: a save adds a revision and moves the head. What is here: what a project may do with its profiles,
//! checking a revision out, saving a session's files ([`save`]), and what files cannot carry ([`portable`]). What is
//! not: the browser that wrote the files.

pub mod portable;
mod save;

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use metrics::histogram;
use roadstead_api::{ProfileId, ProfileName, ProjectId, SessionId};
use roadstead_vault::{RepositoryId, SnapshotId, Vault};
use tracing::{error, info};

pub use self::save::{Save, SaveCause};

use crate::caller::Caller;
use crate::db::Db;
use crate::error::{Error, Result};

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
}

/// A change to a profile; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// What its owner writes about it.
    pub description: Option<String>,
    /// A running session to save into it as well.
    pub session: Option<SessionId>,
}

/// Everything that may be done with profiles; clones share it.
#[derive(Clone)]
pub struct Profiles {
    db: Db,
    vault: Vault,
}

impl Profiles {
    /// Makes the room out of its two stores.
    pub fn new(db: Db, vault: Vault) -> Self {
        Self { db, vault }
    }

    /// Creates a profile: empty, or to be filled when a running session ends.
    pub async fn create(&self, caller: &Caller, new: NewProfile) -> Result<ProfileRecord> {
        self.db.create_profile(caller.project, &new.name, new.description.as_deref(), new.session).await
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
    pub async fn update(
        &self,
        project: ProjectId,
        name: &str,
        change: ProfileChange,
    ) -> Result<ProfileRecord> {
        self.db.update_profile(project, name, change.description.as_deref(), change.session).await
    }

    /// Deletes one of a project's profiles with all its revisions and its key. Sessions that use it go on.
    ///
    /// When this returns the profile is gone for everyone. Bytes that could not be removed now are removed at the next
    /// start; without their key they are noise.
    pub async fn delete(&self, project: ProjectId, name: &str) -> Result<()> {
        let id = self.db.delete_profile(project, name).await?;
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

    /// Materialises a revision in `into`, which must exist and be empty.
    pub async fn checkout(&self, profile: ProfileId, revision: u64, digest: &str, into: &Path) -> Result<()> {
        let began = Instant::now();
        let snapshot: SnapshotId =
            digest.parse().map_err(|problem| unreadable(profile, revision, problem))?;
        self.vault
            .checkout(&repository(profile), &snapshot, into)
            .await
            .map_err(|problem| unreadable(profile, revision, problem))?;
        histogram!("roadstead_profile_checkout_seconds").record(began.elapsed());
        Ok(())
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
