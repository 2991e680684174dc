//! Control groups: what is written into a browser's, and what the session says when the kernel has killed it for its memory.
//!
//! The tree here is a directory of plain files: it shows what is asked of the kernel, and what is made of its answer. What the
//! kernel does in between is the kernel's.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use roadstead_testing::program::{Program, ProgramOptions, wait_until};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::ground::{Session, open_place};

#[tokio::test]
async fn a_browser_that_the_kernel_killed_for_its_memory_is_told_so() -> Result<()> {
    let place = open_place()?;
    let tree = place.path().join("cgroup");
    std::fs::create_dir(&tree)?;
    std::fs::write(tree.join("cgroup.controllers"), "cpuset cpu io memory pids\n")?;
    let config =
        format!("[chromium]\ncgroup = '{}'\nmax_memory_mib = 512\nmax_tasks = 1000\n", tree.display());
    let program =
        Program::start(&place.data(), &ProgramOptions { config, ..ProgramOptions::default() }).await?;
    let read = |path: &str| std::fs::read_to_string(tree.join(path)).with_context(|| path.to_owned());
    ensure!(read("cgroup.subtree_control")? == "+memory +pids");
    ensure!(read("roadstead/cgroup.procs")? == program.pid()?.as_raw_nonzero().to_string());
    let session = Session::start(&program).await?;
    let group = format!("session-{}", session.id);
    for (file, value) in [
        ("memory.max", (512_u64 << 20).to_string()),
        ("pids.max", "1000".to_owned()),
        ("memory.oom.group", "1".to_owned()),
        // The launcher joined before it became the browser.
        ("cgroup.procs", session.pid.to_string()),
    ] {
        ensure!(read(&format!("{group}/{file}"))? == value, "{file}: {}", read(&format!("{group}/{file}"))?);
    }
    std::fs::write(
        tree.join(&group).join("memory.events"),
        "low 0\nhigh 0\nmax 812\noom 3\noom_kill 9\noom_group_kill 1\n",
    )?;
    let leader = Pid::from_raw(i32::try_from(session.pid)?).context("a process id")?;
    kill_process_group(leader, Signal::KILL)?;
    let ended = program
        .wait_for(&format!("/v1/sessions/{}", session.id), |session| {
            session["status"] != "running" && session["status"] != "stopping"
        })
        .await?;
    ensure!(ended["status"] == "failed" && ended["reason"] == "out_of_memory", "{ended}");
    ensure!(ended["detail"].as_str().is_some_and(|detail| detail.contains("max_memory_mib")), "{ended}");
    wait_until("whatever is left in the group is killed", || {
        std::fs::read_to_string(tree.join(&group).join("cgroup.kill")).is_ok_and(|killed| killed == "1")
    })
    .await?;
    // One that ends by itself has no such excuse.
    let session = Session::start(&program).await?;
    let leader = Pid::from_raw(i32::try_from(session.pid)?).context("a process id")?;
    kill_process_group(leader, Signal::KILL)?;
    let ended = program
        .wait_for(&format!("/v1/sessions/{}", session.id), |session| session["status"] == "failed")
        .await?;
    ensure!(ended["reason"] == "browser_exited", "{ended}");
    drop(program.call(Method::GET, "/v1/sessions", None).await?);
    program.stop().await
}

#[tokio::test]
async fn a_control_group_that_cannot_be_used_is_an_error_at_the_start() -> Result<()> {
    let place = open_place()?;
    for named in ["/nowhere/at/all", "/proc/self"] {
        let config = place.data().with_extension("toml");
        std::fs::write(&config, format!("[chromium]\ncgroup = '{named}'\n"))?;
        let config = config.to_string_lossy();
        let (ended, said) =
            place.command(&["serve", "--listen", "127.0.0.1:0", "--config", &config], "").await?;
        ensure!(!ended.success() && said.contains("chromium.cgroup") && said.contains(named), "{said}");
    }
    Ok(())
}
