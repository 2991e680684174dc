//! `GET /v1/sessions/history`: what sessions used, by hour, day, week or month.

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{ErrorResponse, HistoryPoint, HistorySummary, Pagination, SessionHistory};
use utoipa::IntoParams;

use super::TAG_SESSIONS;
use super::error::Failure;
use super::params::{Params, list, moment, positive};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::session::history::{Granularity, HistoryQuery, Used};

/// How many periods a page has when nobody says how many.
const USUAL_LIMIT: u32 = 100;
/// How many one may have.
const MOST_LIMIT: u32 = 1_000;

/// Which part of the past, and what of it.
#[derive(Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryParams {
    /// Sessions that were created then or later (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    from_date: Option<String>,
    /// Sessions that were created then or earlier (ISO 8601).
    #[param(value_type = Option<String>, format = DateTime)]
    to_date: Option<String>,
    /// `hour`, `day` (the default), `week` or `month`, all of UTC.
    granularity: Option<String>,
    /// `session_count` (the default), `proxy_bytes`, `ai_steps`, `session_hours`, `credits_used`, `screenshots`,
    /// `network_bytes_total`: separated by commas, or the parameter more than once.
    #[param(value_type = Option<String>)]
    metrics: Vec<String>,
    /// The page's number, from 1.
    #[param(value_type = Option<u32>, minimum = 1)]
    page: Option<String>,
    /// How many periods to a page, 100 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// Show what sessions used
///
/// The periods in which sessions were created, oldest first, with the metrics that are asked for, and their sums.
#[utoipa::path(
    get, path = "/sessions/history", tag = TAG_SESSIONS, params(HistoryParams),
    responses(
        (status = 200, description = "One page of the periods that have sessions.", body = SessionHistory),
        (status = 400, description = "A parameter is malformed.", body = ErrorResponse),
    )
)]
pub async fn get_sessions_history(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(pairs): Params<Vec<(String, String)>>,
) -> Result<Json<SessionHistory>, Failure> {
    let params = read_params(pairs);
    let metrics = Metrics::read(&params.metrics)?;
    let query = query(&params)?;
    let found = app.sessions().history(caller.project, &query).await?;
    let points = found.periods.into_iter().map(|(date, used)| metrics.point(date, &used));
    Ok(Json(SessionHistory {
        data: points.collect(),
        summary: metrics.summary(&found.sum),
        pagination: Pagination::new(query.page, query.limit, found.total),
    }))
}

/// Reads the parameters by hand, since `metrics` may come more than once, and clients write a list in more than one way.
fn read_params(pairs: Vec<(String, String)>) -> HistoryParams {
    let mut params = HistoryParams::default();
    for (name, value) in pairs {
        match name.as_str() {
            "from_date" => params.from_date = Some(value),
            "to_date" => params.to_date = Some(value),
            "granularity" => params.granularity = Some(value),
            "page" => params.page = Some(value),
            "limit" => params.limit = Some(value),
            name if name == "metrics" || name.starts_with("metrics[") => params.metrics.push(value),
            _ => {}
        }
    }
    params
}

fn query(params: &HistoryParams) -> Result<HistoryQuery> {
    let limit = positive("limit", params.limit.as_deref())?.map_or(USUAL_LIMIT, i32::unsigned_abs);
    if limit > MOST_LIMIT {
        return Err(Error::invalid("limit", format!("must be at most {MOST_LIMIT}")));
    }
    let granularity = match params.granularity.as_deref() {
        None | Some("") => Granularity::default(),
        Some(word) => Granularity::parse(word)
            .ok_or_else(|| Error::invalid("granularity", "must be hour, day, week or month"))?,
    };
    Ok(HistoryQuery {
        from: moment("from_date", params.from_date.as_deref())?,
        to: moment("to_date", params.to_date.as_deref())?,
        granularity,
        limit,
        page: positive("page", params.page.as_deref())?.map_or(1, i32::unsigned_abs),
    })
}

