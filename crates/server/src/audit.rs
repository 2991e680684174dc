//! The words of the audit log: who did what, on what, from where, and how it came out. Never what anything holds.
//!
//! Where an entry tells of a change of the database it is written in the same transaction, so that neither exists without the
//! other: see `db::audit`. What changes nothing there (a connection, an export) is on record before it happens.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use roadstead_api::{ApiKeyId, ProfileId, ProfileName, ProjectId, SessionId};
use roadstead_vault::Rotation;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;
use crate::db::Db;
use crate::error::Result;

/// Who did something, for which project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The project, if it concerns one.
    pub project: Option<ProjectId>,
    /// The key, by its id and its name. None for a command, and for whoever came with a session's token.
    pub key: Option<(ApiKeyId, String)>,
    /// From where.
    pub origin: Origin,
}

impl Actor {
    /// Makes the one who runs a command for a project.
    pub fn command(project: ProjectId) -> Self {
        Self { project: Some(project), key: None, origin: Origin::CommandLine }
    }
}

/// Where something was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Over the API, from this address.
    Client(IpAddr),
    /// On the server's machine, with a command.
    CommandLine,
    /// Nowhere: the server did it by itself, at the end of a session for example.
    Server,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(address) => address.fmt(f),
            Self::CommandLine => f.write_str("cli"),
            Self::Server => f.write_str("server"),
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the wire's word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads the wire's word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// What was done.
    Action {
        /// A session was asked for, and is on record.
        SessionCreate = "session.create",
        /// A session is over; the detail says why.
        SessionEnd = "session.end",
        /// A client connected to a session's browser.
        SessionAttach = "session.attach",
        /// A session's way out was changed; the subject is its exit, the detail how it was chosen.
        SessionProxy = "session.proxy",
        /// A token for a session was made.
        TokenMint = "session.token_mint",
        /// A token for a session was revoked.
        TokenRevoke = "session.token_revoke",
        /// Sessions were asked for, to be started later; the subject is the batch.
        BatchCreate = "batch.create",
        /// What a batch had not started was cancelled, and what ran of it ended.
        BatchCancel = "batch.cancel",
        /// What a batch could not start is tried again.
        BatchRetry = "batch.retry",
        /// A batch was deleted.
        BatchDelete = "batch.delete",
        /// A profile was made.
        ProfileCreate = "profile.create",
        /// A session starts from a profile's revision.
        ProfileLoad = "profile.load",
        /// A revision was added to a profile; the detail says why. Failed: it was not.
        ProfileSave = "profile.save",
        /// A profile's description, exit or session was changed.
        ProfileUpdate = "profile.update",
        /// A profile was deleted.
        ProfileDelete = "profile.delete",
        /// A password for a profile's repository was made.
        ProfileExportKey = "profile.export_key",
        /// A profile's head went back to what an earlier revision holds.
        RevisionRollback = "revision.rollback",
        /// A revision that was held back became the head.
        RevisionPromote = "revision.promote",
        /// A revision was pinned.
        RevisionPin = "revision.pin",
        /// A revision is no longer pinned.
        RevisionUnpin = "revision.unpin",
        /// A revision was deleted.
        RevisionDelete = "revision.delete",
        /// An application that identities are in was made.
        ApplicationCreate = "application.create",
        /// An application was deleted, with its identities; the detail counts them.
        ApplicationDelete = "application.delete",
        /// A way to log in to an application was made.
        AuthFlowCreate = "auth_flow.create",
        /// A way to log in to an application was changed.
        AuthFlowUpdate = "auth_flow.update",
        /// A way to log in to an application was deleted.
        AuthFlowDelete = "auth_flow.delete",
        /// An identity was made.
        IdentityCreate = "identity.create",
        /// An identity was changed; the detail says what of it.
        IdentityUpdate = "identity.update",
        /// An identity was deleted, with its credentials.
        IdentityDelete = "identity.delete",
        /// An identity's credentials were asked for, and are given.
        IdentityRead = "identity.read_credentials",
        /// A webhook was made.
        WebhookCreate = "webhook.create",
        /// A webhook was changed.
        WebhookUpdate = "webhook.update",
        /// A webhook was deleted.
        WebhookDelete = "webhook.delete",
        /// A webhook got a new secret.
        WebhookRotate = "webhook.rotate_secret",
        /// A webhook was sent an event that tells of nothing.
        WebhookTest = "webhook.test",
        /// An extension was uploaded.
        ExtensionCreate = "extension.create",
        /// An extension was deleted.
        ExtensionDelete = "extension.delete",
        /// A certificate was uploaded.
        CertificateCreate = "certificate.create",
        /// A certificate was deleted.
        CertificateDelete = "certificate.delete",
        /// An exit was checked.
        ExitCheck = "exit.check",
        /// A key was made.
        KeyCreate = "key.create",
        /// A key was revoked.
        KeyRevoke = "key.revoke",
        /// The root key was rotated.
        RootKeyRotate = "root_key.rotate",
        /// Somebody came with a key or a token that opens nothing. Not every time: see `limits`.
        AuthFailed = "auth.failed",
    }
}

