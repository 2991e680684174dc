//! `[files]`: how much may go into sessions and come out of them, and how long that is kept.

use std::time::Duration;

use serde::Deserialize;

/// `[files]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    /// How large one uploaded file may be, in MiB.
    pub max_upload_mib: u64,
    /// How large all files may be that a session was given, in MiB.
    pub max_uploads_mib: u64,
    /// How many files a ZIP archive may hold.
    pub max_archive_files: usize,
    /// How long an upload may take to arrive, in seconds.
    pub upload_seconds: u64,
    /// How large one download may be, in MiB.
    pub max_download_mib: u64,
    /// How large all downloads of a session may be, in MiB.
    pub max_downloads_mib: u64,
    /// How long a download may take, in seconds.
    pub download_seconds: u64,
    /// How long downloads are kept after their session's end, in minutes.
    pub keep_downloads_minutes: u64,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            max_upload_mib: 512,
            max_uploads_mib: 2048,
            max_archive_files: 1000,
            upload_seconds: 600,
            max_download_mib: 1024,
            max_downloads_mib: 4096,
            download_seconds: 3600,
            keep_downloads_minutes: 24 * 60,
        }
    }
}

/// Sixteen TiB: more is a typing error, and would not fit a disk.
const MAX_MIB: u64 = 1 << 24;
/// Each is a file of its own until all are there.
const MAX_ARCHIVE_FILES: usize = 100_000;
/// A day: longer is a typing error.
const MAX_SECONDS: u64 = 24 * 3600;
/// Ten years: longer is a typing error.
const MAX_MINUTES: u64 = 10 * 366 * 24 * 60;

impl FilesConfig {
    /// Returns what is wrong with the numbers, if anything is.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (name, mib) in [
            ("max_upload_mib", self.max_upload_mib),
            ("max_uploads_mib", self.max_uploads_mib),
            ("max_download_mib", self.max_download_mib),
            ("max_downloads_mib", self.max_downloads_mib),
        ] {
            if !(1..=MAX_MIB).contains(&mib) {
                anyhow::bail!("files.{name} must be between 1 and {MAX_MIB}");
            }
        }
        if !(1..=MAX_ARCHIVE_FILES).contains(&self.max_archive_files) {
            anyhow::bail!("files.max_archive_files must be between 1 and {MAX_ARCHIVE_FILES}");
        }
        for (name, seconds) in
            [("upload_seconds", self.upload_seconds), ("download_seconds", self.download_seconds)]
        {
            if !(1..=MAX_SECONDS).contains(&seconds) {
                anyhow::bail!("files.{name} must be between 1 and {MAX_SECONDS}");
            }
        }
        if self.keep_downloads_minutes > MAX_MINUTES {
            anyhow::bail!("files.keep_downloads_minutes must be at most {MAX_MINUTES}");
        }
        Ok(())
    }

    /// [`Self::max_upload_mib`] in bytes.
    pub const fn max_upload(&self) -> u64 {
        self.max_upload_mib << 20
    }

    /// [`Self::max_uploads_mib`] in bytes.
    pub const fn max_uploads(&self) -> u64 {
        self.max_uploads_mib << 20
    }

    /// [`Self::upload_seconds`] as a duration.
    pub const fn upload_time(&self) -> Duration {
        Duration::from_secs(self.upload_seconds)
    }

    /// [`Self::max_download_mib`] in bytes.
    pub const fn max_download(&self) -> u64 {
        self.max_download_mib << 20
    }

    /// [`Self::max_downloads_mib`] in bytes.
    pub const fn max_downloads(&self) -> u64 {
        self.max_downloads_mib << 20
    }

    /// [`Self::download_seconds`] as a duration.
    pub const fn download_time(&self) -> Duration {
        Duration::from_secs(self.download_seconds)
    }

    /// [`Self::keep_downloads_minutes`] as a duration.
    pub const fn keep_downloads(&self) -> Duration {
        Duration::from_mins(self.keep_downloads_minutes)
    }
}
