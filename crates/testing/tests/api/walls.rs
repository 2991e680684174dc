//! The walls of the server itself: who may talk to it, for how long, and what it never tells.

mod origins;
mod proxies;
mod secrets;
mod slow;
mod sockets;
mod tls;

use std::path::Path;

use roadstead_testing::fake_browser::{self, Behaviour};
use roadstead_testing::program::{Program, ProgramOptions};

/// Starts the real program with a fake browser in `dir`, a directory that its user can walk through.
async fn program(dir: &Path, config: &str, log_filter: &str) -> Program {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711)).unwrap();
    let browser = fake_browser::install(dir, Behaviour::Good).unwrap();
    let browser = browser.display();
    let options = ProgramOptions {
        config: format!("{config}\n[chromium]\nexecutable = '{browser}'\nheadless_shell = '{browser}'\n"),
        log: Some(dir.join("log")),
        log_filter: log_filter.to_owned(),
        ..ProgramOptions::default()
    };
    Program::start(&dir.join("data"), &options).await.unwrap()
}
