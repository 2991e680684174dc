//! `make torture`: kills servers, browsers and disks at random until told to stop, and requires that nothing is lost.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use roadstead_testing::torture::{Campaign, Cell, Until};

#[derive(Parser)]
#[command(
    name = "torture",
    about = "Kills servers, browsers and disks at random; nothing that was promised may be lost"
)]
struct Arguments {
    /// How many rounds to play; without it, and without a duration, 100.
    #[arg(long, conflicts_with = "duration")]
    rounds: Option<u64>,
    /// How long to play: 90s, 15m or 2h.
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
    /// What every choice comes from; without it, chance.
    #[arg(long, env = "ROADSTEAD_TORTURE_SEED")]
    seed: Option<u64>,
    /// How many data dirs to torture at once.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Only cells whose name holds this: "server SIGKILL" or "while saving" for example.
    #[arg(long, default_value = "")]
    only: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let until =
        arguments.duration.map_or_else(|| Until::Rounds(arguments.rounds.unwrap_or(100)), Until::Elapsed);
    let mut cells = Cell::all();
    cells.retain(|cell| cell.to_string().contains(&arguments.only));
    println!("seed {seed}");
    let campaign = Campaign { seed, until, workers: arguments.workers, cells, verbose: true };
    let (tally, outcome) = campaign.run().await;
    println!("{tally}");
    outcome
}

fn duration(text: &str) -> Result<Duration> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => anyhow::bail!("a duration ends in s, m or h"),
    };
    let number: u64 = number.parse().context("a duration begins with a number")?;
    Ok(Duration::from_secs(number * seconds))
}
