//! Holding what was promised against what is there.

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use reqwest::{Method, StatusCode};
use roadstead_server::app::DataDir;
use roadstead_server::profile::repository;
use serde_json::{Value, json};

use super::cookie::{Cookie, Portable, missing};
use super::ground::KEPT;
use super::ledger::{Ledger, Promise, Standing, Verdict};
use super::round::Story;
use super::{Fault, Ground, Moment};
use crate::program::Program;

/// Notes the receipts of an answer: from now on they are owed. `known` was seen in the browser before.
pub fn note_receipts(ledger: &mut Ledger, answer: &Value, known: &[Cookie]) -> Result<()> {
    for receipt in saved(&answer["data"]) {
        ledger.promises.push(promise(receipt, known)?);
    }
    Ok(())
}

/// Checks the answers of a server whose disk or database failed a save, while it still runs.
pub async fn failed_save(program: &Program, story: &Story) -> Result<()> {
    let Some((status, answer)) = &story.answer else {
        bail!("the session was never ended");
    };
    let data = &answer["data"];
    ensure!(
        *status == StatusCode::INTERNAL_SERVER_ERROR && data["receipts"][0]["status"] == "failed",
        "the save did not fail, though it was made to (is the program built with failpoints?): {status} {answer}"
    );
    let profile = program.data(Method::GET, &format!("/v1/profiles/{}", story.profile), None).await?;
    ensure!(profile["status"] == "failed" && !profile["status_reason"].is_null(), "{profile}");
    ensure!(profile["revision"].is_null() == story.before.is_none(), "the head has moved: {profile}");
    Ok(())
}

/// Checks everything, on a server that was started again and has recovered what it could.
pub async fn after_restart(
    ground: &mut Ground,
    program: &Program,
    story: &Story,
    rng: &mut Rng,
) -> Result<Verdict> {
    let checked = ground.command(&["check", "--read-data"]).await?;
    ensure!(checked.contains(" 0 problems"), "{checked}");
    require_settled(program).await?;
    ground.require_nothing_left().await?;
    let record = find_session(program, story).await?;
    let verdict = judge_end(story, record.as_ref())?;
    let revision = record.as_ref().and_then(|record| saved(record).next());
    require_profile(program, story, revision).await?;
    if let Some(receipt) = revision {
        if !ground.ledger.promises.iter().any(|promise| promise.session == receipt["session_id"]) {
            ground.ledger.promises.push(promise(receipt, &[])?);
        }
        look_at_head(ground, program, story, receipt).await?;
    } else if story.before.is_some() {
        look_at_old_head(ground, program, story).await?;
    }
    require_promises(ground, rng).await?;
    if story.cell.moment == Moment::WhilePruning {
        prune(ground, rng).await.context("after a prune that nothing disturbed")?;
    }
    Ok(verdict)
}

/// Prunes beside the server, undisturbed, and requires that everything is as it should be.
async fn prune(ground: &mut Ground, rng: &mut Rng) -> Result<()> {
    let ended = ground.prune("")?.wait().await?;
    ensure!(ended.success(), "the prune ended with {ended}");
    ground.release_all(KEPT);
    let checked = ground.command(&["check", "--read-data"]).await?;
    ensure!(checked.contains(" 0 problems"), "{checked}");
    require_promises(ground, rng).await
}

/// Requires that every session has ended and that no profile waits for one.
async fn require_settled(program: &Program) -> Result<()> {
    let live = program.data(Method::GET, "/v1/sessions/all/status", None).await?;
    ensure!(live["items"].as_array().is_some_and(Vec::is_empty), "sessions that never ended: {live}");
    let profiles = program.data(Method::GET, "/v1/profiles", None).await?;
    let profiles = profiles["items"].as_array().context("profiles are listed")?;
    let stuck = profiles.iter().find(|profile| profile["status"] == "pending");
    ensure!(stuck.is_none(), "a profile is stuck: {stuck:?}");
    Ok(())
}

/// Returns the session's record; one whose creator was told nothing is found by its label, if it came so far.
async fn find_session(program: &Program, story: &Story) -> Result<Option<Value>> {
    let id = match &story.session {
        Some(id) => id.clone(),
        None => {
            let listed = program.data(Method::GET, &format!("/v1/sessions?tags={}", story.tag), None).await?;
            let Some(id) = listed["sessions"][0]["id"].as_str() else { return Ok(None) };
            id.to_owned()
        }
    };
    program.data(Method::GET, &format!("/v1/sessions/{id}"), None).await.map(Some)
}

