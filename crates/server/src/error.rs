//! The program's one error: about a dozen conditions, none of which knows HTTP.
//!
//! `http::error` is the only place that maps a condition to a status code. The text of a condition is what the caller
//! sees, so it says what to do next and holds no path, key or page content; the cause of an [`Error::Internal`] is for
//! the log alone.

use std::time::Duration;

use crate::limits::Quota;

/// What went wrong, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is malformed: which field, and why.
    #[error("{0}")]
    InvalidRequest(String),
    /// No key, or one that opens nothing.
    #[error("Invalid API Key")]
    Unauthenticated,
    /// The named thing does not exist, or belongs to another project: nobody can tell which.
    #[error("{0}")]
    NotFound(&'static str),
    /// The request contradicts what exists.
    #[error("{0}")]
    Conflict(String),
    /// A profile is larger than the configuration allows; has the sizes by kind.
    #[error("{0}")]
    TooLarge(String),
    /// The API has it, this server does not; says what is missing.
    #[error("Feature not implemented. {0}")]
    NotImplemented(String),
    /// Too many at once: how many are allowed, and when to come back.
    #[error(
        "Session creation rate limit exceeded. All {limit} concurrent sessions are in use; end one or try again later."
    )]
    TooManySessions {
        /// The configured limit.
        limit: usize,
        /// When a retry makes sense.
        retry_after: Duration,
    },
    /// Too much waits to be started: how much may.
    #[error(
        "API key would exceed batch browser limit. At most {limit} sessions of a project may wait for their start; try again when some have started, or cancel some."
    )]
    TooMuchWaits {
        /// The limit.
        limit: u64,
    },
    /// Too many in too short a time.
    #[error("{what} Try again in {} s.", .retry_after.as_secs_f64().ceil())]
    TooOften {
        /// What is too much, in a sentence.
        what: &'static str,
        /// How many are allowed of what in which time.
        quota: Quota,
        /// When a retry makes sense.
        retry_after: Duration,
    },
    /// The server cannot do it now, and may later: it is shutting down, or no browser starts.
    #[error("{0}")]
    Unavailable(String),
    /// A way out to the network does not work, or is not what it should be; says which and why.
    #[error("{0}")]
    WayOutFailed(String),
    /// A site did not answer with a page; has the net error.
    #[error("{0}")]
    SiteFailed(String),
    /// A browser or the vault did not do in time what it was asked to.
    #[error("{0}")]
    Timeout(String),
    /// What was waited for did not come within the time that the caller named.
    #[error("{0}")]
    WaitedInVain(String),
    /// A fault of ours or of the machine. The caller sees `message`, the log the chain of causes.
    #[error("{message}")]
    Internal {
        /// What failed, in the API's words.
        message: &'static str,
        /// The chain of causes, for the log.
        #[source]
        source: anyhow::Error,
    },
}

/// `Profile not found.`, as the API words it.
pub const PROFILE_NOT_FOUND: Error = Error::NotFound("Profile not found.");
/// A session that exists no more, or has no browser to talk to, as the API words it.
pub const SESSION_UNREACHABLE: Error = Error::NotFound("Session not found or unreachable.");
/// A revision that the profile does not have, or no longer.
pub const REVISION_NOT_FOUND: Error = Error::NotFound("Revision not found.");
/// A download that never was, has no file, or has expired.
pub const DOWNLOAD_NOT_FOUND: Error = Error::NotFound("Download not found.");
/// A recording that never was, was deleted, or has expired.
pub const RECORDING_NOT_FOUND: Error = Error::NotFound("Recording not found.");
/// An exit that the configuration does not have.
pub const EXIT_NOT_FOUND: Error = Error::NotFound("Exit not found.");
/// A batch that does not exist, or no longer.
pub const BATCH_NOT_FOUND: Error = Error::NotFound("Batch not found.");
/// `Async request not found.`, as the API words it.
pub const ASYNC_REQUEST_NOT_FOUND: Error = Error::NotFound("Async request not found.");
/// `Application not found`, as the API words it.
pub const APPLICATION_NOT_FOUND: Error = Error::NotFound("Application not found.");
/// An authentication flow that the application does not have, or no longer.
pub const AUTH_FLOW_NOT_FOUND: Error = Error::NotFound("Authentication flow not found.");
/// `Identity not found`, as the API words it.
pub const IDENTITY_NOT_FOUND: Error = Error::NotFound("Identity not found.");
/// A webhook that does not exist, or no longer.
pub const WEBHOOK_NOT_FOUND: Error = Error::NotFound("Webhook not found.");
/// An extension that the project does not have, or no longer.
pub const EXTENSION_NOT_FOUND: Error = Error::NotFound("Extension not found.");
/// A certificate that the project does not have, or no longer.
pub const CERTIFICATE_NOT_FOUND: Error = Error::NotFound("Certificate not found.");
/// `Session not found.`, as the API words it.
pub const SESSION_NOT_FOUND: Error = Error::NotFound("Session not found.");

impl Error {
    /// Wraps a fault that the caller can do nothing about: `message` is for the caller, `source` for the log.
    pub fn internal(message: &'static str, source: impl Into<anyhow::Error>) -> Self {
        Self::Internal { message, source: source.into() }
    }

    /// Says that the request is malformed: `field` names the place, `why` reads after it.
    pub fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self::InvalidRequest(format!("{field}: {why}"))
    }
}

/// A result with the program's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
