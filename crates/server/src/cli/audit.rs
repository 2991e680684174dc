//! `roadstead audit`: prints who did what, beside a running server or without one.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use super::print;
use crate::app::DataDir;
use crate::audit::{Query, Record};

/// How many entries are read at once.
const PIECE: u32 = 1_000;

/// Which entries.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this project's. Without it also what concerns none: wrong keys, the root key.
    #[arg(long)]
    project: Option<String>,
    /// Only from then on: 2026-01-31T12:00:00Z for example.
    #[arg(long)]
    since: Option<Timestamp>,
}

pub(super) async fn run(arguments: &Arguments, data_dir: &DataDir) -> anyhow::Result<ExitCode> {
    let db = data_dir.database().await?;
    let project = match &arguments.project {
        None => None,
        Some(name) => Some(db.project(name).await?.with_context(|| format!("there is no project {name:?}"))?),
    };
    let mut query = Query { project, since: arguments.since, limit: PIECE, ..Query::default() };
    let mut pieces = Vec::new();
    loop {
        let piece = db.audit(&query).await?;
        let Some(last) = piece.last() else { break };
        query.before = Some(last.id);
        pieces.push(piece);
    }
    for record in pieces.iter().flatten().rev() {
        print(format_args!("{}", line(record)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says an entry in one line. Names are quoted, so that none passes for something else.
fn line(record: &Record) -> String {
    let mut words = vec![
        record.at.to_string(),
        record.action.as_str().to_owned(),
        record.outcome.as_str().to_owned(),
        format!("from {}", record.origin),
    ];
    words.extend(record.project.as_ref().map(|project| format!("project {project:?}")));
    words.extend(record.key.as_ref().map(|(id, name)| format!("key {id} {name:?}")));
    words.extend(record.session.map(|session| format!("session {session}")));
    words.extend(record.profile.as_ref().map(|profile| format!("profile {:?}", profile.as_str())));
    words.extend(record.revision.map(|revision| format!("revision {revision}")));
    words.extend(record.subject.as_ref().map(|subject| format!("on {subject:?}")));
    words.extend(record.detail.as_ref().map(|detail| format!("({})", detail.escape_debug())));
    words.join("  ")
}
