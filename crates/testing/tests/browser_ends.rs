//! One browser that misbehaves, at launch and at its end: every way is noticed, in time, and no process is left.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use roadstead_browser::{
    Browser, Build, Ending, Graces, LaunchError, LaunchOptions, Leftover, Viewport, end_leftover,
    process_start_time,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Graces for a browser that is expected to use them up.
const SHORT: Graces = Graces { close: Duration::from_millis(200), term: Duration::from_millis(200) };
/// Graces that are never used up.
const LONG: Graces = Graces { close: PATIENCE, term: PATIENCE };

/// A directory with a fake browser in it.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        symlink(env!("CARGO_BIN_EXE_fake-chromium"), dir.path().join("chromium"))
            .expect("a link to the fake");
        Self(dir)
    }

    fn options(&self, mode: &str) -> LaunchOptions {
        LaunchOptions {
            executable: self.0.path().join("chromium"),
            build: Build::Full,
            user_data_dir: self.0.path().join("user-data"),
            home: self.0.path().join("home"),
            viewport: Viewport { width: 800, height: 600 },
            fullscreen: false,
            disable_web_security: false,
            allow_popups: false,
            open_pdf_externally: false,
            display: None,
            sandbox: true,
            run_as: None,
            name: String::new(),
            own_dirs: Vec::new(),
            shown_dirs: Vec::new(),
            extensions: Vec::new(),
            confinement: None,
            proxy: None,
            restore_tabs: false,
            extra_args: vec![format!("--fake-mode={mode}")],
            launch_timeout: PATIENCE,
        }
    }

    async fn launch(&self, mode: &str) -> Browser {
        Browser::launch(&self.options(mode)).await.expect("the fake starts")
    }

    /// Fails to launch, and leaves nothing.
    async fn fail_to_launch(&self, options: &LaunchOptions) -> LaunchError {
        let error = Browser::launch(options).await.expect_err("the fake must not start");
        assert_eq!(self.processes(), Vec::<u32>::new(), "left by a launch that failed: {error}");
        error
    }

    /// Returns the fakes of this room.
    fn processes(&self) -> Vec<u32> {
        let name = self.0.path().as_os_str().as_encoded_bytes();
        let names_it = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.windows(name.len()).any(|part| part == name)
        };
        process_ids().filter(names_it).collect()
    }
}

fn process_ids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns the members of a process group that are not zombies.
fn members(group: u32) -> Vec<u32> {
    let is_member = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        fields.next() != Some("Z") && fields.nth(1).and_then(|found| found.parse().ok()) == Some(group)
    };
    process_ids().filter(is_member).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_that_behaves_is_closed_and_starts_again() {
    let room = Room::new();
    for _life in 0..2 {
        let browser = room.launch("").await;
        assert_eq!(browser.version().product, "FakeChromium/156.0.0.0");
        let pid = browser.pid();
        assert_eq!(members(pid), [pid], "it leads a group of its own");
        let exit = browser.end(LONG).await;
        assert_eq!((exit.how, exit.status.code()), (Ending::Closed, Some(0)), "{exit:?}");
        assert_eq!(members(pid), Vec::<u32>::new());
    }
}

#[tokio::test]
async fn one_that_cannot_start_says_why() {
    let room = Room::new();
    match room.fail_to_launch(&room.options("crash-at-start=7")).await {
        LaunchError::Exited { status, stderr_tail } => {
            assert_eq!(status.code(), Some(7));
            assert!(stderr_tail.contains("cannot start"), "{stderr_tail}");
        }
        other => panic!("{other:?}"),
    }
    let error = room.fail_to_launch(&room.options("crash-at-start=21")).await;
    assert!(matches!(error, LaunchError::InUse), "{error:?}");
    let missing = LaunchOptions { executable: room.0.path().join("nothing"), ..room.options("") };
    let error = room.fail_to_launch(&missing).await;
    assert!(matches!(error, LaunchError::Spawn { .. }), "{error:?}");
}

#[tokio::test]
async fn one_that_crashes_at_the_first_request_is_told_from_one_that_hangs() {
    let room = Room::new();
    let error = room.fail_to_launch(&room.options("crash-after=Browser.getVersion")).await;
    let LaunchError::Exited { status, .. } = error else { panic!("{error:?}") };
    assert_eq!(status.signal(), Some(6));

    let other = Room::new();
    let short =
        LaunchOptions { launch_timeout: Duration::from_millis(300), ..other.options("hang,ignore-term") };
    let began = Instant::now();
    let error = other.fail_to_launch(&short).await;
    assert!(matches!(error, LaunchError::TimedOut { .. }), "{error:?}");
    assert!(began.elapsed() >= short.launch_timeout);
}

#[tokio::test]
async fn one_that_closes_its_pipe_and_lives_on_is_killed() {
    let room = Room::new();
    let error = room.fail_to_launch(&room.options("close-pipe-live-on,ignore-term")).await;
    assert!(matches!(error, LaunchError::NoConversation { .. }), "{error:?}");
}

#[tokio::test]
async fn a_slow_one_is_waited_for() {
    let room = Room::new();
    let began = Instant::now();
    let browser = room.launch("slow-start=300").await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(browser.end(LONG).await.how, Ending::Closed);
}

