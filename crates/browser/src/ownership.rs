//! Handing directories to the user that the browser runs as.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use crate::options::UserId;

/// Makes a directory and everything in it belong to a user. Needs root unless it all does already.
///
/// Symbolic links are changed, never followed. A file with a second name is refused: the other name may be anywhere, and
/// what it names would be given away with it.
pub fn give_to(dir: &Path, user: UserId) -> io::Result<()> {
    let found = fs::symlink_metadata(dir)?;
    give_one(dir, &found, user)?;
    if found.is_dir() {
        for entry in fs::read_dir(dir)? {
            give_to(&entry?.path(), user)?;
        }
    }
    Ok(())
}

fn give_one(path: &Path, found: &Metadata, user: UserId) -> io::Result<()> {
    if (found.uid(), found.gid()) == (user.uid, user.gid) {
        return Ok(());
    }
    if found.is_file() && found.nlink() > 1 {
        let message = format!("{} has another name and would be given away under that too", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    lchown(path, Some(user.uid), Some(user.gid))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const NOBODY: UserId = UserId { uid: 65534, gid: 65534 };

    fn owner(path: &Path) -> (u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    fn own() -> UserId {
        UserId { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() }
    }

    #[test]
    fn giving_a_dir_to_its_owner_needs_no_right() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        give_to(dir.path(), own()).unwrap();
    }

    #[test]
    fn everything_inside_is_given_and_nothing_outside() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/file"), "").unwrap();
        fs::write(outside.path().join("file"), "").unwrap();
        symlink(outside.path(), dir.path().join("a/link")).unwrap();
        give_to(dir.path(), NOBODY).unwrap();
        for inside in ["", "a", "a/b", "a/b/file", "a/link"] {
            assert_eq!(owner(&dir.path().join(inside)), (NOBODY.uid, NOBODY.gid), "{inside}");
        }
        assert_eq!(owner(outside.path()), (0, 0));
        assert_eq!(owner(&outside.path().join("file")), (0, 0));
    }

    #[test]
    fn a_file_with_a_second_name_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "").unwrap();
        fs::hard_link(outside.path().join("secret"), dir.path().join("innocent")).unwrap();
        let error = give_to(dir.path(), NOBODY).unwrap_err();
        assert!(error.to_string().contains("innocent"), "{error}");
        assert_eq!(owner(&outside.path().join("secret")), (0, 0));
    }
}
