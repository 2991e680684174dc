//! What the API tells about recordings of sessions.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Data, RecordingId, SuccessResponse};

/// A recording of a session.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecordingItem {
    /// Its id; `primary` does as well.
    pub id: RecordingId,
    /// Always true: a session has one.
    pub is_primary: bool,
    /// `recording`, `paused`, `completed`, `stopped` (the server stopped it: see `detail`) or `interrupted` (the server died
    /// meanwhile, and what was recorded until then is there).
    #[schema(example = "completed")]
    pub status: &'static str,
    /// Why it was stopped, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where it is to be had as a video (mp4). Needs a key, or a token of the session as long as that runs.
    #[schema(format = "uri")]
    pub file_link: String,
    /// A page that plays it, in any browser: with `?token=` a token of the session as long as that runs, or it asks for a key.
    #[schema(format = "uri")]
    pub replay_link: String,
    /// What its file may be called.
    #[schema(example = "recording-182bd5e5.mp4")]
    pub suggested_file_name: String,
    /// How long it plays, in seconds, as text. Pauses are not in it.
    #[schema(example = "73.250")]
    pub duration: String,
    /// What is kept of it, in bytes. A video of it is smaller.
    pub size: u64,
    /// How many pictures it has: one for each change of what was seen, up to so many a second.
    pub frames: u64,
    /// When it began (RFC 3339, UTC).
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// When each picture of a recording was taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecordingFrames {
    /// As in the list of recordings.
    #[schema(example = "completed")]
    pub status: &'static str,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// Of each picture, from the first: milliseconds from the recording's begin, without pauses.
    pub frames: Vec<u64>,
}

/// How pausing a recording or resuming it went. The published answer is wrapped twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordingChanged {
    /// The same as everywhere, once more inside.
    pub data: Data<SuccessResponse>,
}

impl RecordingChanged {
    /// `{"data": {"data": {"status": "success"}}}`.
    pub const SUCCESS: Self = Self { data: Data::of(SuccessResponse::SUCCESS) };
}
