//! The program's commands: what they take, and what they print.
//!
//! Results go to standard output, logs to standard error. A command that fails prints one line that says what to do,
//! and exits with 1; wrong arguments exit with 2.

mod audit;
mod check;
mod doctor;
mod exits;
mod keys;
mod logging;
mod profiles;
mod prune;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;

use crate::app::DataDir;
use crate::config::Config;
use crate::lifecycle::Lifecycle;

/// A self-hosted browser service: sessions, and profiles that are still logged in.
#[derive(Debug, Parser)]
#[command(name = "roadstead", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

/// Where a command finds its data and its configuration.
#[derive(Debug, Args)]
struct Place {
    /// The one directory that holds everything: database, keys, profiles.
    #[arg(long, global = true, env = "ROADSTEAD_DATA_DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// The configuration file; without one, the defaults.
    #[arg(long, global = true, env = "ROADSTEAD_CONFIG")]
    config: Option<PathBuf>,
    /// The root key's file; without one, `root.key` in the data directory. Made for a new vault, never over one with profiles.
    #[arg(long, global = true, env = "ROADSTEAD_ROOT_KEY_FILE")]
    root_key_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve {
        /// The address to listen on; port 0 picks a free one.
        #[arg(long, env = "ROADSTEAD_LISTEN", default_value = "127.0.0.1:8700")]
        listen: SocketAddr,
        /// The first project's API key, of at least 16 characters.
        #[arg(long = "api-key", env = "ROADSTEAD_API_KEY", hide_env_values = true, hide = true)]
        api_key: Option<String>,
    },
    /// Says what is missing on this machine, and how to mend it.
    Doctor,
    /// Makes, lists and revokes API keys, and rotates the root key.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Lists, shows and deletes profiles.
    #[command(subcommand)]
    Profiles(profiles::Command),
    /// Lists and tests the ways out to the network that the configuration names.
    #[command(subcommand)]
    Exits(exits::Command),
    /// Prints who did what, oldest first.
    Audit(audit::Arguments),
    /// Removes the revisions that `[profile] keep_last` and `keep_days` do not keep, and frees their bytes.
    Prune {
        /// Only says what it would do.
        #[arg(long)]
        dry_run: bool,
    },
    /// Checks that every profile's revisions are complete in the vault.
    Check {
        /// Reads and verifies every byte, not only that all pieces are there.
        #[arg(long)]
        read_data: bool,
    },
}

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == roadstead_browser::CONFINE) {
        // The server starts its browsers this way. It is no command: nobody else has a use for it.
        return roadstead_browser::run_launcher(std::env::args_os().skip(2)).into();
    }
    let cli = Cli::parse();
    let serves = matches!(cli.command, Command::Serve { .. });
    if serves {
        limit_arenas();
    }
    // Whatever this process or a browser creates is for its owner alone, unless somebody says otherwise.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    logging::start();
    if serves {
        allow_many_files();
    }
    #[cfg(feature = "failpoints")]
    if let Err(error) = crate::failpoints::arm() {
        return fail(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let ended = runtime.block_on(dispatch(cli));
    // A hard stop leaves blocking work behind; it must not keep the process.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Starts the program again, in the same process, with fewer malloc arenas.
///
/// The vault's library works on short-lived threads, and glibc gives each a heap of its own that it never quite gives back:
/// three times the memory of two shared ones. The setting is read once, before `main`, so it takes a new image. Whoever has
/// set it is left alone; so is everyone when the start fails.
fn limit_arenas() {
    use std::os::unix::process::CommandExt as _;
    const SETTING: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(SETTING).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    let (Ok(program), Some(name)) = (std::env::current_exe(), arguments.next()) else {
        return;
    };
    let failed = std::process::Command::new(program).arg0(name).args(arguments).env(SETTING, "2").exec();
    drop(failed);
}

/// Takes as many file descriptors as the system gives: every connection of a browser is two here, and the usual limit of 1,024
/// is one busy page times twenty.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays low");
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(cli.place.config.as_deref())?;
    config.root_key_file.clone_from(&cli.place.root_key_file);
    match cli.command {
        Command::Serve { listen, api_key } => serve(config, &cli.place, listen, api_key).await,
        Command::Doctor => doctor::run(&config, &cli.place.data_dir).await,
        Command::Keys(command) => keys::run(command, &data_dir(&cli.place)?).await,
        Command::Audit(arguments) => audit::run(&arguments, &data_dir(&cli.place)?).await,
        Command::Profiles(command) => profiles::run(command, &config, &data_dir(&cli.place)?).await,
        Command::Exits(command) => exits::run(command, config.egress, &data_dir(&cli.place)?).await,
        Command::Prune { dry_run } => prune::run(&data_dir(&cli.place)?, &config, dry_run).await,
        Command::Check { read_data } => check::run(&data_dir(&cli.place)?, read_data).await,
    }
}

async fn serve(
    config: Config,
    place: &Place,
    listen: SocketAddr,
    api_key: Option<String>,
) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new();
    lifecycle.listen_to_signals().context("failed to listen to signals")?;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("failed to listen on {listen}"))?;
    crate::run(config, &place.data_dir, listener, api_key, lifecycle).await?;
    Ok(ExitCode::SUCCESS)
}

/// Opens the data dir for a command beside the server. It must exist: a typing error must not make a new one.
fn data_dir(place: &Place) -> anyhow::Result<DataDir> {
    let found = std::fs::metadata(&place.data_dir);
    if !found.is_ok_and(|found| found.is_dir()) {
        anyhow::bail!(
            "there is no data directory {}; name it with --data-dir, or run `roadstead serve` to make it",
            place.data_dir.display()
        );
    }
    Ok(DataDir::existing(&place.data_dir).with_root_key(place.root_key_file.clone()))
}

/// Prints a line of a command's result. A reader that went away (`| head`) ends the command, quietly.
fn print(line: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("failed to print"),
    }
}

#[expect(clippy::print_stderr, reason = "the command's last word to its user")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("roadstead: {error:#}");
    ExitCode::FAILURE
}
