//! Makes a video of a recording, with ffmpeg.
//!
//! ffmpeg gets the pictures over a pipe and writes into memory of ours, so that it needs no file, and nothing is on the disk in the
//! clear. It runs as a user of its own where the server is root, in a process group of its own, with limits on memory, on what it
//! writes and on time; past the time the group is killed. One runs at a time. The video is kept sealed beside the pictures, in
//! pieces, until the recording goes or has grown.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use roadstead_api::{RecordingId, SessionId};
use roadstead_browser::UserId;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};

use super::reel::{Moment, Reel, ReelWriter, Seal};
use super::{RecordingRoot, matroska};
use crate::config::RecordingsConfig;
use crate::error::{Error, RECORDING_NOT_FOUND, Result};
use crate::session::driver::millis;
use crate::session::users::Users;

/// How much of a video is sealed at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// How much memory ffmpeg may address. For a picture of 16384 by 16384 it is not enough, and for a screen plenty.
const MAX_MEMORY: u64 = 3 << 30;
/// How large a video may be: it is made in memory.
const MAX_VIDEO: u64 = 512 << 20;
/// How long before its end a recording's last picture is given again, and shown then, in milliseconds.
const LAST_MS: u64 = 40;
/// How long a recording's last picture is shown at least, in milliseconds.
const AT_LEAST_MS: u64 = 1_000;
/// What a caller is told who has no ffmpeg.
const NO_FFMPEG: &str = "A video needs ffmpeg, which is not there: install it (apt-get install ffmpeg), or name it in \
    recordings.ffmpeg. The recording can be watched without it, at its replay_link.";

/// Makes videos; clones share the one that is made at a time.
#[derive(Clone)]
pub struct Videos {
    root: RecordingRoot,
    config: RecordingsConfig,
    users: Users,
    work: PathBuf,
    one_at_a_time: Arc<Mutex<()>>,
}

/// A video that is kept. It is read piece by piece.
pub struct Video {
    pieces: Reel,
    size: u64,
}

impl Video {
    /// How large it is, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns a piece of it; `None` after the last. Blocks.
    pub fn piece(&self, number: usize) -> io::Result<Option<Vec<u8>>> {
        self.pieces.picture(number)
    }
}

impl Videos {
    /// Makes the maker. ffmpeg runs as one of `users`, of whom those have something to do that have a work dir in `work`.
    pub(in crate::session) fn new(
        root: RecordingRoot,
        config: RecordingsConfig,
        users: Users,
        work: &Path,
    ) -> Self {
        Self { root, config, users, work: work.to_owned(), one_at_a_time: Arc::default() }
    }

    /// Returns the video of a recording that plays `duration_ms`, from what is kept or a new one.
    ///
    /// Errors: there is no ffmpeg ([`Error::NotImplemented`]), no picture, or it does not get done ([`Error::Timeout`]).
    pub async fn of(&self, session: SessionId, recording: RecordingId, duration_ms: u64) -> Result<Video> {
        let executable = self.executable().ok_or_else(|| Error::NotImplemented(NO_FFMPEG.to_owned()))?;
        let _one = self.one_at_a_time.lock().await;
        let root = self.root.clone();
        let reel = blocking(move || root.reel(session, recording)).await.map_err(|_| RECORDING_NOT_FOUND)?;
        let count = reel.moments().len();
        if count == 0 {
            return Err(RECORDING_NOT_FOUND);
        }
        let kept = Kept { dir: self.root.dir_of(session), root: self.root.clone(), recording, count };
        if let Ok(video) = blocking({
            let kept = kept.clone();
            move || kept.open()
        })
        .await
        {
            return Ok(video);
        }
        let began = tokio::time::Instant::now();
        let made = timeout(self.config.video_time(), self.make(&executable, reel, duration_ms)).await;
        let made = made.map_err(|_| {
            Error::Timeout("Making the video took longer than recordings.video_seconds allows.".to_owned())
        })??;
        info!(duration_ms = millis(began.elapsed()), pictures = count, "made a video of a recording");
        blocking(move || kept.keep(&made).and_then(|()| kept.open())).await.map_err(broken)
    }

