//! Load: many DevTools clients that come, talk and vanish over a few sessions, and API reads beside them. What the server
//! holds is counted before and after; whatever is more afterwards is a leak.
//!
//! Four counts are taken: with no session (`idle`), with every session and after a first spell of the same load
//! (`before`), after the load proper (`after`), and once the sessions are ended (`ended`). So what is made once and kept
//! (threads, database connections, the allocator's own room) is there at the first count already.

mod client;
mod figures;
mod reads;

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::client::Target;
pub use self::client::{Leave, Talk};
pub use self::figures::Figures;
pub use self::reads::Reads;
use crate::cdp::Page;
use crate::demo_site::DemoSite;
use crate::ground::{create, end, text};
use crate::place::Place;
use crate::program::{Program, ProgramOptions};

/// By how much more memory the server may hold after the load, in bytes: what an allocator keeps for itself.
const MEMORY_SLACK: u64 = 32 << 20;
/// Nothing here is about how often sessions may be created or keys be wrong.
const CONFIG: &str = "[limits]\ncreates_per_minute = 0\nfailed_auth_per_minute = 0";

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Sessions, each with a browser.
    pub sessions: usize,
    /// Clients that are connected at a time, over all sessions.
    pub clients: usize,
    /// API reads in a second.
    pub reads: u32,
    /// How long the first spell lasts, before which nothing is compared.
    pub warm_up: Duration,
    /// How long the load proper lasts.
    pub duration: Duration,
    /// What the clients' choices come from.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// With no session.
    pub idle: Figures,
    /// With every session, before the load.
    pub before: Figures,
    /// The same after the load.
    pub after: Figures,
    /// Without sessions again.
    pub ended: Figures,
    /// What the clients did.
    pub talk: Talk,
    /// What the reads found.
    pub reads: Reads,
}

impl Load {
    /// Runs it on a server of its own. Errors: something leaked, or was answered wrongly; the report then is the error's.
    pub async fn run(&self) -> Result<Report> {
        let place = Place::new()?;
        let site = DemoSite::start("127.0.0.1:0".parse()?).await?;
        let options = ProgramOptions {
            config: CONFIG.to_owned(),
            log: Some(place.path().join("log")),
            ..ProgramOptions::default()
        };
        let program = Program::start(&place.data(), &options).await?;
        let first = start_session(&program, &site).await?;
        self.spell(&program, &[&first], self.warm_up / 2, 0).await?;
        end(&program, text(&first["id"])).await?;
        place.require_no_files().await?;
        let idle = Figures::steady(&program, &place).await?;

        // One by one, over the one connection that is always there.
        let mut sessions = Vec::new();
        for _ in 0..self.sessions {
            sessions.push(start_session(&program, &site).await?);
        }
        let sessions: Vec<_> = sessions.iter().collect();
        self.spell(&program, &sessions, self.warm_up, 1).await?;
        let before = Figures::steady(&program, &place).await?;
        let (talk, reads) = self.spell(&program, &sessions, self.duration, 2).await?;
        let after = Figures::within(&before, &program, &place).await?;
        for session in &sessions {
            end(&program, text(&session["id"])).await?;
        }
        let ended = Figures::within(&idle, &program, &place).await?;
        program.stop().await?;
        let report = Report { idle, before, after, ended, talk, reads };
        report.require_sound().with_context(|| report.to_string())?;
        Ok(report)
    }

    /// One spell of the load. Everybody has left when it returns.
    async fn spell(
        &self,
        program: &Program,
        sessions: &[&Value],
        length: Duration,
        spell: u64,
    ) -> Result<(Talk, Reads)> {
        let until = Instant::now() + length;
        let mut targets = Vec::new();
        for session in sessions {
            targets.push(Target::of(program, session).await?);
        }
        let clients = (0..self.clients).map(|number| {
            let rng =
                fastrand::Rng::with_seed(self.seed.wrapping_add(spell << 32).wrapping_add(number as u64));
            client::come_and_go(targets[number % targets.len()].clone(), rng, until)
        });
        let ids: Vec<_> = sessions.iter().map(|session| text(&session["id"])).collect();
        let (talk, reads) = tokio::join!(
            async { join_all(clients).await.into_iter().sum::<Talk>() },
            reads::read(program.url(), &ids, self.reads, until)
        );
        Ok((talk, reads?))
    }
}

async fn start_session(program: &Program, site: &DemoSite) -> Result<Value> {
    let session = create(program, json!({})).await?;
    let mut page = Page::open(text(&session["cdp_url"])).await?;
    page.visit(&format!("{}/whoami", site.url())).await?;
    // Its own address is among the pages that clients connect to.
    let pages = format!("/v1/sessions/{}/pages", text(&session["id"]));
    let pages = program.data(Method::GET, &pages, None).await?;
    ensure!(pages["count"] == 1, "{pages}");
    Ok(session)
}

impl Report {
    /// Requires that nothing leaked and nothing was answered wrongly.
    fn require_sound(&self) -> Result<()> {
        ensure!(self.talk.failures.is_empty(), "clients met what they should not");
        ensure!(self.reads.failures.is_empty(), "reads met what they should not");
        ensure!(self.talk.connections > 0 && self.reads.answered > 0, "there was no load");
        let unseen: Vec<_> = self.talk.leaves().filter(|(_, times)| *times == 0).collect();
        ensure!(unseen.is_empty(), "nobody left in these ways: {unseen:?}");
        ensure!(self.after.is_within(&self.before), "something is left of clients and reads");
        ensure!(self.ended.is_within(&self.idle), "something is left of sessions");
        let grown = self.after.resident_bytes.saturating_sub(self.before.resident_bytes);
        ensure!(grown <= MEMORY_SLACK, "the server holds {grown} bytes more");
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:8} {}", "", Figures::TITLES)?;
        for (name, figures) in
            [("idle", &self.idle), ("before", &self.before), ("after", &self.after), ("ended", &self.ended)]
        {
            writeln!(f, "{name:8} {figures}")?;
        }
        writeln!(f, "{}", self.talk)?;
        write!(f, "{}", self.reads)
    }
}
