//! How sessions look over the wire. Pure.

use jiff::Timestamp;
use roadstead_api::{
    ChangeStatus, Receipt, SaveOutcome, SessionDetails, SessionEnded, SessionListItem, SessionProfile,
    SessionProxy, SessionStatusItem, SessionToken,
};
use serde_json::Map;

use crate::exits::choice::Way;
use crate::session::record::{EndReason, SessionRecord};

/// Shows everything about a session.
pub fn details(
    record: SessionRecord,
    cdp_url: Option<String>,
    access_tokens: Option<Vec<SessionToken>>,
    now: Timestamp,
) -> SessionDetails {
    let proxy = proxy(&record);
    SessionDetails {
        id: record.id,
        session_id: record.id,
        team_id: record.project,
        status: record.status.as_str(),
        reason: record.reason.map(EndReason::as_str),
        duration: lived(&record, now),
        detail: record.detail,
        credits_used: 0,
        configuration: record.configuration,
        playground: false,
        proxy,
        proxy_bytes: record.proxy_bytes,
        requests: record.requests,
        domains: record.domains,
        tokens: Map::new(),
        steps: 0,
        tags: record.tags,
        created_at: record.created_at,
        ended_at: record.ended_at,
        cdp_url,
        access_tokens,
        headless: record.headless,
        browser_version: record.browser_version,
        profile: record.profile.map(|profile| SessionProfile {
            name: profile.name.to_string(),
            revision: profile.revision,
            persist: profile.persist,
            restore: profile.restore,
        }),
        api_key_name: record.api_key_name,
        receipts: by_profile(record.receipts),
    }
}

/// Shows a session's way out.
pub fn proxy(record: &SessionRecord) -> SessionProxy {
    SessionProxy {
        active: record.way != Way::Direct,
        r#type: record.way.proxy_type(),
        exit: record.way.exit().map(ToString::to_string),
        address: record.address,
        last_problem: record.last_problem.clone(),
    }
}

/// Shows a session in the paged list.
pub fn list_item(record: SessionRecord, cdp_url: Option<String>, now: Timestamp) -> SessionListItem {
    SessionListItem {
        id: record.id,
        session_id: record.id,
        status: record.status.as_str(),
        reason: record.reason.map(EndReason::as_str),
        duration: lived(&record, now),
        tags: record.tags,
        headless: record.headless,
        recording: record.recording,
        used_credits: 0,
        proxy_bytes: record.proxy_bytes,
        requests: record.requests,
        proxy_type: record.way.proxy_type(),
        steps: 0,
        created_at: record.created_at,
        ended_at: record.ended_at,
        user_configuration: record.configuration,
        task_initiated: false,
        task_executions_count: 0,
        api_key_name: record.api_key_name,
        browser_ip: record.address,
        domains: record.domains,
        profile_name: record.profile.map(|profile| profile.name.to_string()),
        cdp_url,
    }
}

/// Shows a live session in a word.
pub fn status_item(record: SessionRecord) -> SessionStatusItem {
    SessionStatusItem {
        session_id: record.id,
        id: record.id,
        status: record.status.as_str(),
        tags: record.tags,
        created_at: record.created_at,
    }
}

/// Shows how a session ended.
pub fn ended(record: SessionRecord) -> SessionEnded {
    let lost = record.receipts.iter().any(|receipt| matches!(receipt.outcome, SaveOutcome::Failed { .. }));
    SessionEnded {
        status: if lost { ChangeStatus::Failed } else { ChangeStatus::Success },
        id: record.id,
        session_id: record.id,
        session_status: record.status.as_str(),
        reason: record.reason.map(EndReason::as_str),
        detail: record.detail,
        receipts: by_profile(record.receipts),
    }
}

/// Puts receipts into an order that every answer has, by profile and then as they were made; the database has none.
fn by_profile(mut receipts: Vec<Receipt>) -> Vec<Receipt> {
    let order = |receipt: &Receipt| {
        (receipt.profile.clone(), receipt.saved().map_or(u64::MAX, |saved| saved.revision))
    };
    receipts.sort_by_cached_key(order);
    receipts
}

/// How long a session has lived, or lived, in whole seconds.
fn lived(record: &SessionRecord, now: Timestamp) -> u64 {
    let span = record.ended_at.unwrap_or(now).duration_since(record.created_at);
    u64::try_from(span.as_secs()).unwrap_or(0)
}
