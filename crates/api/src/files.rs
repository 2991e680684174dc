//! Files that go into a session, and come out of it.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{ChangeStatus, DownloadId};

/// A form with a file.
#[derive(ToSchema)]
pub struct UploadForm {
    /// The file, with its name.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// A file that a session has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Uploaded {
    /// Always `success`.
    pub status: ChangeStatus,
    /// Where the file is, in a sentence, as the published API says it.
    #[schema(example = "File saved at /srv/roadstead/work/…/uploads/report.pdf")]
    pub message: String,
    /// Where the file is, for `DOM.setFileInputFiles`.
    #[schema(example = "/srv/roadstead/work/…/uploads/report.pdf")]
    pub path: String,
    /// What it is called: the name that it came with, without what could lead elsewhere.
    #[schema(example = "report.pdf")]
    pub name: String,
    /// In bytes; of an archive, what it held.
    pub size: u64,
    /// How many files were unpacked; absent when the file was none that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracted: Option<usize>,
}

impl Uploaded {
    /// Tells of a file that is there.
    pub const fn of(message: String, path: String, name: String, size: u64) -> Self {
        Self { status: ChangeStatus::Success, message, path, name, size, extracted: None }
    }

    /// Says that it was an archive, of so many files.
    #[must_use]
    pub fn unpacked(self, files: usize) -> Self {
        Self { extracted: Some(files), ..self }
    }
}

/// A download that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DownloadItem {
    /// Its id.
    pub id: DownloadId,
    /// `completed`; or `canceled` (by a page, a client or the network), `stopped` (it was over a limit), `interrupted` (its browser
    /// ended before), and then there is no file.
    #[schema(example = "completed")]
    pub status: &'static str,
    /// Why there is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where the file is. It wants the project's key in the `anchor-api-key` header, or one of the session's tokens as `?token=` while
    /// that runs. Absent when there is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "http://127.0.0.1:8700/v1/sessions/…/downloads/…")]
    pub file_link: Option<String>,
    /// Where it came from, at most 2,000 characters of it.
    #[schema(example = "https://example.com/report.pdf")]
    pub original_download_url: String,
    /// The page that it was found on, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://example.com/")]
    pub origin_url: Option<String>,
    /// What to call it: safe as a file name anywhere.
    #[schema(example = "report.pdf")]
    pub suggested_file_name: String,
    /// What the browser wanted to call it.
    #[schema(example = "report.pdf")]
    pub original_file_name: String,
    /// How long it took, in milliseconds.
    pub duration: u64,
    /// Of the file, or of what had arrived, in bytes.
    pub size: u64,
    /// When it began (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// The files that a session has for agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentFiles {
    /// They, by name.
    pub files: Vec<AgentFile>,
}

/// A file for agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentFile {
    /// What it is called; with slashes, if it came in an archive.
    #[schema(example = "forms/w9.pdf")]
    pub name: String,
    /// Where it is, for `DOM.setFileInputFiles`.
    #[schema(example = "/srv/roadstead/work/…/agent/forms/w9.pdf")]
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// What is behind its name's last dot, in lower case; may be empty.
    #[schema(example = "pdf")]
    pub r#type: String,
    /// When it came (RFC 3339, UTC).
    #[serde(rename = "lastModified")]
    #[schema(value_type = String, format = DateTime)]
    pub last_modified: Timestamp,
}