    fn executable(&self) -> Option<PathBuf> {
        let is_there = |path: &PathBuf| {
            std::fs::metadata(path)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        match &self.config.ffmpeg {
            Some(path) => Some(path.clone()).filter(is_there),
            None => std::env::split_paths(&std::env::var_os("PATH")?)
                .filter(|directory| directory.is_absolute())
                .map(|directory| directory.join("ffmpeg"))
                .find(is_there),
        }
    }

    /// Has ffmpeg make the video. Returns memory that holds it. Dropping the future kills ffmpeg.
    async fn make(&self, executable: &Path, reel: Reel, duration_ms: u64) -> Result<File> {
        let (users, work) = (self.users.clone(), self.work.clone());
        let user = blocking(move || Ok(users.take(&work))).await.map_err(broken)?;
        let user = user.ok_or_else(|| {
            Error::Unavailable("All users of chromium.session_users are taken; try again later.".to_owned())
        })?;
        let encoder = encoder(command(executable, user.id())).await?;
        let made = memfd_create("roadstead-video", MemfdFlags::CLOEXEC).map_err(broken)?;
        let size = matroska::even_size(reel.moments());
        let mut command = command(executable, user.id());
        command
            .args(arguments(encoder, size))
            .stdin(Stdio::piped())
            .stdout(made.try_clone().map_err(broken)?);
        let mut child = command.spawn().map_err(broken)?;
        let mut group = Group(child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)));
        let stdin = child.stdin.take().ok_or_else(|| broken(io::Error::other("no pipe")))?;
        let (fed, status) = tokio::join!(feed(stdin, reel, size, duration_ms), child.wait());
        let status = status.map_err(broken)?;
        group.is_gone();
        let made = File::from(made);
        let bytes = made.metadata().map_err(broken)?.len();
        match fed {
            Ok(()) if status.success() && bytes > 0 => Ok(made),
            Ok(()) => Err(failed(status, bytes)),
            // It has gone before it had everything.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(failed(status, bytes)),
            Err(error) => Err(broken(error)),
        }
    }
}

/// Sets the limits as ffmpeg's own user, which needs no right that the server may lack, and becomes ffmpeg: memory in KiB, what is
/// written in blocks of 512 bytes.
const LIMITED: &str =
    "ulimit -v \"$1\" && ulimit -f \"$2\" && ulimit -c 0 && shift 2 && exec nice -n 15 \"$@\"";

