//! `roadstead exits`: lists the ways out to the network, and tests them, beside a running server or without one.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use roadstead_egress::Egress;

use super::print;
use crate::app::DataDir;
use crate::config::EgressConfig;
use crate::exits::{ExitCheck, ExitOverview, Exits};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the exits: which address each shows, which profile holds it, what the last check found.
    List,
    /// Tests exits the way that a session does before its first page; all of them, or one. Fails if one does not work.
    Test {
        /// The exit's name.
        name: Option<String>,
    },
}

pub(super) async fn run(
    command: Command,
    config: EgressConfig,
    data_dir: &DataDir,
) -> anyhow::Result<ExitCode> {
    if config.exits.is_empty() {
        bail!("there are no exits; add them as [[egress.exits]] to the file that --config names");
    }
    let exits = Exits::new(Egress::new(config.policy.clone()), config, data_dir.database().await?);
    match command {
        Command::List => list(&exits).await,
        Command::Test { name } => test(&exits, name.as_deref()).await,
    }
}

async fn list(exits: &Exits) -> anyhow::Result<ExitCode> {
    print(format_args!("NAME\tKIND\tADDRESS\tHELD BY\tLAST CHECK"))?;
    for overview in exits.overview().await? {
        let address = overview.address().map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        print(format_args!(
            "{}\t{}\t{address}\t{}\t{}",
            overview.exit.name(),
            overview.exit.kind(),
            holder(&overview),
            overview.last_check.as_ref().map_or_else(|| "never".to_owned(), found)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn test(exits: &Exits, name: Option<&str>) -> anyhow::Result<ExitCode> {
    if let Some(name) = name
        && exits.find(name).is_none()
    {
        bail!("there is no exit named {name:?}; `roadstead exits list` lists them");
    }
    let mut all_work = true;
    for overview in exits.overview().await? {
        let exit = &overview.exit;
        if name.is_some_and(|name| exit.name().as_str() != name) {
            continue;
        }
        let check = exits.check(exit, None).await;
        all_work &= check.problem.is_none();
        print(format_args!("{}\t{}\t{} ms", exit.name(), found(&check), check.took.as_millis()))?;
    }
    Ok(if all_work { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn holder(overview: &ExitOverview) -> String {
    match &overview.reservation {
        Some(held) => format!("{} of {}", held.profile.as_str(), held.project.1),
        None if overview.default => "everyone (default)".to_owned(),
        None => "nobody".to_owned(),
    }
}

fn found(check: &ExitCheck) -> String {
    match (&check.problem, check.address) {
        (Some(problem), _) => format!("wrong: {problem} ({})", check.at),
        (None, Some(address)) => format!("ok, sites see {address} ({})", check.at),
        (None, None) => format!("ok ({})", check.at),
    }
}
