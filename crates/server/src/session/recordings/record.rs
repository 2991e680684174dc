//! What is known of a recording: one row of the database.

use jiff::Timestamp;
use roadstead_api::RecordingId;

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// Pictures are taken.
    Recording,
    /// They are not, for the time being.
    Paused,
    /// It ended with its session.
    Completed,
    /// The server stopped it.
    Stopped,
    /// The server died meanwhile.
    Interrupted,
}

impl RecordingState {
    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Recording, Self::Paused, Self::Completed, Self::Stopped, Self::Interrupted]
            .into_iter()
            .find(|state| state.as_str() == word)
    }

    /// Tells whether more may come.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Recording | Self::Paused)
    }
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its id.
    pub id: RecordingId,
    /// How far it is.
    pub state: RecordingState,
    /// Why it was stopped, in a sentence.
    pub detail: Option<String>,
    /// How many pictures it has.
    pub frames: u64,
    /// In bytes, as it is kept.
    pub size: u64,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// When it began.
    pub created_at: Timestamp,
}
