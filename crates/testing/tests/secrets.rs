//! The root key as an operator meets it: where it is, who may touch it, what happens when it is lost, and its rotation.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use roadstead_testing::place::Place;
use roadstead_testing::program::{Program, ProgramOptions, binary};
use tokio::process::Command;

async fn start(place: &Place) -> Result<Program> {
    let options = ProgramOptions { log: Some(place.path().join("log")), ..ProgramOptions::default() };
    Program::start(&place.data(), &options).await
}

/// Runs the program on a place with the root key in a file.
async fn with_key(place: &Place, key: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    let command = command.args(arguments).arg("--data-dir").arg(place.data());
    Ok(command.env("ROADSTEAD_ROOT_KEY_FILE", key).output().await?)
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].iter().map(|part| String::from_utf8_lossy(part)).collect()
}

fn user_data(place: &Place) -> Result<PathBuf> {
    let directory = place.path().join("user-data");
    std::fs::create_dir_all(directory.join("Default"))?;
    std::fs::write(directory.join("Local State"), "{}")?;
    Ok(directory)
}

async fn import(place: &Place, key: &Path, name: &str) -> Result<()> {
    let directory = user_data(place)?;
    let imported =
        with_key(place, key, &["profiles", "import", name, directory.to_str().context("ours")?]).await?;
    ensure!(imported.status.success(), "{}", text(&imported));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_elsewhere_is_made_once_and_a_lost_one_never_again() -> Result<()> {
    let place = Place::new()?;
    start(&place).await?.stop().await?;
    // The vault is empty, so it may have another key from now on.
    let key = place.path().join("elsewhere.key");
    import(&place, &key, "p").await?;
    ensure!(key.metadata()?.permissions().mode() & 0o7777 == 0o600);
    let checked = with_key(&place, &key, &["check"]).await?;
    ensure!(checked.status.success() && text(&checked).contains(" 0 problems"), "{}", text(&checked));

    std::fs::rename(&key, place.path().join("lost"))?;
    std::fs::remove_file(place.data().join("root.key"))?;
    for arguments in [&["check"][..], &["serve", "--listen", "127.0.0.1:0"], &["keys", "rotate-root"]] {
        for file in [key.clone(), place.data().join("root.key")] {
            let refused = with_key(&place, &file, arguments).await?;
            let said = text(&refused);
            ensure!(
                !refused.status.success() && said.contains("ROADSTEAD_ROOT_KEY_FILE"),
                "{arguments:?}: {said}"
            );
            ensure!(!file.exists(), "{arguments:?} made a key over data");
        }
    }
    let checked = with_key(&place, &place.path().join("lost"), &["check"]).await?;
    ensure!(checked.status.success(), "{}", text(&checked));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_others_may_read_starts_nothing() -> Result<()> {
    let place = Place::new()?;
    start(&place).await?.stop().await?;
    let key = place.data().join("root.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640))?;
    let refused = with_key(&place, &key, &["serve", "--listen", "127.0.0.1:0"]).await?;
    ensure!(!refused.status.success() && text(&refused).contains("chmod 600"), "{}", text(&refused));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_waits_for_nobody_and_is_on_record() -> Result<()> {
    let place = Place::new()?;
    let program = start(&place).await?;
    let key = place.data().join("root.key");
    import(&place, &key, "p").await?;
    let before = std::fs::read(&key)?;
    let beside = with_key(&place, &key, &["keys", "rotate-root"]).await?;
    ensure!(!beside.status.success() && text(&beside).contains("uses the vault"), "{}", text(&beside));
    ensure!(std::fs::read(&key)? == before);
    program.stop().await?;

    let rotated = with_key(&place, &key, &["keys", "rotate-root"]).await?;
    ensure!(rotated.status.success() && text(&rotated).contains("1 profiles' keys"), "{}", text(&rotated));
    ensure!(std::fs::read(&key)? != before);
    let told = with_key(&place, &key, &["audit"]).await?;
    let told = text(&told);
    let lines: Vec<_> = told.lines().filter(|line| line.contains("root_key.rotate  ok  from cli")).collect();
    ensure!(lines.len() == 1, "{told}");
    ensure!(told.contains("key.create") && told.contains("profile.save  ok  from cli"), "{told}");

    // A profile opens for stock restic as before.
    let exported = with_key(&place, &key, &["profiles", "export-key", "p"]).await?;
    ensure!(exported.status.success(), "{}", text(&exported));
    let script = text(&exported).replace("restic snapshots", "restic --no-cache check --read-data");
    let restic = Command::new("sh").args(["-c", &script]).output().await?;
    ensure!(restic.status.success(), "{}", text(&restic));
    ensure!(text(&with_key(&place, &key, &["audit"]).await?).contains("profile.export_key  ok  from cli"));
    Ok(())
}
