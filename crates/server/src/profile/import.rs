//! Making a revision of a user data dir that a browser elsewhere has written.

use std::path::{Path, PathBuf};

use roadstead_api::{ProfileName, ProjectId};
use tracing::info;

use super::copy::{Missing, copy_tree};
use super::save::Selected;
use super::{Profiles, RevisionCause, SaveOptions};
use crate::audit::Actor;
use crate::db::NewRevision;
use crate::error::{Error, PROFILE_NOT_FOUND, Result};

/// Where Chromium keeps what a person calls a profile.
const DEFAULT: &str = "Default";
/// The link by which a running Chromium claims its user data dir.
const CLAIM: &str = "SingletonLock";
/// Where Chromium writes its version.
const VERSION_FILE: &str = "Last Version";

impl Profiles {
    /// Adds a revision that holds a user data dir, and makes it the head; the profile is made if it is new. Returns the
    /// revision's number.
    ///
    /// Errors: no user data dir, one that a browser has claimed ([`Error::Conflict`]), a profile that a session writes alone.
    /// What the directory cannot carry, cookies without an expiry above all, does not come along.
    pub async fn import(&self, project: ProjectId, name: &ProfileName, dir: &Path) -> Result<u64> {
        let version = require_user_data_dir(dir)?;
        let staged = stage(dir.to_owned()).await?;
        let options = SaveOptions::default();
        let Selected { excluded, captured, .. } = self.select(staged.path(), None, &options).await?;
        let profile = self.db.profile_to_import_into((project, &Actor::command(project)), name).await?;
        let description = "imported".to_owned();
        let (report, hold) =
            self.commit(profile, None, staged.path(), excluded, RevisionCause::Imported, description).await?;
        let digest = report.snapshot.to_string();
        let new = NewRevision {
            profile,
            session: None,
            digest: &digest,
            size_bytes: report.bytes,
            added_bytes: report.bytes_added,
            files: report.files,
            captured: &captured,
            browser_version: version.as_deref(),
            cause: RevisionCause::Imported,
            missing_cookies: &[],
        };
        let number = self.db.publish_import(&Actor::command(project), &new).await?;
        drop(hold);
        self.news.tell(profile);
        let number = number.ok_or(PROFILE_NOT_FOUND)?;
        info!(profile.name = %name, profile.revision = number, "imported a user data dir");
        Ok(number)
    }
}

/// Copies the directory to where a state has it. The copy is gone when the returned value is.
async fn stage(dir: PathBuf) -> Result<tempfile::TempDir> {
    let copied = tokio::task::spawn_blocking(move || {
        let staged = tempfile::tempdir()?;
        copy_tree(&dir, &staged.path().join("user-data"), &|_| false, Missing::Fault)?;
        Ok::<_, std::io::Error>(staged)
    });
    let copied = copied.await.expect("copying files does not panic");
    copied.map_err(|problem| Error::internal("The directory could not be copied.", problem))
}

/// Requires a user data dir at rest, and returns which browser wrote it, if that is there to read.
fn require_user_data_dir(dir: &Path) -> Result<Option<String>> {
    if !dir.join(DEFAULT).is_dir() {
        return Err(Error::InvalidRequest(format!(
            "{} is no Chromium user data dir: it has no directory {DEFAULT:?}. Name the directory above it.",
            dir.display()
        )));
    }
    if dir.join(CLAIM).is_symlink() {
        return Err(Error::Conflict(format!(
            "A browser uses {}. Close it first; if none runs, remove {CLAIM} there.",
            dir.display()
        )));
    }
    let version = std::fs::read_to_string(dir.join(VERSION_FILE)).ok();
    Ok(version.map(|version| format!("Chrome/{}", version.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_user_data_dir_that_no_browser_uses_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |dir: &Path| require_user_data_dir(dir).unwrap_err().to_string();
        assert!(refused(dir.path()).contains("no directory \"Default\""));
        std::fs::create_dir(dir.path().join(DEFAULT)).unwrap();
        assert_eq!(require_user_data_dir(dir.path()).unwrap(), None);
        std::fs::write(dir.path().join(VERSION_FILE), "156.0.1.2\n").unwrap();
        assert_eq!(require_user_data_dir(dir.path()).unwrap().as_deref(), Some("Chrome/156.0.1.2"));
        std::os::unix::fs::symlink("host-1", dir.path().join(CLAIM)).unwrap();
        assert!(refused(dir.path()).contains("Close it first"));
    }
}
