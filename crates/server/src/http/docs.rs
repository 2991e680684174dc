//! `/docs`: what becomes of each published operation here, and the OpenAPI document to be read and tried. For everybody: no
//! part of it tells anything about who uses the server.

use std::fmt::Write as _;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse as _};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::published::{Operation, operations};
use crate::app::App;

/// The page loads nothing and runs nothing.
const NOTHING_ELSE: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str =
    "body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid #8884; padding: .3rem .6rem .3rem 0; vertical-align: top; }
td:first-child { white-space: nowrap; }
code { font: 14px ui-monospace, monospace; }
:root { color-scheme: light dark; }";

/// Makes the pages, from the document as it is served.
pub fn routes(document: &OpenApi) -> Router<App> {
    let operations = operations(document, "");
    let (page, text) = (page(&operations), markdown(&operations));
    Router::new()
        .route(
            "/docs",
            get(async move || ([(CONTENT_SECURITY_POLICY, NOTHING_ELSE)], Html(page)).into_response()),
        )
        .route(
            "/docs/compatibility.md",
            get(async move || ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response()),
        )
        .merge(SwaggerUi::new("/docs/api").config(Config::from("/openapi.json")))
}

/// How many of the operations work, and how many there are.
fn count(operations: &[Operation]) -> (usize, usize) {
    (operations.iter().filter(|operation| operation.instead.is_none()).count(), operations.len())
}

/// The table for the repository and for programs.
fn markdown(operations: &[Operation]) -> String {
    let (working, all) = count(operations);
    let mut text = format!(
        "# What becomes of each published operation\n\nOf the {all} operations of the published API {working} work. The others \
         answer 501, `Feature not implemented.`, with the sentence that stands here. The server has this table at `/docs`, of \
         its own version; what it has beyond the published API is in its OpenAPI document.\n"
    );
    for area in operations.chunk_by(|one, next| one.area == next.area) {
        let title = area.first().map_or("", |operation| operation.area);
        write!(text, "\n## {title}\n\n| operation | here |\n| --- | --- |\n")
            .expect("a String takes everything");
        for Operation { method, path, instead, .. } in area {
            let here = instead.map_or_else(|| "works".to_owned(), |instead| format!("501: {instead}"));
            writeln!(text, "| `{method} {path}` | {here} |").expect("a String takes everything");
        }
    }
    text
}

/// The same for people with a browser.
fn page(operations: &[Operation]) -> String {
    let (working, all) = count(operations);
    let mut body = String::new();
    for area in operations.chunk_by(|one, next| one.area == next.area) {
        let title = area.first().map_or("", |operation| operation.area);
        write!(body, "<h2>{}</h2>\n<table>\n", escaped(title)).expect("a String takes everything");
        for Operation { method, path, instead, .. } in area {
            let here =
                instead.map_or_else(|| "works".to_owned(), |instead| format!("501. {}", escaped(instead)));
            let operation = escaped(&format!("{method} {path}"));
            writeln!(body, "<tr><td><code>{operation}</code><td>{here}").expect("a String takes everything");
        }
        body.push_str("</table>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Roadstead: the API</title>\n<style>{STYLE}</style>\n<h1>Roadstead: the API</h1>\n\
         <p><a href=\"/docs/api/\">Every operation of this server, to be tried</a> · <a href=\"/openapi.json\">the OpenAPI document</a> · \
         <a href=\"/docs/compatibility.md\">this table for programs</a></p>\n\
         <p>Of the {all} operations of the published API {working} work here. The others answer 501 and say what to use instead.</p>\n{body}"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
