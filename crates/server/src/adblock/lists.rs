//! The filter lists of the server: read when it starts, and again when they have changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};
use tracing::{info, warn};

use super::rules::Rules;
use crate::config::AdblockConfig;

/// The list that ships with the program: hosts and elements that do nothing but advertise and track.
const SHIPPED: &str = include_str!("list.txt");
/// The largest list that is read. EasyList has two MiB.
const MAX_BYTES: u64 = 64 << 20;

/// The server's filter lists; clones share them.
#[derive(Clone)]
pub struct Lists(Arc<Shared>);

struct Shared {
    config: AdblockConfig,
    now: Mutex<Compiled>,
    /// Held by whoever reads them again.
    reading: Arc<tokio::sync::Mutex<()>>,
}

struct Compiled {
    rules: Arc<Rules>,
    stamps: Vec<Stamp>,
}

/// When a file was written, and how long it is.
type Stamp = Option<(SystemTime, u64)>;

impl Lists {
    /// Reads the lists of the configuration, or the one that ships with the program when it names none.
    ///
    /// Errors: a list cannot be read, is too large, or has no line that could be a rule. Blocks.
    pub fn open(config: AdblockConfig) -> anyhow::Result<Self> {
        let compiled = Mutex::new(compile(&config.lists)?);
        Ok(Self(Arc::new(Shared { config, now: compiled, reading: Arc::default() })))
    }

    /// Whether a session whose caller does not say is to have them at its way out.
    pub fn are_usual(&self) -> bool {
        self.0.config.active
    }

    /// Returns the rules of the moment. When a list was written since, it is read from the side, for the sessions after that; one
    /// that cannot be read changes nothing.
    pub fn rules(&self) -> Arc<Rules> {
        if !self.0.config.lists.is_empty()
            && let Ok(reading) = Arc::clone(&self.0.reading).try_lock_owned()
        {
            let shared = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || {
                shared.read_again();
                drop(reading);
            });
        }
        Arc::clone(&self.0.lock().rules)
    }
}

impl Shared {
    fn read_again(&self) {
        let stamps: Vec<_> = self.config.lists.iter().map(|path| stamp(path)).collect();
        if self.lock().stamps == stamps {
            return;
        }
        match compile(&self.config.lists) {
            Ok(compiled) => {
                *self.lock() = compiled;
                info!("read the filter lists again");
            }
            Err(error) => {
                // Told once for each change.
                self.lock().stamps = stamps;
                warn!(error = format!("{error:#}"), "the filter lists have changed, and cannot be read");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Compiled> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn compile(paths: &[PathBuf]) -> anyhow::Result<Compiled> {
    // Before they are read: what is written meanwhile is read again.
    let stamps = paths.iter().map(|path| stamp(path)).collect();
    let lists = match paths {
        [] => vec![SHIPPED.to_owned()],
        paths => paths.iter().map(|path| read(path)).collect::<anyhow::Result<_>>()?,
    };
    Ok(Compiled { rules: Arc::new(Rules::compile(lists)), stamps })
}

/// Reads a list. Errors name its file.
fn read(path: &Path) -> anyhow::Result<String> {
    let failed = || format!("failed to read the filter list {}", path.display());
    let read = || {
        let bytes = std::fs::metadata(path)?.len();
        ensure!(bytes <= MAX_BYTES, "it has {bytes} bytes, and {MAX_BYTES} are allowed");
        let list = std::fs::read(path)?;
        // Lists of long ago are in other encodings, in their comments.
        let list = String::from_utf8_lossy(&list).into_owned();
        let mut lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
        if lines.clone().next().is_some_and(|line| line.starts_with('<')) {
            bail!("it is a web page, not a list; download the list itself");
        }
        ensure!(lines.any(|line| !line.starts_with(['!', '['])), "it has no rule");
        Ok(list)
    };
    read().with_context(failed)
}

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_blocks_and_spares() {
        let rules = compile(&[]).unwrap().rules;
        let page = "https://news.example/";
        assert!(rules.blocks("https://securepubads.g.doubleclick.net/tag/js/gpt.js", page, "script"));
        assert!(rules.blocks("https://www.google-analytics.com/analytics.js", page, "script"));
        for (url, kind) in [
            ("https://www.google.com/recaptcha/api.js", "script"),
            ("https://accounts.google.com/signin", "subdocument"),
            ("https://js.stripe.com/v3/", "script"),
            ("https://cdn.jsdelivr.net/npm/vue", "script"),
            ("https://challenges.cloudflare.com/turnstile/v0/api.js", "script"),
            ("https://news.example/app.js", "script"),
        ] {
            assert!(!rules.blocks(url, page, kind), "{url}");
        }
        assert!(!rules.hidden(&["adsbygoogle".to_owned()], &[], &rules.hiding(page)).is_empty());
    }

    #[test]
    fn every_line_of_the_shipped_list_is_a_rule() {
        for line in SHIPPED.lines().filter(|line| !line.is_empty() && !line.starts_with('!')) {
            assert!(
                adblock::lists::parse_filter(line, true, adblock::lists::ParseOptions::default()).is_ok(),
                "{line}"
            );
        }
    }

    #[test]
    fn a_file_that_is_no_list_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents, words) in [
            ("page", "\n<!doctype html>", "web page"),
            ("comments", "! Title\n[Adblock Plus 2.0]\n", "no rule"),
            ("empty", "", "no rule"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, contents).unwrap();
            let error = format!("{:#}", read(&path).unwrap_err());
            assert!(error.contains(words) && error.contains(name), "{error}");
        }
        let error = format!("{:#}", read(&dir.path().join("gone")).unwrap_err());
        assert!(error.contains("gone"), "{error}");
    }
}
