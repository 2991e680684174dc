//! `roadstead prune`: lets old revisions go and frees what they alone needed, beside a running server or without one.

use std::process::ExitCode;

use super::print;
use crate::app::DataDir;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::profile::Profiles;

pub(super) async fn run(data_dir: &DataDir, config: &Config, dry_run: bool) -> anyhow::Result<ExitCode> {
    let db = data_dir.database().await?;
    let profiles = Profiles::new(db.clone(), data_dir.vault()?, config.profile.clone(), Lifecycle::new());
    let (mut revisions, mut freed, mut failed) = (0, 0, false);
    for (project, _, profile) in db.all_profiles().await? {
        let before = db.revisions(profile.id).await?.len();
        let done = if dry_run {
            profiles
                .plan_prune(profile.id)
                .await
                .map(|plan| plan.map(|plan| (plan.revisions.len(), plan.vault.bytes_freed)))
        } else {
            match profiles.prune(profile.id).await {
                Ok(report) => {
                    let gone = before.saturating_sub(db.revisions(profile.id).await?.len());
                    Ok(report.map(|report| (gone, report.before.bytes.saturating_sub(report.after.bytes))))
                }
                Err(problem) => Err(problem),
            }
        };
        match done {
            Ok(None) => {}
            Ok(Some((count, bytes))) => {
                revisions += count;
                freed += bytes;
                let verb = if dry_run { "would remove" } else { "removed" };
                print(format_args!(
                    "{project}  {:?}: {verb} {count} of {before} revisions, {bytes} bytes",
                    profile.name.as_str()
                ))?;
            }
            Err(problem) => {
                failed = true;
                print(format_args!(
                    "{project}  {:?}: {:#}",
                    profile.name.as_str(),
                    anyhow::Error::from(problem)
                ))?;
            }
        }
    }
    let verb = if dry_run { "would free" } else { "freed" };
    print(format_args!("{verb} {freed} bytes of {revisions} revisions"))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
