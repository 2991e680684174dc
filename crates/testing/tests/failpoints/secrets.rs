//! Ordering edges of secrets: a rotation of the root key that is cut off, and a deletion that is.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions, wait_until};
use roadstead_vault::{RepositoryId, RootKey, Vault, VaultError};
use rustix::process::Signal;

/// Edges of a rotation of the root key.
pub const ROTATION_EDGES: [&str; 6] = [
    "rotate-new-key-stored",
    "rotate-key-rewrapped",
    "rotate-old-key-kept",
    "rotate-key-replaced",
    "rotate-old-key-overwritten",
    "rotate-old-key-destroyed",
];
/// Edges that it shares with others.
const SHARED_EDGES: [&str; 3] = ["vault-get", "vault-put", "vault-put-done"];
/// Edges of a deletion.
pub const DELETION_EDGES: [&str; 1] = ["vault-key-overwritten"];
/// How many profiles the place has, so that a rotation can end between two.
const PROFILES: usize = 3;
/// More passings than any edge has here.
const MANY: usize = 20;

/// Makes a place with profiles, each with a revision, without any browser.
async fn with_profiles() -> Result<Place> {
    let place = Place::new()?;
    start(&place).await?.stop().await?;
    let user_data = place.path().join("user-data");
    std::fs::create_dir_all(user_data.join("Default"))?;
    std::fs::write(user_data.join("Local State"), "{}")?;
    std::fs::write(user_data.join("Default/Preferences"), "{\"a\": \"secret of a page\"}")?;
    for number in 1..=PROFILES {
        let directory = user_data.to_str().context("a path of ours")?;
        let (ended, printed) =
            place.command(&["profiles", "import", &format!("p{number}"), directory], "").await?;
        ensure!(ended.success(), "{printed}");
    }
    Ok(place)
}

fn copy(base: &Place) -> Result<Place> {
    let copy = Place::new()?;
    let copied = std::process::Command::new("cp").arg("-a").arg(base.data()).arg(copy.path()).status()?;
    ensure!(copied.success(), "cp ended with {copied}");
    Ok(copy)
}

async fn start(place: &Place) -> Result<Program> {
    let options = ProgramOptions { log: Some(place.path().join("log")), ..ProgramOptions::default() };
    Program::start(&place.data(), &options).await
}

async fn require_sound(place: &Place) -> Result<()> {
    let (ended, printed) = place.command(&["check", "--read-data"], "").await?;
    let all = format!("checked {PROFILES} profiles with {PROFILES} revisions: 0 problems");
    ensure!(ended.success() && printed.contains(&all), "{printed}");
    Ok(())
}

fn key_of(place: &Place) -> Result<String> {
    Ok(std::fs::read_to_string(place.data().join("root.key"))?)
}

/// Requires that the old key is in no file any more, and opens nothing.
async fn require_destroyed(place: &Place, old: &str) -> Result<()> {
    let names = std::fs::read_dir(place.data())?.map(|entry| Ok(entry?.file_name()));
    let keys: Vec<_> = names.collect::<Result<Vec<_>>>()?;
    let keys: Vec<_> = keys.iter().filter(|name| name.to_string_lossy().contains("root")).collect();
    ensure!(keys == ["root.key"], "{keys:?}");
    ensure!(key_of(place)? != old, "the key is the old one");
    let kept = place.path().join("kept.key");
    std::fs::write(&kept, old)?;
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600))?;
    let arguments = ["check", "--root-key-file", kept.to_str().context("a path of ours")?];
    let (ended, printed) = place.command(&arguments, "").await?;
    ensure!(!ended.success() && printed.contains(&format!("{PROFILES} problems")), "{printed}");
    Ok(())
}

