//! Where a running session's files live, and who may reach them.
//!
//! ```text
//! <work root>/<session id>/        ours
//!     state/                       ours: what a revision holds
//!         user-data/               the browser's: Chromium's user data dir
//!         portable.json            ours: what the files cannot carry, see `profile::portable`
//!     home/                        the browser's: HOME, TMPDIR and the XDG dirs
//!     downloads/                   the browser's
//!     uploads/                     ours, shown to the browser: files for its file choosers
//!     agent/                       ours, shown to the browser: files for agents that drive it
//!     extensions/                  ours, shown to the browser: extensions, unpacked
//!     incoming/                    ours: files that are not here as a whole yet
//!     checkpoint/                  ours: a copy of the state, while it is being saved
//! ```
//!
//! What is no longer needed goes by way of `<work root>/.shred`: see [`super::shred`].
//!
//! What is the browser's is 0700 and belongs to the user that it runs as. What is ours can be walked through by that
//! user, no more, and by nobody else: it is 0710 and belongs to root and the user's group. What is shown to the browser is 0750
//! likewise, its files 0640. When the two are one, everything is 0700.
//!
//! The work root is `<data>/work`. A server started as root runs browsers as another user, who must be able to walk
//! there: when a parent directory forbids it (`/root` is 0700), the root moves to `/var/tmp`, under a name derived from
//! the data dir, so that the next start finds what this one left.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use roadstead_api::SessionId;
use roadstead_browser::{UserId, give_to};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

/// How often a directory is removed anew when somebody put something into it meanwhile. A browser whose server died before
/// it could note the process is not waited for, and its services live some milliseconds longer than it.
const REMOVALS: u32 = 100;
/// How long to wait between two removals.
const PAUSE: Duration = Duration::from_millis(10);

/// The directory that holds every session's own.
#[derive(Clone, Debug)]
pub struct WorkRoot {
    root: PathBuf,
}

/// One session's directory.
#[derive(Clone, Debug)]
pub struct WorkDir {
    path: PathBuf,
}

impl WorkRoot {
    /// Finds or makes the work root for a data dir. `stranger` is a user that browsers run as, if it is not ours.
    pub fn open(data_dir: &Path, stranger: Option<UserId>) -> anyhow::Result<Self> {
        let root = place(data_dir, stranger)?;
        make_dir(&root, if stranger.is_some() { 0o711 } else { 0o700 })
            .with_context(|| format!("failed to create the work directory {}", root.display()))?;
        let found = std::fs::symlink_metadata(&root)?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            bail!(
                "the work directory {} belongs to somebody else; remove it and start again",
                root.display()
            );
        }
        // Session directories come and go, and ext4 is slow to make files where many were deleted a moment ago.
        if let Err(error) = roadstead_vault::spread_subdirectories(&root) {
            warn!(%error, "the work directory could not be marked: starting sessions may be slower");
        }
        Ok(Self { root })
    }

    /// Returns the directory's path.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Names a session's directory, whether it exists or not.
    pub fn of(&self, session: SessionId) -> WorkDir {
        WorkDir { path: self.root.join(session.to_string()) }
    }

    /// Lists the sessions that have a directory here.
    pub fn sessions(&self) -> io::Result<Vec<SessionId>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            if let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                found.push(id);
            }
        }
        Ok(found)
    }
}

impl WorkDir {
    /// Makes the directory, with an empty state. `user` is the browser's, if it is not ours.
    pub fn create(&self, user: Option<UserId>) -> io::Result<()> {
        for ours in [self.path.clone(), self.state()] {
            make_dir(&ours, 0o700)?;
            if let Some(UserId { gid, .. }) = user {
                std::os::unix::fs::chown(&ours, None, Some(gid))?;
                std::fs::set_permissions(&ours, Permissions::from_mode(0o710))?;
            }
        }
        Ok(())
    }

    /// Makes the browser's rooms, where a checkout has not, and hands them to its user.
    pub fn hand_over(&self, user: Option<UserId>) -> io::Result<()> {
        for room in [self.user_data(), self.home(), self.downloads()] {
            make_dir(&room, 0o700)?;
            if let Some(user) = user {
                give_to(&room, user)?;
            }
        }
        make_dir(&self.incoming(), 0o700)?;
        show_dir(&self.uploads(), user)?;
        show_dir(&self.agent(), user)?;
        show_dir(&self.extensions(), user)
    }

