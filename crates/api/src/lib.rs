//! The wire: request and response types, ids and names of the HTTP API, with their serde and OpenAPI derives. No I/O.

pub mod ids;
pub mod receipt;

pub use ids::{ApiKeyId, ProfileId, ProfileName, ProfileNameError, ProjectId, SessionId};
pub use receipt::{CookieCounts, Receipt, SaveOutcome, SavedRevision};