/// ffmpeg, with nothing of ours but what it is given.
fn command(executable: &Path, user: Option<UserId>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", LIMITED, "ffmpeg", &(MAX_MEMORY >> 10).to_string(), &(MAX_VIDEO >> 9).to_string()]);
    command.arg(executable).env_clear().env("PATH", "/usr/bin:/bin");
    command.current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(UserId { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// Returns the best encoder that an ffmpeg has.
async fn encoder(mut ffmpeg: Command) -> Result<&'static [&'static str]> {
    ffmpeg.args(["-hide_banner", "-loglevel", "quiet", "-encoders"]).stdout(Stdio::piped());
    let listed = ffmpeg.output().await.map_err(broken)?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let has = |name: &str| listed.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    Ok(match () {
        () if has("libx264") => &["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-bf", "0"],
        () if has("libopenh264") => &["-c:v", "libopenh264", "-b:v", "1500k"],
        () => &["-c:v", "mpeg4", "-q:v", "5"],
    })
}

/// What to tell ffmpeg: pictures come by the pipe with their own moments, and keep them; all get one size.
fn arguments(encoder: &[&str], (width, height): (u16, u16)) -> Vec<String> {
    let filter = format!(
        "scale={width}:{height}:force_original_aspect_ratio=decrease,pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,setsar=1,format=yuv420p"
    );
    let before = "-hide_banner -loglevel quiet -nostdin -threads 1 -protocol_whitelist pipe -f matroska -c:v mjpeg -i pipe:0 \
                  -map 0:v:0 -an -sn -dn -map_metadata -1";
    // The name is a file's, so that the header can be written when everything is known.
    let after = "-threads 1 -fps_mode vfr -enc_time_base 1:1000 -video_track_timescale 1000 -pix_fmt yuv420p -movflags +faststart \
                 -f mp4 -y /proc/self/fd/1";
    let words = before.split(' ').filter(|word| !word.is_empty()).chain(["-vf", &filter]);
    let words = words.chain(encoder.iter().copied()).chain(after.split(' ').filter(|word| !word.is_empty()));
    words.map(str::to_owned).collect()
}

/// Gives ffmpeg the pictures.
async fn feed(mut stdin: ChildStdin, reel: Reel, size: (u16, u16), duration_ms: u64) -> io::Result<()> {
    stdin.write_all(&matroska::head(size, LAST_MS)).await?;
    let moments: Vec<Moment> = reel.moments().collect();
    let first = moments.first().map_or(0, |moment| moment.at_ms);
    let reel = Arc::new(reel);
    let mut last = (0, Vec::new());
    for (number, moment) in moments.iter().enumerate() {
        let reel = Arc::clone(&reel);
        let picture = blocking(move || reel.picture(number)).await?.unwrap_or_default();
        // A video begins with its first picture.
        let at = moment.at_ms.saturating_sub(first);
        stdin.write_all(&matroska::picture(at, &picture)).await?;
        last = (at, picture);
    }
    let (at, picture) = last;
    let end = duration_ms.saturating_sub(first).max(at + AT_LEAST_MS);
    stdin.write_all(&matroska::picture(end - LAST_MS, &picture)).await?;
    stdin.shutdown().await
}

/// A process group, which is killed when this is dropped: nobody is left of it then.
struct Group(Option<Pid>);

impl Group {
    /// Notes that its only process was waited for: the number may be another's from now on.
    fn is_gone(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0
            && let Err(problem) = kill_process_group(pid, Signal::KILL)
        {
            warn!(error = %problem, "ffmpeg could not be killed");
        }
    }
}

/// Where a video is kept.
#[derive(Clone)]
struct Kept {
    dir: PathBuf,
    root: RecordingRoot,
    recording: RecordingId,
    /// Of how many pictures it is.
    count: usize,
}

impl Kept {
    fn path(&self) -> PathBuf {
        self.dir.join(format!("video-{}", self.count))
    }

    /// A piece of a video does not open as a picture, nor as one of another video: its moment says so.
    fn moment(&self, size: u64) -> Moment {
        Moment { at_ms: size, width: 0, height: u16::try_from(self.count % 0xffff).unwrap_or(0) }
    }

    fn seal(&self) -> Seal {
        Seal { vault: self.root.vault().clone(), recording: self.recording }
    }

    /// Opens the video that is kept. Blocks.
    fn open(&self) -> io::Result<Video> {
        let pieces = Reel::open(&self.path(), self.seal())?;
        let size = pieces.moments().next().map(|moment| moment.at_ms);
        let size = size.ok_or_else(|| io::Error::other("the video is empty"))?;
        if pieces.moments().len() as u64 != size.div_ceil(PIECE_BYTES as u64) {
            return Err(io::Error::other("the video is not whole"));
        }
        Ok(Video { pieces, size })
    }

    /// Keeps a video, sealed, in the place of those before. Blocks.
    fn keep(&self, made: &File) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("video-") {
                std::fs::remove_file(entry.path())?;
            }
        }
        let size = made.metadata()?.len();
        let mut writer = ReelWriter::create(&self.path(), self.seal())?;
        let mut at = 0;
        while at < size {
            let length = usize::try_from(size - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let mut piece = vec![0; length];
            made.read_exact_at(&mut piece, at)?;
            writer.add(self.moment(size), &piece, u64::MAX)?;
            at += length as u64;
        }
        writer.finish()?;
        File::open(&self.dir)?.sync_all()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.expect("reading a recording does not panic")
}

fn broken(error: impl Into<io::Error>) -> Error {
    Error::internal("The video could not be made; the server's log tells more.", error.into())
}

fn failed(status: ExitStatus, bytes: u64) -> Error {
    warn!(exit.status = %status, bytes, "ffmpeg did not make a video");
    if bytes >= MAX_VIDEO {
        return Error::TooLarge(format!(
            "The video would have more than the {MAX_VIDEO} bytes that one may have."
        ));
    }
    broken(io::Error::other(format!("ffmpeg ended with {status}")))
}
