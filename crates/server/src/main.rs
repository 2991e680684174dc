//! The `roadstead` program: see [`roadstead_server::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    roadstead_server::cli::main()
}
