//! `roadstead keys`: makes, lists and revokes API keys, and rotates the root key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use roadstead_api::ApiKeyId;

use super::print;
use crate::FIRST_PROJECT;
use crate::app::DataDir;
use crate::audit::{self, Origin};
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
    /// Wraps every profile's key by a new root key, and destroys the old one.
    ///
    /// Stop the server first. What profiles hold is not touched. If it is interrupted, nothing is lost: run it again, or start
    /// the server, which finishes it.
    RotateRoot {
        /// A file with the new root key, 64 hexadecimal digits; without one, a random key. It is copied, and left as it is.
        #[arg(long)]
        new_key_file: Option<PathBuf>,
    },
}

pub(super) async fn run(command: Command, data_dir: &DataDir) -> anyhow::Result<ExitCode> {
    let db = &data_dir.database().await?;
    match command {
        Command::Create { project, name } => create(db, &project, &name).await?,
        Command::List => list(db).await?,
        Command::RotateRoot { new_key_file } => rotate_root(db, data_dir, new_key_file).await?,
        Command::Revoke { id } => {
            if !db.revoke_key(id, Origin::CommandLine).await? {
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
    db.add_key(NewKey { project, name, key: &key }, Origin::CommandLine).await?;
    print(format_args!("{key}"))
}

async fn rotate_root(db: &Db, data_dir: &DataDir, wanted: Option<PathBuf>) -> anyhow::Result<()> {
    let rotation = data_dir.rotate_root_key(wanted).await?;
    audit::root_key_rotated(db, Origin::CommandLine, rotation).await?;
    let done = if rotation.resumed { "finished an interrupted rotation" } else { "rotated the root key" };
    print(format_args!("{done}: {} profiles' keys were wrapped anew", rotation.rewrapped))?;
    print(format_args!("the new key is in {}; back it up", data_dir.root_key().display()))
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
