//! The operations of the published API, and what becomes of each here: it works, or it answers 501 and says what to use instead.
//!
//! What works is what the OpenAPI document has. Every other operation of the table gets a route that refuses it, so none is
//! answered like a path that leads nowhere. `/docs` shows the same table.
//!
//! Sources: the published OpenAPI document, and the newer paths that the official SDKs call.

use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, Paths};

use super::error::Failure;
use crate::app::App;
use crate::error::Error;

/// Operations that have one reason not to be here, those that are not.
struct Area {
    title: &'static str,
    /// Why, and what to use instead: one sentence. Nothing where all of them are here.
    instead: Option<&'static str>,
    /// A method and a path each.
    operations: &'static [&'static str],
}

/// One operation of the published API.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What it belongs to.
    pub area: &'static str,
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// What to use instead; nothing when it works.
    pub instead: Option<&'static str>,
}

const NO_MODEL: &str = "Roadstead drives browsers and has no language model: let an agent of your own (browser-use, Stagehand, \
    Playwright MCP) connect to a session's cdp_url.";
const NO_LOGIN: &str = "Nothing here logs in by itself, nor shows people a page to log in on: log in once, by hand or by script, in a session with \
    browser.profile.persist, or save it with POST /v1/profiles.";

const AREAS: &[Area] = &[
    Area {
        title: "Browser sessions",
        instead: None,
        operations: &[
            "POST /v1/sessions",
            "GET /v1/sessions",
            "GET /v1/sessions/{session_id}",
            "DELETE /v1/sessions/{session_id}",
            "DELETE /v1/sessions/all",
            "GET /v1/sessions/all/status",
            "GET /v1/sessions/{session_id}/pages",
            "GET /v1/sessions/{session_id}/tags",
            "PUT /v1/sessions/{session_id}/tags",
            "DELETE /v1/sessions/{session_id}/tags",
            "POST /v1/sessions/{session_id}/tokens",
            "DELETE /v1/sessions/{session_id}/tokens/{token}",
        ],
    },
    Area {
        title: "Starting many sessions",
        instead: None,
        operations: &[
            "POST /v1/sessions/async",
            "GET /v1/sessions/async/{request_id}/status",
            "POST /v1/batch-sessions",
            "GET /v1/batch-sessions",
            "GET /v1/batch-sessions/{batch_id}",
            "PATCH /v1/batch-sessions/{batch_id}",
            "DELETE /v1/batch-sessions/{batch_id}",
            "POST /v1/batch-sessions/{batch_id}/retry",
        ],
    },
    Area {
        title: "History and billing",
        instead: None,
        operations: &["GET /v1/sessions/history", "GET /v1/billing"],
    },
    Area {
        title: "Profiles",
        instead: None,
        operations: &[
            "POST /v1/profiles",
            "GET /v1/profiles",
            "GET /v1/profiles/{name}",
            "PUT /v1/profiles/{name}",
            "DELETE /v1/profiles/{name}",
        ],
    },
    Area {
        title: "Driving",
        instead: None,
        operations: &[
            "POST /v1/sessions/{session_id}/goto",
            "GET /v1/sessions/{session_id}/screenshot",
            "POST /v1/sessions/{session_id}/mouse/click",
            "POST /v1/sessions/{session_id}/mouse/doubleClick",
            "POST /v1/sessions/{session_id}/mouse/down",
            "POST /v1/sessions/{session_id}/mouse/up",
            "POST /v1/sessions/{session_id}/mouse/move",
            "POST /v1/sessions/{session_id}/drag-and-drop",
            "POST /v1/sessions/{session_id}/scroll",
            "POST /v1/sessions/{session_id}/keyboard/type",
            "POST /v1/sessions/{session_id}/keyboard/shortcut",
            "GET /v1/sessions/{session_id}/clipboard",
            "POST /v1/sessions/{session_id}/clipboard",
            "POST /v1/sessions/{session_id}/copy",
            "POST /v1/sessions/{session_id}/paste",
        ],
    },
    Area {
        title: "Uploads and downloads",
        instead: None,
        operations: &[
            "POST /v1/sessions/{session_id}/uploads",
            "GET /v1/sessions/{session_id}/downloads",
            "POST /v1/sessions/{session_id}/agent/files",
            "GET /v1/sessions/{session_id}/agent/files",
        ],
    },
    Area {
        title: "Recordings",
        instead: None,
        operations: &[
            "GET /v1/sessions/{session_id}/recordings",
            "GET /v1/sessions/{session_id}/recordings/primary/fetch",
            "DELETE /v1/sessions/{session_id}/recordings/{recording_id}",
            "POST /v1/sessions/{session_id}/recordings/pause",
            "POST /v1/sessions/{session_id}/recordings/resume",
        ],
    },
    Area {
        title: "Events",
        instead: None,
        operations: &["POST /v1/events/{event_name}", "POST /v1/events/{event_name}/wait"],
    },
    Area {
        title: "Webhooks",
        instead: None,
        operations: &[
            "POST /v1/webhooks",
            "GET /v1/webhooks",
            "GET /v1/webhooks/{webhook_id}",
            "PATCH /v1/webhooks/{webhook_id}",
            "PUT /v1/webhooks/{webhook_id}",
            "DELETE /v1/webhooks/{webhook_id}",
            "GET /v1/webhooks/{webhook_id}/events",
            "POST /v1/webhooks/{webhook_id}/rotate-secret",
            "POST /v1/webhooks/{webhook_id}/test",
        ],
    },
    Area {
        title: "Extensions and certificates",
        instead: None,
        operations: &[
            "POST /v1/extensions",
            "GET /v1/extensions",
            "GET /v1/extensions/{extension_id}",
            "DELETE /v1/extensions/{extension_id}",
            "POST /v1/certificates",
            "GET /v1/certificates",
            "DELETE /v1/certificates/{name}",
        ],
    },
    Area {
        title: "Tools",
        instead: None,
        operations: &["POST /v1/tools/screenshot", "POST /v1/tools/page-pdf", "POST /v1/tools/fetch-webpage"],
    },
    Area {
        title: "Other people's addresses and machines",
        instead: Some(
            "There is no pool of addresses and no sandbox for code here: use exits of your own, and run your code beside the server, over a session's cdp_url.",
        ),
        operations: &["POST /v1/tools/fetch/webpage", "POST /v1/tools/execute-code"],
    },
    Area {
        title: "Applications and identities",
        instead: None,
        operations: &[
            "POST /v1/applications",
            "GET /v1/applications",
            "GET /v1/applications/{application_id}",
            "DELETE /v1/applications/{application_id}",
            "GET /v1/applications/{application_id}/identities",
            "GET /v1/applications/{application_id}/auth-flows",
            "POST /v1/applications/{application_id}/auth-flows",
            "PATCH /v1/applications/{application_id}/auth-flows/{auth_flow_id}",
            "DELETE /v1/applications/{application_id}/auth-flows/{auth_flow_id}",
            "POST /v1/identities",
            "GET /v1/identities/{identity_id}",
            "PUT /v1/identities/{identity_id}",
            "DELETE /v1/identities/{identity_id}",
            "GET /v1/identities/{identity_id}/credentials",
        ],
    },
    Area {
        title: "Logging in",
        instead: Some(NO_LOGIN),
        operations: &[
            "POST /v1/applications/{application_id}/tokens",
            "POST /v1/identities/profile-sessions",
        ],
    },
    Area {
        title: "Password managers",
        instead: Some(
            "Nothing here reads a password manager: let your own script fetch the secret and type it, and save the session with POST /v1/profiles.",
        ),
        operations: &[
            "POST /v1/integrations",
            "GET /v1/integrations",
            "DELETE /v1/integrations/{integration_id}",
        ],
    },
    Area {
        title: "Agents and tasks",
        instead: Some(NO_MODEL),
        operations: &[
            "POST /v1/tools/perform-web-task",
            "GET /v1/tools/perform-web-task/{workflow_id}/status",
            "POST /v1/sessions/{session_id}/agent/pause",
            "POST /v1/sessions/{session_id}/agent/resume",
            "GET /v1/sessions/{session_id}/agent/requested-human-intervention",
            "POST /v1/sessions/{session_id}/agent/respond-to-human-intervention",
            "GET /v1/sessions/pending-interventions",
            "POST /v1/task",
            "GET /v1/task",
            "POST /v1/task/run",
            "POST /v1/task/run/{task_name}",
            "GET /v1/task/{task_id}",
            "PUT /v1/task/{task_id}",
            "DELETE /v1/task/{task_id}",
            "GET /v1/task/{task_id}/versions",
            "GET /v1/task/{task_id}/latest",
            "GET /v1/task/{task_id}/draft",
            "POST /v1/task/{task_id}/draft",
            "POST /v1/task/{task_id}/deploy",
            "GET /v1/task/{task_id}/executions",
            "GET /v1/task/{task_id}/executions/{execution_id}",
            "GET /v1/task/{task_id}/{task_version}",
            "POST /v1/task/{task_id}/{task_version}",
            "DELETE /v1/task/{task_id}/{task_version}",
            "POST /v2/tasks/generate",
            "GET /v2/tasks/{task_id}/generation-status",
            "POST /v2/tasks/{task_id}/run",
            "GET /v2/tasks/runs/{run_id}/status",
        ],
    },
];

