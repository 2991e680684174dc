//! The real browsers of this machine: what a launch promises holds for both builds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use roadstead_browser::{
    Browser, Build, DismissDialogs, Ending, Executables, Exit, Graces, LaunchOptions, Leftover, UserId,
    Viewport, end_leftover, process_start_time,
};
use roadstead_devtools::Mux;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(30);
const GRACES: Graces = Graces { close: Duration::from_secs(10), term: Duration::from_secs(5) };
const NOBODY: UserId = UserId { uid: 65534, gid: 65534 };

/// A directory that the browser's user can reach, gone with the test.
fn room() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn options(build: Build, room: &Path) -> LaunchOptions {
    let found = Executables::find(None, None);
    let executable = if build == Build::Full { found.full } else { found.headless_shell };
    LaunchOptions {
        executable: executable.expect("both builds of Chromium are installed"),
        build,
        user_data_dir: room.join("user-data"),
        home: room.join("home"),
        viewport: Viewport { width: 1440, height: 900 },
        fullscreen: false,
        disable_web_security: false,
        allow_popups: false,
        open_pdf_externally: false,
        display: None,
        sandbox: true,
        run_as: is_root().then_some(NOBODY),
        name: String::new(),
        own_dirs: Vec::new(),
        shown_dirs: Vec::new(),
        extensions: Vec::new(),
        confinement: None,
        proxy: None,
        restore_tabs: false,
        extra_args: Vec::new(),
        launch_timeout: LIMIT,
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

async fn pages(mux: &Mux) -> Vec<Value> {
    let filter = json!({"filter": [{"type": "page"}, {"exclude": true}]});
    mux.call("Target.getTargets", filter, LIMIT).await.unwrap()["targetInfos"].as_array().unwrap().clone()
}

async fn attach(mux: &Mux, target: &str) -> String {
    let params = json!({"targetId": target, "flatten": true});
    mux.call("Target.attachToTarget", params, LIMIT).await.unwrap()["sessionId"].as_str().unwrap().to_owned()
}

async fn attach_first(mux: &Mux) -> String {
    attach(mux, pages(mux).await[0]["targetId"].as_str().unwrap()).await
}

async fn new_page(mux: &Mux, params: Value) -> String {
    let made = mux.call("Target.createTarget", params, LIMIT).await.unwrap();
    attach(mux, made["targetId"].as_str().unwrap()).await
}

async fn evaluate(mux: &Mux, session: &str, expression: &str) -> Value {
    let params =
        json!({"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true});
    let mut answer = mux.call_in(session, "Runtime.evaluate", params, LIMIT).await.unwrap();
    answer["result"]["value"].take()
}

async fn inner_size(mux: &Mux, session: &str) -> Value {
    evaluate(mux, session, "[innerWidth, innerHeight]").await
}

/// Asks until the answer is right, or for long enough.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + LIMIT;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Counts the processes that name a directory on their command line, in whatever group they are.
fn processes_naming(dir: &Path) -> usize {
    let wanted = dir.as_os_str().as_encoded_bytes();
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.windows(wanted.len()).any(|part| part == wanted))
        .count()
}

async fn end_well(browser: Browser, room: &Path) -> Exit {
    let pid = browser.pid();
    let exit = browser.end(GRACES).await;
    assert_eq!(exit.how, Ending::Closed, "{exit:?}");
    assert!(exit.status.success(), "{exit:?}");
    assert!(members(pid).is_empty(), "something of the group is left");
    assert_eq!(processes_naming(room), 0, "something outside the group is left");
    exit
}

/// Returns the members of a process group, with their `/proc` directories.
fn members(group: u32) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let group = group.to_string();
    all.filter(|process| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        fields.next() != Some("Z") && fields.nth(1) == Some(&group)
    })
    .collect()
}

/// Runs the same for both builds.
macro_rules! for_both_builds {
    ($($(#[$doc:meta])* $name:ident => $test:ident;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn full() {
                $test(Build::Full).await;
            }

            #[tokio::test]
            async fn headless_shell() {
                $test(Build::HeadlessShell).await;
            }
        }
    )*};
}

for_both_builds! {
    it_answers_confined_and_leaves_nothing => answers_confined_and_leaves_nothing;
    pages_have_the_size_that_was_asked_for => sizes;
    one_blank_page_whatever_came_before => one_blank_page;
    dialogs_are_dismissed => dialogs;
    pdfs_are_downloaded_when_asked => pdfs;
    a_leftover_ends_itself_and_has_flushed => leftover;
}