/// Judges how the session ended, and whether its record says so.
fn judge_end(story: &Story, record: Option<&Value>) -> Result<Verdict> {
    let Some(record) = record else {
        return Ok(Verdict::NothingToSave("it was never admitted".to_owned()));
    };
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let (status, reason, detail) = (text("status"), text("reason"), text("detail"));
    ensure!(matches!(status, "completed" | "failed"), "not over: {record}");
    ensure!(allowed_reasons(story).contains(&reason), "not why it ended: {record}");
    let failed = record["receipts"].as_array().into_iter().flatten().find(|it| it["status"] != "saved");
    let Some(receipt) = saved(record).next() else {
        ensure!(
            story.session.is_none(),
            "LOST: a session that its owner was told of was not saved: {record}"
        );
        ensure!(status == "failed" && !detail.is_empty() && failed.is_some(), "not honest: {record}");
        return Ok(Verdict::NothingToSave(detail.to_owned()));
    };
    ensure!(failed.is_none(), "saved and not saved: {record}");
    let denied = detail.contains("could not be saved") && !detail.contains("it was saved at a later start");
    ensure!(!denied, "it was saved, and says that it was not: {record}");
    let answered = story.answer.as_ref().and_then(|(_, answer)| saved(&answer["data"]).next());
    if let Some(answered) = answered {
        ensure!(
            answered["digest"] == receipt["digest"],
            "LOST: the receipt was {answered}, and is {receipt}"
        );
    }
    // A browser that crashed, and a save that failed at first, fail a session, though it is saved all the same.
    let excused = reason == "browser_exited" || !story.cell.fault.is_signal();
    ensure!(status == "completed" || (excused && !detail.is_empty()), "it was saved, and failed: {record}");
    let at_its_end = answered.is_some() || (story.cell.fault.is_signal() && reason != "node_lost");
    Ok(if at_its_end { Verdict::Saved } else { Verdict::Recovered })
}

fn allowed_reasons(story: &Story) -> &'static [&'static str] {
    match story.cell.fault {
        // The page that the profile was being restored into.
        Fault::RendererKilled if story.session.is_none() => &["browser_exited"],
        Fault::BrowserKilled => &["browser_exited", "requested"],
        Fault::RendererKilled => &["requested"],
        Fault::ServerKilled => &["node_lost", "requested"],
        Fault::BothKilled => &["node_lost", "requested", "browser_exited"],
        Fault::TerminatedTwice => &["shutdown", "requested", "node_lost"],
        Fault::DiskFull | Fault::VaultBroken | Fault::DatabaseBroken => &["requested", "node_lost"],
    }
}

/// Requires that the profile's head is what was saved last, or what it was before.
async fn require_profile(program: &Program, story: &Story, receipt: Option<&Value>) -> Result<()> {
    let path = format!("/v1/profiles/{}", story.profile);
    let (status, answer) = program.call(Method::GET, &path, None).await?;
    let profile = &answer["data"];
    let Some(receipt) = receipt else {
        let never = status == StatusCode::NOT_FOUND && story.before.is_none();
        let told = profile["status"] == "failed" && !profile["status_reason"].is_null();
        ensure!(never || told || profile["status"] == "active", "{status} {answer}");
        ensure!(profile["revision"].is_null() == story.before.is_none(), "the head has moved: {profile}");
        return Ok(());
    };
    ensure!(profile["status"] == "active", "saved, and not active: {answer}");
    ensure!(profile["revision"] == receipt["revision"], "the head is not what was saved last: {answer}");
    Ok(())
}

/// Opens the head and requires that the session that was saved last is in it.
async fn look_at_head(ground: &mut Ground, program: &Program, story: &Story, receipt: &Value) -> Result<()> {
    let promise = promise(receipt, &story.known)?;
    let revision = check_out(ground, &promise).await?;
    let orderly = !story.hit.browser && !story.cell.fault.ends_server();
    let last_word = revision.captured == "final";
    ensure!(last_word || !orderly || story.hit.kills > 0, "an orderly end captures the cookies at last");
    let checkpoint = story.checkpoint.as_ref().map_or(&[][..], |checkpoint| &checkpoint.cookies);
    let expected = story.expected(last_word);
    let standing = look(ground, program, &story.profile, expected).await?;
    let require = |what: &str, cookies: &[Cookie]| {
        let lost = missing(cookies, &standing.cookies, &story.known);
        ensure!(lost.is_empty(), "LOST: {what} held {lost:?}, and the restored session does not");
        Ok(())
    };
    require("the revision", &revision.cookies)?;
    require("the checkpoint", checkpoint)?;
    if expected == Expected::Files {
        let in_files: Vec<_> = story.known.iter().filter(|cookie| cookie.is_persistent()).cloned().collect();
        require("the browser that wrote its files", &in_files)?;
    }
    if last_word {
        require("the browser that was ended", &story.known)?;
    }
    if let (Moment::BeforeLogin, Some(before)) = (story.cell.moment, &story.before) {
        require("the profile before", &before.cookies)?;
    }
    ground.ledger.profiles.insert(story.profile.clone(), standing);
    Ok(())
}

/// Opens the head that a session found and did not replace, and requires that it holds what it did.
async fn look_at_old_head(ground: &mut Ground, program: &Program, story: &Story) -> Result<()> {
    let before = story.before.clone().unwrap_or_default();
    let expected = if before.complete { Expected::Everything } else { Expected::Cookies };
    let standing = look(ground, program, &story.profile, expected).await?;
    let lost = missing(&before.cookies, &standing.cookies, &[]);
    ensure!(lost.is_empty(), "LOST: the head held {lost:?}, and does not any more");
    Ok(())
}

