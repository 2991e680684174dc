//! Admitting sessions: which revision each starts from, and whether it may write.

use std::net::IpAddr;

use roadstead_api::{ProfileId, ProfileName, SessionId};
use roadstead_egress::ExitName;
use serde_json::Value;
use sqlx::SqliteConnection;

use super::audit::record;
use super::batch_items::tie;
use super::exits::choose_way;
use super::row::to_json;
use super::sinks::{add_sink, writer};
use super::{Db, fault, row};
use crate::audit::{Action, Entry};
use crate::batch::record::BatchItemId;
use crate::caller::Caller;
use crate::clock;
use crate::error::{Error, PROFILE_NOT_FOUND, REVISION_NOT_FOUND, Result};
use crate::exits::choice::{Choice, Way};
use crate::session::request::{ProfileUse, StartFrom};

/// A session to be admitted.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: SessionId,
    /// Who asked for it.
    pub caller: &'a Caller,
    /// The body of the create.
    pub configuration: &'a Value,
    /// Its labels.
    pub tags: &'a [String],
    /// Whether it is headless.
    pub headless: bool,
    /// Whether it is recorded.
    pub recording: bool,
    /// The profile it starts from.
    pub profile: Option<&'a ProfileUse>,
    /// The major version of the browser that it will run, if that is known.
    pub browser_major: Option<u32>,
    /// The ways out that it may have.
    pub way: &'a Choice,
    /// What it is started for, if it is one of a batch.
    pub batch_item: Option<BatchItemId>,
}

/// What an admitted session starts from.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// The profile that it loads.
    pub profile: Option<ProfileId>,
    /// The revision that it loads. `None` for a profile that holds nothing yet.
    pub head: Option<StartingPoint>,
    /// Its way out.
    pub way: Way,
    /// The address that its profile's sessions have seen there.
    pub pinned: Option<IpAddr>,
}

/// The revision that a session starts from.
#[derive(Clone, Debug)]
pub struct StartingPoint {
    /// Its number.
    pub number: u64,
    /// The snapshot's digest.
    pub digest: String,
    /// The browser that wrote it.
    pub browser_version: Option<String>,
}

/// Whether a session may start.
#[derive(Debug)]
pub enum Admitted {
    /// It is on record.
    Yes(Admission),
    /// Not now, and nothing is on record; waiting may help.
    NotYet(Blocked),
}

/// What keeps a session from starting for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Another session will be saved into the profile, and one of the two is to be its only writer.
    Writer {
        /// That session.
        holder: SessionId,
    },
    /// The profile's head is not the revision that was asked for yet.
    Behind {
        /// The head, if there is one.
        head: Option<u64>,
        /// What was asked for.
        wanted: u64,
    },
}

impl Blocked {
    /// Says so to a caller who will not wait any longer.
    pub fn into_error(self, profile: &ProfileName) -> Error {
        let profile = profile.as_str();
        Error::Conflict(match self {
            Self::Writer { holder } => format!(
                "The profile {profile:?} is being written by the session {holder}. End that session, or wait for it with browser.profile.wait_seconds."
            ),
            Self::Behind { head, wanted } => {
                let head = head
                    .map_or_else(|| "it holds nothing yet".to_owned(), |head| format!("its head is {head}"));
                format!("The profile {profile:?} has not reached revision {wanted}: {head}. Try again later.")
            }
        })
    }
}

