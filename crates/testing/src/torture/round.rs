//! One round: a session is started, logged in and ended on a server to which a fault happens, the server is started
//! again, and everything that was ever promised is held against what is there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::cookie::{Cookie, Portable, missing};
use super::ground::KEPT;
use super::ledger::{Standing, Verdict};
use super::pruning::Pruning;
use super::strike::{Hit, moment, strike, wait_for_target};
use super::{Cell, Fault, Ground, Moment, verify};
use crate::cdp::Page;
use crate::demo_site::{PASSWORD, USER};
use crate::program::{Program, wait_until};

/// From the request to create a session until its browser surely answers: the reach of "before login".
const CREATE_TIME: Duration = Duration::from_millis(400);
/// How long after the login's answer "just after" is.
const JUST_AFTER: Duration = Duration::from_millis(100);

/// How long a browser lives once its session is asked to end, about.
const BROWSER_CLOSES: Duration = Duration::from_millis(60);

/// What happened until the server was started again.
#[derive(Debug)]
pub struct Story {
    /// What happened, and when.
    pub cell: Cell,
    /// The label of the session, to find one whose id nobody was told.
    pub tag: String,
    /// The profile that the session was to be saved into.
    pub profile: String,
    /// What the profile's head held before.
    pub before: Option<Standing>,
    /// The session's id, if its creator was told.
    pub session: Option<String>,
    /// The cookies that were in the browser when it was looked at last.
    pub known: Vec<Cookie>,
    /// Whether every kind of state was there, and the browser was left to write it down.
    pub complete: bool,
    /// What the end of the session was answered with.
    pub answer: Option<(StatusCode, Value)>,
    /// The portable state that was in the work dir when the server was gone.
    pub checkpoint: Option<Portable>,
    /// What the signals hit.
    pub hit: Hit,
    /// How many signals reached a prune beside the server.
    pub pruner_kills: u32,
}

/// A round in which nothing was lost.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// How many signals reached a process.
    pub kills: u32,
}

/// Plays one round. An error is a loss, or a promise that does not hold.
pub async fn play(ground: &mut Ground, cell: Cell, number: u64, seed: u64) -> Result<Report> {
    let mut rng = Rng::with_seed(seed);
    let mut story = Story::new(ground, cell, number, &mut rng);
    if cell.moment == Moment::WhilePruning {
        story.add_revisions(ground).await.context("at the preparation")?;
    }
    let program = ground.start(&cell.fault.failpoints(cell.moment, &mut rng)).await?;
    // Most rounds run the headless shell, which starts faster; some full Chromium.
    let full = rng.u32(0..10) == 0;
    story.happen(ground, &program, full, &mut rng).await.context("before the restart")?;
    story.settle(ground, program).await.context("before the restart")?;
    story.checkpoint = read_checkpoint(ground)?;
    while cell.fault.ends_server() && rng.u32(0..4) == 0 {
        ground.start_and_kill(&mut rng).await?;
        story.hit.kills += 1;
    }
    let program = ground.start("").await?;
    let verdict = verify::after_restart(ground, &program, &story, &mut rng).await.context(story.told())?;
    program.stop().await.context("at the orderly stop")?;
    ground.require_nothing_left().await.context("at the end")?;
    Ok(Report { verdict, kills: story.hit.kills + story.pruner_kills })
}

impl Story {
    fn new(ground: &Ground, cell: Cell, number: u64, rng: &mut Rng) -> Self {
        let profile = ground.ledger.choose(rng, number);
        Self {
            cell,
            tag: format!("round-{number}"),
            before: ground.ledger.profiles.get(&profile).cloned(),
            profile,
            session: None,
            known: Vec::new(),
            complete: false,
            answer: None,
            checkpoint: None,
            hit: Hit::default(),
            pruner_kills: 0,
        }
    }

