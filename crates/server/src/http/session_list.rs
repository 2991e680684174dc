//! `GET /v1/sessions` and `GET /v1/sessions/all/status`: many sessions at once, and the parameters that choose them.

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{Data, Items, SessionList, SessionStatusItem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::Failure;
use super::origin::WebSocketOrigin;
use super::params::{Params, flag, list, moment, positive};
use super::{TAG_SESSIONS, session_view};
use crate::app::App;
use crate::caller::Caller;
use crate::clock;
use crate::error::{Error, Result};
use crate::session::query::{SessionFilter, SessionQuery, SortBy, SortOrder};

/// The sizes of a page that the published API allows; the first is the default.
const LIMITS: [u32; 3] = [10, 20, 50];

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// The page's number, from 1.
    #[param(value_type = Option<u32>, minimum = 1)]
    page: Option<String>,
    /// How many to a page: 10, 20 or 50.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
    /// `created_at`, `session_id`, `used_credits` or `api_key_name`.
    sort_by: Option<String>,
    /// `asc` or `desc`.
    sort_order: Option<String>,
}

/// Which sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParams {
    /// Parts of labels, separated by commas, whatever their case.
    search: Option<String>,
    /// The status, exactly.
    status: Option<String>,
    /// Labels, separated by commas; a session has all of them.
    tags: Option<String>,
    /// Hosts, separated by commas; the session's browser has asked for all of them. A running session's are some seconds old.
    domains: Option<String>,
    /// Created then or later (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<String>,
    /// Created then or earlier (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<String>,
    /// The batch that it was started for, or the request of a session that was created asynchronously.
    batch_id: Option<String>,
    /// Whether a task started it; none did.
    #[param(value_type = Option<bool>)]
    task_initiated: Option<String>,
    /// Whether it is a playground session; none is.
    #[param(value_type = Option<bool>)]
    playground: Option<String>,
    /// Whether it goes over a proxy or an exit.
    #[param(value_type = Option<bool>)]
    proxy: Option<String>,
    /// Whether it has the patched browser; none has.
    #[param(value_type = Option<bool>)]
    extra_stealth: Option<String>,
    /// Part of its profile's name, whatever its case.
    profile_name: Option<String>,
}

/// List sessions
///
/// Running ones and those that are over, a page at a time, oldest first unless asked otherwise.
#[utoipa::path(
    get, path = "/sessions", tag = TAG_SESSIONS, params(PageParams, FilterParams),
    responses((status = 200, description = "One page of the sessions that match.", body = Data<SessionList>))
)]
pub async fn list_sessions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    Params(page): Params<PageParams>,
    Params(filter): Params<FilterParams>,
) -> Result<Json<Data<SessionList>>, Failure> {
    let query = query(&page, &filter)?;
    let found = app.sessions().list(caller.project, query.clone()).await?;
    let now = clock::now();
    let items = found.sessions.into_iter().map(|record| {
        let running = app.sessions().find(caller.project, record.id);
        let first = running.and_then(|session| session.access().first());
        let cdp_url = first.map(|token| origin.cdp_url(record.id, &token));
        session_view::list_item(record, cdp_url, now)
    });
    Ok(Json(Data::of(SessionList {
        sessions: items.collect(),
        total: found.total,
        page: query.page,
        total_pages: query.pages(found.total),
    })))
}

/// List live sessions
///
/// Those that start, run or stop, each in a word.
#[utoipa::path(
    get, path = "/sessions/all/status", tag = TAG_SESSIONS, params(FilterParams),
    responses((status = 200, description = "The live sessions that match.", body = Data<Items<SessionStatusItem>>))
)]
pub async fn list_live_sessions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<FilterParams>,
) -> Result<Json<Data<Items<SessionStatusItem>>>, Failure> {
    let records = app.sessions().live(caller.project, filter(&params)?).await?;
    Ok(Json(Data::of(records.into_iter().map(session_view::status_item).collect())))
}

fn query(page: &PageParams, params: &FilterParams) -> Result<SessionQuery> {
    let limit = positive("limit", page.limit.as_deref())?.map_or(LIMITS[0], i32::unsigned_abs);
    if !LIMITS.contains(&limit) {
        return Err(Error::invalid("limit", "must be 10, 20 or 50"));
    }
    Ok(SessionQuery {
        filter: filter(params)?,
        sort: sort_by(page.sort_by.as_deref())?,
        order: sort_order(page.sort_order.as_deref())?,
        limit,
        page: positive("page", page.page.as_deref())?.map_or(1, i32::unsigned_abs),
    })
}

