//! `roadstead check`: holds every revision in the database against the vault.

use std::collections::HashSet;
use std::process::ExitCode;

use roadstead_vault::Vault;

use super::print;
use crate::app::DataDir;
use crate::db::Db;
use crate::profile::{ProfileRecord, repository};

pub(super) async fn run(data_dir: &DataDir, read_data: bool) -> anyhow::Result<ExitCode> {
    let (db, vault) = (data_dir.database().await?, data_dir.vault()?);
    let (mut profiles, mut revisions, mut problems) = (0u64, 0u64, 0u64);
    for (project, _, profile) in db.all_profiles().await? {
        let (checked, found) = check_profile(&db, &vault, &profile, read_data).await?;
        profiles += 1;
        revisions += checked;
        for problem in found {
            problems += 1;
            print(format_args!("{project}  {:?}: {problem}", profile.name.as_str()))?;
        }
    }
    print(format_args!("checked {profiles} profiles with {revisions} revisions: {problems} problems"))?;
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks one profile: how many revisions it has, and what is wrong with them.
async fn check_profile(
    db: &Db,
    vault: &Vault,
    profile: &ProfileRecord,
    read_data: bool,
) -> anyhow::Result<(u64, Vec<String>)> {
    let revisions = db.revisions(profile.id).await?;
    if revisions.is_empty() {
        return Ok((0, Vec::new()));
    }
    let repository = repository(profile.id);
    let mut problems = match vault.check(&repository, read_data).await {
        Ok(report) => report.problems,
        Err(problem) => return Ok((0, vec![format!("{:#}", anyhow::Error::from(problem))])),
    };
    let present: HashSet<String> =
        vault.snapshots(&repository).await?.iter().map(|snapshot| snapshot.id.to_string()).collect();
    for revision in &revisions {
        if !present.contains(&revision.digest) {
            problems.push(format!(
                "revision {} ({}) is missing from the vault",
                revision.number, revision.digest
            ));
        }
    }
    Ok((revisions.len() as u64, problems))
}
