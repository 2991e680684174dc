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
    let (removes, frees) = if dry_run { ("would remove", "would free") } else { ("removed", "freed") };
    let (mut revisions, mut bytes, mut failed) = (0, 0, false);
    for (project, _, profile) in db.all_profiles().await? {
        let name = profile.name.as_str();
        let done =
            if dry_run { profiles.plan_prune(profile.id).await } else { profiles.prune(profile.id).await };
        match done {
            Ok(None) => {}
            Ok(Some(news)) => {
                revisions += news.removed;
                bytes += news.bytes_freed;
                let (count, size) = (news.removed, news.bytes_freed);
                print(format_args!(
                    "{project}  {name:?}: {removes} {count} revisions, {frees} {size} bytes"
                ))?;
            }
            Err(problem) => {
                failed = true;
                print(format_args!("{project}  {name:?}: {:#}", anyhow::Error::from(problem)))?;
            }
        }
    }
    print(format_args!("{removes} {revisions} revisions, {frees} {bytes} bytes"))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
