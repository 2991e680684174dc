//! Saving a session while it runs: the browser is held still for as long as its files are copied, and then goes on.
//!
//! What is copied is what a power cut would leave, with nothing lost that was written by then: Chromium's databases are
//! made to recover from that. What had not been written (cookies, local storage of open pages) was captured over DevTools
//! just before. The HTTP and code caches are copied while the browser runs: each of their files checks itself.
//!
//! The copy is committed from the side, so that a slow vault does not hold the browser still.

use std::io;
use std::path::Path;

use metrics::histogram;
use roadstead_api::Receipt;
use roadstead_browser::{Browser, CACHES};
use tokio::time::Instant;
use tracing::info;

use super::driver::{Driver, millis};
use super::handle::SessionState;
use crate::db::Sink;
use crate::error::{Error, Result};
use crate::profile::copy::{Missing, copy_tree};
use crate::profile::portable::FILE_NAME;
use crate::profile::{RevisionCause, Save};

impl Driver {
    /// Saves the session as it is now. The receipt says how it went; an error means that it was not even tried.
    pub(super) async fn checkpoint(&mut self, browser: &Browser, sink: &Sink) -> Result<Receipt> {
        debug_assert!(
            matches!(self.handle.state(), SessionState::Running(_)),
            "only a running session is asked"
        );
        if !self.capture(browser).await {
            return Err(Error::Unavailable(
                "The browser's cookies could not be captured, so nothing was saved; try again.".to_owned(),
            ));
        }
        let copied = self.copy_state(browser).await;
        let saved = match copied {
            Ok(()) => Ok(self.save_copy(browser, sink).await),
            Err(problem) => Err(problem),
        };
        self.remove_copy().await;
        saved
    }

    async fn save_copy(&self, browser: &Browser, sink: &Sink) -> Receipt {
        let save = Save {
            session: self.handle.id(),
            state_dir: self.work.checkpoint(),
            browser_version: Some(browser.version().product.clone()),
            cause: RevisionCause::Checkpoint,
            portable: self.portable.clone(),
        };
        self.context.profiles.save(&save, sink).await
    }

    /// Copies the state's directory: what changes together in one moment, the caches beside it.
    async fn copy_state(&self, browser: &Browser) -> Result<()> {
        self.remove_copy().await;
        let (from, to) = (self.work.state(), self.work.checkpoint());
        let frozen = browser.freeze().await.ok_or_else(|| {
            Error::Unavailable("The browser could not be held still to copy its files; try again.".to_owned())
        })?;
        let began = Instant::now();
        fail::fail_point!("checkpoint-frozen");
        let copied = {
            let (from, to) = (from.clone(), to.clone());
            blocking(move || copy_at_rest(&from, &to)).await
        };
        drop(frozen);
        let still = began.elapsed();
        histogram!("roadstead_checkpoint_pause_seconds").record(still);
        info!(pause_ms = millis(still), "copied the running session's files");
        copied?;
        blocking(move || copy_caches(&from, &to)).await?;
        fail::fail_point!("checkpoint-copied");
        Ok(())
    }

    async fn remove_copy(&self) {
        self.context.shredder.take(self.work.checkpoint()).await;
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
    let done = tokio::task::spawn_blocking(work).await.expect("copying files does not panic");
    done.map_err(|error| Error::internal("The session's files could not be copied.", error))
}

/// Tells whether a path, relative to the state's directory, is that of a cache.
fn is_cache(path: &Path) -> bool {
    path.strip_prefix("user-data").is_ok_and(|path| CACHES.iter().any(|cache| path == Path::new(cache.path)))
}

fn copy_caches(from: &Path, to: &Path) -> io::Result<()> {
    for cache in CACHES {
        let path = Path::new("user-data").join(cache.path);
        if from.join(&path).is_dir() {
            copy_tree(&from.join(&path), &to.join(&path), &|_| false, Missing::Skipped)?;
        }
    }
    Ok(())
}

fn copy_at_rest(from: &Path, to: &Path) -> io::Result<()> {
    // Written before the browser was held still; without it the copy is no state.
    if !from.join(FILE_NAME).is_file() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the portable state has not been written"));
    }
    copy_tree(from, to, &is_cache, Missing::Fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_files_and_times_and_no_links() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let to = to.path().join("copy");
        for path in ["user-data/Default/Cookies", "user-data/Default/Cache/x", FILE_NAME] {
            let path = from.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "content").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("user-data/SingletonLock")).unwrap();
        copy_at_rest(from.path(), &to).unwrap();
        let copy = to.join("user-data/Default/Cookies");
        assert_eq!(std::fs::read(&copy).unwrap(), b"content");
        let modified = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(&copy), modified(&from.path().join("user-data/Default/Cookies")));
        assert!(!to.join("user-data/SingletonLock").exists());
        assert!(!to.join("user-data/Default/Cache").exists());
        copy_caches(from.path(), &to).unwrap();
        assert!(to.join("user-data/Default/Cache/x").is_file());
    }

    #[test]
    fn without_a_portable_state_there_is_nothing_to_copy() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(copy_at_rest(from.path(), &to.path().join("copy")).is_err());
    }
}
