//! `roadstead profiles`: lists, shows and deletes profiles, beside a running server or without one.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use roadstead_api::ProjectId;

use super::print;
use crate::FIRST_PROJECT;
use crate::app::DataDir;
use crate::config::Config;
use crate::db::Db;
use crate::lifecycle::Lifecycle;
use crate::profile::{ProfileRecord, Profiles, RevisionRecord};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists every project's profiles.
    List,
    /// Shows what is known of one.
    Show(Which),
    /// Lists one's revisions, newest first.
    Revisions(Which),
    /// Deletes one with all its revisions and its key. Nothing brings it back.
    Delete(Which),
}

/// Names a profile.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The profile's name.
    name: String,
    /// The project that owns it.
    #[arg(long, default_value = FIRST_PROJECT)]
    project: String,
}

pub(super) async fn run(command: Command, config: &Config, data_dir: &DataDir) -> anyhow::Result<ExitCode> {
    let db = data_dir.database().await?;
    match command {
        Command::List => list(&db).await?,
        Command::Show(which) => show(&find(&db, &which).await?.1)?,
        Command::Revisions(which) => revisions(&db, &find(&db, &which).await?.1).await?,
        Command::Delete(which) => {
            let (project, profile) = find(&db, &which).await?;
            let profiles =
                Profiles::new(db.clone(), data_dir.vault()?, config.profile.clone(), Lifecycle::new());
            profiles.delete(project, profile.name.as_str()).await?;
            print(format_args!("deleted {:?}", profile.name.as_str()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(db: &Db, which: &Which) -> anyhow::Result<(ProjectId, ProfileRecord)> {
    let all = db.all_profiles().await?;
    let found = all
        .into_iter()
        .find(|(project, _, profile)| *project == which.project && profile.name.as_str() == which.name);
    let Some((_, project, profile)) = found else {
        bail!(
            "the project {:?} has no profile {:?}; `roadstead profiles list` shows all",
            which.project,
            which.name
        );
    };
    Ok((project, profile))
}

async fn list(db: &Db) -> anyhow::Result<()> {
    for (project, _, profile) in db.all_profiles().await? {
        print(format_args!(
            "{project}  {:?}  {}  revision {}  {} bytes  updated {}",
            profile.name.as_str(),
            profile.status.as_str(),
            number(profile.revision),
            profile.size_bytes,
            profile.updated_at
        ))?;
    }
    Ok(())
}

fn show(profile: &ProfileRecord) -> anyhow::Result<()> {
    print(format_args!("name         {:?}", profile.name.as_str()))?;
    print(format_args!("description  {:?}", profile.description.as_deref().unwrap_or_default()))?;
    print(format_args!("status       {}", profile.status.as_str()))?;
    if let Some(reason) = &profile.status_reason {
        print(format_args!("reason       {reason}"))?;
    }
    print(format_args!("revision     {}", number(profile.revision)))?;
    print(format_args!("size         {} bytes", profile.size_bytes))?;
    print(format_args!("repository   {}", profile.id))?;
    print(format_args!("created      {}", profile.created_at))?;
    print(format_args!("updated      {}", profile.updated_at))
}

async fn revisions(db: &Db, profile: &ProfileRecord) -> anyhow::Result<()> {
    for revision in db.revisions(profile.id).await? {
        print(format_args!(
            "{}{}  parent {}  {}  {} bytes, {} added  {}{}  session {}  {}  {}",
            revision.number,
            if revision.head { " head" } else { "" },
            number(revision.parent),
            revision.saved_at,
            revision.size_bytes,
            revision.added_bytes,
            revision.cause.as_str(),
            remarks(&revision),
            revision.session.map_or_else(|| "none".to_owned(), |session| session.to_string()),
            revision.browser_version.as_deref().unwrap_or("unknown browser"),
            revision.digest
        ))?;
    }
    Ok(())
}

/// What sets a revision apart, as words to follow its cause.
fn remarks(revision: &RevisionRecord) -> String {
    let diverged = revision.diverged_from.map(|head| format!(", diverged from {head}"));
    let held_back = revision.held_back.as_ref().map(|_| ", held back".to_owned());
    let pinned = revision.pinned.then(|| ", pinned".to_owned());
    [diverged, held_back, pinned].into_iter().flatten().collect()
}

fn number(revision: Option<u64>) -> String {
    revision.map_or_else(|| "none".to_owned(), |number| number.to_string())
}
