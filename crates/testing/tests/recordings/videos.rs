//! Videos of recordings, as ffprobe and ffmpeg see them. Where there is no ffmpeg, what a caller is told who wants one.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::ground::text;
use serde_json::Value;
use tokio::process::Command;

use crate::ground::{Build, Colour, Ground};
use crate::in_both_builds;

async fn run(program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

async fn has_ffmpeg() -> bool {
    run("ffmpeg", &["-version"]).await.is_ok() && run("ffprobe", &["-version"]).await.is_ok()
}

in_both_builds!(a_video_shows_what_was_seen_for_as_long_as_it_was_seen);
async fn a_video_shows_what_was_seen_for_as_long_as_it_was_seen(build: Build) -> Result<()> {
    let ground = Ground::new("").await?;
    let mut session = ground.session(build, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    session.page.evaluate("new Promise((done) => setTimeout(done, 2000))").await?;
    session.show(Colour::Blue).await?;
    ground.until_seen(&session.id, Colour::Blue).await?;
    session.page.evaluate("new Promise((done) => setTimeout(done, 1500))").await?;
    ground.program.data(Method::DELETE, &format!("/v1/sessions/{}", session.id), None).await?;
    let recording = ground.recording(&session.id).await?;
    if !has_ffmpeg().await {
        let path = format!("/v1/sessions/{}/recordings/primary/fetch", session.id);
        let (status, answer) = ground.program.call(Method::GET, &path, None).await?;
        ensure!(status == 501, "{answer}");
        return ground.program.stop().await;
    }
    let video = ground.fetch(&session.id, "fetch").await?;
    ensure!(video == ground.fetch(&session.id, "fetch").await?, "it is made once");
    let path = ground.place.path().join("video.mp4");
    std::fs::write(&path, &video)?;
    let path = path.to_string_lossy();
    let probed =
        run("ffprobe", &["-v", "error", "-of", "json", "-show_streams", "-show_format", &path]).await?;
    let probed: Value = serde_json::from_slice(&probed)?;
    let stream = &probed["streams"][0];
    ensure!(["h264", "mpeg4"].contains(&text(&stream["codec_name"])), "{probed}");
    ensure!(
        stream["pix_fmt"] == "yuv420p" && stream["width"].as_u64().is_some_and(|width| width % 2 == 0),
        "{probed}"
    );
    let plays: f64 = text(&probed["format"]["duration"]).parse()?;
    let moments = ground.moments(&session.id).await?;
    let recorded: f64 = text(&recording["duration"]).parse()?;
    let seconds = |at: &u64| Duration::from_millis(*at).as_secs_f64();
    let first = moments.first().map(seconds).context("a picture")?;
    // The last picture is shown for a second at least.
    let end = moments.last().map_or(recorded, |last| recorded.max(seconds(last) + 1.0));
    ensure!((plays - (end - first)).abs() < 0.1, "{plays} s of {end} s, from {first} s on");
    // Just before the blue picture it is red, and at its end blue.
    let mut blue = None;
    for (number, at) in moments.iter().enumerate() {
        if ground.colour(&session.id, number).await? == Colour::Blue {
            blue = blue.or(Some(seconds(at) - first));
        }
    }
    let blue = blue.context("a blue picture")?;
    for (at, colour) in [(blue - 0.3, Colour::Red), (blue + 0.3, Colour::Blue), (plays - 0.2, Colour::Blue)] {
        // Ten times a second, what is shown then: a seek would go on to the next picture.
        let filter = format!("fps=10,trim=start={at:.3},crop=2:2");
        let middle = ["-v", "error", "-i", &path, "-vf", &filter, "-frames:v", "1", "-f", "rawvideo"];
        let pixels = run("ffmpeg", &[&middle[..], &["-pix_fmt", "rgb24", "-"]].concat()).await?;
        let pixel = pixels.first_chunk::<3>().with_context(|| format!("no picture at {at} s"))?;
        ensure!(Colour::of(*pixel) == colour, "{pixel:?} at {at} s, and not {colour:?}");
    }
    // The video is not on the disk as it is.
    let kept = ground.place.data().join("recordings").join(&session.id);
    for entry in std::fs::read_dir(kept)? {
        let bytes = std::fs::read(entry?.path())?;
        ensure!(!bytes.windows(4).any(|window| window == b"ftyp"), "in the clear");
    }
    ground.program.stop().await
}

#[tokio::test]
async fn without_ffmpeg_a_caller_is_told_what_to_do() -> Result<()> {
    let ground = Ground::new("[recordings]\nffmpeg = \"/nowhere/ffmpeg\"").await?;
    let session = ground.session(Build::Shell, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    let path = format!("/v1/sessions/{}/recordings/primary/fetch", session.id);
    let (status, answer) = ground.program.call(Method::GET, &path, None).await?;
    ensure!(
        status == 501 && text(&answer["error"]["message"]).contains("apt-get install ffmpeg"),
        "{answer}"
    );
    ground.program.stop().await
}

#[tokio::test]
async fn an_ffmpeg_that_does_not_end_is_ended() -> Result<()> {
    let place = roadstead_testing::place::Place::new()?;
    let script = place.path().join("ffmpeg");
    let marker = format!("{}", script.display());
    std::fs::write(&script, "#!/bin/sh\n[ \"$4\" = -encoders ] && exit 0\nwhile :; do sleep 1; done\n")?;
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let ground =
        Ground::at(place, &format!("[recordings]\nvideo_seconds = 1\nffmpeg = \"{marker}\"")).await?;
    let session = ground.session(Build::Shell, Colour::Red).await?;
    ground.until_seen(&session.id, Colour::Red).await?;
    let path = format!("/v1/sessions/{}/recordings/primary/fetch", session.id);
    let (status, answer) = ground.program.call(Method::GET, &path, None).await?;
    ensure!(status == 504, "{answer}");
    roadstead_testing::program::wait_until("nothing of it runs any more", || {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        !lines.any(|line| String::from_utf8_lossy(&line).contains(&marker))
    })
    .await?;
    ground.program.stop().await
}
