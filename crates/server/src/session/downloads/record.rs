//! What is known of a download that is over: one row of the database.

use jiff::Timestamp;
use roadstead_api::DownloadId;

/// How a download came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadState {
    /// Its file is there.
    Completed,
    /// A page, a client or the network gave it up.
    Canceled,
    /// The server stopped it: it was over a limit.
    Stopped,
    /// Its browser ended before it did.
    Interrupted,
}

impl DownloadState {
    /// Returns the wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Completed, Self::Canceled, Self::Stopped, Self::Interrupted]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A download that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Its id: the one that DevTools clients know it by.
    pub id: DownloadId,
    /// How it came out.
    pub state: DownloadState,
    /// Why there is no file, in a sentence.
    pub detail: Option<String>,
    /// Where it came from.
    pub url: String,
    /// The page that it was found on, where that is known.
    pub origin_url: Option<String>,
    /// What it may be called anywhere.
    pub suggested_name: String,
    /// What the browser wanted to call it.
    pub original_name: String,
    /// In bytes: of the file, or of what had arrived.
    pub size: u64,
    /// From its begin to its end, in milliseconds.
    pub duration_ms: u64,
    /// When it began.
    pub created_at: Timestamp,
}
