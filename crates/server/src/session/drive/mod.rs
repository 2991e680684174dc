//! Driving a session's browser for callers who have no DevTools client: the hands at its mouse and keyboard, the address
//! bar, the screen, and the clipboard.
//!
//! Whatever is done is done in the selected [`tab`]. Input goes to it as DevTools input events, which the page sees as
//! trusted, and which reach whatever is at the point or has the focus, frames of other sites included. It is not the
//! operating system's input: the browser's own windows get none of it, so Control+T opens no tab.
//!
//! - A session has one mouse and one keyboard. An [`Act`] has both to itself until it is over, and the [`Pointer`] remembers
//!   which buttons are held from one to the next.
//! - An act runs in a task of its own: a client who hangs up leaves no key pressed.
//! - No DevTools domain is enabled in a page: a page does not notice, and dialogs, downloads and the like stay the clients' own.
//!   Scripts run in an isolated world, which sees the page's elements and none of its variables.
//! - Each call has a time limit of its own, and all calls end at once when the browser does.
//!
//! [`navigate`], [`screen`], [`paper`], [`content`], [`mouse`], [`keyboard`] (with its table of [`keys`]) and [`clipboard`] are what can be done; [`element`]
//! finds what a selector means, and [`frames`] where the focus is. What is not here: HTTP, and the rules of who may drive.

pub mod clipboard;
pub mod content;
mod element;
mod frames;
pub mod keyboard;
mod keys;
pub mod mouse;
mod navigate;
pub mod paper;
mod pointer;
pub mod screen;
mod tab;

use std::sync::Arc;
use std::time::Duration;

use roadstead_devtools::{CallError, Mux};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use self::element::Wanted;
pub use self::mouse::{Button, Place, Point};

use self::content::{Content, Reading, Which};
use self::pointer::Pointer;
use self::tab::{Tab, Tabs};
use crate::error::{Error, Result, SESSION_UNREACHABLE};

/// How long a page may take to take an input event, or to run a short script. It takes about a millisecond when it is well.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a site may take to answer, and its page to load.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Chromium's code for a command to a CDP session that has ended, as a page's does when it is closed.
const NO_SUCH_SESSION: i64 = -32001;

/// One thing to do with the mouse, the keyboard or the clipboard.
pub trait Act: Send + 'static {
    /// What it tells.
    type Done: Send + 'static;

    /// Does it.
    fn perform(self, tab: &Tab, pointer: &mut Pointer) -> impl Future<Output = Result<Self::Done>> + Send;
}

/// What a session keeps to be driven with.
#[derive(Debug, Default)]
pub struct Controls {
    tabs: Tabs,
    pointer: Arc<Mutex<Pointer>>,
}

/// The right to the mouse and the keyboard, until it is dropped.
#[derive(Debug)]
pub struct Hands(OwnedMutexGuard<Pointer>);

impl Controls {
    /// Waits for the mouse and the keyboard.
    pub async fn hands(&self) -> Hands {
        Hands(Arc::clone(&self.pointer).lock_owned().await)
    }

    /// Acts in the selected tab.
    pub async fn perform<A: Act>(&self, mux: &Mux, mut hands: Hands, act: A) -> Result<A::Done> {
        let tab = self.tabs.selected(mux).await?;
        tab.take_focus().await?;
        act.perform(&tab, &mut hands.0).await
    }

    /// Sends the selected tab to a URL, and waits until it is loaded. `last_problem` tells what went wrong last on the
    /// session's way out.
    pub async fn goto(
        &self,
        mux: &Mux,
        url: &str,
        last_problem: impl FnOnce() -> Option<String> + Send,
    ) -> Result<()> {
        navigate::goto(&self.tabs.selected(mux).await?, url, LOAD_TIMEOUT, last_problem).await
    }

    /// Returns a picture of the selected tab, as PNG.
    pub async fn screenshot(&self, mux: &Mux) -> Result<Vec<u8>> {
        screen::capture_viewport(&self.tabs.selected(mux).await?).await
    }

    /// Reads a page. One of its own is closed again.
    pub async fn read(
        &self,
        mux: &Mux,
        reading: &Reading,
        last_problem: impl FnOnce() -> Option<String> + Send,
    ) -> Result<Content> {
        let tab = match reading.which {
            Which::Selected => self.tabs.selected(mux).await?,
            Which::At(place) => self.tabs.at(mux, place).await?,
            Which::New => {
                let page = mux.open_page("about:blank", CALL_TIMEOUT).await.map_err(failed)?;
                self.tabs.with_id(mux, &page).await?
            }
        };
        let content = content::read(&tab, reading, last_problem).await;
        if reading.which == Which::New {
            mux.close_page(tab.target(), CALL_TIMEOUT).await.map_err(failed)?;
        }
        content
    }
}

/// Says what a call's failure means to whoever drives.
fn failed(error: CallError) -> Error {
    match error {
        CallError::Closed => SESSION_UNREACHABLE,
        CallError::TimedOut => Error::Timeout(
            "The page does not answer: it is busy, or shows a dialog. A goto leaves it; sessions with \
             browser.disable_dialogs have no dialogs."
                .to_owned(),
        ),
        CallError::Refused(NO_SUCH_SESSION, _) => Error::Conflict(
            "The page was closed meanwhile; try again on the one that is selected now.".to_owned(),
        ),
        refused @ CallError::Refused(..) => {
            Error::internal("The browser refused; the server's log tells more.", refused)
        }
    }
}

/// Waits, or until the browser is gone.
async fn pause(mux: &Mux, length: Duration) -> Result<()> {
    if length.is_zero() {
        return Ok(());
    }
    tokio::select! {
        () = tokio::time::sleep(length) => Ok(()),
        () = mux.closed() => Err(SESSION_UNREACHABLE),
    }
}
