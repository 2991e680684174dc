//! `[recordings]`: whether sessions are recorded, how well, and for how long that is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// `[recordings]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingsConfig {
    /// Whether a session is recorded whose caller does not say. Off: a recording costs processor time as long as the page changes.
    pub active: bool,
    /// How many pictures a second are taken at most. A page that does not change gives none.
    pub frames_per_second: u32,
    /// The pictures' JPEG quality, from 1 to 100.
    pub quality: u32,
    /// How large a recording may be, in bytes. It stops there.
    pub max_bytes: u64,
    /// How long recordings are kept after their session's end, in minutes.
    pub keep_minutes: u64,
    /// The ffmpeg that makes videos; the one on `PATH` when absent.
    pub ffmpeg: Option<PathBuf>,
    /// How long making a video may take, in seconds.
    pub video_seconds: u64,
}

impl Default for RecordingsConfig {
    fn default() -> Self {
        Self {
            active: false,
            frames_per_second: 5,
            quality: 60,
            max_bytes: 256 << 20,
            keep_minutes: 24 * 60,
            ffmpeg: None,
            video_seconds: 300,
        }
    }
}

/// More is a video, which this is not made for.
const MAX_FRAMES_PER_SECOND: u32 = 30;
/// Sixteen GiB: more is a typing error.
const MAX_BYTES: u64 = 16 << 30;
/// Ten years: longer is a typing error.
const MAX_MINUTES: u64 = 10 * 366 * 24 * 60;
/// A day: longer is a typing error.
const MAX_SECONDS: u64 = 24 * 3600;

impl RecordingsConfig {
    /// Returns what is wrong with the values, if anything is.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !(1..=MAX_FRAMES_PER_SECOND).contains(&self.frames_per_second) {
            anyhow::bail!("recordings.frames_per_second must be between 1 and {MAX_FRAMES_PER_SECOND}");
        }
        if !(1..=100).contains(&self.quality) {
            anyhow::bail!("recordings.quality must be between 1 and 100");
        }
        if !(1..=MAX_BYTES).contains(&self.max_bytes) {
            anyhow::bail!("recordings.max_bytes must be between 1 and {MAX_BYTES}");
        }
        if self.keep_minutes > MAX_MINUTES {
            anyhow::bail!("recordings.keep_minutes must be at most {MAX_MINUTES}");
        }
        if !(1..=MAX_SECONDS).contains(&self.video_seconds) {
            anyhow::bail!("recordings.video_seconds must be between 1 and {MAX_SECONDS}");
        }
        if self.ffmpeg.as_ref().is_some_and(|path| !path.is_absolute()) {
            anyhow::bail!("recordings.ffmpeg must be an absolute path");
        }
        Ok(())
    }

    /// The least time between two pictures.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.frames_per_second.max(1)
    }

    /// [`Self::keep_minutes`] as a duration.
    pub const fn keep(&self) -> Duration {
        Duration::from_mins(self.keep_minutes)
    }

    /// [`Self::video_seconds`] as a duration.
    pub const fn video_time(&self) -> Duration {
        Duration::from_secs(self.video_seconds)
    }
}