/// What must be in a restored session beyond the cookies that a checkpoint or a revision names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Nothing.
    Cookies,
    /// All that a browser keeps in files: it was left to write them. A cookie without an expiry may be of an earlier login, and
    /// then the site takes the others for none.
    Files,
    /// Every kind of state of a login, cookies without an expiry too.
    Everything,
}

impl Story {
    /// Judges what must be in the session that was saved. `last_word`: its cookies were captured as it was ended.
    fn expected(&self, last_word: bool) -> Expected {
        let before_login = self.cell.moment == Moment::BeforeLogin;
        let held_everything = self.before.as_ref().is_some_and(|held| held.complete);
        if before_login && held_everything && !self.hit.browser {
            return Expected::Everything;
        }
        if !self.complete {
            return Expected::Cookies;
        }
        let checkpoint = self.checkpoint.as_ref().map_or(&[][..], |checkpoint| &checkpoint.cookies);
        let captured = last_word || missing(&self.known, checkpoint, &[]).is_empty();
        if captured { Expected::Everything } else { Expected::Files }
    }
}

/// Opens a session on a profile and tells what it holds. Where more than cookies must be there, the site is asked.
async fn look(ground: &Ground, program: &Program, profile: &str, expected: Expected) -> Result<Standing> {
    ground
        .look(program, profile, async |page, site| {
            let cookies = Cookie::all(&page.call("Storage.getCookies", json!({})).await?)?;
            if expected == Expected::Cookies {
                return Ok(Standing { cookies, complete: false });
            }
            let state = site.state(page).await?;
            let excused =
                expected == Expected::Files && state.lost().iter().all(|kind| kind.ends_with("_cookie"));
            ensure!(state.is_complete() || excused, "LOST: the restored session is not whole: {state:?}");
            Ok(Standing { cookies, complete: state.is_complete() })
        })
        .await
}

/// Requires that every receipt that was ever returned is still true: its revision is listed with its digest, and one of
/// them, chosen by chance, opens with what it claims.
///
/// What retention was told to let go may be gone.
async fn require_promises(ground: &mut Ground, rng: &mut Rng) -> Result<()> {
    ground.ledger.promises.retain(|promise| !promise.may_go);
    let promises = &ground.ledger.promises;
    let mut names: Vec<_> = promises.iter().map(|promise| promise.profile.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let listed = ground.command(&["profiles", "revisions", name]).await?;
        for promise in promises.iter().filter(|promise| promise.profile == name) {
            let start = format!("{} ", promise.revision);
            let kept = listed.lines().any(|line| line.starts_with(&start) && line.ends_with(&promise.digest));
            ensure!(kept, "LOST: {promise:?} is not listed: {listed}");
        }
    }
    if let Some(promise) = rng.choice(promises) {
        check_out(ground, promise).await?;
    }
    Ok(())
}

/// Checks a promised revision out, requires that it is what its receipt says, and returns its portable state.
async fn check_out(ground: &Ground, promise: &Promise) -> Result<Portable> {
    let data_dir = DataDir::existing(&ground.data());
    let db = data_dir.database().await?;
    let all = db.all_profiles().await?;
    db.close().await;
    let profile = all.iter().find(|(_, _, profile)| profile.name.as_str() == promise.profile);
    let (_, _, profile) = profile.with_context(|| format!("LOST: the profile of {promise:?}"))?;
    let room = ground.scratch()?;
    let out =
        data_dir.vault()?.checkout(&repository(profile.id), &promise.digest.parse()?, room.path()).await;
    let out = out.with_context(|| format!("LOST: {promise:?} does not open"))?;
    ensure!((out.files, out.bytes) == (promise.files, promise.size_bytes), "{out:?} is not {promise:?}");
    // A session that nobody was told of may have ended before its first checkpoint.
    let portable = Portable::read(room.path())?.unwrap_or_default();
    let count = portable.cookies.len() as u64;
    ensure!(count == promise.cookies, "{count} cookies, not {promise:?}");
    if portable.captured == "final" {
        let lost = missing(&promise.logins, &portable.cookies, &[]);
        ensure!(lost.is_empty(), "LOST: {promise:?} does not hold {lost:?}");
    }
    Ok(portable)
}

/// Returns the receipts of revisions that were saved.
fn saved(session: &Value) -> impl Iterator<Item = &Value> {
    session["receipts"].as_array().into_iter().flatten().filter(|receipt| receipt["status"] == "saved")
}

fn promise(receipt: &Value, known: &[Cookie]) -> Result<Promise> {
    let text = |name: &str| receipt[name].as_str().map(str::to_owned);
    let read = || {
        Some(Promise {
            profile: text("profile")?,
            session: text("session_id")?,
            revision: receipt["revision"].as_u64()?,
            digest: text("digest")?,
            files: receipt["files"].as_u64()?,
            size_bytes: receipt["size_bytes"].as_u64()?,
            cookies: receipt["cookies"]["total"].as_u64()?,
            logins: known.to_vec(),
            may_go: false,
        })
    };
    read().with_context(|| format!("not a receipt: {receipt}"))
}
