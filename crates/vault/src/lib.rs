//! Revisions' bytes: commit, checkout, verify, prune and delete, over `rustic_core` and `object_store`.
//!
//! A [`Vault`] holds one repository per profile, in restic's format, each encrypted with a key of its own that only the
//! server's [`RootKey`] unwraps. It knows neither Chromium nor HTTP, and no profile's name: a repository is a UUID, a
//! snapshot the hash of its own bytes.
//!
//! What a caller may rely on:
//! - When [`Vault::commit`] returns, the snapshot and everything it needs is on stable storage, and was before the snapshot
//!   object itself appeared. A crash leaves unused objects, never a snapshot with holes.
//! - Nothing that exists in the directory is silently left out: what cannot be read fails the commit.
//! - [`Vault::checkout`] verifies every byte that it writes, writes only below the directory it was given, and never follows
//!   a link.
//! - Damage costs only what needs the damaged object: every other snapshot of the repository still checks out, [`Vault::check`]
//!   says which is hurt and where, and a commit stores again what an index that was lost had named.
//! - After [`Vault::delete`] the bytes are unreadable even to someone who kept a copy of them and has the root key.
//! - A [rotation](rotate_root_key) of the root key touches no contents. Cut off at any point, it leaves every repository
//!   open to whoever opens the vault, and the next one goes on.
//! - While a [`Hold`] lives no snapshot of its repository is removed; while a [`Closed`] lives nobody else commits, checks out or
//!   prunes. On a local vault that holds between processes too, and ends with its holder, however it ends.
//! - A prune removes nothing unless all that is kept can be read. Cut off at any point, it leaves every kept snapshot whole, and
//!   the next one goes on.
//!
//! An operation's way down: [`Vault`] takes the repository's lock and a permit, moves to a blocking thread, and calls
//! `commit`, `checkout`, `check` or `prune`; these open the library's repository over an `adapter`, which names and caches objects and
//! calls the `store`.

mod adapter;
mod blobs;
mod cache;
mod check;
mod checkout;
mod closed;
mod commit;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod counts;
mod directory_lock;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod ids;
mod layout;
mod links;
mod locks;
mod omissions;
mod open_lock;
mod overwrite;
mod prune;
mod repository;
mod repository_key;
mod root_key;
mod root_keys;
mod rotation;
mod sealed;
mod source;
mod spread;
mod store;
#[cfg(test)]
mod tests;
mod vault;

pub use closed::{Closed, Hold};
pub use counts::ObjectCounts;
pub use error::VaultError;
pub use ids::{InvalidId, RepositoryId, SnapshotId};
pub use overwrite::overwrite;
pub use prune::{PrunePlan, PruneReport};
pub use root_key::RootKey;
pub use root_keys::has_root_key;
pub use rotation::{Rotation, finish_rotation, rotate_root_key};
pub use spread::spread_subdirectories;
pub use vault::{CheckReport, CheckoutReport, CommitOptions, CommitReport, Problem, SnapshotInfo, Vault};
