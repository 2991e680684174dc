//! Exits: who holds which, which of them a session gets, and what the checks found.

use std::net::IpAddr;
use std::time::Duration;

use roadstead_api::{ProfileId, ProfileName, ProjectId, SessionId};
use roadstead_egress::{ExitName, Traffic};
use sqlx::SqliteConnection;

use super::audit::record;
use super::row::to_json;
use super::{Db, fault, row};
use crate::audit::{Action, Actor, Entry};
use crate::clock;
use crate::error::{Error, Result, SESSION_UNREACHABLE};
use crate::exits::ExitCheck;
use crate::exits::choice::{Choice, ChosenBy, Reserve, Way};

/// An exit that is held by a profile.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The exit.
    pub exit: ExitName,
    /// The project of the profile, by its id and its name.
    pub project: (ProjectId, String),
    /// The profile.
    pub profile: ProfileName,
}

impl Db {
    /// Lists every exit that is held, by its name.
    pub async fn reservations(&self) -> Result<Vec<Reservation>> {
        sqlx::query(
            "SELECT r.exit, p.name AS profile, j.id AS project_id, j.name AS project
             FROM exit_reservations r JOIN profiles p ON p.id = r.profile_id JOIN projects j ON j.id = p.project_id
             ORDER BY r.exit",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?
        .iter()
        .map(|found| {
            Ok(Reservation {
                exit: row::parse(found, "exit")?,
                project: (row::parse(found, "project_id")?, row::get(found, "project")?),
                profile: row::parse(found, "profile")?,
            })
        })
        .collect()
    }

    /// Lists what the last check of each exit found.
    pub async fn exit_checks(&self) -> Result<Vec<(ExitName, ExitCheck)>> {
        sqlx::query("SELECT exit, checked_at, address, problem, duration_ms FROM exit_checks")
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?
            .iter()
            .map(|found| {
                let check = ExitCheck {
                    at: row::time(found, "checked_at")?,
                    address: row::parse_optional(found, "address")?,
                    problem: row::get(found, "problem")?,
                    took: Duration::from_millis(row::count(found, "duration_ms")?),
                };
                Ok((row::parse(found, "exit")?, check))
            })
            .collect()
    }

    /// Notes what a check of an exit found, in the place of the one before.
    pub async fn record_exit_check(&self, exit: &ExitName, check: &ExitCheck) -> Result<()> {
        sqlx::query(
            "INSERT INTO exit_checks (exit, checked_at, address, problem, duration_ms) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (exit) DO UPDATE SET checked_at = excluded.checked_at, address = excluded.address,
                 problem = excluded.problem, duration_ms = excluded.duration_ms",
        )
        .bind(exit.as_str())
        .bind(check.at.as_millisecond())
        .bind(check.address.map(|address| address.to_string()))
        .bind(&check.problem)
        .bind(i64::try_from(check.took.as_millis()).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(())
    }

    /// Remembers the address that a session of a profile saw at its exit: the first one, or the one that is expected now.
    pub async fn remember_exit_address(&self, profile: ProfileId, address: IpAddr) -> Result<()> {
        sqlx::query("UPDATE exit_reservations SET address = ? WHERE profile_id = ?")
            .bind(address.to_string())
            .bind(profile.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }

    /// Tells which way out a running session would get now, and which address its profile's sessions have seen there.
    pub async fn plan_way(&self, session: SessionId, choice: &Choice) -> Result<(Way, Option<IpAddr>)> {
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        let profile = running_profile(&mut connection, session).await?;
        choose_way(&mut connection, choice, profile).await
    }

    /// Notes that a running session goes over another way from now on. One that was reserved for a profile meanwhile is
    /// refused as by [`Db::plan_way`].
    pub async fn change_way(
        &self,
        session: SessionId,
        way: &Way,
        address: Option<IpAddr>,
        by: &Actor,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        let profile = running_profile(&mut tx, session).await?;
        if let Way::Exit { name, by } = way {
            choose_way(&mut tx, &Choice::Among(vec![name.clone()], *by), profile).await?;
        }
        sqlx::query("UPDATE sessions SET proxy_type = ?, exit = ?, browser_ip = ? WHERE id = ?")
            .bind(way.proxy_type())
            .bind(way.exit().map(ExitName::as_str))
            .bind(address.map(|address| address.to_string()))
            .bind(session.to_string())
            .execute(&mut *tx)
            .await
            .map_err(fault)?;
        let entry =
            Entry::of(Action::SessionProxy).in_session(session).because(way.proxy_type().unwrap_or("direct"));
        let entry = match way.exit() {
            Some(exit) => entry.on(exit),
            None => entry,
        };
        record(&mut tx, by, &entry).await?;
        tx.commit().await.map_err(fault)
    }

    /// Notes what went over a session's way out so far.
    pub async fn record_traffic(&self, session: SessionId, traffic: &Traffic) -> Result<()> {
        sqlx::query("UPDATE sessions SET proxy_bytes = ?, requests = ?, domains = ? WHERE id = ?")
            .bind(row::to_sql(traffic.sent + traffic.received))
            .bind(row::to_sql(traffic.requests))
            .bind(to_json(&traffic.domains))
            .bind(session.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }
}

/// The profile that a running session was started from.
async fn running_profile(connection: &mut SqliteConnection, session: SessionId) -> Result<Option<ProfileId>> {
    let found = sqlx::query("SELECT profile_id FROM sessions WHERE id = ? AND status = 'running'")
        .bind(session.to_string())
        .fetch_optional(connection)
        .await
        .map_err(fault)?
        .ok_or(SESSION_UNREACHABLE)?;
    row::parse_optional(&found, "profile_id")
}

/// Decides over which way a session goes, and returns which address its profile's sessions have seen there.
///
/// Of several exits it is the one with the fewest live sessions, then the first. When all are reserved: one by its name is
/// [`Error::Conflict`], others are [`Error::Unavailable`].
pub(super) async fn choose_way(
    connection: &mut SqliteConnection,
    choice: &Choice,
    profile: Option<ProfileId>,
) -> Result<(Way, Option<IpAddr>)> {
    match choice {
        Choice::Direct => Ok((Way::Direct, None)),
        Choice::Custom => Ok((Way::Custom, None)),
        Choice::Usual(default) => {
            if let Some((name, address)) = reserved_for(connection, profile).await? {
                return Ok((Way::Exit { name, by: ChosenBy::Profile }, address));
            }
            let Some(name) = default.clone() else {
                return Ok((Way::Direct, None));
            };
            if is_reserved(connection, &name).await? {
                return Err(Error::Unavailable(format!(
                    "The server's default exit {:?} is reserved for a profile: its operator must set egress.default_exit to another.",
                    name.as_str()
                )));
            }
            Ok((Way::Exit { name, by: ChosenBy::Default }, None))
        }
        Choice::Among(exits, by) => {
            let own = reserved_for(connection, profile).await?;
            let mut free = Vec::with_capacity(exits.len());
            for exit in exits {
                let held = is_reserved(connection, exit).await?;
                if !held || own.as_ref().is_some_and(|(name, _)| name == exit) {
                    free.push((live_sessions(connection, exit, None).await?, exit));
                }
            }
            let Some((_, name)) = free.iter().min_by_key(|(sessions, _)| *sessions) else {
                return Err(all_reserved(exits, *by));
            };
            let address = own.filter(|(own, _)| own == *name).and_then(|(_, address)| address);
            Ok((Way::Exit { name: (*name).clone(), by: *by }, address))
        }
    }
}

fn all_reserved(exits: &[ExitName], by: ChosenBy) -> Error {
    match (exits, by) {
        ([exit], ChosenBy::Name | ChosenBy::Profile | ChosenBy::Default) => {
            Error::Conflict(format!("The exit {:?} is reserved for another profile.", exit.as_str()))
        }
        _ => Error::Unavailable(format!(
            "All exits of this server that match are reserved for profiles ({}).",
            exits.len()
        )),
    }
}

/// Reserves an exit for a profile. `session` is the one that the profile is made of: it may be using the exit already.
///
/// None that is free is [`Error::Unavailable`]; the one that was named, taken, is [`Error::Conflict`].
pub(super) async fn reserve_exit(
    tx: &mut SqliteConnection,
    profile: ProfileId,
    reserve: &Reserve,
    session: Option<SessionId>,
) -> Result<()> {
    let candidates = match reserve {
        Reserve::AnyOf(exits) => exits.as_slice(),
        Reserve::This(exit) => std::slice::from_ref(exit),
    };
    for exit in candidates {
        if is_reserved(tx, exit).await? || live_sessions(tx, exit, session).await? > 0 {
            continue;
        }
        sqlx::query("INSERT INTO exit_reservations (exit, profile_id, reserved_at) VALUES (?, ?, ?)")
            .bind(exit.as_str())
            .bind(profile.to_string())
            .bind(clock::now().as_millisecond())
            .execute(tx)
            .await
            .map_err(fault)?;
        return Ok(());
    }
    Err(match reserve {
        Reserve::This(exit) => Error::Conflict(format!(
            "The exit {:?} is taken: another profile holds it, or sessions that are running use it.",
            exit.as_str()
        )),
        Reserve::AnyOf(exits) => Error::Unavailable(format!(
            "All {} exits of this server that can be reserved are taken. Delete a profile that holds one, or add exits to egress.exits in roadstead.toml.",
            exits.len()
        )),
    })
}

/// The exit that a profile holds, and which address its sessions have seen there.
pub(super) async fn reserved_for(
    connection: &mut SqliteConnection,
    profile: Option<ProfileId>,
) -> Result<Option<(ExitName, Option<IpAddr>)>> {
    let Some(profile) = profile else { return Ok(None) };
    let found = sqlx::query("SELECT exit, address FROM exit_reservations WHERE profile_id = ?")
        .bind(profile.to_string())
        .fetch_optional(connection)
        .await
        .map_err(fault)?;
    found.map(|found| Ok((row::parse(&found, "exit")?, row::parse_optional(&found, "address")?))).transpose()
}

async fn is_reserved(connection: &mut SqliteConnection, exit: &ExitName) -> Result<bool> {
    let found = sqlx::query("SELECT 1 FROM exit_reservations WHERE exit = ?")
        .bind(exit.as_str())
        .fetch_optional(connection)
        .await
        .map_err(fault)?;
    Ok(found.is_some())
}

/// Counts the live sessions that go over an exit, except one.
async fn live_sessions(
    connection: &mut SqliteConnection,
    exit: &ExitName,
    except: Option<SessionId>,
) -> Result<u64> {
    let found = sqlx::query(
        "SELECT count(*) AS sessions FROM sessions
         WHERE exit = ? AND status IN ('starting', 'running', 'stopping') AND id IS NOT ?",
    )
    .bind(exit.as_str())
    .bind(except.map(|session| session.to_string()))
    .fetch_one(connection)
    .await
    .map_err(fault)?;
    row::count(&found, "sessions")
}