    /// Tells the story in a sentence, for whoever reads that something was lost.
    fn told(&self) -> String {
        let seen: Vec<_> = self.known.iter().map(Cookie::to_string).collect();
        format!(
            "after the restart: session {:?} into {:?}, which held {}; seen {seen:?}; hit {:?}; the end was answered {:?}",
            self.session,
            self.profile,
            self.before.as_ref().map_or("nothing", |held| if held.complete {
                "everything"
            } else {
                "cookies"
            }),
            self.hit,
            self.answer
        )
    }

    async fn happen(
        &mut self,
        ground: &mut Ground,
        program: &Program,
        full: bool,
        rng: &mut Rng,
    ) -> Result<()> {
        match self.cell.moment {
            Moment::BeforeLogin => self.create_and_strike(ground, program, full, rng).await?,
            Moment::JustAfterLogin => {
                let mut page = self.create(ground, program, full).await?;
                self.log_in(ground, &mut page).await?;
                sleep(moment(rng, JUST_AFTER)).await;
                self.hit = strike(self.cell.fault, ground, program, rng).await?;
            }
            Moment::WhileSaving => {
                let mut page = self.create(ground, program, full).await?;
                self.log_in_and_settle_in(ground, &mut page, rng).await?;
                self.end_and_strike(ground, program, rng).await?;
            }
            Moment::WhilePruning => {
                let mut page = self.create(ground, program, full).await?;
                self.log_in_and_settle_in(ground, &mut page, rng).await?;
                ground.release_all(KEPT);
                // The session that is being saved may be one of those that are kept.
                ground.ledger.release(&self.profile, KEPT - 1);
                self.end_and_strike(ground, program, rng).await?;
            }
        }
        ground.note_browsers();
        Ok(())
    }

    async fn create(&mut self, ground: &mut Ground, program: &Program, full: bool) -> Result<Page> {
        let (id, url) = Ground::create(program, self.sink(), full, &self.tag).await?;
        self.session = Some(id);
        ground.note_browsers();
        Page::open(&url).await
    }

    fn sink(&self) -> Value {
        json!({"name": self.profile, "persist": true})
    }

    /// Strikes while the session is created, or a little later.
    async fn create_and_strike(
        &mut self,
        ground: &mut Ground,
        program: &Program,
        full: bool,
        rng: &mut Rng,
    ) -> Result<()> {
        let fault = self.cell.fault;
        let created = Ground::create(program, self.sink(), full, &self.tag);
        let struck = async {
            wait_for_target(fault, ground).await?;
            sleep(moment(rng, CREATE_TIME)).await;
            strike(fault, ground, program, rng).await
        };
        let (created, struck) = tokio::join!(created, struck);
        self.hit = struck?;
        match created {
            Ok((id, _)) => self.session = Some(id),
            // Whoever is refused was promised nothing; the verdict sees to it that the refusal was honest.
            Err(refused) => ensure!(self.hit.kills > 0, "a session was refused for no reason: {refused:#}"),
        }
        Ok(())
    }

    /// Logs in, and returns as soon as the site has answered.
    async fn log_in(&mut self, ground: &Ground, page: &mut Page) -> Result<()> {
        page.call("Storage.clearCookies", json!({})).await?;
        page.goto(&ground.site.url()).await?;
        page.wait_for("document.readyState === 'complete' && document.querySelector('#user') !== null")
            .await?;
        page.type_into("#user", USER).await?;
        page.type_into("#password", PASSWORD).await?;
        page.evaluate("document.querySelector('button[type=submit]').click()").await?;
        page.wait_for("location.pathname !== '/' && location.pathname !== '/login'").await?;
        self.known = Cookie::all(&page.call("Storage.getCookies", json!({})).await?)?;
        ensure!(!self.known.is_empty(), "a login sets cookies");
        Ok(())
    }

    /// Logs in, and waits until every kind of state is written; sometimes until a checkpoint holds the login, too.
    async fn log_in_and_settle_in(
        &mut self,
        ground: &mut Ground,
        page: &mut Page,
        rng: &mut Rng,
    ) -> Result<()> {
        page.call("Storage.clearCookies", json!({})).await?;
        let state = ground.site.log_in(page).await?;
        ensure!(state.is_complete(), "right after the login: {state:?}");
        self.known = Cookie::all(&page.call("Storage.getCookies", json!({})).await?)?;
        self.complete = true;
        if rng.u32(0..3) == 0 {
            let state = ground.state(self.session.as_deref().unwrap_or_default());
            let holds_login = || {
                let checkpoint = Portable::read(&state);
                checkpoint.is_ok_and(|found| {
                    found.is_some_and(|it| missing(&self.known, &it.cookies, &[]).is_empty())
                })
            };
            wait_until("a checkpoint holds the login", holds_login).await?;
        }
        Ok(())
    }

