//! The project's own tasks: `cargo xtask ci` is the one gate, on a developer's machine and in CI; `cargo xtask bench`
//! prints the figures of the README, `cargo xtask torture` looks for what can be lost, `cargo xtask load` for what leaks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Formatting, lints, docs, build, every test.
    Ci,
    /// The figures of the README, measured side by side in one run.
    Bench,
    /// Kills servers, browsers and disks at random; the arguments are those of the `torture` program.
    Torture {
        /// For example `--duration 15m`, `--rounds 500`, `--seed 7`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Puts a release build under load and looks for what leaks; the arguments are those of the `load` program.
    Load {
        /// For example `--seconds 60`, `--clients 500`, `--seed 7`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    std::env::set_current_dir(root)?;
    match Cli::parse().task {
        Task::Ci => ci(),
        Task::Bench => bench(),
        Task::Torture { arguments } => torture(&arguments),
        Task::Load { arguments } => load(&arguments),
    }
}

fn ci() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run(cargo_command(&["doc", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    // The conformance suites run the program itself, which `cargo test` alone does not build.
    cargo(&["build", "--workspace", "--all-targets"])?;
    cargo(&["test", "--workspace"])
}

fn bench() -> Result<()> {
    cargo(&["build", "--release", "--package", "roadstead-server", "--bins"])?;
    let egress = ["build", "--release", "--package", "roadstead-egress", "--example", "egress-bench"];
    cargo(&egress)?;
    run(Command::new("node").arg("conformance/bench/main.mjs"))?;
    run(&mut Command::new("target/release/examples/egress-bench"))
}

fn torture(arguments: &[String]) -> Result<()> {
    // Built as tests are, the program has its failpoints.
    cargo(&["build", "--workspace", "--all-targets"])?;
    run(Command::new("target/debug/torture").args(arguments))
}

fn load(arguments: &[String]) -> Result<()> {
    cargo(&[
        "build",
        "--release",
        "--package",
        "roadstead-server",
        "--package",
        "roadstead-testing",
        "--bins",
    ])?;
    run(Command::new("target/release/load").args(arguments))
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run(&mut cargo_command(arguments))
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

#[expect(clippy::print_stderr, reason = "tells the developer what runs")]
fn announce(command: &Command) {
    eprintln!("» {command:?}");
}

fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().with_context(|| format!("failed to start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
