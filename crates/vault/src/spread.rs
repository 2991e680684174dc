//! Telling the file system that a directory's subdirectories have nothing to do with each other.
//!
//! ext4 puts a directory's files near their parent, and does not reuse the inodes of files deleted within the last minutes
//! but steps over them one by one. Where working directories come and go, each new file of the next one then costs up to a
//! millisecond (measured: 2.4 s instead of 0.3 s for 2,671 files). Marked as a top of unrelated hierarchies (`chattr +T`), the
//! directory has its subdirectories spread over the disk, where nothing was deleted lately.

use std::{fs::File, io, path::Path};

use rustix::{
    fs::{IFlags, ioctl_getflags, ioctl_setflags},
    io::Errno,
};

use crate::VaultError;

/// Prepares a directory below which directories are checked out and deleted all the time.
///
/// Does nothing on a file system that has no such mark: it is a hint.
pub fn spread_subdirectories(directory: &Path) -> Result<(), VaultError> {
    let mark = || -> io::Result<()> {
        let handle = File::open(directory)?;
        let marked =
            ioctl_getflags(&handle).and_then(|flags| ioctl_setflags(&handle, flags | IFlags::TOPDIR));
        match marked {
            Err(
                Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS,
            ) => Ok(()),
            other => Ok(other?),
        }
    };
    mark().map_err(|error| VaultError::file("prepare", directory, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_marked_where_marks_exist() {
        let directory = tempfile::tempdir().unwrap();
        spread_subdirectories(directory.path()).unwrap();
        spread_subdirectories(directory.path()).unwrap();
        let statfs = rustix::fs::statfs(directory.path()).unwrap();
        if statfs.f_type == 0xef53 {
            let flags = ioctl_getflags(File::open(directory.path()).unwrap()).unwrap();
            assert!(flags.contains(IFlags::TOPDIR), "ext4 has the mark: {flags:?}");
        }
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        assert!(matches!(spread_subdirectories(&missing), Err(VaultError::File { .. })));
    }
}
