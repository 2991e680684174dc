//! A whole server inside the test's process, on a free port, with a fake browser and files of its own.
//!
//! Dropping it stops it the orderly way, and then asserts that it left nothing: no browser, no work dir, and no ERROR
//! line in its log that the test did not expect.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Result;
use roadstead_server::audit::Origin;
use roadstead_server::config::Config;
use roadstead_server::db::{Db, NewKey};
use roadstead_server::lifecycle::Lifecycle;
use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

use crate::answer::{Answer, Client};
use crate::fake_browser::{self, Behaviour};

/// The key of the first project.
pub const API_KEY: &str = "sk-0123456789abcdef0123456789abcdef";

/// How many lines of the server's log are shown with a failed test.
const LOG_TAIL: usize = 40;

/// One running server.
#[derive(Debug)]
pub struct TestServer {
    dir: tempfile::TempDir,
    address: SocketAddr,
    lifecycle: Lifecycle,
    thread: Option<JoinHandle<Result<()>>>,
    log: Log,
    expected: Vec<&'static str>,
    client: Client,
}

/// How a server is to be.
#[derive(Debug, Default)]
pub struct TestServerOptions {
    /// What its browsers do.
    pub browser: Behaviour,
    /// More of `roadstead.toml`; `[chromium]` is taken.
    pub config: &'static str,
}

impl TestServer {
    /// Starts a server that behaves.
    pub async fn start() -> Self {
        Self::start_with(TestServerOptions::default()).await
    }

    /// Starts a server.
    pub async fn start_with(options: TestServerOptions) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // As root, browsers run as another user, who must be able to walk to the data dir.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).expect("it is ours");
        let config = configure(dir.path(), &options).expect("a valid configuration");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        listener.set_nonblocking(true).expect("a listener can be");
        let (lifecycle, log) = (Lifecycle::new(), Log::default());
        let server = Server {
            config,
            data_dir: dir.path().join("data"),
            listener,
            lifecycle: lifecycle.clone(),
            log: log.clone(),
        };
        let thread = std::thread::spawn(move || server.run());
        let client = Client::new(address, Some(API_KEY));
        let this = Self { dir, address, lifecycle, thread: Some(thread), log, expected: Vec::new(), client };
        // The kernel keeps the connection until the server accepts it.
        this.get("/readyz").await;
        this
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its files.
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// Returns a client with the first project's key.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns a client without a key.
    pub fn stranger(&self) -> Client {
        Client::new(self.address, None)
    }

    /// Returns a client with a key of another project.
    pub async fn other_project(&self) -> Client {
        self.another_key("other", "sk-ffffffffffffffffffffffffffffffff").await
    }

    /// Returns a client with a new key of a project, which is made if it is new.
    pub async fn another_key(&self, project: &str, key: &str) -> Client {
        let db =
            Db::open(&self.data_dir().join("roadstead.db")).await.expect("the server's database opens twice");
        db.add_key(NewKey { project, name: "other's", key }, Origin::CommandLine).await.expect("a new key");
        db.close().await;
        Client::new(self.address, Some(key))
    }

    /// Says that an ERROR line with this text is no surprise.
    pub fn expect_error(&mut self, text: &'static str) {
        self.expected.push(text);
    }

    /// Returns the log so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Calls `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.client.get(path).await
    }

    /// Stops the server the orderly way and waits until it has. Dropping does the same.
    pub fn stop(&mut self) {
        self.lifecycle.soft().cancel();
        let Some(thread) = self.thread.take() else { return };
        thread.join().expect("the server does not panic").expect("the server stops without an error");
    }

    #[expect(clippy::print_stderr, reason = "the test harness shows it with the failed test")]
    fn show_log(&self) {
        let log = self.log.text();
        let tail: Vec<_> = log.lines().rev().take(LOG_TAIL).collect();
        eprintln!("the server's log ends with:");
        tail.iter().rev().for_each(|line| eprintln!("{line}"));
    }

    fn assert_nothing_left(&self) {
        let work = std::fs::read_dir(self.data_dir().join("work")).expect("the work root");
        let work: Vec<_> = work.filter_map(|entry| Some(entry.ok()?.path())).collect();
        assert!(work.is_empty(), "work dirs are left: {work:?}");
        let browsers = processes_with(&self.dir.path().to_string_lossy());
        assert!(browsers.is_empty(), "browsers are left: {browsers:?}");
        let log = self.log.text();
        let surprise =
            |line: &&str| line.contains("ERROR") && !self.expected.iter().any(|text| line.contains(text));
        let errors: Vec<_> = log.lines().filter(surprise).collect();
        assert!(errors.is_empty(), "the log has errors that nobody expected: {errors:#?}");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.lifecycle.hard().cancel();
            self.lifecycle.soft().cancel();
            self.show_log();
            return;
        }
        self.stop();
        self.assert_nothing_left();
    }
}

fn configure(dir: &Path, options: &TestServerOptions) -> Result<Config> {
    let browser = fake_browser::install(dir, options.browser)?;
    let browser = browser.display();
    let text = format!(
        "{}\n[chromium]\nexecutable = '{browser}'\nheadless_shell = '{browser}'\nconfine = 'off'\n",
        options.config
    );
    let path = dir.join("roadstead.toml");
    std::fs::write(&path, text)?;
    Config::load(Some(&path))
}

/// What the server's thread needs.
struct Server {
    config: Config,
    data_dir: std::path::PathBuf,
    listener: std::net::TcpListener,
    lifecycle: Lifecycle,
    log: Log,
}

impl Server {
    /// Runs the server on a runtime of its own, every thread of which logs to the server's log.
    fn run(self) -> Result<()> {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(self.log)
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .finish();
        let dispatch = tracing::Dispatch::new(subscriber);
        let _logging = tracing::dispatcher::set_default(&dispatch);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .on_thread_start(move || {
                // For as long as the thread lives.
                std::mem::forget(tracing::dispatcher::set_default(&dispatch));
            })
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::from_std(self.listener)?;
            roadstead_server::run(
                self.config,
                &self.data_dir,
                listener,
                Some(API_KEY.to_owned()),
                self.lifecycle,
            )
            .await
        })
    }
}

/// A log that can be read while it is written.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Lists the processes whose command line holds `text`.
fn processes_with(text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let arguments = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&arguments).replace('\0', " "))
    });
    processes.filter(|line| line.contains(text)).collect()
}