async fn answers_confined_and_leaves_nothing(build: Build) {
    let room = room();
    // Longer than a socket address: the browser must not mind.
    let deep = room.path().join("d".repeat(120));
    fs::create_dir(&deep).unwrap();
    let browser = Browser::launch(&options(build, &deep)).await.unwrap();
    assert!(browser.version().product.contains("Chrome/"), "{:?}", browser.version());
    assert!(browser.version().major > 100, "{:?}", browser.version());
    assert_eq!(browser.version().protocol_version, "1.3");
    let session = attach_first(browser.mux()).await;
    assert_eq!(evaluate(browser.mux(), &session, "1 + 1").await, 2);
    let processes = members(browser.pid());
    if is_root() {
        assert!(
            processes.iter().all(|process| fs::metadata(process).unwrap().uid() != 0),
            "one runs as root"
        );
    }
    let renderers = processes.iter().filter(|process| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--type=renderer")
    });
    for renderer in renderers {
        let status = fs::read_to_string(renderer.join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "a renderer has no system call filter:\n{status}");
        let namespaces = status.lines().find(|line| line.starts_with("NSpid:")).unwrap();
        assert!(
            namespaces.split_ascii_whitespace().count() > 2,
            "a renderer has no process namespace of its own"
        );
    }
    end_well(browser, room.path()).await;
    let mut home = walk(&deep.join("home"));
    home.retain(|file| !file.ends_with("Crash Reports/settings.dat"));
    assert_eq!(home, Vec::<String>::new(), "files in the home");
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), 1);
}

fn walk(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    entries
        .flat_map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path())
            } else {
                vec![entry.path().display().to_string()]
            }
        })
        .collect()
}

async fn sizes(build: Build) {
    let room = room();
    let wild = LaunchOptions { disable_web_security: true, ..options(build, room.path()) };
    let browser = Browser::launch(&wild).await.unwrap();
    let mux = browser.mux();
    let first = attach_first(mux).await;
    assert_eq!(inner_size(mux, &first).await, json!([1440, 900]), "first page");
    let tab = new_page(mux, json!({"url": "about:blank"})).await;
    assert_eq!(inner_size(mux, &tab).await, json!([1440, 900]), "new tab");
    let context = mux.call("Target.createBrowserContext", json!({}), LIMIT).await.unwrap();
    let other =
        new_page(mux, json!({"url": "about:blank", "browserContextId": context["browserContextId"]})).await;
    assert_eq!(inner_size(mux, &other).await, json!([1440, 900]), "new context");
    let fits = evaluate(mux, &first, "outerWidth <= screen.width && outerHeight <= screen.height").await;
    assert_eq!(fits, true, "the window is larger than its screen");
    end_well(browser, room.path()).await;

    let full_screen = LaunchOptions { fullscreen: true, ..options(build, room.path()) };
    let browser = Browser::launch(&full_screen).await.unwrap();
    let session = attach_first(browser.mux()).await;
    let whole = "innerWidth === screen.width && innerHeight === screen.height && innerHeight === outerHeight";
    until("the window is not full screen", async || evaluate(browser.mux(), &session, whole).await == true)
        .await;
    assert_eq!(inner_size(browser.mux(), &session).await, json!([1440, 900]), "full screen");
    end_well(browser, room.path()).await;
}

async fn one_blank_page(build: Build) {
    let room = room();
    let options = options(build, room.path());
    // A profile whose owner wants the last tabs back.
    fs::create_dir_all(options.user_data_dir.join("Default")).unwrap();
    let wish = json!({"session": {"restore_on_startup": 1}}).to_string();
    fs::write(options.user_data_dir.join("Default/Preferences"), wish).unwrap();
    for life in ["closed", "killed", "last"] {
        let browser = Browser::launch(&options).await.unwrap();
        let mux = browser.mux().clone();
        let found = pages(&mux).await;
        assert_eq!(found.len(), 1, "{life}: {found:?}");
        assert_eq!(found[0]["url"], "about:blank", "{life}");
        for tab in 0..3 {
            let session = new_page(&mux, json!({"url": format!("data:text/html,tab {tab}")})).await;
            until("the tab does not load", async || {
                evaluate(&mux, &session, "document.readyState").await == "complete"
            })
            .await;
        }
        if life == "killed" {
            drop(browser);
            until("it does not die", async || processes_naming(room.path()) == 0).await;
        } else {
            end_well(browser, room.path()).await;
        }
    }
}