#[tokio::test]
async fn a_launch_that_is_cancelled_leaves_nothing() {
    let room = Room::new();
    let options = room.options("hang,ignore-term,fork-grandchild");
    let group = {
        let mut launch = Box::pin(Browser::launch(&options));
        let started = async {
            until("it does not start", || room.processes().iter().any(|pid| members(*pid).len() == 2)).await;
        };
        tokio::select! {
            _ = &mut launch => panic!("it cannot have answered"),
            () = started => {}
        }
        room.processes()[0]
    };
    until("the cancelled launch has left processes", || members(group).is_empty()).await;
}

#[tokio::test]
async fn megabytes_on_stderr_neither_block_nor_pile_up() {
    let room = Room::new();
    let exit = room.launch("noisy-stderr").await.end(LONG).await;
    assert!(exit.stderr_tail.ends_with("the last of the noise"), "{}", exit.stderr_tail);
    assert!(exit.stderr_tail.len() <= 8 << 10, "{} bytes", exit.stderr_tail.len());
}

#[tokio::test]
async fn one_that_ignores_close_is_terminated_and_one_that_ignores_that_too_is_killed() {
    let room = Room::new();
    let exit = room.launch("ignore-close").await.end(SHORT).await;
    assert_eq!(exit.how, Ending::Terminated, "{exit:?}");
    assert!(exit.took >= SHORT.close, "{exit:?}");
    fs::remove_file(room.0.path().join("user-data/SingletonLock"))
        .expect("it had no time to give up its claim");

    let exit = room.launch("ignore-close,ignore-term").await.end(SHORT).await;
    assert_eq!((exit.how, exit.status.signal()), (Ending::Killed, Some(9)), "{exit:?}");
    assert!(exit.took >= SHORT.close + SHORT.term, "{exit:?}");
}

#[tokio::test]
async fn the_claim_of_a_killed_one_does_not_stop_the_next() {
    let room = Room::new();
    let browser = room.launch("").await;
    let pid = browser.pid();
    drop(browser);
    until("a dropped browser lives", || members(pid).is_empty()).await;
    assert!(room.0.path().join("user-data/SingletonLock").symlink_metadata().is_ok());
    assert_eq!(room.launch("").await.end(LONG).await.how, Ending::Closed);
}

#[tokio::test]
async fn a_grandchild_never_outlives_its_browser() {
    let room = Room::new();
    // After a good end.
    let browser = room.launch("fork-grandchild").await;
    let group = browser.pid();
    assert_eq!(members(group).len(), 2);
    assert_eq!(browser.end(LONG).await.how, Ending::Closed);
    assert_eq!(members(group), Vec::<u32>::new());
    // After the browser has died on its own.
    let mut browser = room.launch("fork-grandchild,crash-after=Browser.setDownloadBehavior").await;
    let group = browser.pid();
    let died = browser.mux().call("Browser.setDownloadBehavior", json!({}), PATIENCE).await;
    assert!(died.is_err(), "{died:?}");
    browser.exited().await;
    let exit = browser.end(LONG).await;
    assert_eq!((exit.how, exit.status.signal()), (Ending::ByItself, Some(6)), "{exit:?}");
    assert_eq!(members(group), Vec::<u32>::new());
}

#[tokio::test]
async fn one_that_dies_while_nobody_asks_is_noticed() {
    let room = Room::new();
    let mut browser = room.launch("crash-after=300").await;
    tokio::time::timeout(PATIENCE, browser.exited()).await.expect("its end is noticed");
    let exit = browser.end(LONG).await;
    assert_eq!((exit.how, exit.status.signal()), (Ending::ByItself, Some(6)), "{exit:?}");
}

/// A browser as a server that died has left it: nobody's child, for all that we may do to it.
fn leave_behind(room: &Room, mode: &str) -> std::process::Child {
    let dir = format!("--user-data-dir={}", room.0.path().join("user-data").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-chromium"));
    command.args([&dir, &format!("--fake-mode={mode}")]).stdin(Stdio::piped()).stdout(Stdio::null());
    command.process_group(0).spawn().expect("the fake starts")
}

#[tokio::test]
async fn a_leftover_is_waited_for_before_it_is_forced() {
    let room = Room::new();
    let mut child = leave_behind(&room, "");
    let start = process_start_time(child.id()).expect("it runs");
    until("it does not get ready", || Path::new(&room.0.path().join("user-data/SingletonLock")).is_symlink())
        .await;
    let (pid, stdin) = (child.id(), child.stdin.take());
    // In this order: it is seen running, then its pipe closes.
    let (how, ()) = tokio::join!(end_leftover(pid, start), async { drop(stdin) });
    assert_eq!(how, Leftover::ByItself);
    assert!(child.wait().expect("it is our child").success(), "it was forced");
    assert_eq!(end_leftover(child.id(), start).await, Leftover::Gone);
}

#[tokio::test]
async fn a_leftover_that_is_stuck_is_forced_and_a_stranger_is_left_alone() {
    let room = Room::new();
    let mut child = leave_behind(&room, "hang,fork-grandchild");
    let start = process_start_time(child.id()).expect("it runs");
    until("it does not get ready", || members(child.id()).len() == 2).await;
    assert_eq!(end_leftover(child.id(), start + 1).await, Leftover::Gone, "another process by that number");
    assert_eq!(members(child.id()).len(), 2);
    let how = end_leftover(child.id(), start).await;
    assert_ne!(how, Leftover::ByItself);
    assert_eq!(members(child.id()), Vec::<u32>::new());
    child.wait().expect("it is our child");
}