    /// Returns what a revision holds.
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Returns Chromium's user data dir.
    pub fn user_data(&self) -> PathBuf {
        self.path.join("state/user-data")
    }

    /// Returns where a checkpoint's copy is made.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// Returns the browser's home.
    pub fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    /// Returns where downloads go.
    pub fn downloads(&self) -> PathBuf {
        self.path.join("downloads")
    }

    /// Returns where files for the browser's file choosers are.
    pub fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// Returns where files for agents are.
    pub fn agent(&self) -> PathBuf {
        self.path.join("agent")
    }

    /// Returns where extensions are.
    pub fn extensions(&self) -> PathBuf {
        self.path.join("extensions")
    }

    /// Returns where files are until they are whole.
    pub fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// Tells whether there is anything that a revision could hold.
    pub fn has_state(&self) -> bool {
        self.user_data().is_dir()
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory with all it holds, for as long as that may take a browser's last processes to stop writing.
    /// One that is gone already is fine.
    pub fn remove(&self) -> io::Result<()> {
        for _ in 0..REMOVALS {
            match std::fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => std::thread::sleep(PAUSE),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => return Ok(()),
            }
        }
        std::fs::remove_dir_all(&self.path)
    }
}

pub(super) fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // The umask may have narrowed the mode, or an earlier start with another owner set it.
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a directory that is ours, and that the browser's user may read.
fn show_dir(path: &Path, user: Option<UserId>) -> io::Result<()> {
    make_dir(path, 0o700)?;
    let Some(UserId { gid, .. }) = user else { return Ok(()) };
    std::os::unix::fs::chown(path, None, Some(gid))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o750))
}

fn place(data_dir: &Path, stranger: Option<UserId>) -> anyhow::Result<PathBuf> {
    let data_dir = data_dir.canonicalize().context("failed to resolve the data directory")?;
    let Some(stranger) = stranger else {
        return Ok(data_dir.join("work"));
    };
    let Some(barrier) = first_barrier(&data_dir, stranger)? else {
        return Ok(data_dir.join("work"));
    };
    let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
    let name =
        digest.iter().take(8).fold(String::from("roadstead-"), |name, byte| name + &format!("{byte:02x}"));
    let place = Path::new("/var/tmp").join(name);
    info!(
        barrier = %barrier.display(), work_dir = %place.display(),
        "the browser's user cannot walk through a parent of the data directory: running sessions' files go elsewhere"
    );
    Ok(place)
}

/// Finds the first directory on the way to `path` that `user` cannot walk through.
fn first_barrier(path: &Path, user: UserId) -> io::Result<Option<PathBuf>> {
    let mut way: Vec<_> = path.ancestors().collect();
    way.reverse();
    for directory in way {
        let found = std::fs::metadata(directory)?;
        let bit = match () {
            () if found.uid() == user.uid => 0o100,
            () if found.gid() == user.gid => 0o010,
            () => 0o001,
        };
        if found.mode() & bit == 0 {
            return Ok(Some(directory.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_the_browsers_user_cannot_walk_through_is_found() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).unwrap();
        let inner = outer.path().join("closed/data");
        std::fs::create_dir_all(&inner).unwrap();
        let stranger = UserId { uid: 4_000_000, gid: 4_000_000 };
        std::fs::set_permissions(outer.path().join("closed"), Permissions::from_mode(0o711)).unwrap();
        assert_eq!(first_barrier(&inner, stranger).unwrap(), None);
        std::fs::set_permissions(outer.path().join("closed"), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(first_barrier(&inner, stranger).unwrap(), Some(outer.path().join("closed")));
    }

    #[test]
    fn a_work_dir_is_private_and_goes_away_whole() {
        let data = tempfile::tempdir().unwrap();
        let root = WorkRoot::open(data.path(), None).unwrap();
        let id = SessionId::random();
        let dir = root.of(id);
        dir.create(None).unwrap();
        assert!(!dir.has_state());
        dir.hand_over(None).unwrap();
        assert!(dir.has_state());
        assert_eq!(std::fs::metadata(&dir.path).unwrap().mode() & 0o777, 0o700);
        assert_eq!(root.sessions().unwrap(), [id]);
        dir.remove().unwrap();
        dir.remove().unwrap();
        assert!(root.sessions().unwrap().is_empty());
    }
}