    /// Saves the profile a few times, so that there is something to remove.
    async fn add_revisions(&mut self, ground: &mut Ground) -> Result<()> {
        let program = ground.start("").await?;
        for _ in 0..KEPT {
            let (id, _) = Ground::create(&program, self.sink(), false, "more").await?;
            let (_, answer) = end(&program, &id).await?;
            verify::note_receipts(&mut ground.ledger, &answer, &[])?;
        }
        self.before.get_or_insert_default();
        program.stop().await
    }

    /// Strikes while the session is ended and saved, and perhaps while old revisions are removed.
    async fn end_and_strike(&mut self, ground: &mut Ground, program: &Program, rng: &mut Rng) -> Result<()> {
        let fault = self.cell.fault;
        // While the disk is full or broken, the server may be killed besides.
        let also_killed = !fault.is_signal() && rng.bool();
        let fault = if also_killed { Fault::ServerKilled } else { fault };
        let pruning = (self.cell.moment == Moment::WhilePruning)
            .then(|| Pruning::plan(self.cell.fault, ground.save_time, rng));
        let began = Instant::now();
        let ended = end(program, self.session.as_deref().unwrap_or_default());
        // A browser is closed early in a save; what comes later does not touch it.
        let targets_browser =
            matches!(fault, Fault::BrowserKilled | Fault::RendererKilled | Fault::BothKilled);
        let reach = if targets_browser { ground.save_time.min(BROWSER_CLOSES) } else { ground.save_time };
        let struck = async {
            sleep(moment(rng, reach)).await;
            strike(fault, ground, program, rng).await
        };
        let pruned = async {
            match pruning {
                Some(pruning) => pruning.run(ground).await,
                None => Ok(0),
            }
        };
        let (ended, struck, pruned) = tokio::join!(ended, struck, pruned);
        self.hit = struck?;
        self.pruner_kills = pruned?;
        self.complete &= !self.hit.browser;
        if let Ok(answer) = ended {
            self.answer = Some(answer);
            ground.save_time = began.elapsed();
        }
        Ok(())
    }

    /// Ends what still runs: the session, if the server is there to be asked, and the server.
    async fn settle(&mut self, ground: &mut Ground, mut program: Program) -> Result<()> {
        let killed_by_signal = self.hit.kills > 0 && !self.cell.fault.is_signal();
        if self.cell.fault.ends_server() || killed_by_signal {
            let status = program.ended().await?;
            let wanted = self.cell.fault != Fault::TerminatedTwice || status.success();
            ensure!(wanted, "a server that is told to stop twice ended with {status}");
        } else {
            if let (Some(session), None) = (&self.session, &self.answer) {
                self.answer = Some(end(&program, session).await?);
            }
            if !self.cell.fault.is_signal() {
                verify::failed_save(&program, self).await.context("while the fault lasts")?;
            }
            program.stop().await?;
        }
        match &self.answer {
            Some((_, answer)) => verify::note_receipts(&mut ground.ledger, answer, &self.known),
            None => Ok(()),
        }
    }
}

/// Ends a session, and returns the status and the body of the answer.
async fn end(program: &Program, session: &str) -> Result<(StatusCode, Value)> {
    program.call(Method::DELETE, &format!("/v1/sessions/{session}"), None).await
}

/// Reads what the last checkpoint left. There is one session to a round, and rounds leave nothing.
fn read_checkpoint(ground: &Ground) -> Result<Option<Portable>> {
    for entry in std::fs::read_dir(ground.work())? {
        if let Some(found) = Portable::read(&entry?.path().join("state"))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
