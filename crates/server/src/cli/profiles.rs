//! `roadstead profiles`: lists, shows, imports, opens to restic and deletes profiles, beside a running server or without one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use roadstead_api::ProjectId;
use roadstead_vault::VaultError;

use super::print;
use crate::FIRST_PROJECT;
use crate::app::DataDir;
use crate::audit::{Action, Actor, Entry};
use crate::config::Config;
use crate::db::Db;
use crate::keys::random_hex;
use crate::lifecycle::Lifecycle;
use crate::profile::{ProfileRecord, Profiles, RevisionRecord, repository};

/// As many random bytes in a password as in the keys that it opens.
const PASSWORD_BYTES: usize = 32;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists every project's profiles.
    List,
    /// Shows what is known of one.
    Show(Which),
    /// Lists one's revisions, newest first.
    Revisions(Which),
    /// Makes a revision of a Chromium user data dir, the head of a profile that is made if it is new.
    ///
    /// The browser must be closed. Cookies that it encrypted with a desktop's keyring cannot be read here; start it with
    /// --password-store=basic to make a directory that can.
    Import {
        #[command(flatten)]
        which: Which,
        /// The user data dir: the directory that holds `Default` and `Local State`.
        directory: PathBuf,
    },
    /// Makes a password for one's repository and prints it, this once, with the commands that let stock restic open it.
    ///
    /// Whoever has it reads every revision, past and future, until the profile is deleted.
    ExportKey(Which),
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
    let profiles =
        || anyhow::Ok(Profiles::new(db.clone(), data_dir.vault()?, config.profile.clone(), Lifecycle::new()));
    match command {
        Command::List => list(&db).await?,
        Command::Show(which) => show(&find(&db, &which).await?.1)?,
        Command::Revisions(which) => revisions(&db, &find(&db, &which).await?.1).await?,
        Command::Import { which, directory } => {
            let project = db.project(&which.project).await?;
            let project = project.with_context(|| {
                format!(
                    "there is no project {:?}; `roadstead keys create --project` makes one",
                    which.project
                )
            })?;
            let name = which.name.parse().map_err(|why| anyhow::anyhow!("the profile's name {why}"))?;
            let revision = profiles()?.import(project, &name, &directory).await?;
            print(format_args!("imported revision {revision} of {:?}", name.as_str()))?;
        }
        Command::ExportKey(which) => {
            let (project, profile) = find(&db, &which).await?;
            let lines = export_key(data_dir, &profile).await?;
            // Nobody sees the password before it is on record.
            let entry = Entry::of(Action::ProfileExportKey).on_profile(profile.id, &profile.name);
            db.record(&Actor::command(project), &entry).await?;
            print(format_args!("{lines}"))?;
        }
        Command::Delete(which) => {
            let (project, profile) = find(&db, &which).await?;
            profiles()?.delete((project, &Actor::command(project)), profile.name.as_str()).await?;
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

/// Makes a password, and returns lines for a shell: `eval "$(roadstead profiles export-key NAME)"` works too.
async fn export_key(data_dir: &DataDir, profile: &ProfileRecord) -> anyhow::Result<String> {
    let (repository, password) = (repository(profile.id), random_hex::<PASSWORD_BYTES>());
    match data_dir.vault()?.add_password(&repository, &password).await {
        Err(VaultError::NoSuchRepository(_)) => {
            bail!("the profile {:?} has no revision yet, so there is nothing to open", profile.name.as_str());
        }
        added => added?,
    }
    let directory = std::path::absolute(data_dir.path().join("vault").join(repository.to_string()))?;
    let directory = quoted(&directory.to_string_lossy());
    Ok(format!("export RESTIC_REPOSITORY={directory}\nexport RESTIC_PASSWORD={password}\nrestic snapshots"))
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn number(revision: Option<u64>) -> String {
    revision.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use roadstead_vault::CommitOptions;

    use super::*;
    use crate::profile::ProfileStatus;

    fn profile() -> ProfileRecord {
        ProfileRecord {
            id: "7d3c1f0e-0000-4000-8000-000000000000".parse().expect("an id"),
            name: "shop".parse().expect("a name"),
            description: None,
            session_id: None,
            status: ProfileStatus::Active,
            status_reason: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            revision: None,
            size_bytes: 0,
            exit: None,
        }
    }

    /// Also from a data dir whose name a shell would take apart.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_printed_lines_open_the_profile_with_restic() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let data_dir = DataDir::open(&scratch.path().join("it's a \"$dir\""), false).expect("a data dir");
        let profile = profile();
        let nothing = export_key(&data_dir, &profile).await.expect_err("there is nothing yet").to_string();
        assert!(nothing.contains("no revision"), "{nothing}");

        let (vault, id) = (data_dir.vault().expect("a vault"), repository(profile.id));
        vault.create(&id).await.expect("a repository");
        let from = tempfile::tempdir().expect("a directory");
        let committed = vault.commit(&id, from.path(), CommitOptions::default()).await.expect("a commit");
        let lines = export_key(&data_dir, &profile).await.expect("a password");

        let lines = lines.replace("restic snapshots", "restic --no-cache snapshots --json");
        let shown = std::process::Command::new("sh").args(["-c", &lines]).output().expect("there is a shell");
        let (shown, errors) =
            (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
        assert!(shown.contains(committed.snapshot.as_str()), "{shown}{errors}");
        let again = export_key(&data_dir, &profile).await.expect("another password");
        assert_ne!(again, lines, "each is used by one person");
    }
}