fn sort_by(word: Option<&str>) -> Result<SortBy> {
    match word {
        None | Some("" | "created_at") => Ok(SortBy::CreatedAt),
        Some("session_id") => Ok(SortBy::SessionId),
        Some("used_credits") => Ok(SortBy::UsedCredits),
        Some("api_key_name") => Ok(SortBy::ApiKeyName),
        Some(_) => {
            Err(Error::invalid("sort_by", "must be created_at, session_id, used_credits or api_key_name"))
        }
    }
}

fn sort_order(word: Option<&str>) -> Result<SortOrder> {
    match word.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "asc") => Ok(SortOrder::Ascending),
        Some("desc") => Ok(SortOrder::Descending),
        Some(_) => Err(Error::invalid("sort_order", "must be asc or desc")),
    }
}

fn filter(params: &FilterParams) -> Result<SessionFilter> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(SessionFilter {
        search: list(params.search.as_deref()),
        status: text(&params.status),
        tags: list(params.tags.as_deref()),
        domains: list(params.domains.as_deref()),
        created_from: moment("created_from", params.created_from.as_deref())?,
        created_to: moment("created_to", params.created_to.as_deref())?,
        batch_id: text(&params.batch_id),
        task_initiated: flag("task_initiated", params.task_initiated.as_deref())?,
        playground: flag("playground", params.playground.as_deref())?,
        proxy: flag("proxy", params.proxy.as_deref())?,
        extra_stealth: flag("extra_stealth", params.extra_stealth.as_deref())?,
        profile_name: text(&params.profile_name),
    })
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;
    use axum::http::Uri;

    use super::*;

    fn read(text: &str) -> Result<SessionQuery> {
        let uri: Uri = format!("/?{text}").parse().unwrap();
        let (page, filter) = (Query::try_from_uri(&uri).unwrap(), Query::try_from_uri(&uri).unwrap());
        query(&page, &filter)
    }

    #[test]
    fn nothing_is_the_first_ten_of_all_oldest_first() {
        let usual = read("").unwrap();
        assert_eq!(
            (usual.page, usual.limit, usual.sort, usual.order),
            (1, 10, SortBy::CreatedAt, SortOrder::Ascending)
        );
        assert_eq!(usual.filter, SessionFilter::default());
        assert_eq!(
            read("status=&tags=&proxy=&created_from=&page=&limit=&sort_by=&unknown=1").unwrap(),
            usual
        );
    }

    #[test]
    fn every_parameter_is_read() {
        let query = read(
            "page=2&limit=50&sort_by=api_key_name&sort_order=desc&search=Pro,x&status=completed&tags=a,b&domains=d\
             &created_from=2026-01-01&created_to=2026-02-01T00:00:00Z&batch_id=c&task_initiated=false&playground=true\
             &proxy=true&extra_stealth=false&profile_name=Default%20profile",
        )
        .unwrap();
        assert_eq!(
            (query.page, query.limit, query.sort, query.order),
            (2, 50, SortBy::ApiKeyName, SortOrder::Descending)
        );
        assert_eq!(
            query.filter,
            SessionFilter {
                search: vec!["Pro".to_owned(), "x".to_owned()],
                status: Some("completed".to_owned()),
                tags: vec!["a".to_owned(), "b".to_owned()],
                domains: vec!["d".to_owned()],
                created_from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
                created_to: Some("2026-02-01T00:00:00Z".parse().unwrap()),
                batch_id: Some("c".to_owned()),
                task_initiated: Some(false),
                playground: Some(true),
                proxy: Some(true),
                extra_stealth: Some(false),
                profile_name: Some("Default profile".to_owned()),
            }
        );
    }

    #[test]
    fn what_is_not_offered_names_the_parameter() {
        for (text, name) in [
            ("limit=11", "limit"),
            ("limit=0", "limit"),
            ("page=0", "page"),
            ("page=x", "page"),
            ("sort_by=name", "sort_by"),
            ("sort_order=up", "sort_order"),
            ("proxy=perhaps", "proxy"),
            ("created_to=tomorrow", "created_to"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{text}: {error}");
        }
    }
}
