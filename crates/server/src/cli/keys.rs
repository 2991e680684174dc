//! `roadstead keys`: makes, lists and revokes API keys.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use roadstead_api::ApiKeyId;

use super::print;
use crate::FIRST_PROJECT;
use crate::db::{Db, NewKey};
use crate::keys;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a key and prints it, this once.
    Create {
        /// The project that it belongs to; a new name makes a new project.
        #[arg(long, default_value = FIRST_PROJECT)]
        project: String,
        /// What listings call it.
        #[arg(long, default_value = "unnamed")]
        name: String,
    },
    /// Lists the keys by id, without the keys themselves.
    List,
    /// Revokes a key from now on.
    Revoke {
        /// The key's id, as `keys list` shows it.
        id: ApiKeyId,
    },
}

pub(super) async fn run(command: Command, db: &Db) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create { project, name } => create(db, &project, &name).await?,
        Command::List => list(db).await?,
        Command::Revoke { id } => {
            if !db.revoke_key(id).await? {
                bail!("there is no key {id} that could be revoked; `roadstead keys list` shows them");
            }
            print(format_args!("revoked {id}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(db: &Db, project: &str, name: &str) -> anyhow::Result<()> {
    for (what, text) in [("project", project), ("name", name)] {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            bail!("--{what} must not be empty or contain control characters");
        }
    }
    let key = keys::generate();
    db.add_key(NewKey { project, name, key: &key }).await?;
    print(format_args!("{key}"))
}

async fn list(db: &Db) -> anyhow::Result<()> {
    for key in db.keys().await? {
        let state = key.revoked_at.map_or_else(|| "active".to_owned(), |at| format!("revoked {at}"));
        print(format_args!(
            "{}  {}  {}  {}  created {}  {state}",
            key.id, key.hint, key.project, key.name, key.created_at
        ))?;
    }
    Ok(())
}