/// Which metrics are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a metric of the published API")]
struct Metrics {
    session_count: bool,
    proxy_bytes: bool,
    ai_steps: bool,
    session_hours: bool,
    credits_used: bool,
    screenshots: bool,
    network_bytes_total: bool,
}

impl Metrics {
    fn read(lists: &[String]) -> Result<Self> {
        let mut metrics = Self::default();
        let words = lists.iter().flat_map(|words| list(Some(words)));
        for word in words {
            let metric = match word.as_str() {
                "session_count" => &mut metrics.session_count,
                "proxy_bytes" => &mut metrics.proxy_bytes,
                "ai_steps" => &mut metrics.ai_steps,
                "session_hours" => &mut metrics.session_hours,
                "credits_used" => &mut metrics.credits_used,
                "screenshots" => &mut metrics.screenshots,
                "network_bytes_total" => &mut metrics.network_bytes_total,
                _ => {
                    return Err(Error::invalid(
                        "metrics",
                        "must be of session_count, proxy_bytes, ai_steps, session_hours, credits_used, screenshots and network_bytes_total",
                    ));
                }
            };
            *metric = true;
        }
        if metrics == Self::default() {
            metrics.session_count = true;
        }
        Ok(metrics)
    }

    fn point(self, date: String, used: &Used) -> HistoryPoint {
        HistoryPoint {
            date,
            session_count: self.session_count.then_some(used.sessions),
            proxy_bytes: self.proxy_bytes.then_some(used.bytes),
            ai_steps: self.ai_steps.then_some(0),
            session_hours: self.session_hours.then(|| used.hours()),
            credits_used: self.credits_used.then_some(0),
            screenshots: self.screenshots.then_some(used.screenshots),
            network_bytes_total: self.network_bytes_total.then_some(used.bytes),
        }
    }

    fn summary(self, sum: &Used) -> HistorySummary {
        HistorySummary {
            total_sessions: self.session_count.then_some(sum.sessions),
            total_proxy_bytes: self.proxy_bytes.then_some(sum.bytes),
            total_ai_steps: self.ai_steps.then_some(0),
            total_session_hours: self.session_hours.then(|| sum.hours()),
            total_credits_used: self.credits_used.then_some(0),
            total_screenshots: self.screenshots.then_some(sum.screenshots),
            total_network_bytes_total: self.network_bytes_total.then_some(sum.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        text.split('&').filter_map(pair).collect()
    }

    #[test]
    fn metrics_are_read_however_clients_write_a_list() {
        let read = |text| Metrics::read(&read_params(pairs(text)).metrics);
        let both = Metrics { ai_steps: true, screenshots: true, ..Metrics::default() };
        for text in [
            "metrics=ai_steps,screenshots",
            "metrics=ai_steps&metrics=screenshots",
            "metrics[]=ai_steps&metrics[]=screenshots",
            "metrics[0]=ai_steps&metrics[1]=screenshots",
        ] {
            assert_eq!(read(text).unwrap(), both, "{text}");
        }
        let usual = Metrics { session_count: true, ..Metrics::default() };
        assert_eq!(read("").unwrap(), usual);
        assert_eq!(read("metrics=").unwrap(), usual);
        assert!(read("metrics=ai_steps,colour").is_err());
    }

    #[test]
    fn nothing_is_the_first_hundred_days() {
        let read = |text| query(&read_params(pairs(text)));
        let usual = read("").unwrap();
        assert_eq!((usual.granularity, usual.page, usual.limit), (Granularity::Day, 1, 100));
        assert_eq!(read("granularity=&page=&limit=&from_date=&unknown=1").unwrap(), usual);
        for (text, name) in [
            ("granularity=year", "granularity"),
            ("limit=1001", "limit"),
            ("limit=0", "limit"),
            ("page=0", "page"),
            ("to_date=tomorrow", "to_date"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{text}: {error}");
        }
    }
}
