//! `make load`: many DevTools clients come, talk and vanish, beside API reads; then nothing may be left of them.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use roadstead_testing::load::Load;

#[derive(Parser)]
#[command(name = "load", about = "Puts a server under load, and counts what it holds before and after")]
struct Arguments {
    /// Sessions, each with a browser.
    #[arg(long, default_value_t = 20)]
    sessions: usize,
    /// DevTools clients that are connected at a time.
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// API reads in a second.
    #[arg(long, default_value_t = 1000)]
    reads: u32,
    /// How long the load lasts, in seconds.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// What the clients' choices come from; without it, chance.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let duration = Duration::from_secs(arguments.seconds);
    let load = Load {
        sessions: arguments.sessions,
        clients: arguments.clients,
        reads: arguments.reads,
        warm_up: duration / 5,
        duration,
        seed,
    };
    let report = load.run().await?;
    println!("{report}");
    let pace = report.reads.per_second();
    if pace * 100 < u128::from(arguments.reads) * 95 {
        println!(
            "the machine had no room for {} reads a second; it was given all of them, and took longer",
            arguments.reads
        );
    }
    Ok(())
}
