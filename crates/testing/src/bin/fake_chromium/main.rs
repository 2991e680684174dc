//! A child that is started, spoken to and ended like Chromium, and that misbehaves on request.
//!
//! It speaks the DevTools protocol over fds 3 and 4 (or, if a wrapper has put them there, stdin and stdout), as far as the
//! server and its API tests need it: pages with a URL, CDP sessions, cookies that survive in the user data dir. It renders
//! nothing. What it does wrong, and when, is a [`mode::Mode`].
//!
//! Beyond the protocol it knows `Fake.echo`, which answers its parameters, and `Fake.flood {count, bytes}`, which sends
//! that many events of that size.
//!
//! Like full Chromium it claims its user data dir with a `SingletonLock`, exits with 21 if another has it, and flushes
//! and exits when its pipe closes. Named like the headless shell it claims nothing, and says so in its product.

mod browser;
mod cookies;
mod mode;
mod page;
mod screencast;
mod singleton;
mod wire;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, abort};
use std::thread;

use browser::{FakeBrowser, Next};
use mode::{Mode, When};
use singleton::Singleton;

/// Where Chromium reads commands; there is such a file if the pipe has not been moved to stdin and stdout.
const COMMANDS_FD: &str = "/proc/self/fd/3";

/// The exit code of full Chromium when another process has the user data dir.
const PROFILE_IN_USE: u8 = 21;

#[expect(clippy::print_stdout, reason = "what a browser answers to --version")]
fn main() -> ExitCode {
    if env::args().any(|arg| arg == "--version") {
        println!("Chromium {} fake", browser::VERSION);
        return ExitCode::SUCCESS;
    }
    let mode = Mode::find();
    if let Some(code) = mode.crash_at_start {
        complain("cannot start: told to fail");
        return ExitCode::from(code);
    }
    if Path::new(COMMANDS_FD).exists() {
        return move_pipe(mode.ignore_term);
    }
    match run(&mode) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Becomes itself again with fds 3 and 4 as stdin and stdout. Safe Rust cannot own a numbered fd, and a shell can; it can
/// also ignore signals, which outlasts `exec`.
fn move_pipe(ignore_term: bool) -> ExitCode {
    use std::os::unix::process::CommandExt;
    let trap = if ignore_term { "trap '' TERM INT; " } else { "" };
    let script = format!("{trap}exec \"$0\" \"$@\" <&3 >&4 3<&- 4>&-");
    let error = Command::new("/bin/sh").arg("-c").arg(script).args(env::args_os()).exec();
    complain(&format!("cannot move the pipe: {error}"));
    ExitCode::FAILURE
}

fn run(mode: &Mode) -> io::Result<ExitCode> {
    let dir = user_data_dir()?;
    let _claim = if is_headless_shell() {
        None
    } else if let Some(claim) = Singleton::claim(&dir)? {
        Some(claim)
    } else {
        complain("the profile is in use by another process");
        return Ok(ExitCode::from(PROFILE_IN_USE));
    };
    misbehave_early(mode)?;
    let mut browser = FakeBrowser::open(&dir, is_headless_shell())?;
    let mut replies = wire::Writer::new(io::stdout());
    for request in wire::requests(io::stdin()) {
        let request = request?;
        if let Some(When::Method(method)) = &mode.crash_after
            && *method == request.method
        {
            abort();
        }
        let (messages, next) = browser.answer(&request);
        if replies.send(&messages).is_err() {
            // Nobody is left to read. Chromium flushes and goes too.
            break;
        }
        if next == Next::Close && !mode.ignore_close {
            break;
        }
    }
    browser.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn misbehave_early(mode: &Mode) -> io::Result<()> {
    if mode.noisy_stderr {
        for line in 0..40_000 {
            complain(&format!("noise {line} {}", "x".repeat(80)));
        }
        complain("the last of the noise");
    }
    if mode.fork_grandchild {
        // Outlives us, and holds our stderr.
        drop(
            Command::new("sleep")
                .arg("600")
                .stdin(std::process::Stdio::null())
                .stdout(io::stderr())
                .spawn()?,
        );
    }
    if let Some(When::Elapsed(time)) = mode.crash_after {
        thread::spawn(move || {
            thread::sleep(time);
            abort();
        });
    }
    thread::sleep(mode.slow_start);
    if mode.close_pipe {
        wire::close()?;
    }
    if mode.hang || mode.close_pipe {
        loop {
            thread::park();
        }
    }
    Ok(())
}

fn user_data_dir() -> io::Result<PathBuf> {
    let given = env::args().find_map(|arg| arg.strip_prefix("--user-data-dir=").map(PathBuf::from));
    given.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "--user-data-dir is missing"))
}

/// Tells whether we go by the headless shell's name.
fn is_headless_shell() -> bool {
    env::args().next().is_some_and(|name| name.ends_with("headless-shell"))
}

#[expect(clippy::print_stderr, reason = "a program's last words")]
fn complain(message: &str) {
    eprintln!("fake-chromium: {message}");
}