impl Db {
    /// Admits a session: resolves the profile and the revision, creates a persisting session's profile if it is new, and
    /// ties the two together; and decides over which way out it goes.
    ///
    /// An unknown profile that is only to be loaded is [`PROFILE_NOT_FOUND`], an unknown revision
    /// [`REVISION_NOT_FOUND`]; a revision that a newer major version of the browser wrote is [`Error::Conflict`];
    /// for a way out that is taken see [`choose_way`]. An item of a batch that was cancelled is [`Error::Conflict`] too.
    pub async fn admit_session(&self, new: NewSession<'_>) -> Result<Admitted> {
        let mut tx = self.write().await?;
        let mut admission = match new.profile {
            None => Admission::default(),
            Some(wanted) => match resolve(&mut tx, &new, wanted).await? {
                Admitted::Yes(admission) => admission,
                blocked @ Admitted::NotYet(_) => return Ok(blocked),
            },
        };
        (admission.way, admission.pinned) = choose_way(&mut tx, new.way, admission.profile).await?;
        insert(&mut tx, &new, &admission).await?;
        if let Some(item) = new.batch_item {
            tie(&mut tx, item, new.id).await?;
        }
        put_on_record(&mut tx, &new, &admission).await?;
        if let (Some(profile), Some(wanted)) = (admission.profile, new.profile)
            && wanted.persist
        {
            add_sink(&mut tx, new.id, profile, &wanted.name, &wanted.save, wanted.exclusive).await?;
        }
        tx.commit().await.map_err(fault)?;
        Ok(Admitted::Yes(admission))
    }

    /// Tells what would keep a session from starting on a profile now. One that would be refused for good is not blocked.
    pub async fn blocked(&self, caller: &Caller, wanted: &ProfileUse) -> Result<Option<Blocked>> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        let Some(found) = find(&mut connection, caller, wanted).await? else {
            return Ok(None);
        };
        blocked(&mut connection, &found, wanted).await
    }
}

/// A profile by its name.
struct Found {
    id: ProfileId,
    head: Option<u64>,
}

async fn find(
    connection: &mut SqliteConnection,
    caller: &Caller,
    wanted: &ProfileUse,
) -> Result<Option<Found>> {
    let found = sqlx::query("SELECT id, head FROM profiles WHERE project_id = ? AND name = ?")
        .bind(caller.project.to_string())
        .bind(wanted.name.as_str())
        .fetch_optional(connection)
        .await
        .map_err(fault)?;
    found
        .map(|found| Ok(Found { id: row::parse(&found, "id")?, head: row::count_optional(&found, "head")? }))
        .transpose()
}

async fn resolve(tx: &mut SqliteConnection, new: &NewSession<'_>, wanted: &ProfileUse) -> Result<Admitted> {
    let Some(found) = find(tx, new.caller, wanted).await? else {
        return match (wanted.persist, wanted.start) {
            (true, StartFrom::Head) => create(tx, new, wanted).await,
            (true, _) => Err(REVISION_NOT_FOUND),
            (false, _) => Err(PROFILE_NOT_FOUND),
        };
    };
    if let Some(blocked) = blocked(tx, &found, wanted).await? {
        return Ok(Admitted::NotYet(blocked));
    }
    let number = match wanted.start {
        StartFrom::Revision(number) => Some(number),
        StartFrom::Head | StartFrom::AtLeast(_) => found.head,
    };
    let head = match number {
        Some(number) => Some(starting_point(tx, found.id, number).await?),
        None => None,
    };
    if let Some(point) = &head {
        refuse_downgrade(point, new, wanted)?;
    }
    Ok(Admitted::Yes(Admission { profile: Some(found.id), head, ..Admission::default() }))
}

async fn blocked(
    connection: &mut SqliteConnection,
    found: &Found,
    wanted: &ProfileUse,
) -> Result<Option<Blocked>> {
    if let StartFrom::AtLeast(number) = wanted.start
        && found.head.is_none_or(|head| head < number)
    {
        return Ok(Some(Blocked::Behind { head: found.head, wanted: number }));
    }
    if !wanted.persist {
        return Ok(None);
    }
    let holder = writer(connection, found.id, None, !wanted.exclusive).await?;
    Ok(holder.map(|holder| Blocked::Writer { holder }))
}

