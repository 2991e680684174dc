//! A client that may do all that DevTools can, and wants to read files that are not its session's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use roadstead_testing::cdp::Page;
use roadstead_testing::program::Program;
use serde_json::json;

use crate::ground::{Session, Walls, is_root, open_place, program};

/// A file that is none of the session's, and what it says.
struct Forbidden {
    path: PathBuf,
    says: String,
    /// Whether anybody could read it if it were not for the walls.
    open: bool,
}

/// Tries to read a file as a page, and as one that a file chooser was given. Returns the ways that led to it.
async fn read(page: &mut Page, file: &Forbidden) -> Result<Vec<&'static str>> {
    let mut led = Vec::new();
    let url = format!("file://{}", file.path.display());
    if page.goto(&url).await.is_ok() {
        page.wait_for("document.readyState === 'complete' && document.body !== null").await?;
        let shown = page.evaluate("document.body.innerText").await?;
        if shown.as_str().is_some_and(|text| text.contains(&file.says)) {
            led.push("navigation");
        }
    }
    page.goto("about:blank").await?;
    page.evaluate("document.body.innerHTML = '<input type=file>'").await?;
    let root = page.call("DOM.getDocument", json!({})).await?["root"]["nodeId"].clone();
    let input = page.call("DOM.querySelector", json!({"nodeId": root, "selector": "input"})).await?;
    let choose = json!({"nodeId": input["nodeId"], "files": [file.path]});
    if page.call("DOM.setFileInputFiles", choose).await.is_ok() {
        let read = page.evaluate("document.querySelector('input').files[0].text().catch(() => '')").await?;
        if read.as_str().is_some_and(|text| text.contains(&file.says)) {
            led.push("file chooser");
        }
    }
    Ok(led)
}

/// Puts secrets everywhere, and names some that are there.
fn forbidden(place: &Path, program: &Program, other: &Session) -> Result<Vec<Forbidden>> {
    let data = place.join("data");
    let shared = place.join("secret.txt");
    std::fs::write(&shared, "a world-readable secret")?;
    let shm = Path::new("/dev/shm").join(format!("roadstead-test-{}", program.pid()?.as_raw_nonzero()));
    std::fs::write(&shm, "a secret in shared memory")?;
    let others = other.work_dir()?.join("downloads/theirs.txt");
    std::fs::write(&others, "another session's download")?;
    for file in [&shared, &shm, &others] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644))?;
    }
    let profile = other.work_dir()?.join("state/user-data/mine.txt");
    std::fs::write(&profile, "a piece of another session's profile")?;
    std::fs::set_permissions(&profile, std::fs::Permissions::from_mode(0o644))?;
    let root_key = std::fs::read_to_string(data.join("root.key"))?;
    let environ = PathBuf::from(format!("/proc/{}/environ", program.pid()?.as_raw_nonzero()));
    let own = !is_root();
    let file = |path: PathBuf, says: &str, open: bool| Forbidden { path, says: says.to_owned(), open };
    Ok(vec![
        file(shared, "a world-readable secret", true),
        file(shm, "a secret in shared memory", true),
        file(others, "another session's download", true),
        file(profile, "a piece of another session's profile", true),
        file("/".into(), "usr/", true),
        file("/etc/passwd".into(), "root:", true),
        file("/etc/shadow".into(), "root:", false),
        file(data.join("root.key"), root_key.trim(), own),
        file(data.join("roadstead.db"), "SQLite format", own),
        // The kernel gives it no size, so Chromium shows nothing of it, walls or not; the launcher's test reads it.
        file(environ, "ROADSTEAD_API_KEY", false),
    ])
}

/// Lets a client of one session try. Returns what it read.
async fn try_all(walls: Walls, headless: bool) -> Result<(Vec<String>, Vec<String>)> {
    let place = open_place()?;
    let program = program(&place, walls).await?;
    let mut session = Session::start_with(&program, headless).await?;
    let other = Session::start_with(&program, headless).await?;
    let (mut reached, mut open) = (Vec::new(), Vec::new());
    for file in forbidden(place.path(), &program, &other)? {
        let path = file.path.to_string_lossy().into_owned();
        for way in read(&mut session.page, &file).await? {
            reached.push(format!("{path} by {way}"));
        }
        if file.open {
            open.push(path);
        }
    }
    let _absent =
        std::fs::remove_file(format!("/dev/shm/roadstead-test-{}", program.pid()?.as_raw_nonzero()));
    session.end(&program).await?;
    other.end(&program).await?;
    program.stop().await?;
    Ok((reached, open))
}

#[tokio::test]
async fn the_headless_shell_reads_its_own_files_alone() -> Result<()> {
    let (reached, _) = try_all(Walls::Up, true).await?;
    ensure!(reached.is_empty(), "{reached:#?}");
    Ok(())
}

#[tokio::test]
async fn full_chromium_reads_its_own_files_alone() -> Result<()> {
    let (reached, _) = try_all(Walls::Up, false).await?;
    ensure!(reached.is_empty(), "{reached:#?}");
    Ok(())
}

#[tokio::test]
async fn with_the_walls_down_the_same_client_reads_what_its_user_may() -> Result<()> {
    let (reached, open) = try_all(Walls::Down, true).await?;
    for path in open {
        ensure!(reached.iter().any(|read| read.starts_with(&path)), "{path}: {reached:#?}");
    }
    for way in ["navigation", "file chooser"] {
        ensure!(reached.iter().any(|read| read.ends_with(way)), "{way}: {reached:#?}");
    }
    Ok(())
}