/// Ends a rotation at an edge, and finishes it: by running it again, or by starting the server. Returns whether it was ended.
async fn rotate_armed(base: &Place, failpoints: &str, again: bool) -> Result<bool> {
    let place = copy(base)?;
    let old = key_of(&place)?;
    let (ended, printed) = place.command(&["keys", "rotate-root"], failpoints).await?;
    let killed = ended.signal() == Some(Signal::KILL.as_raw());
    ensure!(killed || ended.success(), "{printed}");
    require_sound(&place).await?;
    if again {
        let (ended, printed) = place.command(&["keys", "rotate-root"], "").await?;
        ensure!(ended.success(), "{printed}");
    } else {
        start(&place).await?.stop().await?;
    }
    require_sound(&place).await?;
    require_destroyed(&place, &old).await?;
    Ok(killed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_ends_at_an_edge_leaves_every_profile_open() -> Result<()> {
    let base = with_profiles().await?;
    for edge in ROTATION_EDGES.into_iter().chain(SHARED_EDGES) {
        let mut passings = 0;
        loop {
            let failpoints = format!("{edge}=kill@{}", passings + 1);
            let again = passings % 2 == 0;
            if !rotate_armed(&base, &failpoints, again).await.with_context(|| failpoints.clone())? {
                break;
            }
            // The other way to finish it as well.
            rotate_armed(&base, &failpoints, !again).await.with_context(|| failpoints.clone())?;
            passings += 1;
            ensure!(passings < MANY, "{edge} has no last passing");
        }
        ensure!(passings > 0, "{edge} is never passed");
    }
    Ok(())
}

/// Returns the directory of the only repository.
fn repository(place: &Place) -> Result<PathBuf> {
    let entries = std::fs::read_dir(place.data().join("vault"))?;
    let mut found: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    ensure!(found.len() == 1, "{found:?}");
    found.pop().context("one repository")
}

/// Requires that the root key opens nothing of what is left of a repository.
async fn require_unreadable(place: &Place, directory: &Path) -> Result<()> {
    let name = directory.file_name().and_then(|name| name.to_str()).context("a name of ours")?;
    let id: RepositoryId = name.parse()?;
    let key = RootKey::load_or_create(&place.data().join("root.key"))?;
    let vault = Vault::local(&place.data().join("vault"), key)?;
    let opened = vault.snapshots(&id).await;
    ensure!(matches!(opened, Err(VaultError::NoSuchRepository(_))), "{opened:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_whose_deletion_is_cut_off_right_behind_its_key_is_unreadable_for_good() -> Result<()> {
    let base = with_profiles().await?;
    for edge in ["vault-key-overwritten", "vault-delete-done"] {
        let place = copy(&base)?;
        for other in 2..=PROFILES {
            let (ended, printed) = place.command(&["profiles", "delete", &format!("p{other}")], "").await?;
            ensure!(ended.success(), "{printed}");
        }
        let directory = repository(&place)?;
        let key = std::fs::read(directory.join("roadstead-key.json"))?;
        let packs = || std::fs::read_dir(directory.join("data")).map(Iterator::count);
        let before = packs()?;

        let (ended, printed) =
            place.command(&["profiles", "delete", "p1"], &format!("{edge}=kill@1")).await?;

        ensure!(ended.signal() == Some(Signal::KILL.as_raw()), "{edge}: {printed}");
        ensure!(before > 0 && packs()? == before, "{edge}: its bytes are still there");
        match std::fs::read(directory.join("roadstead-key.json")) {
            Ok(left) => {
                ensure!(edge == "vault-key-overwritten" && left.len() == key.len(), "{edge}");
                ensure!(left.iter().all(|byte| *byte == 0), "{edge}: the key object is not written over");
            }
            Err(_) => ensure!(edge == "vault-delete-done", "{edge}: the key object is gone too soon"),
        }
        require_unreadable(&place, &directory).await?;

        // A rotation does not stumble over it, and the next start removes the rest.
        let (ended, printed) = place.command(&["keys", "rotate-root"], "").await?;
        ensure!(ended.success(), "{edge}: {printed}");
        let program = start(&place).await?;
        wait_until("the rest of it is gone", || !directory.exists()).await?;
        let profiles = program.data(Method::GET, "/v1/profiles", None).await?;
        ensure!(profiles["items"].as_array().is_some_and(Vec::is_empty), "{profiles}");
        program.stop().await?;
    }
    Ok(())
}
