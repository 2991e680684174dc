//! ZIP archives: unpacked whole, or refused whole.
//!
//! An archive is somebody else's program for writing files. Nothing of it is believed: not its names (no `..`, nothing absolute, no
//! links), not its sizes (what comes out is counted as it comes), not its count. Its directory is walked entry by entry and never
//! held, since one may name millions of files.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zip::ZipReadOptions;
use zip::read::{ArchiveOffset, Config, ZipFile};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::FileName;
use super::shelf::not_stored;
use crate::error::{Error, Result};

/// How deep directories may be in one another.
const MAX_DEPTH: usize = 16;
/// How much is unpacked at once, in bytes.
const PIECE_BYTES: usize = 64 << 10;
/// What kind of file a Unix mode is of, and two of those: see inode(7).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// Unpacks an archive: gives each of its files to `take`, with its name and those of the directories around it, and returns what that
/// makes of them. Blocks.
///
/// Errors: the archive is malformed, or holds what no archive may; [`Error::TooLarge`] for more files than `most_files`; what `take`
/// says.
pub(in crate::session) fn unpack<T>(
    archive: &Path,
    most_files: usize,
    mut take: impl FnMut(Vec<FileName>, &mut dyn Read) -> Result<T>,
) -> Result<Vec<T>> {
    let open = || File::open(archive).map_err(not_stored);
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let archive = ZipIterable::try_new(open()?, config).map_err(|error| refused(&error))?;
    // What its two directories say differs only where somebody wants two readers to see two archives.
    let mut archive = archive.enforce_header_consistency(true);
    if archive.len() > most_files {
        return Err(Error::TooLarge(format!(
            "The archive holds too many files: {most_files} are taken, at most. Send it in parts."
        )));
    }
    let mut entries =
        archive.files_with_reader(open()?, ZipReadOptions::new()).map_err(|error| refused(&error))?;
    let (mut taken, mut names) = (Vec::new(), HashSet::new());
    while let Some(entry) = entries.next() {
        let mut entry = entry.map_err(|error| refused(&error))?;
        let Some(name) = name_of(&entry, taken.len())? else { continue };
        if !names.insert(name.clone()) {
            return Err(malformed(taken.len(), "it has the name of another"));
        }
        taken.push(take(name, &mut entry)?);
    }
    require_no_file_around_another(&names)?;
    Ok(taken)
}

/// Unpacks one file, piece by piece: whoever takes them counts what comes out.
pub(in crate::session) fn inflate(
    entry: &mut dyn Read,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match entry.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&piece[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                return Err(Error::InvalidRequest(
                    "The archive is damaged: a file in it cannot be unpacked.".to_owned(),
                ));
            }
        }
    }
}

/// Reads where an entry is to be; `None` for a directory, which comes with its files.
fn name_of<R: Read>(entry: &ZipFile<'_, R>, number: usize) -> Result<Option<Vec<FileName>>> {
    let name = entry.name().map_err(|error| refused(&error))?;
    let is_dir = entry.is_dir();
    let kind = entry.unix_mode().unwrap_or(0) & KIND;
    if !matches!((kind, is_dir), (0, _) | (REGULAR, false) | (DIRECTORY, true)) {
        return Err(malformed(number, "it is a link, or no plain file"));
    }
    let parts: Vec<&str> = name.strip_suffix('/').unwrap_or(&name).split('/').collect();
    if parts.len() > MAX_DEPTH {
        return Err(malformed(number, format!("it is more than {MAX_DEPTH} directories deep")));
    }
    let leads_elsewhere = |part: &&str| matches!(*part, "" | "." | "..") || part.contains(['\\', ':', '\0']);
    if parts.iter().any(leads_elsewhere) {
        return Err(malformed(number, "its name leads out of the archive"));
    }
    Ok((!is_dir).then(|| parts.into_iter().map(FileName::of).collect()))
}

/// Refuses an archive in which one entry is a file, and the directory of another.
fn require_no_file_around_another(names: &HashSet<Vec<FileName>>) -> Result<()> {
    let around = |name: &Vec<FileName>| (1..name.len()).any(|depth| names.contains(&name[..depth]));
    if names.iter().any(around) {
        return Err(Error::InvalidRequest(
            "The archive is refused: a file in it is also a directory.".to_owned(),
        ));
    }
    Ok(())
}

fn malformed(number: usize, why: impl std::fmt::Display) -> Error {
    Error::InvalidRequest(format!("The archive is refused for its file {}: {why}.", number + 1))
}

fn refused(error: &ZipError) -> Error {
    let why = match error {
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            "it is encrypted, or packed in a way that is not known here; use the usual way (deflate)"
        }
        _ => "it is no whole ZIP file",
    };
    Error::InvalidRequest(format!("The archive is refused: {why}."))
}
