//! A running browser: its pipe, its processes, and its end.
//!
//! # What ends Chromium, and what is lost (156, measured: a persistent cookie set just before)
//!
//! | what | full | headless shell |
//! | --- | --- | --- |
//! | `Browser.close` | kept, 70–220 ms | kept, 35–65 ms |
//! | both ends of the pipe close | kept, 115 ms | kept, 45–65 ms |
//! | SIGINT or SIGHUP to the main process | kept, 115–170 ms | kept, 65 ms |
//! | SIGTERM to the main process | **lost**, exit code 0, 35–65 ms, `Singleton*` links stay | kept, 35–65 ms |
//! | SIGTERM to the group | **lost** | **lost**: the network service goes first |
//!
//! Hence a browser that does not close is sent SIGINT before SIGTERM, and neither goes to the group. The others of the group
//! are gone within 3 ms of the main process, full Chromium's crash handlers within 10 ms. Times grow by what there is to
//! flush.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use roadstead_devtools::{CallError, Mux};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::attend::{Attendant, attend};
use crate::launch::{LaunchError, Launched, launch};
use crate::options::{Graces, LaunchOptions};
use crate::process::{Finished, Frozen, Process};
use crate::version::major_version;

/// How long a browser that cannot be told to close any more may take to end by itself: Chromium does so when its pipe
/// closes, and flushes, in 40 to 80 ms as measured.
const PIPE_CLOSED_GRACE: Duration = Duration::from_millis(500);

/// One running browser. Dropping it kills it; [`Browser::end`] ends it without loss.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    mux: Mux,
    version: BrowserVersion,
}

/// What a browser says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserVersion {
    /// Name and version, as in `Chrome/156.0.8078.73` or `HeadlessChrome/156.0.8078.73`.
    pub product: String,
    /// The major version; 0 if the product names none.
    pub major: u32,
    /// The user agent.
    pub user_agent: String,
    /// The DevTools protocol's version, as in `1.3`.
    pub protocol_version: String,
}

/// How a browser ended, and what it left to read.
#[derive(Debug)]
pub struct Exit {
    /// Who made it end.
    pub how: Ending,
    /// The main process's exit status.
    pub status: ExitStatus,
    /// The end of its stderr, 8 KiB at most.
    pub stderr_tail: String,
    /// From the request until nothing of its process group was left.
    pub took: Duration,
}

/// What made a browser end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `Browser.close`: everything is flushed.
    Closed,
    /// A signal that it can heed, since it did not close: everything is flushed, most likely.
    Terminated,
    /// SIGKILL, since it heeded nothing else: the last seconds may be lost.
    Killed,
    /// Nobody: it had ended, or was about to, before it was asked to.
    ByItself,
}

impl Browser {
    /// Launches a browser and returns it once it has answered.
    ///
    /// Makes the directories ready first (see [`crate::prepare_user_data_dir`], [`crate::give_to`]). If it fails, or if
    /// the future is dropped, no process of the browser is left.
    pub async fn launch(options: &LaunchOptions) -> Result<Self, LaunchError> {
        let Launched { process, mux, version } = launch(options).await?;
        Ok(Self { process, mux, version })
    }

    /// Returns the way to talk to it.
    pub fn mux(&self) -> &Mux {
        &self.mux
    }

    /// Returns the main process's id, which is also that of its process group.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns what it says it is.
    pub fn version(&self) -> &BrowserVersion {
        &self.version
    }

    /// Stops the whole browser where it is, until what is returned is dropped, so that its files can be read as they are at
    /// one moment: whole as after a power cut, without the loss of one. Clients notice nothing but a pause.
    ///
    /// `None` when its processes do not all stop within two seconds.
    pub async fn freeze(&self) -> Option<Frozen> {
        self.process.freeze().await
    }

    /// Waits until the browser is of no use any more: until its main process has ended, or has closed its pipe and does
    /// not end. Cancel-safe. [`Browser::end`] then tells how, and sees every process out.
    pub async fn exited(&mut self) {
        tokio::select! {
            _status = self.process.wait() => return,
            () = self.mux.closed() => {}
        }
        let _alive = self.process.wait_within(PIPE_CLOSED_GRACE).await;
    }

    /// Tells whether the kernel has killed it because its memory was used up. Known where it has a control group.
    pub fn ran_out_of_memory(&self) -> bool {
        self.process.ran_out_of_memory()
    }

    /// Has every page attended from now on, for as long as the browser runs. Once at most.
    pub async fn attend(&self, attendants: Vec<Arc<dyn Attendant>>) -> Result<(), CallError> {
        attend(&self.mux, attendants).await
    }

    /// Tells whether full Chromium has loaded the extension of an id of its own (32 letters, from its key).
    pub async fn has_extension(&self, id: &str) -> Result<bool, CallError> {
        crate::extensions::has_extension(&self.mux, id).await
    }

    /// Ends the browser: `Browser.close`, then SIGINT and SIGTERM (each half of the grace), then SIGKILL to the group.
    /// Returns when no process of the group is left. Dropping the future kills the group.
    pub async fn end(mut self, graces: Graces) -> Exit {
        let began = Instant::now();
        let how = self.end_main(graces).await;
        let Finished { status, stderr_tail } = self.process.finish().await;
        Exit { how, status, stderr_tail, took: began.elapsed() }
    }

    async fn end_main(&mut self, graces: Graces) -> Ending {
        if self.process.wait_within(Duration::ZERO).await.is_some() {
            return Ending::ByItself;
        }
        let (how, patience) = self.ask_to_close(graces.close).await;
        if self.process.wait_within(patience).await.is_some() {
            return how;
        }
        for signal in [Signal::INT, Signal::TERM] {
            self.process.signal_leader(signal);
            if self.process.wait_within(graces.term / 2).await.is_some() {
                return Ending::Terminated;
            }
        }
        self.process.kill();
        Ending::Killed
    }

    /// Sends `Browser.close`, and returns what an end within the time that is left would be.
    async fn ask_to_close(&mut self, grace: Duration) -> (Ending, Duration) {
        let deadline = Instant::now() + grace;
        let answer = tokio::select! {
            answer = self.mux.call("Browser.close", json!({}), grace) => answer,
            _status = self.process.wait() => return (Ending::Closed, Duration::ZERO),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match answer {
            Err(CallError::Closed) => (Ending::ByItself, left.min(PIPE_CLOSED_GRACE)),
            _ => (Ending::Closed, left),
        }
    }
}

impl BrowserVersion {
    pub(crate) async fn ask(mux: &Mux, timeout: Duration) -> Result<Self, String> {
        let answer =
            mux.call("Browser.getVersion", json!({}), timeout).await.map_err(|error| error.to_string())?;
        Self::parse(&answer).ok_or_else(|| "its answer to Browser.getVersion names no product".to_owned())
    }

    fn parse(answer: &Value) -> Option<Self> {
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        let product = answer["product"].as_str()?.to_owned();
        let major = major_version(&product).unwrap_or(0);
        Some(Self {
            product,
            major,
            user_agent: text("userAgent"),
            protocol_version: text("protocolVersion"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_the_product() {
        let major = |product: &str| BrowserVersion::parse(&json!({"product": product})).unwrap().major;
        assert_eq!(major("HeadlessChrome/156.0.8078.73"), 156);
        assert_eq!(major("Chrome/9"), 9);
        assert_eq!(major("Something"), 0);
        assert_eq!(BrowserVersion::parse(&json!({})), None);
    }
}