/// Lists the published operations below `prefix`, with what a server with such a document, whose paths lack the prefix, does of
/// each.
///
/// # Panics
///
/// When one is neither in the document nor has a reason: the table is wrong then.
pub fn operations(document: &OpenApi, prefix: &str) -> Vec<Operation> {
    let of_area = |area: &'static Area| area.operations.iter().map(move |operation| (area, *operation));
    let read = |(area, operation): (&'static Area, &'static str)| {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        let works = has(&document.paths, method, path.strip_prefix(prefix)?);
        let why = || area.instead.unwrap_or_else(|| panic!("{operation} neither works nor says why"));
        Some(Operation { area: area.title, method, path, instead: (!works).then(why) })
    };
    AREAS.iter().flat_map(of_area).filter_map(read).collect()
}

/// Makes the routes below `prefix` that say what to use instead, by their paths below it.
pub fn refusals(document: &OpenApi, prefix: &str) -> Vec<(&'static str, MethodRouter<App>)> {
    operations(document, prefix)
        .into_iter()
        .filter_map(|operation| {
            Some((operation.path.strip_prefix(prefix)?, operation.method, operation.instead?))
        })
        .map(|(path, method, instead)| {
            let method = Method::try_from(method).ok().and_then(|method| MethodFilter::try_from(method).ok());
            let refuse = move || async move { Failure::from(Error::NotImplemented(instead.to_owned())) };
            (path, on(method.expect("the table has methods"), refuse))
        })
        .collect()
}