async fn starting_point(tx: &mut SqliteConnection, profile: ProfileId, number: u64) -> Result<StartingPoint> {
    let found =
        sqlx::query("SELECT digest, browser_version FROM revisions WHERE profile_id = ? AND number = ?")
            .bind(profile.to_string())
            .bind(row::to_sql(number))
            .fetch_optional(tx)
            .await
            .map_err(fault)?
            .ok_or(REVISION_NOT_FOUND)?;
    Ok(StartingPoint {
        number,
        digest: row::get(&found, "digest")?,
        browser_version: row::get(&found, "browser_version")?,
    })
}

/// Chromium opens files of an older version and brings them forward; files of a newer one it may throw away.
fn refuse_downgrade(point: &StartingPoint, new: &NewSession<'_>, wanted: &ProfileUse) -> Result<()> {
    let saved = point.browser_version.as_deref().and_then(roadstead_browser::major_version);
    let (Some(saved), Some(ours)) = (saved, new.browser_major) else {
        return Ok(());
    };
    if saved <= ours || wanted.allow_downgrade {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "Revision {} of the profile {:?} was saved by Chromium {saved}, and this server's is {ours}: opening it may lose state. Upgrade Chromium, choose an older revision, or set browser.profile.allow_downgrade.",
        point.number,
        wanted.name.as_str()
    )))
}

async fn create(tx: &mut SqliteConnection, new: &NewSession<'_>, wanted: &ProfileUse) -> Result<Admitted> {
    let id = ProfileId::random();
    let now = clock::now().as_millisecond();
    sqlx::query(
        "INSERT INTO profiles (id, project_id, name, session_id, status, created_at, updated_at)
         VALUES (?, ?, ?, ?, 'pending', ?, ?)",
    )
    .bind(id.to_string())
    .bind(new.caller.project.to_string())
    .bind(wanted.name.as_str())
    .bind(new.id.to_string())
    .bind(now)
    .bind(now)
    .execute(&mut *tx)
    .await
    .map_err(fault)?;
    let entry = Entry::of(Action::ProfileCreate).on_profile(id, &wanted.name).in_session(new.id);
    record(tx, &new.caller.actor(), &entry).await?;
    Ok(Admitted::Yes(Admission { profile: Some(id), ..Admission::default() }))
}

/// Tells that the session was asked for, and what it gets to see of its profile.
async fn put_on_record(tx: &mut SqliteConnection, new: &NewSession<'_>, admission: &Admission) -> Result<()> {
    let actor = new.caller.actor();
    let mut created = Entry::of(Action::SessionCreate).in_session(new.id);
    if let (Some(id), Some(wanted)) = (admission.profile, new.profile) {
        created = created.on_profile(id, &wanted.name);
        if let Some(point) = &admission.head {
            let loaded = Entry::of(Action::ProfileLoad).in_session(new.id).on_profile(id, &wanted.name);
            record(tx, &actor, &loaded.on_revision(point.number)).await?;
        }
    }
    record(tx, &actor, &created).await
}

async fn insert(tx: &mut SqliteConnection, new: &NewSession<'_>, admission: &Admission) -> Result<()> {
    sqlx::query(
        "INSERT INTO sessions (id, project_id, status, configuration, tags, headless, recording, profile_name, profile_id,
             profile_revision, profile_persist, api_key_name, proxy_type, exit, batch_id, created_at)
         VALUES (?, ?, 'starting', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.caller.project.to_string())
    .bind(new.configuration.to_string())
    .bind(to_json(&new.tags))
    .bind(new.headless)
    .bind(new.recording)
    .bind(new.profile.map(|wanted| wanted.name.as_str().to_owned()))
    .bind(admission.profile.map(|profile| profile.to_string()))
    .bind(admission.head.as_ref().map(|point| row::to_sql(point.number)))
    .bind(new.profile.is_some_and(|wanted| wanted.persist))
    .bind(&new.caller.key_name)
    .bind(admission.way.proxy_type())
    .bind(admission.way.exit().map(ExitName::as_str))
    .bind(new.batch_item.map(|item| item.batch.to_string()))
    .bind(clock::now().as_millisecond())
    .execute(tx)
    .await
    .map_err(fault)?;
    Ok(())
}
