//! A file on its way: written piece by piece, and gone unless it is finished.

use std::fs::File;
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;

use super::archive::unpack;
use super::shelf::{Taken, Whole, not_stored};
use super::{FileName, Given, Room, Shelf};
use crate::error::Result;
use crate::session::handle::Visit;

/// A file that is not whole yet. Dropping it removes what there is of it, and gives its room back.
#[derive(Debug)]
pub struct Incoming {
    file: tokio::fs::File,
    path: TempPath,
    taken: Taken,
    shelf: Shelf,
    room: Room,
    visit: Visit,
}

/// What became of a file that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is there.
    File(Given),
    /// It was an archive, and its files are there.
    Archive {
        /// The directory that they are in.
        dir: PathBuf,
        /// What the archive was called.
        name: FileName,
        /// They.
        files: Vec<Given>,
    },
}

impl Incoming {
    pub(super) fn new(shelf: Shelf, (room, visit): (Room, Visit), file: File, path: TempPath) -> Self {
        Self { file: tokio::fs::File::from_std(file), path, taken: shelf.taken(), shelf, room, visit }
    }

    /// Writes a piece. Errors: [`crate::error::Error::TooLarge`], for the file or for the session; the session has ended; the disk
    /// failed.
    pub async fn write(&mut self, piece: &Bytes) -> Result<()> {
        self.visit.require_running()?;
        self.taken.grow(piece.len() as u64)?;
        self.file.write_all(piece).await.map_err(not_stored)
    }

    /// Refuses a file that is said to be larger than it may be.
    pub fn expect_size(&self, bytes: u64) -> Result<()> {
        self.taken.expect(bytes)
    }

    /// Puts the file, which is whole, where it belongs; of an archive for agents, the files that it holds.
    pub async fn finish(mut self, name: FileName) -> Result<Stored> {
        self.file.flush().await.map_err(not_stored)?;
        tokio::task::spawn_blocking(move || self.store(name)).await.expect("storing a file does not panic")
    }

    fn store(self, name: FileName) -> Result<Stored> {
        let Self { file: _, path, taken, shelf, room, visit: _visit } = self;
        if room == Room::Agent && name.extension() == "zip" {
            let files = unpack(&path, shelf.max_archive_files(), |name, entry| shelf.unpacked(name, entry))?;
            let files = shelf.put(room, files)?;
            return Ok(Stored::Archive { dir: shelf.dir_of(room), name, files });
        }
        let whole = Whole { name: vec![name], file: path, taken };
        let mut put = shelf.put(room, vec![whole])?;
        Ok(Stored::File(put.remove(0)))
    }
}