/// Tells whether a document has an operation, whatever its parameters are called.
fn has(paths: &Paths, method: &str, path: &str) -> bool {
    paths.paths.iter().any(|(known, item)| is_same(known, path) && has_method(item, method))
}

fn has_method(item: &PathItem, method: &str) -> bool {
    match method {
        "GET" => item.get.is_some(),
        "POST" => item.post.is_some(),
        "PUT" => item.put.is_some(),
        "PATCH" => item.patch.is_some(),
        "DELETE" => item.delete.is_some(),
        _ => false,
    }
}

fn is_same(one: &str, other: &str) -> bool {
    let is_parameter = |segment: &str| segment.starts_with('{');
    let (one, other) = (one.split('/'), other.split('/'));
    one.clone().count() == other.clone().count()
        && one.zip(other).all(|(one, other)| one == other || (is_parameter(one) && is_parameter(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_what_they_lead_to() {
        assert!(is_same("/sessions/{id}/pages", "/sessions/{session_id}/pages"));
        for other in ["/sessions/{id}", "/sessions/all/pages", "/sessions/{id}/tags", "/profiles/{id}/pages"]
        {
            assert!(!is_same("/sessions/{id}/pages", other), "{other}");
        }
    }

    #[test]
    fn no_operation_is_in_the_table_twice() {
        let mut all: Vec<_> = AREAS.iter().flat_map(|area| area.operations).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
