//! Doing it: the signals of a fault, to processes of the round's own.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use rustix::process::{Signal, kill_process};
use tokio::time::sleep;

use super::{Fault, Ground};
use crate::processes;
use crate::program::{Program, wait_until};

/// The time between two SIGTERMs, at most.
const BETWEEN_TERMS: Duration = Duration::from_millis(250);

/// What a strike hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// Signals that reached a process.
    pub kills: u32,
    /// Whether a browser was killed: it had no chance to write what it held in memory.
    pub browser: bool,
}

/// A moment below `limit`, to the microsecond.
pub fn moment(rng: &mut Rng, limit: Duration) -> Duration {
    Duration::from_micros(rng.u64(0..u64::try_from(limit.as_micros()).unwrap_or(u64::MAX).max(1)))
}

/// Strikes now. A fault that is armed before the server starts does nothing here. One that finds nothing to kill has
/// come too late, and hits nothing.
pub async fn strike(fault: Fault, ground: &Ground, program: &Program, rng: &mut Rng) -> Result<Hit> {
    match fault {
        Fault::BrowserKilled => Ok(kill_browsers(ground)),
        Fault::RendererKilled => Ok(kill_renderer(ground, rng)),
        Fault::ServerKilled => kill_server(program),
        Fault::BothKilled => {
            let server_first = rng.bool();
            let before = if server_first { kill_server(program)? } else { kill_browsers(ground) };
            let after = if server_first { kill_browsers(ground) } else { kill_server(program)? };
            Ok(Hit { kills: before.kills + after.kills, browser: before.browser || after.browser })
        }
        Fault::TerminatedTwice => {
            program.signal(Signal::TERM)?;
            sleep(moment(rng, BETWEEN_TERMS)).await;
            program.signal(Signal::TERM)?;
            // What it does to its browsers is its own affair: none is promised a flush.
            Ok(Hit { kills: 2, browser: true })
        }
        Fault::DiskFull | Fault::VaultBroken | Fault::DatabaseBroken => Ok(Hit::default()),
    }
}

/// Waits until there is a browser to kill, for a fault that needs one.
pub async fn wait_for_target(fault: Fault, ground: &Ground) -> Result<()> {
    match fault {
        Fault::BrowserKilled => {
            wait_until("a browser runs", || !processes::browsers(&ground.work()).is_empty()).await
        }
        Fault::RendererKilled => {
            wait_until("a renderer runs", || {
                processes::browsers(&ground.work())
                    .iter()
                    .any(|browser| !processes::renderers(browser).is_empty())
            })
            .await
        }
        _ => Ok(()),
    }
}

fn kill_server(program: &Program) -> Result<Hit> {
    program.signal(Signal::KILL)?;
    Ok(Hit { kills: 1, browser: false })
}

fn kill_browsers(ground: &Ground) -> Hit {
    let browsers = processes::browsers(&ground.work());
    let killed = browsers.iter().filter(|browser| kill_process(browser.pid, Signal::KILL).is_ok()).count();
    Hit { kills: u32::try_from(killed).unwrap_or(u32::MAX), browser: killed > 0 }
}

fn kill_renderer(ground: &Ground, rng: &mut Rng) -> Hit {
    let renderers: Vec<_> =
        processes::browsers(&ground.work()).iter().flat_map(processes::renderers).collect();
    let killed =
        rng.choice(&renderers).is_some_and(|renderer| kill_process(renderer.pid, Signal::KILL).is_ok());
    Hit { kills: killed.into(), browser: false }
}
