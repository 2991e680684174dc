//! Writing over a file, so that what it held is no longer on the disk when its name is gone.
//!
//! That is true of a file system that writes in place (ext4, XFS) on a disk that does. A copy-on-write file system, a snapshot
//! of a volume, and the spare blocks of a flash disk keep what was there before: for those only an encrypted disk helps.

use std::{fs::File, io, os::unix::fs::FileExt};

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

/// How much is written at once.
static PIECE: [u8; 64 << 10] = [0; 64 << 10];

/// Writes zeros over everything that a file holds, and returns how many, on disk. Its length stays, and so do its holes, which
/// hold nothing.
///
/// What is added to the file meanwhile is not written over. The file's position changes.
pub fn overwrite(file: &File) -> io::Result<u64> {
    let end = file.metadata()?.len();
    let (mut at, mut written) = (0, 0);
    while let Some((from, to)) = next_data(file, at, end)? {
        let mut left = from..to;
        while !left.is_empty() {
            let piece = usize::try_from(left.end - left.start).unwrap_or(PIECE.len()).min(PIECE.len());
            file.write_all_at(&PIECE[..piece], left.start)?;
            left.start += piece as u64;
        }
        written += to - from;
        at = to;
    }
    if written > 0 {
        file.sync_data()?;
    }
    Ok(written)
}

/// Finds the next stretch of a file that holds data.
fn next_data(file: &File, at: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= end {
        return Ok(None);
    }
    match seek(file, SeekFrom::Data(at)) {
        Ok(from) if from < end => {
            let to = seek(file, SeekFrom::Hole(from))?;
            Ok(Some((from, to.min(end))))
        }
        Ok(_) | Err(Errno::NXIO) => Ok(None),
        // A file system that knows no holes.
        Err(Errno::INVAL | Errno::NOTSUP) => Ok(Some((at, end))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn every_byte_becomes_zero_and_the_length_stays() {
        for length in [0, 1, PIECE.len() - 1, PIECE.len(), 3 * PIECE.len() + 5] {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&vec![7; length], 0).unwrap();
            assert_eq!(overwrite(&file).unwrap(), length as u64);
            let mut found = vec![1; length + 1];
            assert_eq!(file.read_at(&mut found, 0).unwrap(), length);
            assert!(found[..length].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn a_hole_costs_nothing() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"start", 0).unwrap();
        file.write_all_at(b"far away", 1 << 40).unwrap();
        let blocks = file.metadata().unwrap().blocks();
        let written = overwrite(&file).unwrap();
        assert!(written < 1 << 20, "{written} bytes were written");
        assert_eq!(file.metadata().unwrap().blocks(), blocks);
        let mut found = [1; 8];
        file.read_exact_at(&mut found, 1 << 40).unwrap();
        assert_eq!(found, [0; 8]);
    }
}
