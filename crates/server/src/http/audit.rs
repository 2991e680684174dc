//! `GET /v1/audit`: who did what in the caller's project.

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{AuditEntry, AuditKey, AuditPage, Data, ErrorResponse};
use serde::Deserialize;
use utoipa::IntoParams;

use super::TAG_SYSTEM;
use super::error::Failure;
use super::params::{Params, moment, positive};
use crate::app::App;
use crate::audit::{Action, Query, Record};
use crate::caller::Caller;
use crate::error::{Error, Result};

/// How many entries a page has when nobody says how many.
const USUAL: u32 = 50;
/// The most that one may have.
const MOST: u32 = 500;

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// At most so many, 50 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// Older than this entry: the last page's `next_before`.
    #[param(value_type = Option<u64>, minimum = 1)]
    before: Option<String>,
    /// Of this action, `profile.load` for example.
    action: Option<String>,
    /// Of this session.
    session: Option<String>,
    /// Of profiles of this name.
    profile: Option<String>,
    /// Of then or later (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Of then or earlier (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// Read the audit log
///
/// Who did what in this project, newest first: with which key, on which session, profile or revision, from where, and how it
/// came out. Never what anything holds.
#[utoipa::path(
    get, path = "/audit", tag = TAG_SYSTEM, params(AuditParams),
    responses(
        (status = 200, description = "One page of the entries that match.", body = Data<AuditPage>),
        (status = 400, description = "A parameter is malformed.", body = ErrorResponse),
    )
)]
pub async fn read_audit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<AuditParams>,
) -> Result<Json<Data<AuditPage>>, Failure> {
    let query = query(&caller, &params)?;
    let records = app.db().audit(&query).await?;
    let full = u32::try_from(records.len()).is_ok_and(|found| found == query.limit);
    let next_before = records.last().filter(|_| full).map(|last| last.id);
    Ok(Json(Data::of(AuditPage { items: records.into_iter().map(shown).collect(), next_before })))
}

fn query(caller: &Caller, params: &AuditParams) -> Result<Query> {
    let limit = positive("limit", params.limit.as_deref())?.map_or(USUAL, i32::unsigned_abs);
    if limit > MOST {
        return Err(Error::invalid("limit", format!("must be at most {MOST}")));
    }
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let action = given(&params.action).map(|word| {
        Action::parse(&word).ok_or_else(|| Error::invalid("action", "is not an action that the log has"))
    });
    let session = given(&params.session).map(|id| {
        id.parse().map_err(|_| Error::invalid("session", "must be a session's id, which is a UUID"))
    });
    Ok(Query {
        project: Some(caller.project),
        action: action.transpose()?,
        session: session.transpose()?,
        profile: given(&params.profile),
        since: moment("since", params.since.as_deref())?,
        until: moment("until", params.until.as_deref())?,
        before: positive("before", params.before.as_deref())?.map(i64::unsigned_abs),
        limit,
    })
}

fn shown(record: Record) -> AuditEntry {
    AuditEntry {
        id: record.id,
        at: record.at,
        action: record.action.as_str(),
        outcome: record.outcome.as_str(),
        origin: record.origin,
        api_key: record.key.map(|(id, name)| AuditKey { id, name }),
        session_id: record.session,
        profile: record.profile,
        revision: record.revision,
        subject: record.subject,
        detail: record.detail,
    }
}
