//! The file that holds a recording's pictures: one after the other, each sealed, each behind a header in the clear.
//!
//! It only ever grows, so one that is being written can be read, and one whose writer was killed ends with its last whole
//! picture; half of another behind that is nothing. What is sealed opens in its own place with its own header alone.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use roadstead_api::RecordingId;
use roadstead_vault::Vault;

/// How long a header is: how long what is sealed is (4), the moment in milliseconds (8), width and height in pixels (2 each), all
/// with the lowest byte first.
const HEADER: usize = 16;

/// Seals pictures, and opens them.
#[derive(Clone)]
pub(super) struct Seal {
    pub(super) vault: Vault,
    pub(super) recording: RecordingId,
}

/// When a picture was taken, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds from the recording's begin, without pauses.
    pub at_ms: u64,
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
}

/// Writes a reel.
pub(super) struct ReelWriter {
    file: File,
    seal: Seal,
    frames: u64,
    bytes: u64,
}

/// A reel to be read, as long as it was when it was opened.
pub struct Reel {
    file: File,
    seal: Seal,
    frames: Vec<Place>,
    bytes: u64,
}

struct Place {
    moment: Moment,
    start: u64,
    length: u32,
}

impl Seal {
    fn purpose(&self, number: u64, moment: Moment) -> String {
        let Moment { at_ms, width, height } = moment;
        format!("recording {} picture {number} at {at_ms} of {width}x{height}", self.recording)
    }
}

impl ReelWriter {
    /// Makes the file, for its owner alone.
    pub(super) fn create(path: &Path, seal: Seal) -> io::Result<Self> {
        let file = File::options().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { file, seal, frames: 0, bytes: 0 })
    }

    /// Adds a picture, unless the file would have more than `most` bytes then. Returns whether it did.
    pub(super) fn add(&mut self, moment: Moment, picture: &[u8], most: u64) -> io::Result<bool> {
        let sealed = self.seal.vault.seal(&self.seal.purpose(self.frames, moment), picture);
        let length = u32::try_from(sealed.len()).map_err(|_| io::Error::other("the picture is too large"))?;
        let whole = HEADER as u64 + u64::from(length);
        if self.bytes + whole > most {
            return Ok(false);
        }
        let header = [
            &length.to_le_bytes()[..],
            &moment.at_ms.to_le_bytes(),
            &moment.width.to_le_bytes(),
            &moment.height.to_le_bytes(),
        ];
        // At once: what is there of it after a crash is nothing, or whole, or the file's end.
        self.file.write_all(&[&header.concat()[..], &sealed].concat())?;
        self.frames += 1;
        self.bytes += whole;
        Ok(true)
    }

    /// How many pictures there are, and how many bytes.
    pub(super) fn tally(&self) -> (u64, u64) {
        (self.frames, self.bytes)
    }

    /// Has the disk keep it.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Reel {
    pub(super) fn open(path: &Path, seal: Seal) -> io::Result<Self> {
        let file = File::open(path)?;
        let end = file.metadata()?.len();
        let mut headers = BufReader::new(file.try_clone()?);
        let (mut frames, mut at) = (Vec::new(), 0);
        while at + HEADER as u64 <= end {
            let mut header = [0; HEADER];
            headers.read_exact(&mut header)?;
            let (length, moment) = read_header(header);
            let start = at + HEADER as u64;
            let next = start + u64::from(length);
            if next > end {
                break;
            }
            frames.push(Place { moment, start, length });
            at = next;
            headers.seek_relative(i64::from(length))?;
        }
        Ok(Self { file, seal, frames, bytes: at })
    }

    /// Lists when its pictures were taken.
    pub fn moments(&self) -> impl ExactSizeIterator<Item = Moment> {
        self.frames.iter().map(|place| place.moment)
    }

    /// How many bytes its whole pictures have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Opens a picture: a JPEG. `None` where there are not so many. Blocks.
    pub fn picture(&self, number: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.frames.get(number) else { return Ok(None) };
        let mut sealed = vec![0; place.length as usize];
        self.file.read_exact_at(&mut sealed, place.start)?;
        let purpose = self.seal.purpose(number as u64, place.moment);
        let opened = self.seal.vault.unseal(&purpose, &sealed).map_err(io::Error::other)?;
        Ok(Some(opened.to_vec()))
    }
}

fn read_header(header: [u8; HEADER]) -> (u32, Moment) {
    let [l0, l1, l2, l3, a0, a1, a2, a3, a4, a5, a6, a7, w0, w1, h0, h1] = header;
    let moment = Moment {
        at_ms: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
        width: u16::from_le_bytes([w0, w1]),
        height: u16::from_le_bytes([h0, h1]),
    };
    (u32::from_le_bytes([l0, l1, l2, l3]), moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground() -> (tempfile::TempDir, Seal) {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(&dir.path().join("vault"), &dir.path().join("root.key")).unwrap();
        (dir, Seal { vault, recording: RecordingId::random() })
    }

    const FIRST: Moment = Moment { at_ms: 5, width: 8, height: 6 };
    const SECOND: Moment = Moment { at_ms: 70_000, width: 9, height: 7 };

    #[test]
    fn what_is_written_is_read_sealed_in_its_place_and_up_to_the_last_whole_picture() {
        let (dir, seal) = ground();
        let path = dir.path().join("reel");
        let mut writer = ReelWriter::create(&path, seal.clone()).unwrap();
        assert!(writer.add(FIRST, b"a picture", 1_000).unwrap());
        assert!(writer.add(SECOND, b"another", 1_000).unwrap());
        let (frames, bytes) = writer.tally();
        assert!(!writer.add(SECOND, b"x", bytes).unwrap(), "there is no room");
        writer.finish().unwrap();
        let file = std::fs::read(&path).unwrap();
        assert!(!file.windows(9).any(|window| window == b"a picture"), "in the clear");
        let reel = Reel::open(&path, seal.clone()).unwrap();
        assert_eq!((reel.moments().len() as u64, reel.bytes()), (frames, bytes));
        assert_eq!(reel.moments().collect::<Vec<_>>(), [FIRST, SECOND]);
        assert_eq!(reel.picture(1).unwrap().unwrap(), b"another");
        assert_eq!(reel.picture(2).unwrap(), None);
        for torn in 0..file.len() {
            std::fs::write(&path, &file[..torn]).unwrap();
            let reel = Reel::open(&path, seal.clone()).unwrap();
            let whole = reel.moments().len();
            assert!(whole < 2 && (whole == 0 || reel.picture(0).unwrap().unwrap() == b"a picture"));
        }
        // A moment that was changed, and pictures that were exchanged.
        let mut changed = file.clone();
        changed[4] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(Reel::open(&path, seal.clone()).unwrap().picture(0).is_err());
        let first = HEADER + 9 + 40;
        std::fs::write(&path, [&file[first..], &file[..first]].concat()).unwrap();
        assert!(Reel::open(&path, seal).unwrap().picture(0).is_err());
    }
}