words! {
    /// How it came out.
    Outcome {
        /// It is done.
        Ok = "ok",
        /// It is not.
        Failed = "failed",
        /// It has begun, and another entry tells how it came out.
        Started = "started",
    }
}

/// What was done, on what. Ids and names, and nothing that a browser or a profile holds.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was done.
    pub action: Action,
    /// How it came out.
    pub outcome: Outcome,
    /// The session.
    pub session: Option<SessionId>,
    /// The profile.
    pub profile: Option<(ProfileId, ProfileName)>,
    /// The profile's revision.
    pub revision: Option<u64>,
    /// What else, by id or name.
    pub subject: Option<String>,
    /// A word or two: why a session ended, what a save was for.
    pub detail: Option<String>,
}

impl Entry {
    /// Says that something was done.
    pub fn of(action: Action) -> Self {
        let (session, profile, revision) = (None, None, None);
        Self { action, outcome: Outcome::Ok, session, profile, revision, subject: None, detail: None }
    }

    /// Says how it came out.
    #[must_use]
    pub fn came_out(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// Says in which session.
    #[must_use]
    pub fn in_session(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Says to which profile.
    #[must_use]
    pub fn on_profile(self, id: ProfileId, name: &ProfileName) -> Self {
        Self { profile: Some((id, name.clone())), ..self }
    }

    /// Says to which of the profile's revisions.
    #[must_use]
    pub fn on_revision(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// Says to what else, by id or name.
    #[must_use]
    pub fn on(self, subject: impl fmt::Display) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }

    /// Adds a word or two.
    #[must_use]
    pub fn because(self, detail: impl fmt::Display) -> Self {
        Self { detail: Some(detail.to_string()), ..self }
    }
}

/// An entry of the log, as it was written.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number; later ones are greater.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// The project's name, if it concerns one.
    pub project: Option<String>,
    /// The key, by its id and its name.
    pub key: Option<(ApiKeyId, String)>,
    /// From where: an address, `cli` or `server`.
    pub origin: String,
    /// What was done.
    pub action: Action,
    /// How it came out.
    pub outcome: Outcome,
    /// The session.
    pub session: Option<SessionId>,
    /// The profile's name at that time.
    pub profile: Option<ProfileName>,
    /// The profile's revision.
    pub revision: Option<u64>,
    /// What else, by id or name.
    pub subject: Option<String>,
    /// A word or two.
    pub detail: Option<String>,
}

/// Which entries, newest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of this project; of all, and of none, when absent.
    pub project: Option<ProjectId>,
    /// Of this action.
    pub action: Option<Action>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of profiles of this name.
    pub profile: Option<String>,
    /// Of then or later.
    pub since: Option<Timestamp>,
    /// Of then or earlier.
    pub until: Option<Timestamp>,
    /// Older than this entry.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// Puts on record that the root key was rotated, or that a rotation was finished.
pub async fn root_key_rotated(db: &Db, origin: Origin, rotation: Rotation) -> Result<()> {
    let entry = Entry::of(Action::RootKeyRotate).because(format!("{} repositories", rotation.rewrapped));
    db.record(&Actor { project: None, key: None, origin }, &entry).await
}

/// How often old entries are looked for.
const SWEEP_EVERY: Duration = Duration::from_hours(24);

/// Removes entries that are older than so many days, now and once a day, until it is stopped.
pub async fn keep(db: Db, days: u32, stop: CancellationToken) {
    let mut sweeps = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = sweeps.tick() => {}
        }
        let oldest = clock::now() - SignedDuration::from_hours(24 * i64::from(days));
        match db.prune_audit(oldest).await {
            Ok(0) => {}
            Ok(removed) => info!(removed, "removed old entries of the audit log"),
            Err(error) => warn!(error = ?error, "failed to remove old entries of the audit log"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_none_is_used_twice() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(*action));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(*outcome));
        }
        assert_eq!(Action::parse("session.createx"), None);
    }
}
