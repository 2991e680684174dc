//! Revisions' bytes: checkout, commit, verify, delete, over `rustic_core` and `object_store`.

mod error;
mod ids;
mod root_key;
mod vault;

pub use error::VaultError;
pub use ids::{InvalidId, RepositoryId, SnapshotId};
pub use root_key::RootKey;
pub use vault::{CheckReport, CheckoutReport, CommitOptions, CommitReport, SnapshotInfo, Vault};