async fn dialogs(build: Build) {
    let room = room();
    let site = Site::start().await;
    let browser = Browser::launch(&options(build, room.path())).await.unwrap();
    let mux = browser.mux();
    browser.attend(vec![Arc::new(DismissDialogs)]).await.unwrap();
    let session = attach_first(mux).await;
    let answers = evaluate(mux, &session, "[alert('a'), confirm('b'), prompt('c')]").await;
    assert_eq!(answers, json!([null, false, null]));
    // One that alerts before its first script has ended, opened by us and by a page.
    let tab = new_page(mux, json!({"url": site.url("alert")})).await;
    until("the tab stands still", async || evaluate(mux, &tab, "document.title").await == "after the alert")
        .await;
    evaluate(mux, &session, &format!("open('{}'), 1", site.url("alert"))).await;
    let popup = async || {
        let pages = pages(mux).await;
        pages.iter().filter(|page| page["title"] == "after the alert").count() == 2
    };
    until("the popup stands still", popup).await;
    end_well(browser, room.path()).await;
}

async fn pdfs(build: Build) {
    let room = room();
    let site = Site::start().await;
    let options = LaunchOptions { open_pdf_externally: true, ..options(build, room.path()) };
    let downloads = room.path().join("downloads");
    fs::create_dir(&downloads).unwrap();
    fs::set_permissions(&downloads, fs::Permissions::from_mode(0o777)).unwrap();
    let browser = Browser::launch(&options).await.unwrap();
    browser.mux().capture_downloads(downloads.to_str().unwrap(), LIMIT).await.unwrap();
    let session = attach_first(browser.mux()).await;
    let params = json!({"url": site.url("paper.pdf")});
    let answer = browser.mux().call_in(&session, "Page.navigate", params, LIMIT).await.unwrap();
    assert_eq!(answer["errorText"], "net::ERR_ABORTED", "it was shown: {answer}");
    until("the PDF does not arrive", async || {
        let found = fs::read_dir(&downloads).unwrap().map(|entry| entry.unwrap().path()).next();
        found.is_some_and(|file| fs::read(file).is_ok_and(|bytes| bytes == PDF))
    })
    .await;
    end_well(browser, room.path()).await;
}

/// A server that dies closes the pipe: the browser flushes and goes, and the next server only has to wait.
async fn leftover(build: Build) {
    let room = room();
    let options = options(build, room.path());
    let cookie = json!({"name": "login", "value": "1", "domain": "site.test", "path": "/", "expires": 4e9});
    let kept =
        async |mux: &Mux| mux.cookies(LIMIT).await.unwrap().iter().any(|found| found["name"] == "login");

    let first = options.clone();
    let (pid, start) = tokio::task::spawn_blocking(move || {
        // A runtime of its own stands for the server: when it goes, the pipe closes and nothing is signalled.
        let server = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        server.block_on(async {
            let browser = Browser::launch(&first).await.unwrap();
            browser.mux().set_cookies(vec![cookie], LIMIT).await.unwrap();
            let pid = browser.pid();
            std::mem::forget(browser);
            (pid, process_start_time(pid).unwrap())
        })
    })
    .await
    .unwrap();
    assert_eq!(end_leftover(pid, start).await, Leftover::ByItself);
    assert_eq!(processes_naming(room.path()), 0);

    let browser = Browser::launch(&options).await.unwrap();
    assert!(kept(browser.mux()).await, "the cookie is lost");
    end_well(browser, room.path()).await;
}

const PDF: &[u8] =
    b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n\
    trailer<</Root 1 0 R>>\n%%EOF\n";

/// A site of two pages. Ends with the test's runtime.
struct Site(std::net::SocketAddr);

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let read = stream.read(&mut request).await.unwrap_or(0);
                    let (kind, body): (_, &[u8]) = if request[..read].starts_with(b"GET /paper.pdf") {
                        ("application/pdf", PDF)
                    } else {
                        ("text/html", b"<title>before</title><script>alert(1); document.title = 'after the alert'</script>")
                    };
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    // A browser that has gone needs no answer.
                    let _gone = stream.write_all(&[head.as_bytes(), body].concat()).await;
                });
            }
        });
        Self(address)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.0)
    }
}
